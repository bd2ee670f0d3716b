"""Patching a Dockerfile: its stages come to stand on the base, and what fights the base goes. Pure.

Stages, users, folders, arguments, comments stay; so does every line that no rule speaks of, byte for byte. What cannot
be changed safely is said, with the line to write. Patching what was patched changes nothing.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from posixpath import join, normpath

from warmbase.downstream.adopt.edits import Edit, apply_edits, leave_out, set_image, set_value
from warmbase.downstream.adopt.model import Note
from warmbase.downstream.adopt.rules import look_at
from warmbase.downstream.adopt.stages import (
    VENV_FOLDER,
    Ground,
    folders_of,
    has_other_packages,
    is_base,
    is_plain_system,
    is_uv_alone,
    survey,
)
from warmbase.downstream.dockerfile import Dockerfile, Instruction, Stage, read_dockerfile
from warmbase.downstream.listing import Base

_ONE_VARIABLE = re.compile(r"\$(?:(\w+)|\{(\w+)\})")
_INSTALLED = re.compile(
    r"/usr/local/lib/python3\.\d+(?:/site-packages)?|/usr/lib/python3(?:/dist-packages)?|/install|/root/\.local"
)
_PROGRAMS = re.compile(r"/usr/local/bin|/usr/bin")
_BUILDS = ("uv sync", "uv pip", "pip install", "pip3 install", "poetry install", "pipenv install")


@dataclass(frozen=True, kw_only=True, slots=True)
class Patched:
    """A patched Dockerfile: its text, why its lines changed, and what people have to do themselves."""

    text: str
    reasons: tuple[str, ...]
    notes: tuple[Note, ...]


def move_dockerfile(text: str, path: str, base: Base) -> Patched:
    """A Dockerfile whose stages on a base stand on `base` instead, and nothing else changed. Raises ProjectError."""
    ground = survey(read_dockerfile(text, path), base)
    edits: dict[int, list[Edit]] = {}
    for number in sorted(ground.begun):
        if is_base(ground.dockerfile.stages[number].image, base):
            line, begun = _begin(ground, ground.dockerfile.stages[number])
            edits.setdefault(line, []).extend(begun)
    return _patched(ground, edits, [])


def patch_dockerfile(text: str, path: str, base: Base, *, exported: str = "") -> Patched:
    """A Dockerfile on `base`. `exported` is the requirements file that takes the place of a lock that uv does not
    read. Raises ProjectError for a text that is no Dockerfile."""
    dockerfile = read_dockerfile(text, path)
    ground = survey(dockerfile, base, exported)
    edits: dict[int, list[Edit]] = {}
    notes: list[Note] = []
    for number in sorted(ground.begun):
        line, begun = _begin(ground, dockerfile.stages[number])
        edits.setdefault(line, []).extend(begun)
        notes += _doubts(ground, dockerfile.stages[number])
    for number in sorted(ground.ours):
        stage = dockerfile.stages[number]
        for instruction in stage.instructions[1:]:
            found = look_at(ground, stage, instruction)
            edits.setdefault(instruction.line, []).extend(found.edits)
            notes += found.notes
    for stage in dockerfile.stages:
        for line, edit in _copies(ground, stage):
            edits.setdefault(line, []).append(edit)
    notes += [*_left_alone(ground), *_exact_syncs(ground)]
    _drop_unused(ground, edits)
    return _patched(ground, edits, notes)


def _patched(ground: Ground, edits: Mapping[int, Sequence[Edit]], notes: Sequence[Note]) -> Patched:
    by_line = {each.line: each for each in ground.dockerfile.instructions}
    changes = {line: apply_edits(by_line[line].text, each) for line, each in edits.items() if each}
    changes = {line: new for line, new in changes.items() if new != by_line[line].text}
    reasons = tuple(f"line {line}: {'; '.join(dict.fromkeys(e.why for e in edits[line]))}" for line in sorted(changes))
    return Patched(text=ground.dockerfile.replaced(changes), reasons=reasons, notes=tuple(dict.fromkeys(notes)))


def _begin(ground: Ground, stage: Stage) -> tuple[int, list[Edit]]:
    """The FROM of a stage names the base; where it is an argument alone, the argument's value does."""
    word = stage.start.arguments.split()[0].strip("\"'")
    variable = _ONE_VARIABLE.fullmatch(word)
    reference, why = ground.base.reference, "the base"
    if variable:
        name = variable[1] or variable[2]
        for instruction in ground.dockerfile.instructions:
            if instruction.keyword == "FROM":
                break
            if instruction.keyword == "ARG" and instruction.pairs.get(name):
                return instruction.line, set_value(instruction, name, reference, why)
    if stage.image == reference:
        return stage.start.line, []
    return stage.start.line, [set_image(stage.start, reference, why)]


def _doubts(ground: Ground, stage: Stage) -> Iterator[Note]:
    system = next((each.system for each in ground.base.offer.platforms if each.system), "")
    if is_plain_system(stage.image) or has_other_packages(stage.image):
        yield Note(
            text=f"it stood on {stage.image}, the base is {system or 'another system'}:"
            " see that its system packages have the same names there",
            path=ground.dockerfile.path,
            number=stage.start.line,
        )


