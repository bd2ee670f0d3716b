"""Which stages of a Dockerfile come to stand on the base, and what is known of them then. Pure.

A stage that begins with a Python image, with uv's image for a Python, or with an earlier base of the same place begins
with the base instead; so does one on plain Debian or Ubuntu that installs Python itself. Stages on anything else (a
node image that builds a frontend, nginx) stay what they are.
"""

import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from posixpath import join, normpath

from warmbase.downstream.adopt.programs import (
    INSTALL_PLACES,
    WHEEL_PLACES,
    installs_project,
    is_install,
    is_wheel_build,
    option_values,
    settle,
)
from warmbase.downstream.commands import ShellCommand, read_commands, unfold
from warmbase.downstream.dockerfile import Dockerfile, Instruction, Stage, expand
from warmbase.downstream.listing import Base
from warmbase.downstream.naming import take_apart
from warmbase.image.promises import VENV

_PYTHON = re.compile(r"(?:^|/)(?:python|pypy)(?:[:@]|$)|(?:^|/)distroless/python3|(?:^|/)chainguard/python")
_OTHERS_PYTHON = re.compile(r"lambda/|azure-functions|devcontainers/|functions/")
_UV = re.compile(r"(?:^|/)(?:astral-sh|astral)/uv(?:[:@](?P<tag>\S*))?$")
_UV_WITH_SYSTEM = re.compile(r"python|debian|bookworm|trixie|bullseye|alpine|slim")
_PLAIN_SYSTEM = re.compile(r"(?:^|/)(?:debian|ubuntu|buildpack-deps)(?:[:@]|$)")
_OTHER_SYSTEM = re.compile(r"alpine|windowsservercore|nanoserver")
_SYSTEM_PYTHON = re.compile(r"python3?(?:\.\d+)?")

_HARMLESS = frozenset({"mkdir", "rm", "chown", "chmod", "pip", "uv", "echo", ".", "source"})
"""Programs that a folder which is not there does not stop, or that go with it."""
_TAKE_FOLDERS = frozenset({"cd", "pushd", "zip", "tar", "cp", "mv", "find", "ls", "du", "rsync"})
"""Programs whose words are paths also without a slash."""

VENV_FOLDER = f"/{VENV}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Ground:
    """What the rules of patching know: `ours` are the numbers of the stages that stand on the base, itself or through
    another stage, `begun` of those whose FROM names an image.

    `venvs` are the folders that the file installs packages to, and that will not be there any more, `wheels` those
    where pip was to build some. `pythons` are those of Pythons of uv's. `kept` are the folders, as options name them,
    that something else than the next stage on the base uses, so that packages still have to go there. `exported` is
    the requirements file that takes the place of a lock that uv does not read ("" none), `main` one with its main
    dependencies alone, `groups` are the others that it installs, `local` the folders of packages that come with it.
    """

    dockerfile: Dockerfile
    base: Base
    ours: frozenset[int]
    begun: frozenset[int]
    venvs: frozenset[str]
    pythons: frozenset[str] = frozenset()
    wheels: frozenset[str] = frozenset()
    kept: frozenset[str] = frozenset()
    exported: str = ""
    main: str = ""
    groups: frozenset[str] = frozenset()
    local: tuple[str, ...] = (".",)

    @property
    def python(self) -> str:
        """The base's Python, "3.13"."""
        return self.base.offer.python

    def commands(self, instruction: Instruction) -> tuple[ShellCommand, ...]:
        """The commands of an instruction."""
        return read_commands(instruction, self.dockerfile.escape)

    def installs(self, instruction: Instruction) -> bool:
        """Whether an instruction installs a project's packages."""
        commands = self.commands(instruction) if instruction.keyword == "RUN" else ()
        return any(installs_project(settle(each.program)) for outer in commands for each in unfold(outer))


def survey(dockerfile: Dockerfile, base: Base, exported: str = "") -> Ground:
    """What is known of a Dockerfile that comes to stand on a base."""
    begun = frozenset(stage.number for stage in dockerfile.stages if _is_replaced(dockerfile, stage, base))
    ground = _ground(dockerfile, base, begun, exported)
    runs_there = {stage.number for stage in dockerfile.stages if _runs_what_is_copied(ground, stage)}
    return _ground(dockerfile, base, begun | runs_there, exported) if runs_there else ground


