"""Which stages of a Dockerfile come to stand on the base, and what is known of them then. Pure.

A stage that begins with a Python image, with uv's image for a Python, or with an earlier base of the same place begins
with the base instead; so does one on plain Debian or Ubuntu that installs Python itself. Stages on anything else (a
node image that builds a frontend, nginx) stay what they are.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from posixpath import join, normpath

from warmbase.downstream.commands import ShellCommand, read_commands
from warmbase.downstream.dockerfile import Dockerfile, Instruction, Stage, expand
from warmbase.downstream.listing import Base
from warmbase.image.promises import VENV

_PYTHON = re.compile(r"(?:^|/)(?:python|pypy)(?:[:@]|$)|(?:^|/)distroless/python3|(?:^|/)chainguard/python")
_OTHERS_PYTHON = re.compile(r"lambda/|azure-functions|devcontainers/|functions/")
_UV = re.compile(r"(?:^|/)(?:astral-sh|astral)/uv(?:[:@](?P<tag>\S*))?$")
_UV_WITH_SYSTEM = re.compile(r"python|debian|bookworm|trixie|bullseye|alpine|slim")
_PLAIN_SYSTEM = re.compile(r"(?:^|/)(?:debian|ubuntu|buildpack-deps)(?:[:@]|$)")
_OTHER_SYSTEM = re.compile(r"alpine|windowsservercore|nanoserver")
_SYSTEM_PYTHON = re.compile(r"python3?(?:\.\d+)?")

VENV_FOLDER = f"/{VENV}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Ground:
    """What the rules of patching know: `ours` are the numbers of the stages that stand on the base, itself or through
    another stage, `begun` of those whose FROM names an image. `venvs` are the folders of environments that the file
    makes or means, and that will not be there any more. `exported` is the requirements file that takes the place of a
    lock that uv does not read ("" none)."""

    dockerfile: Dockerfile
    base: Base
    ours: frozenset[int]
    begun: frozenset[int]
    venvs: frozenset[str]
    exported: str = ""

    @property
    def python(self) -> str:
        """The base's Python, "3.13"."""
        return self.base.offer.python

    def commands(self, instruction: Instruction) -> tuple[ShellCommand, ...]:
        """The commands of an instruction."""
        return read_commands(instruction, self.dockerfile.escape)


def survey(dockerfile: Dockerfile, base: Base, exported: str = "") -> Ground:
    """What is known of a Dockerfile that comes to stand on a base."""
    begun = frozenset(stage.number for stage in dockerfile.stages if _is_replaced(dockerfile, stage, base))
    ours = frozenset(
        stage.number
        for stage in dockerfile.stages
        if any(lower.number in begun for lower in dockerfile.ancestry(stage))
    )
    ground = Ground(dockerfile=dockerfile, base=base, ours=ours, begun=begun, venvs=frozenset(), exported=exported)
    venvs = {venv for number in ours for venv in _venvs_of(ground, dockerfile.stages[number])} - {VENV_FOLDER, "/", ""}
    return Ground(dockerfile=dockerfile, base=base, ours=ours, begun=begun, venvs=frozenset(venvs), exported=exported)


def is_base(image: str, base: Base) -> bool:
    """Whether an image is one of the place that the base is published in."""
    return image.startswith(f"{base.place}/")


def is_uv_alone(image: str) -> bool:
    """Whether an image has uv and nothing else, to be copied from."""
    found = _UV.search(image)
    return bool(found and not _UV_WITH_SYSTEM.search(found["tag"] or ""))


def has_other_packages(image: str) -> bool:
    """Whether an image's system has another package manager than Debian."""
    return bool(_OTHER_SYSTEM.search(image))


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


def _venvs_of(ground: Ground, stage: Stage) -> Iterator[str]:
    """The folders of environments that a stage makes, or that uv would make there."""
    for instruction, folder, variables in folders_of(stage, ground.dockerfile):
        if instruction.keyword == "ENV":
            named = (instruction.pairs.get(name, "") for name in ("UV_PROJECT_ENVIRONMENT", "VIRTUAL_ENV"))
            yield from (normpath(join(folder, expand(path, variables)[0])) for path in named if path)
        elif instruction.keyword == "RUN":
            for command in ground.commands(instruction):
                path = made_environment(command)
                if path:
                    yield normpath(join(folder, expand(path, variables)[0]))
                elif command.program[:1] in (("uv",), ("poetry",)):
                    yield normpath(join(folder, ".venv"))


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
