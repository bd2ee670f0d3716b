"""What commands of poetry and pipenv become in a stage on the base: uv reads no lock of theirs. Pure.

Requirements files take a lock's place: `Ground.exported` has what the tool installs when nothing is said, `Ground.main`
the main dependencies alone, so that an image for production gets no more than it had. Which packages a command installs
is only known from its words; where they leave it open, a note says so.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from posixpath import basename, dirname, normpath

from warmbase.downstream.adopt.edits import Edit
from warmbase.downstream.adopt.model import Note
from warmbase.downstream.adopt.programs import PYTHON_PROGRAM, bare_name, option_values, without_options
from warmbase.downstream.adopt.stages import Ground, folders_of
from warmbase.downstream.commands import ShellCommand
from warmbase.downstream.dockerfile import Instruction, Stage, expand

OTHER_TOOLS = frozenset({"poetry", "pipenv", "poetry-core", "poetry-plugin-export", "poetry-plugin-bundle"})
"""What is installed for their sake."""

_LOCKS = ("poetry.lock", "Pipfile.lock")
_INSTALLS = frozenset({"install", "sync"})
_EXPORTS = frozenset({"export", "requirements"})
_NEEDLESS: Mapping[str, frozenset[str]] = {
    "poetry": frozenset({"config", "self", "check", "lock", "env", "cache", "show", "about", "--version", "-V"}),
    "pipenv": frozenset({"lock", "verify", "check", "--version", "--python", "--rm", "--clear"}),
}
_OPEN = frozenset({"--with", "--extras", "-E", "--all-extras", "--all-groups", "--dev", "-d", "--categories"})
_FOLDERS = ("/root/.local/share/pypoetry", "/root/.poetry", "/root/.local/bin/poetry", "/root/.local/pipx")
_PROGRAMS = ("/usr/local/bin/poetry", "/usr/local/bin/pipenv", "/usr/bin/poetry", "/usr/bin/pipenv")
_LOCK_LIKE = re.compile(r"pyproject|poetry|Pipfile|requirements|README|LICEN[CS]E|\*\.(?:toml|lock)|\.python-version")
_WHY = "the base has uv, which reads no lock of others"


def tool_words(command: ShellCommand) -> tuple[str, ...]:
    """The words of poetry or pipenv that a command is, "python -m" left out; empty for other commands."""
    program = command.program
    if len(program) > 2 and program[1] == "-m" and PYTHON_PROGRAM.fullmatch(program[0]):
        program = program[2:]
    return program if program[:1] in (("poetry",), ("pipenv",)) else ()


def is_needless(words: Sequence[str]) -> bool:
    """Whether a command of theirs does nothing that an installation by uv needs."""
    return words[1:2] == () or words[1] in _NEEDLESS[words[0]]


def brings_tool(program: Sequence[str]) -> bool:
    """Whether pipx installs one of them."""
    names = {bare_name(word) for word in without_options(program[2:])}
    return program[:1] == ("pipx",) and program[1:2] in (("install",), ("inject",)) and names <= OTHER_TOOLS


def replace_command(ground: Ground, command: ShellCommand) -> Iterator[Edit]:
    """The edits that make uv do what a command of theirs did; none for one that it cannot do."""
    words = tool_words(command)
    first = len(command.words) - len(command.program)
    if not words or words[1:2] == ("run",):
        if len(words) > 2:
            end = command.words[len(command.words) - len(words) + 2].start
            yield Edit(start=command.words[first].start, end=end, new="", why="the base's programs are on PATH")
        return
    if not ground.exported or command.operator == "[":
        return
    start, end, new = command.words[first].start, command.end, ""
    if words[1] in _INSTALLS:
        new = _installation(ground, words)
    elif words[1] in _EXPORTS:
        redirects = [word.start for word in command.words if re.match(r"\d?>", word.text)]
        end = command.words[[word.start for word in command.words].index(redirects[0]) - 1].end if redirects else end
        output = next(option_values(words, {"--output", "-o"}), "")
        file = _wanted_file(ground, words)
        new = f"cp {file} {output}" if output else f"cat {file}"
    if new:
        yield Edit(start=start, end=end, new=new, why=_WHY)


def doubt(ground: Ground, command: ShellCommand) -> tuple[str, str] | None:
    """What people have to see to about a command of theirs, with a line to write; None where there is nothing."""
    words = tool_words(command)
    if not words or is_needless(words) or words[1] == "run":
        return None
    if not ground.exported:
        return f"{words[0]} downloads by itself what the base has", "RUN uv sync --frozen --inexact"
    if words[1] not in (*_INSTALLS, *_EXPORTS):
        return f"the base has no {words[0]}, which `{' '.join(words[:2])}` needs", ""
    if command.operator == "[":
        return f"the base has no {words[0]}", f"RUN {_installation(ground, words)}"
    folders = [f"./{folder}" for folder in ground.local if folder != "."]
    if words[1] == "export" and folders:
        text = f"it named {' and '.join(folders)} too, which no requirements file for images can; where they are"
        return text, f"RUN uv pip install --no-deps {' '.join(folders)}"
    if _is_open(ground, words):
        said = " ".join(word for word in words[2:] if word not in ("--no-root", "--no-interaction", "--no-ansi"))
        file = f"; {ground.main} has the main dependencies alone" if ground.main else ""
        text = f"`{words[0]} {words[1]} {said}`: {ground.exported} has what is installed when nothing is said{file}"
        return (
            f"{text}. See that this installs what is meant",
            f"RUN uv pip install -r {ground.main or ground.exported}",
        )
    return None


def wanted_files(ground: Ground) -> tuple[str, ...]:
    """The requirements files that the stages on the base install instead."""
    found = set()
    for number in ground.ours:
        for instruction in ground.dockerfile.stages[number].instructions:
            for command in ground.commands(instruction) if instruction.keyword == "RUN" else ():
                words = tool_words(command)
                if words[1:2] and words[1] in (*_INSTALLS, *_EXPORTS) and "--only-root" not in words:
                    found.add(_wanted_file(ground, words))
                found |= {name for name in (ground.exported, ground.main) if name and name in command.texts}
    return tuple(sorted(found))


def copy_exported(ground: Ground, instruction: Instruction) -> Iterator[Edit]:
    """The exported files go where the lock goes that they are from."""
    *sources, target = instruction.words or ("",)
    locks = [word for word in sources if any(fnmatchcase(lock, basename(word)) for lock in _LOCKS)]
    missing = [name for name in wanted_files(ground) if name not in instruction.arguments]
    if not locks or basename(locks[0]) == "*" or not missing:
        return
    folder = dirname(locks[0])
    names = [name if folder in ("", ".") else f"{folder}/{name}" for name in missing]
    why = f"uv installs {' and '.join(missing)}"
    if len(sources) == 1 and not target.endswith(("/", ".")):
        into = dirname(target) if basename(target) in _LOCKS else target
        flags = "".join(f"--{name}={value} " for name, value in instruction.flags)
        ending = "\r\n" if instruction.text.endswith("\r\n") else "\n"
        copied = {each.arguments for each in ground.dockerfile.instructions}
        lines = [line for line in (f"{name} {into or '.'}/" for name in names) if line not in copied]
        end = len(instruction.text)
        new = "" if instruction.text.endswith("\n") else ending
        new += "".join(f"COPY {flags}{line}{ending}" for line in lines)
        if lines:
            yield Edit(start=end, end=end, new=new, why=why)
        return
    end = instruction.text.index(locks[0]) + len(locks[0])
    new = "".join(f'", "{name}' if instruction.exec_form else f" {name}" for name in names)
    yield Edit(start=end, end=end, new=new, why=why)


def mount_exported(ground: Ground, instruction: Instruction) -> Iterator[Edit]:
    """What mounts the lock mounts the exported file."""
    words = [tool_words(command) for command in ground.commands(instruction)]
    file = next((_wanted_file(ground, each) for each in words if each[1:2] and each[1] in _INSTALLS), "")
    for found in re.finditer(r"--mount=\S+", instruction.text) if file else ():
        new = re.sub(r"poetry\.lock|Pipfile\.lock", file, found[0])
        if new != found[0]:
            yield Edit(start=found.start(), end=found.end(), new=new, why=f"uv installs {file}")


def missing_copies(ground: Ground) -> Iterator[Note]:
    """The first step of each stage that installs an exported file which nothing brings there."""
    for number in sorted(ground.ours) if ground.exported else ():
        stage = ground.dockerfile.stages[number]
        is_there = False
        for instruction in (each for low in ground.dockerfile.ancestry(stage) for each in low.instructions):
            is_there = is_there or _may_bring(ground, instruction)
            if instruction.keyword != "RUN" or is_there or instruction not in stage.instructions:
                continue
            words = [tool_words(command) for command in ground.commands(instruction)]
            files = [_wanted_file(ground, each) for each in words if each[1:2] and each[1] in _INSTALLS]
            names = [name for name in (ground.exported, ground.main) if name and f"-r {name}" in instruction.arguments]
            for file in [*files, *names][:1]:
                text, path = f"nothing brings {file} here", ground.dockerfile.path
                yield Note(text=text, line=f"COPY {file} ./", path=path, number=instruction.line, is_blocking=True)


def at_step(ground: Ground, stage: Stage, instruction: Instruction) -> Ground:
    """What is known at a step: the project's own package can only be built where more than its lock is there, without
    which poetry 1 went on with a warning."""
    if not ground.exported or "." not in ground.local or _has_sources(ground, stage, instruction.line):
        return ground
    return replace(ground, local=tuple(folder for folder in ground.local if folder != "."))


def left_out(ground: Ground, here: Ground, command: ShellCommand) -> tuple[str, str] | None:
    """What to write where a command installed the project's own package too, before its files were there."""
    words = tool_words(command)
    installs = words[:1] == ("poetry",) and words[1:2] and words[1] in _INSTALLS and "--no-root" not in words
    if not installs or here.local == ground.local:
        return None
    return "the project's own files are not here yet; if it is to be installed, below the line that copies them", (
        "RUN uv pip install --no-deps -e ."
    )


