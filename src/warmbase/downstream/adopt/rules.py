"""What in a Dockerfile fights a base, and what is written instead. Pure.

Each rule looks at one instruction of a stage that stands on the base, and gives edits of its text. Left alone is what
works as it stands: pip (it is uv there), link modes, compiled bytecode, cache mounts elsewhere, users, paths. Changed
is what makes another environment than the base's or passes its cache by, as the builds of the ways to inherit a base
have shown, and nothing else in the line.
"""

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field

from warmbase.downstream.adopt.edits import (
    Edit,
    drop_commands,
    drop_mounts,
    drop_variables,
    drop_words,
    leave_out,
)
from warmbase.downstream.adopt.model import Note
from warmbase.downstream.adopt.others import (
    OTHER_TOOLS,
    at_step,
    brings_tool,
    copy_exported,
    doubt,
    is_needless,
    left_out,
    mount_exported,
    replace_command,
    tool_words,
)
from warmbase.downstream.adopt.programs import (
    INSTALL_PLACES,
    INSTALLER,
    PYTHON_PROGRAM,
    WHEEL_PLACES,
    bare_name,
    installed_names,
    is_install,
    is_wheel_build,
    system_packages,
    without_options,
)
from warmbase.downstream.adopt.stages import VENV_FOLDER, Ground, is_uv_alone, made_environment
from warmbase.downstream.adopt.writing import install_system
from warmbase.downstream.commands import ShellCommand
from warmbase.downstream.dockerfile import Instruction, Stage
from warmbase.image.promises import CACHE

_TOOLS = frozenset({"pip", "setuptools", "wheel", "uv", "virtualenv"})
_SYSTEM_PYTHON = re.compile(
    r"python3?(?:\.\d+)?(?:-(?:pip|venv|full|minimal|distutils|setuptools|wheel|virtualenv))?|python-is-python3|pipx"
)
_UPDATES = re.compile(r"apt(?:-get)? (?:update|clean|autoremove)|rm -rf? /var/lib/apt")

_FIGHTING: Mapping[str, str] = {
    "UV_SYSTEM_PYTHON": "it sends uv past the base's environment",
    "UV_PROJECT_ENVIRONMENT": "the base names its own environment",
    "UV_CACHE_DIR": "the base's cache is warm",
    "UV_NO_CACHE": "it hides the base's cache",
    "UV_PYTHON": "the base has its Python",
    "UV_NO_MANAGED_PYTHON": "the base has its Python",
    "UV_MANAGED_PYTHON": "the base has its Python",
    "UV_PYTHON_PREFERENCE": "the base has its Python",
    "UV_PYTHON_INSTALL_DIR": "the base has its Python",
}
"""Variables that keep uv from what the base has."""

_WITH_VALUE = INSTALL_PLACES | {"--python", "-p"}


@dataclass(kw_only=True, slots=True)
class Spot:
    """An instruction of a stage that stands on the base, and what the rules say of it."""

    ground: Ground
    stage: Stage
    instruction: Instruction
    edits: list[Edit] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)


def look_at(ground: Ground, stage: Stage, instruction: Instruction) -> Spot:
    """What an instruction of a stage on the base comes to."""
    spot = Spot(ground=ground, stage=stage, instruction=instruction)
    rule = _RULES.get(instruction.keyword)
    if rule:
        rule(spot)
    return spot


def _variables(spot: Spot) -> None:
    gone = {name: why for name, why in _FIGHTING.items() if _fights(spot.instruction, name)}
    own = spot.instruction.pairs.get("VIRTUAL_ENV", VENV_FOLDER)
    if own.rstrip("/") != VENV_FOLDER:
        gone["VIRTUAL_ENV"] = "the base's environment is the one on PATH"
    path = spot.instruction.pairs.get("PATH", "")
    if re.search(r"\$\{?(?:VIRTUAL_ENV|UV_PROJECT_ENVIRONMENT)\b", path) and _removes_environment(
        spot.ground, spot.stage
    ):
        gone["PATH"] = "the environment that it puts first is not there any more"
    if gone:
        spot.edits += drop_variables(spot.instruction, gone, "; ".join(dict.fromkeys(gone.values())))


