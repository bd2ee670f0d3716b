"""What is said of conda's commands, which no image on the base has: each line that runs one, with what to write. Pure.

Nothing of it is changed: an environment of conda's may have what is no Python package, and only people know it.
"""

import json
from collections.abc import Iterator

from warmbase.downstream.adopt.model import Note
from warmbase.downstream.adopt.stages import Ground
from warmbase.downstream.dockerfile import Instruction

_PROGRAMS = frozenset({"conda", "mamba", "micromamba"})
_WITH_VALUE = frozenset({"-n", "--name", "-p", "--prefix", "--cwd"})


def notes_on_conda(ground: Ground) -> Iterator[Note]:
    """A note for each instruction that runs conda, also of stages that are left on another image."""
    for stage in ground.dockerfile.stages:
        for instruction in stage.instructions[1:]:
            programs = [command.program for command in ground.commands(instruction)]
            ours = [program for program in programs if program[:1] and program[0] in _PROGRAMS]
            if ours:
                yield Note(
                    text="the base has no conda",
                    line=_line(ground, instruction, ours[0]),
                    path=ground.dockerfile.path,
                    number=instruction.line,
                    is_blocking=True,
                )


def _line(ground: Ground, instruction: Instruction, program: tuple[str, ...]) -> str:
    """What to write instead: the program that `conda run` runs; nothing in the place of a shell of conda's."""
    if instruction.keyword == "RUN" and program[1:2] != ("run",):
        return f"RUN uv pip install -r {ground.exported or 'requirements.txt'}"
    if instruction.keyword in ("CMD", "ENTRYPOINT") and program[1:2] == ("run",):
        return f"{instruction.keyword} {json.dumps(list(_without_conda(program)))}"
    return 'SHELL ["/bin/sh", "-c"]' if instruction.keyword == "SHELL" else ""


def _without_conda(program: tuple[str, ...]) -> tuple[str, ...]:
    """The program that `conda run` runs."""
    place = 2
    while place < len(program) and program[place].startswith("-"):
        place += 2 if program[place] in _WITH_VALUE else 1
    return program[place:]