def _has_sources(ground: Ground, stage: Stage, before: int) -> bool:
    for instruction in (each for low in ground.dockerfile.ancestry(stage) for each in low.instructions):
        if instruction.line > before:
            return False
        if any(each["type"] == "bind" and each.get("source", ".") == "." for each in instruction.mounts):
            return True
        if instruction.keyword in ("COPY", "ADD"):
            source = dict(instruction.flags).get("from", "")
            origin = ground.dockerfile.find_stage(source) if source else None
            if origin and origin.number in ground.ours and origin.number < stage.number:
                if _has_sources(ground, origin, origin.instructions[-1].line):
                    return True
            elif not source and not all(_LOCK_LIKE.match(basename(word)) for word in instruction.words[:-1]):
                return True
    return False


def is_tool_folder(ground: Ground, origin: Stage, path: str) -> bool:
    """Whether a path is where a stage installed one of them."""
    if not ground.exported:
        return False
    homes = {*_FOLDERS, *_PROGRAMS}
    for stage in ground.dockerfile.ancestry(origin):
        for instruction, _, variables in folders_of(stage, ground.dockerfile):
            homes |= {normpath(variables[name]) for name in ("POETRY_HOME", "PIPX_HOME") if variables.get(name)}
            texts = (word for each in ground.commands(instruction) for word in each.texts)
            given = (word.partition("=") for word in texts if instruction.keyword == "RUN")
            homes |= {normpath(expand(value, variables)[0]) for name, _, value in given if name == "POETRY_HOME"}
    return any(path == home or path.startswith(f"{home}/") for home in homes)