def _fights(instruction: Instruction, name: str) -> bool:
    value = instruction.pairs.get(name)
    if not value:
        return False
    match name:
        case "UV_PROJECT_ENVIRONMENT":
            return value.rstrip("/") != VENV_FOLDER
        case "UV_CACHE_DIR":
            return value.rstrip("/") != f"/{CACHE}"
        case "UV_SYSTEM_PYTHON" | "UV_NO_CACHE":
            return value.lower() not in ("0", "false", "")
        case _:
            return True


def _removes_environment(ground: Ground, stage: Stage) -> bool:
    """Whether the variables that name an environment of its own go from a stage or those below it."""
    named = (
        instruction.pairs.get(name, VENV_FOLDER).rstrip("/")
        for each in ground.dockerfile.ancestry(stage)
        for instruction in each.instructions
        if instruction.keyword in ("ENV", "ARG")
        for name in ("VIRTUAL_ENV", "UV_PROJECT_ENVIRONMENT")
    )
    return any(value != VENV_FOLDER for value in named)


def _run(spot: Spot) -> None:
    instruction = spot.instruction
    ground = at_step(spot.ground, spot.stage, instruction)
    commands = ground.commands(instruction)
    reasons: dict[int, str] = {}
    for number, command in enumerate(commands):
        why = _needless(ground, command)
        if why:
            reasons[number] = why
        else:
            spot.edits += _words(ground, command)
            note = _not_ours(ground, command, instruction)
            late = left_out(spot.ground, ground, command)
            spot.notes += [note] if note else []
            spot.notes += [_note(ground, instruction, *late, blocks=False)] if late else []
    for number, command in enumerate(commands):  # what fetches an installer goes with the shell that runs it
        if number - 1 in reasons and command.operator == "|":
            reasons[number] = reasons[number - 1]
    spot.edits += mount_exported(ground, instruction) if ground.exported else ()
    spot.edits += drop_mounts(instruction, _hides_the_cache, "it hides the warm cache")
    spot.edits += drop_mounts(instruction, lambda mount: _brings_uv(ground, mount), "the base has the uv of its cache")
    if not reasons:
        return
    if all(number in reasons or _UPDATES.match(" ".join(each.program)) for number, each in enumerate(commands)):
        reasons = dict.fromkeys(range(len(commands)), "; ".join(dict.fromkeys(reasons.values())))
    edits = drop_commands(instruction, commands, reasons, "; ".join(dict.fromkeys(reasons.values())))
    if edits is None:
        words = " ".join(commands[min(reasons)].texts)
        spot.notes.append(_note(ground, instruction, f"take `{words}` out: {reasons[min(reasons)]}", blocks=True))
    else:
        spot.edits += edits


def _hides_the_cache(mount: Mapping[str, str]) -> bool:
    target = mount.get("target", "").rstrip("/")
    return (
        mount.get("type") == "cache"
        and "from" not in mount
        and target in (f"/{CACHE}", "$UV_CACHE_DIR", "${UV_CACHE_DIR}")
    )


def _brings_uv(ground: Ground, mount: Mapping[str, str]) -> bool:
    source = mount.get("from", "")
    stage = ground.dockerfile.find_stage(source) if source else None
    return bool(source) and is_uv_alone(stage.image if stage else source)