def _copies(ground: Ground, stage: Stage) -> Iterator[tuple[int, Edit]]:
    """What a stage copies of an environment that another stage made: the base's environment, to its own place.

    Copied over itself it costs only what changed; with another owner every file of it would be copied.
    """
    has_venv = False
    missing: tuple[Instruction, str] | None = None
    for instruction in stage.instructions[1:]:
        source = dict(instruction.flags).get("from", "") if instruction.keyword == "COPY" else ""
        origin = ground.dockerfile.find_stage(source) if source else None
        if origin is None or origin.number not in ground.ours:
            continue
        *paths, target = (normpath(word) for word in instruction.words)
        if any(_is_environment(ground, path) for path in paths):
            place = VENV_FOLDER if stage.number in ground.ours else target
            owner = "" if stage.number in ground.ours else _owner(instruction)
            line = f"COPY --from={source}{owner} {VENV_FOLDER} {place}"
            if " ".join(instruction.text.split()) != line:
                new = leave_out(instruction, "") if has_venv else None
                yield instruction.line, new or _rewrite(instruction, line, "the packages are in the base's environment")
            has_venv = True
        elif all(_PROGRAMS.fullmatch(path) for path in paths) and _copies_environment(ground, stage, source):
            yield instruction.line, leave_out(instruction, "the programs are in the base's environment")
        elif missing is None and stage.number in ground.ours and _has_own_environment(ground, origin, paths):
            missing = instruction, source
    if missing and not has_venv:
        instruction, source = missing
        line = f"COPY --from={source} {VENV_FOLDER} {VENV_FOLDER}{_newline(instruction)}"
        yield instruction.line, Edit(start=0, end=0, new=line, why="the packages are in the base's environment")


def _copies_environment(ground: Ground, stage: Stage, source: str) -> bool:
    return any(
        _is_environment(ground, normpath(word))
        for each in stage.instructions
        if each.keyword == "COPY" and dict(each.flags).get("from") == source
        for word in each.words[:-1]
    )


def _is_environment(ground: Ground, path: str) -> bool:
    return path == VENV_FOLDER or path in ground.venvs or bool(_INSTALLED.fullmatch(path))


def _has_own_environment(ground: Ground, origin: Stage, paths: list[str]) -> bool:
    """Whether a stage installs in one of the folders, so that its environment used to come along."""
    for each in ground.dockerfile.ancestry(origin):
        for instruction, folder, _ in folders_of(each, ground.dockerfile):
            if instruction.keyword == "RUN" and any(words in instruction.arguments for words in _BUILDS):
                within = (normpath(join(folder, path)) for path in paths)
                if any(folder == path or folder.startswith(f"{path.rstrip('/')}/") for path in within):
                    return True
    return False


def _owner(instruction: Instruction) -> str:
    return "".join(f" --{name}={value}" for name, value in instruction.flags if name in ("chown", "chmod"))


def _rewrite(instruction: Instruction, line: str, why: str) -> Edit:
    return Edit(start=0, end=len(instruction.text), new=line + _newline(instruction), why=why)


def _newline(instruction: Instruction) -> str:
    return "\r\n" if instruction.text.endswith("\r\n") else "\n"


def _left_alone(ground: Ground) -> Iterator[Note]:
    """Stages that install packages on something else than a Python image."""
    for stage in ground.dockerfile.stages:
        runs = [each for each in stage.instructions if each.keyword == "RUN"]
        if stage.number in ground.ours or not any(words in each.arguments for each in runs for words in _BUILDS):
            continue
        yield Note(
            text=f"{stage.image or 'an image that is not known here'} is no plain Python image: what it brings beside"
            " Python is not in the base",
            line=f"FROM {ground.base.reference}{f' AS {stage.name}' if stage.name else ''}",
            path=ground.dockerfile.path,
            number=stage.start.line,
            is_blocking=True,
        )
    if not ground.ours and not ground.dockerfile.stages[-1].parent:
        yield Note(
            text="no stage stands on a Python image",
            line=f"FROM {ground.base.reference}",
            path=ground.dockerfile.path,
            number=ground.dockerfile.stages[-1].start.line,
            is_blocking=True,
        )


def _exact_syncs(ground: Ground) -> Iterator[Note]:
    """The first step that syncs exactly: what it does is meant by some, and never seen by most."""
    for number in sorted(ground.ours):
        for instruction in ground.dockerfile.stages[number].instructions:
            commands = ground.commands(instruction) if instruction.keyword == "RUN" else ()
            programs = [command.program for command in commands]
            if any(each[:2] == ("uv", "sync") and "--inexact" not in each for each in programs):
                line = re.sub(r"\buv\s+sync\b", "uv sync --inexact", instruction.text, count=1).rstrip()
                text = "it removes what the base has and the project does not lock, which takes time; this keeps it"
                yield Note(text=text, line=line, path=ground.dockerfile.path, number=instruction.line)
                return


def _drop_unused(ground: Ground, edits: dict[int, list[Edit]]) -> None:
    """A stage that only was there for uv to be copied from goes with the last line that copied it."""
    dockerfile: Dockerfile = ground.dockerfile
    for stage in dockerfile.stages[:-1]:
        if not is_uv_alone(stage.image) or len(stage.instructions) > 1:
            continue
        users = [
            each.line
            for each in dockerfile.instructions
            if any(dockerfile.find_stage(value) is stage for name, value in each.flags if name == "from")
            or any(dockerfile.find_stage(mount.get("from", "")) is stage for mount in each.mounts if mount.get("from"))
        ]
        gone = [line for line in users if any(not e.new and e.start == 0 and e.end > 0 for e in edits.get(line, ()))]
        if users and users == gone and not any(other.parent == stage.number for other in dockerfile.stages):
            edits.setdefault(stage.start.line, []).append(leave_out(stage.start, "nothing is copied from it any more"))