def _may_bring(ground: Ground, instruction: Instruction) -> bool:
    if instruction.keyword == "RUN":
        text = " ".join(f"{each.get('source', '')} {each.get('target', '')}" for each in instruction.mounts)
        return any(each.get("type") == "bind" and not each.get("source") for each in instruction.mounts) or any(
            name in text for name in (*_LOCKS, ground.exported, ground.main or ground.exported)
        )
    if instruction.keyword not in ("COPY", "ADD"):
        return False
    names = [basename(normpath(word)) for word in instruction.words[:-1]]
    known = (*_LOCKS, ground.exported, *([ground.main] if ground.main else []))
    brings = any(fnmatchcase(each, name) for each in known for name in names)
    return bool(dict(instruction.flags).get("from")) or brings or "." in names


def _installation(ground: Ground, words: Sequence[str]) -> str:
    """The command of uv for an installation of theirs."""
    new = "" if "--only-root" in words else f"uv pip install -r {_wanted_file(ground, words)}"
    if words[0] != "poetry":
        return new
    root = ["-e ."] if "." in ground.local and "--no-root" not in words else []
    others = [f"./{folder}" for folder in ground.local if folder != "." and "--no-directory" not in words]
    if root or others:
        new += f"{' && ' if new else ''}uv pip install --no-deps {' '.join([*root, *others])}"
    return new


def _wanted_file(ground: Ground, words: Sequence[str]) -> str:
    return ground.main if ground.main and _wants_main(ground, words) else ground.exported


def _wants_main(ground: Ground, words: Sequence[str]) -> bool:
    if words[0] != "poetry":
        return False
    if words[1] == "export":  # which leaves groups out until it is asked
        return not any(word.partition("=")[0] in (*_OPEN, "--only") for word in words)
    without = {name.strip() for value in option_values(words, {"--without"}) for name in value.split(",")}
    return (
        "--no-dev" in words
        or list(option_values(words, {"--only"})) == ["main"]
        or bool(without and ground.groups <= without)
    )


def _is_open(ground: Ground, words: Sequence[str]) -> bool:
    """Whether the words ask for other packages than either of the files has."""
    options = {word.partition("=")[0] for word in words}
    groups = {name for value in option_values(words, {"--with"}) for name in value.split(",")}
    known = groups == ground.groups if words[1] == "export" else groups <= ground.groups
    asks = (options & _OPEN) - ({"--with"} if known else set())
    chooses = bool(options & {"--only", "--without", "--no-dev"}) and not (ground.main and _wants_main(ground, words))
    named = words[0] == "pipenv" and words[1] == "install" and bool(without_options(words[2:]))
    return bool(asks) or (chooses and words[0] == "poetry") or named or any(re.search(r"[$`]", each) for each in words)