def _needless(ground: Ground, command: ShellCommand) -> str:
    """Why a whole command goes, "" where it stays."""
    program = command.program
    path = made_environment(command)
    if path:
        return "the base has an environment"
    match program:
        case ("." | "source", script, *_) if script.endswith("bin/activate"):
            return "the base's environment is on PATH"
        case ("uv", "python", ("install" | "pin"), *_):
            return "the base has its Python"
        case ("uv", "cache", "clean", *_):
            return "it would empty the warm cache"
        case (("chown" | "chmod"), *rest) if without_options(rest)[1:] and set(
            without_options(rest)[1:]
        ) <= ground.venvs | {VENV_FOLDER}:
            return "the base's environment is open to every user"
    if ground.exported and (((tool := tool_words(command)) and is_needless(tool)) or brings_tool(program)):
        return f"uv installs {ground.exported}"
    if ground.wheels and is_install(program) and "--no-index" in program:
        return "the packages are in the base's environment"
    if any(INSTALLER.search(word) or word in _installers(ground) for word in program):
        return "the base has uv"
    names = installed_names(program)
    if names and names <= (_TOOLS | OTHER_TOOLS if ground.exported else _TOOLS):
        return "the base has pip and uv"
    packages = system_packages(program)
    if packages and all(_SYSTEM_PYTHON.fullmatch(name) for name in packages):
        return "the base has its Python"
    return ""


def _installers(ground: Ground) -> frozenset[str]:
    """The files as which installers of uv were added."""
    added = (each for each in ground.dockerfile.instructions if each.keyword == "ADD")
    return frozenset(each.words[-1] for each in added if INSTALLER.search(each.arguments))


def _words(ground: Ground, command: ShellCommand) -> Iterator[Edit]:
    """What changes within a command that stays."""
    program = command.program
    offset = len(command.texts) - len(program)
    for number, word in enumerate(command.texts[:offset]):
        name = word.partition("=")[0]
        if name in _FIGHTING:
            yield from drop_words(command, [number], _FIGHTING[name])
    if tool_words(command):
        yield from replace_command(ground, command)
        return
    if is_wheel_build(program):
        yield from _wheels(command, offset)
        return
    gone = {number for number, _ in _flags(ground, program)}
    if gone:
        yield from drop_words(command, [number + offset for number in gone], "packages go into the base's environment")
    if program[:1] in (("chown",), ("chmod",)):
        places = [number for number, word in enumerate(command.texts) if word.rstrip("/") in ground.venvs]
        yield from drop_words(command, places, "the base's environment is open to every user")
    packages = system_packages(program)
    own = {name for name in packages if _SYSTEM_PYTHON.fullmatch(name)}
    if own:
        numbers = [number for number, word in enumerate(command.texts) if word in own]
        yield from drop_words(command, numbers, "the base has its Python")
    names = installed_names(program)
    tools = {"uv"} | (OTHER_TOOLS if ground.exported else set())
    if names & tools and names - tools:
        numbers = [number for number, word in enumerate(command.texts) if bare_name(word) in tools and number > offset]
        yield from drop_words(command, numbers, "the base has the uv that made its cache")
    yield from _paths_within(ground, command)


def _wheels(command: ShellCommand, offset: int) -> Iterator[Edit]:
    """Wheels that another stage would install: they are installed at once, for the base's pip is uv, and makes none."""
    why = "packages go into the base's environment"
    number = command.texts.index("wheel", offset)
    yield Edit(start=command.words[number].start, end=command.words[number].end, new="install", why=why)
    for place, word in enumerate(command.texts):
        name, equals, _ = word.partition("=")
        if name in WHEEL_PLACES:
            yield from drop_words(command, [place] if equals else [place, place + 1], why)


def _flags(ground: Ground, program: tuple[str, ...]) -> Iterator[tuple[int, str]]:
    """The numbers of words that send an installation elsewhere, or ask for another Python."""
    installs = is_install(program)
    syncs = program[:1] == ("uv",) and program[1:2] in (("sync",), ("run",), ("lock",), ("add",), ("export",))
    if not installs and not syncs:
        return
    elsewhere = {"--system", "--user", "--break-system-packages"} if installs else set()
    for number, word in enumerate(program):
        flag, equals, value = word.partition("=")
        if word in elsewhere:
            yield number, word
        elif flag in _WITH_VALUE and (installs or flag in ("--python", "-p")) and (equals or number + 1 < len(program)):
            value = value if equals else program[number + 1]
            if flag in INSTALL_PLACES and value in ground.kept:
                continue
            if flag in ("--python", "-p") and _same_python(value, ground.python):
                continue
            yield number, word
            if not equals:
                yield number + 1, value