def _ground(dockerfile: Dockerfile, base: Base, begun: frozenset[int], exported: str) -> Ground:
    stages = dockerfile.stages
    ours = frozenset(each.number for each in stages if any(low.number in begun for low in dockerfile.ancestry(each)))
    ground = Ground(dockerfile=dockerfile, base=base, ours=ours, begun=begun, venvs=frozenset(), exported=exported)
    ground = replace(ground, kept=frozenset(_kept(ground)))
    found = [each for number in ours for each in installed_folders(ground, stages[number])]
    known = {VENV_FOLDER, "/", ""}
    return replace(
        ground,
        venvs=frozenset(path for _, path in found) - known,
        wheels=frozenset(path for kind, path in found if kind == "wheels") - known,
        pythons=frozenset(
            normpath(path)
            for number in ours
            for each in stages[number].instructions
            if each.keyword == "ENV" and (path := each.pairs.get("UV_PYTHON_INSTALL_DIR", ""))
        ),
    )


def _runs_what_is_copied(ground: Ground, stage: Stage) -> bool:
    """Whether a stage on a plain system gets its Python from a stage that comes to stand on the base."""
    if stage.number in ground.ours or not is_plain_system(stage.image):
        return False
    sources = [dict(each.flags).get("from", "") for each in stage.instructions if each.keyword == "COPY"]
    origins = [ground.dockerfile.find_stage(source) for source in sources if source]
    copied = {word for each in stage.instructions if each.keyword == "COPY" for word in each.words[:-1]}
    has_python = bool({normpath(word) for word in copied} & ground.pythons)
    return has_python and any(origin and origin.number in ground.ours for origin in origins)


def is_base(image: str, base: Base) -> bool:
    """Whether an image is one of the place that the base is published in, or has the base's name alone, as an engine
    knows it that loaded it."""
    is_named = take_apart(image).image == base.image and not _PYTHON.search(image)
    return is_named or image.startswith(f"{base.place}/")


def is_uv_alone(image: str) -> bool:
    """Whether an image has uv and nothing else, to be copied from."""
    found = _UV.search(image)
    return bool(found and not _UV_WITH_SYSTEM.search(found["tag"] or ""))


def has_other_packages(image: str) -> bool:
    """Whether an image's system has another package manager than Debian."""
    return bool(_OTHER_SYSTEM.search(image))


def has_no_shell(image: str) -> bool:
    """Whether an image has a Python and little else: no shell, perhaps another user than root."""
    return bool(re.search(r"(?:^|/)(?:distroless/python3|chainguard/python)", image)) and "debug" not in image


def is_plain_system(image: str) -> bool:
    """Whether an image is Debian's or Ubuntu's own, without a Python of the kind that is meant."""
    return bool(_PLAIN_SYSTEM.search(image))


def folders_of(stage: Stage, dockerfile: Dockerfile) -> Iterator[tuple[Instruction, str, dict[str, str]]]:
    """Each instruction of a stage with the folder and the variables that hold there, those of lower stages included."""
    folder, variables = "/", dict(dockerfile.arguments)
    for each in dockerfile.ancestry(stage):
        for instruction in each.instructions:
            if instruction.keyword == "WORKDIR":
                folder = normpath(join(folder, expand(instruction.arguments.strip("\"'"), variables)[0]))
            elif instruction.keyword in ("ENV", "ARG"):
                known = {name: expand(value, variables)[0] for name, value in instruction.pairs.items()}
                variables |= {name: value for name, value in known.items() if value or name not in variables}
            if each is stage:
                yield instruction, folder, variables


def _is_replaced(dockerfile: Dockerfile, stage: Stage, base: Base) -> bool:
    image = stage.image
    if stage.parent is not None or not image:
        return False
    if is_base(image, base):
        return True
    if _OTHERS_PYTHON.search(image) or "nanoserver" in image or "windowsservercore" in image:
        return False
    if _PYTHON.search(image) or (_UV.search(image) and not is_uv_alone(image)):
        return True
    return is_plain_system(image) and any(
        program[0] in ("apt-get", "apt") and any(_SYSTEM_PYTHON.fullmatch(word) for word in program[1:])
        for instruction in stage.instructions
        if instruction.keyword == "RUN"
        for program in (command.program for command in read_commands(instruction, dockerfile.escape))
        if program
    )


