"""How the image of a Dockerfile gets its packages, for the prediction of its layers. Pure."""

from warmbase.downstream.adopt.programs import is_install, settle
from warmbase.downstream.adopt.stages import VENV_FOLDER
from warmbase.downstream.commands import read_commands
from warmbase.downstream.dockerfile import Instruction, read_dockerfile
from warmbase.downstream.prediction import Way


def way_of(dockerfile: str) -> Way | None:
    """The way of a Dockerfile's last stage; None where no step of it installs anything. Raises ProjectError."""
    read = read_dockerfile(dockerfile)
    found: Way | None = None
    for stage in read.ancestry(read.stages[-1]) if read.stages else ():
        for instruction in stage.instructions:
            way = _way_of_step(instruction, read.escape)
            found = found if found == "exact sync" else way or found
    return found


def _way_of_step(instruction: Instruction, escape: str) -> Way | None:
    if instruction.keyword == "COPY":
        copied = any(name == "from" for name, _ in instruction.flags) and VENV_FOLDER in instruction.words
        return "copy" if copied else None
    if instruction.keyword != "RUN":
        return None
    for command in read_commands(instruction, escape):
        program = settle(command.program)
        if program[:2] == ("uv", "sync"):
            return "sync" if "--inexact" in program else "exact sync"
        if is_install(program) and "install" in program:
            return "pip" if program[0].startswith("pip") else "install"
    return None
