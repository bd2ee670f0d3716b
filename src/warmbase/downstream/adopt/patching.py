"""Patching a Dockerfile: its stages come to stand on the base, and what fights the base goes. Pure.

Stages, users, folders, arguments, comments stay; so does every line that no rule speaks of, byte for byte. What cannot
be changed safely is said, with the line to write. Patching what was patched changes nothing.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from warmbase.downstream.adopt.conda import notes_on_conda
from warmbase.downstream.adopt.copies import copied_edits, takes_environment
from warmbase.downstream.adopt.edits import Edit, apply_edits, leave_out, set_image, set_value
from warmbase.downstream.adopt.model import Note
from warmbase.downstream.adopt.others import missing_copies
from warmbase.downstream.adopt.programs import INSTALL_PLACES, is_install, option_values
from warmbase.downstream.adopt.rules import look_at
from warmbase.downstream.adopt.stages import (
    Ground,
    has_no_shell,
    has_other_packages,
    is_base,
    is_plain_system,
    is_uv_alone,
    survey,
)
from warmbase.downstream.dockerfile import Dockerfile, Stage, read_dockerfile
from warmbase.downstream.listing import Base

_ONE_VARIABLE = re.compile(r"\$(?:(\w+)|\{(\w+)\})")


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


def patch_dockerfile(
    text: str,
    path: str,
    base: Base,
    *,
    exported: str = "",
    main: str = "",
    groups: frozenset[str] = frozenset(),
    local: tuple[str, ...] = (".",),
) -> Patched:
    """A Dockerfile on `base`. `exported` is the requirements file that takes the place of a lock that uv does not
    read; `main`, `groups` and `local` are as `Ground` has them. Raises ProjectError for a text that is no
    Dockerfile."""
    dockerfile = read_dockerfile(text, path)
    ground = replace(survey(dockerfile, base, exported), main=main, groups=groups, local=local)
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
        for line, edit in copied_edits(ground, stage):
            edits.setdefault(line, []).append(edit)
    notes += [
        *_left_alone(ground),
        *notes_on_conda(ground),
        *_kept_folders(ground),
        *missing_copies(ground),
        *_exact_syncs(ground),
    ]
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
    platforms = [each.platform for each in ground.base.offer.platforms]
    if stage.platform and stage.platform not in platforms:
        yield Note(
            text=f"the base is not there for {stage.platform}, only for {', '.join(platforms)}",
            line=f"FROM {ground.base.reference}{f' AS {stage.name}' if stage.name else ''}",
            path=ground.dockerfile.path,
            number=stage.start.line,
            is_blocking=True,
        )
    if has_no_shell(stage.image):
        said = f"{stage.image} has no shell, and the base has one, a package manager and uv"
        named = any(each.keyword == "USER" for each in stage.instructions)
        is_user = "nonroot" in stage.image or "chainguard" in stage.image
        yield Note(
            text=f"{said}; it ran as nonroot, and the base runs as root" if is_user and not named else said,
            line="USER 65532:65532" if is_user and not named else "",
            path=ground.dockerfile.path,
            number=stage.start.line,
        )
    if is_plain_system(stage.image) or has_other_packages(stage.image):
        yield Note(
            text=f"it stood on {stage.image}, the base is {system or 'another system'}:"
            " see that its system packages have the same names there",
            path=ground.dockerfile.path,
            number=stage.start.line,
        )


def _left_alone(ground: Ground) -> Iterator[Note]:
    """Stages that install packages on something else than a Python image."""
    said_of = set()
    for stage in ground.dockerfile.stages:
        installs = any(ground.installs(each) for each in stage.instructions)
        if stage.number in ground.ours or not (installs or takes_environment(ground, stage)):
            continue
        image = stage.image or "an image that is not known here"
        said = "is no plain Python image: what it brings beside Python is not in the base"
        needs = f"needs Python {ground.python} where the base has it, or what is copied does not start"
        said_of.add(stage.number)
        yield Note(
            text=f"{image} {said if installs else needs}",
            line=f"FROM {ground.base.reference}{f' AS {stage.name}' if stage.name else ''}",
            path=ground.dockerfile.path,
            number=stage.start.line,
            is_blocking=True,
        )
    last = ground.dockerfile.stages[-1]
    if not ground.ours and not last.parent and last.number not in said_of:
        yield Note(
            text="no stage stands on a Python image",
            line=f"FROM {ground.base.reference}",
            path=ground.dockerfile.path,
            number=last.start.line,
            is_blocking=True,
        )


def _kept_folders(ground: Ground) -> Iterator[Note]:
    """Installations that go to a folder of their own because something needs it there."""
    for number in sorted(ground.ours):
        for instruction in ground.dockerfile.stages[number].instructions if ground.kept else ():
            commands = ground.commands(instruction) if instruction.keyword == "RUN" else ()
            programs = [command.program for command in commands if is_install(command.program)]
            for folder in (each for program in programs for each in option_values(program, INSTALL_PLACES)):
                if folder in ground.kept:
                    text = f"other lines use {folder}, so packages still go there, beside those that the base has"
                    yield Note(
                        text=text,
                        path=ground.dockerfile.path,
                        number=instruction.line,
                        is_blocking="--root" in instruction.arguments,  # which the base's pip does not take
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