def installed_folders(ground: Ground, stage: Stage) -> Iterator[tuple[str, str]]:
    """The folders that a stage installs to, or that uv would install to there, each with its kind."""
    for instruction, folder, variables in folders_of(stage, ground.dockerfile):
        if instruction.keyword == "ENV":
            named = (instruction.pairs.get(name, "") for name in ("UV_PROJECT_ENVIRONMENT", "VIRTUAL_ENV"))
            yield from (("venv", normpath(join(folder, expand(path, variables)[0]))) for path in named if path)
        elif instruction.keyword == "RUN":
            for command in ground.commands(instruction):
                for kind, path in _made_by(command, ground.kept):
                    yield kind, normpath(join(folder, expand(path, variables)[0]))


def _made_by(command: ShellCommand, kept: Collection[str] = ()) -> Iterator[tuple[str, str]]:
    path = made_environment(command)
    program = command.program
    if path:
        yield "venv", path
    elif program[:1] == ("uv",) or {*program[:1], *program[2:3]} & {"poetry", "pipenv"}:
        yield "venv", ".venv"
    if is_install(program):
        yield from (("venv", value) for value in option_values(program, INSTALL_PLACES) if value not in kept)
    if is_wheel_build(program):
        yield from (("wheels", value) for value in option_values(program, WHEEL_PLACES))


def _kept(ground: Ground) -> Iterator[str]:
    """The folders of options of installations that are more than what the next stage on the base copies."""
    used = {path for stage in ground.dockerfile.stages for path in _used_paths(ground, stage)}
    for number in ground.ours:
        for instruction, folder, variables in folders_of(ground.dockerfile.stages[number], ground.dockerfile):
            for command in ground.commands(instruction) if instruction.keyword == "RUN" else ():
                values = option_values(command.program, INSTALL_PLACES) if is_install(command.program) else ()
                for value in values:
                    path = normpath(join(folder, expand(value, variables)[0]))
                    if any(each == path or each.startswith(f"{path}/") for each in used):
                        yield value


def _used_paths(ground: Ground, stage: Stage) -> Iterator[str]:
    """The paths that a stage's commands name and need, and those that it copies where it is not on the base."""
    is_ours = stage.number in ground.ours
    for instruction, folder, variables in folders_of(stage, ground.dockerfile):
        words: Iterable[str] = ()
        if instruction.keyword == "WORKDIR":
            words = [folder]
        elif instruction.keyword == "COPY" and not is_ours and dict(instruction.flags).get("from"):
            words = instruction.words[:-1]
        elif instruction.keyword == "RUN" and is_ours:
            words = [word for command in ground.commands(instruction) for word in _needed_paths(command)]
        yield from (normpath(join(folder, expand(word, variables)[0])) for word in words)


def _needed_paths(command: ShellCommand) -> list[str]:
    program, *words = command.program or ("",)
    if program in _HARMLESS or is_install(command.program) or made_environment(command):
        return []
    return [word for word in words if "/" in word or program in _TAKE_FOLDERS]


def made_environment(command: ShellCommand) -> str:
    """The folder of the environment that a command makes, "" where it makes none."""
    match command.program:
        case ("uv", "venv", *rest):
            return _first_path(rest, {"-p", "--python", "--prompt"}) or ".venv"
        case (python, "-m", ("venv" | "virtualenv"), *rest) if _SYSTEM_PYTHON.fullmatch(python):
            return _first_path(rest, {"--prompt"})
        case ("virtualenv", *rest):
            return _first_path(rest, {"-p", "--python", "--prompt"})
        case _:
            return ""


def _first_path(words: list[str], with_values: set[str]) -> str:
    skip = False
    for word in words:
        if skip or word.startswith("-"):
            skip = word in with_values
            continue
        return word
    return ""