def _same_python(value: str, python: str) -> bool:
    return value in (python, f"python{python}", f"cpython@{python}")


def _paths_within(ground: Ground, command: ShellCommand) -> Iterator[Edit]:
    """Programs that are named in an environment which is not there any more, or by the system's Python."""
    for number, word in enumerate(command.words):
        new = relocate(word.text, ground.venvs)
        if number == 0 and new == word.text and PYTHON_PROGRAM.fullmatch(new) and new not in ("python", "python3"):
            new = "python"
        if new != word.text:
            quote = '"' if command.operator == "[" else ""
            yield Edit(
                start=word.start, end=word.end, new=f"{quote}{new}{quote}", why="the base's programs are on PATH"
            )


def relocate(word: str, venvs: Collection[str]) -> str:
    """A word with programs of other environments named by their names alone."""
    folders = "|".join(re.escape(venv) for venv in sorted(venvs, key=len, reverse=True))
    variables = r"\$\{?(?:VIRTUAL_ENV|UV_PROJECT_ENVIRONMENT)\}?"
    pattern = (
        rf"(?<![\w./$-])(?:(?:{folders})|(?:\./)?\.venv|{variables})/bin/(?=[\w])"
        if folders
        else (rf"(?<![\w./$-])(?:(?:\./)?\.venv|{variables})/bin/(?=[\w])")
    )
    return re.sub(rf"{pattern}(?:python3?(?:\.\d+)?(?![\w.-])|([\w.-]+))", lambda found: found[1] or "python", word)


def _start(spot: Spot) -> None:
    """A start names the base's programs; an image that starts Python for its CMD says so where the base does not."""
    starts_python = "distroless/python" in spot.stage.image and spot.instruction.keyword == "CMD"
    if starts_python and not any(each.keyword == "ENTRYPOINT" for each in spot.stage.instructions):
        for command in spot.ground.commands(spot.instruction):
            new = '"python", ' if command.operator == "[" else "python "
            start = command.words[0].start
            spot.edits.append(Edit(start=start, end=start, new=new, why="the base starts no Python by itself"))
    for command in spot.ground.commands(spot.instruction):
        if tool_words(command)[1:2] == ("run",):
            spot.edits += replace_command(spot.ground, command)
        else:
            spot.edits += _paths_within(spot.ground, command)


def _add(spot: Spot) -> None:
    if INSTALLER.search(spot.instruction.arguments):
        spot.edits.append(leave_out(spot.instruction, "the base has uv"))


def _copy(spot: Spot) -> None:
    ground, instruction = spot.ground, spot.instruction
    source = dict(instruction.flags).get("from", "")
    origin = ground.dockerfile.find_stage(source) if source else None
    image = source if origin is None else origin.image
    if source and is_uv_alone(image) and all(re.search(r"(?:^|/)uvx?$", word) for word in instruction.words[:-1]):
        spot.edits.append(leave_out(instruction, "the base has the uv that made its cache"))
        return
    if not source and ground.exported:
        spot.edits += copy_exported(ground, instruction)


def _not_ours(ground: Ground, command: ShellCommand, instruction: Instruction) -> Note | None:
    """A note on a command that cannot be changed safely."""
    system = next((each.system for each in ground.base.offer.platforms if each.system), "debian")
    match command.program:
        case ("apk", "add", *rest):
            line = f"RUN {install_system(without_options(rest))}"
            text = f"the base is {system}, which has no apk; its packages may have other names"
            return _note(ground, instruction, text, line)
        case _:
            said = doubt(ground, command)
            return _note(ground, instruction, *said) if said else None


def _note(ground: Ground, instruction: Instruction, text: str, line: str = "", *, blocks: bool = True) -> Note:
    return Note(text=text, line=line, path=ground.dockerfile.path, number=instruction.line, is_blocking=blocks)


_RULES: Mapping[str, Callable[[Spot], None]] = {
    "ENV": _variables,
    "RUN": _run,
    "CMD": _start,
    "ENTRYPOINT": _start,
    "HEALTHCHECK": _start,
    "COPY": _copy,
    "ADD": _add,
}
