"""What in a Dockerfile does not work on a base, whatever the project needs. Pure.

These are the lines that fail the build or the start, or that take the base's packages away: a venv that is made where
the base has its own, a program or a copy from a venv that nothing makes, an installation into the system's Python. The
stages that stand on the base are read, and those that copy from them.
"""

import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from warmbase.downstream.adopt.programs import INSTALL_PLACES, is_install, option_values, settle
from warmbase.downstream.adopt.stages import folders_of, made_environment
from warmbase.downstream.commands import ShellCommand, read_commands, unfold
from warmbase.downstream.dockerfile import Dockerfile, Instruction, Stage, expand
from warmbase.downstream.doctor.building import line_at, origin_of
from warmbase.downstream.doctor.model import Finding, Place
from warmbase.downstream.doctor.options import SWITCHED_ON
from warmbase.image.promises import ENVIRONMENT, VENV

_BASE_VENV = f"/{VENV}"
_VENV = re.compile(r"(?:^|/)\.?venv$")
_PROGRAM = re.compile(r"(?P<venv>(?:/[\w./-]+/|\./)?\.?venv)/bin/(?P<name>[\w.-]+)")
_MOVES = frozenset({"ln", "mv", "cp", "tar", "rsync"})


@dataclass(frozen=True, kw_only=True, slots=True)
class _Step:
    """An instruction with the folder and the variables that hold there; `has_project` says that a pyproject.toml is in
    the folder by then, which makes uv look for the project's venv."""

    instruction: Instruction
    folder: str
    values: Mapping[str, str]
    has_project: bool

    def path(self, text: str) -> str:
        """A path, as it is from the root."""
        return posixpath.normpath(posixpath.join(self.folder, expand(text, self.values)[0]))


def find_faults(
    dockerfile: Dockerfile, stages: Sequence[Stage], *, has_project: bool, is_synced: bool
) -> Iterator[Finding]:
    """The findings about the stages that stand on the base, and about those that copy from them. `has_project` says
    that the project's folder has a pyproject.toml, `is_synced` that `uv sync` is what installs it."""
    for stage in dockerfile.stages:
        steps = list(_steps(dockerfile, stage, has_project))
        for step in steps:
            if step.instruction.keyword == "COPY":
                yield from _about_copy(dockerfile, stages, step, is_ours=stage in stages, has_project=has_project)
        if stage in stages:
            made = _made(dockerfile, stage, has_project)
            for step in steps:
                yield from _about_commands(dockerfile, step, made, is_synced)


def told_platform(
    dockerfile: Dockerfile, stages: Sequence[Stage], platforms: Sequence[str]
) -> tuple[str, tuple[Finding, ...]]:
    """The platform that FROM names, "" none or one that is a variable's, and a finding where the base has it not."""
    for stage in stages:
        lowest = dockerfile.ancestry(stage)[0]
        told = lowest.platform
        if told in platforms:
            return told, ()
        if told:
            message = f"the base is not there for {told}, only for {', '.join(platforms)}"
            place = Place(file=dockerfile.path, line=lowest.start.line)
            return "", (_fault("platform", message, f"take out `--platform={told}`", place),)
    return "", ()


def _steps(dockerfile: Dockerfile, stage: Stage, has_pyproject: bool) -> Iterator[_Step]:
    has_project = False
    for below in dockerfile.ancestry(stage):
        for instruction, folder, variables in folders_of(below, dockerfile):
            here = any("pyproject.toml" in mount.get("target", "") for mount in instruction.mounts)
            if instruction.keyword in ("COPY", "ADD") and not origin_of(instruction):
                has_project |= any(word in (".", "./") or "pyproject" in word for word in instruction.words[:-1])
            if below is stage:
                values = {**ENVIRONMENT, **variables}
                has = has_pyproject and (has_project or here)
                yield _Step(instruction=instruction, folder=folder, values=values, has_project=has)


def _commands(dockerfile: Dockerfile, instruction: Instruction) -> Iterator[ShellCommand]:
    if instruction.keyword in ("RUN", "CMD", "ENTRYPOINT", "HEALTHCHECK"):
        for command in read_commands(instruction, dockerfile.escape):
            yield from unfold(command)


def _made(dockerfile: Dockerfile, stage: Stage, has_pyproject: bool) -> frozenset[str]:
    """The folders that a stage, or one below it, makes a venv of, or gets one in."""
    return frozenset(
        path
        for below in dockerfile.ancestry(stage)
        for step in _steps(dockerfile, below, has_pyproject)
        for path in _makes(dockerfile, step)
    )


def _makes(dockerfile: Dockerfile, step: _Step) -> Iterator[str]:
    instruction = step.instruction
    if instruction.keyword == "COPY" and origin_of(instruction):
        yield step.path(instruction.words[-1])
        yield from (step.path(posixpath.join(instruction.words[-1], ".venv")) for _ in instruction.words[1:])
    if instruction.keyword != "RUN":
        return
    for command in _commands(dockerfile, instruction):
        program = settle(command.program)
        if _venv_of(command, step) not in ("", _BASE_VENV):
            yield _venv_of(command, step)
        if program[:1] == ("uv",):
            assigned = [word.partition("=") for word in command.texts[: command.offset]]
            names = {"UV_PROJECT_ENVIRONMENT", "VIRTUAL_ENV"} if "--active" in program else {"UV_PROJECT_ENVIRONMENT"}
            yield from (step.path(value) for name, _, value in assigned if name in names)
            yield from (step.path(step.values[name]) for name in names if step.values.get(name))
        if is_install(program):
            yield from (step.path(value) for value in option_values(program, INSTALL_PLACES))
        if program[:1] and program[0] in _MOVES:
            yield from (step.path(word) for word in program[1:])


def _venv_of(command: ShellCommand, step: _Step) -> str:
    """The folder of the venv that a command makes, "" none; in a project it is the project's, if none is named."""
    path = made_environment(command)
    if not path:
        return ""
    is_named = command.program[:2] != ("uv", "venv") or path in command.program
    return step.path(path if is_named or not step.has_project else step.values["UV_PROJECT_ENVIRONMENT"])


def _about_commands(dockerfile: Dockerfile, step: _Step, made: frozenset[str], is_synced: bool) -> Iterator[Finding]:
    removed = False
    for command in _commands(dockerfile, step.instruction):
        place = Place(file=dockerfile.path, line=line_at(step.instruction, command.start))
        program = settle(command.program)
        said = " ".join(command.texts)
        if program[:1] == ("rm",) and {step.path(word) for word in program[1:]} & {_BASE_VENV, "/opt"}:
            removed = True
            message = f"`{said}` takes away what the base has installed"
            yield _fault("emptied-venv", message, f"take out `{said}`", place)
        elif _venv_of(command, step) == _BASE_VENV and not removed:
            yield from _about_venv(command, place)
        elif is_synced and _goes_to_system(command, program, step):
            yield _about_system(dockerfile, step, program, place)
        yield from _about_programs(dockerfile, step, command, made)


def _about_venv(command: ShellCommand, place: Place) -> Iterator[Finding]:
    said = " ".join(command.texts)
    if "--allow-existing" in command.program:
        return
    if {"--clear", "-c"} & set(command.program):
        yield _fault("emptied-venv", f"`{said}` takes away what the base has installed", f"take out `{said}`", place)
    elif command.program[0] in ("uv", "virtualenv"):
        message = f"`{said}` fails the build: the base's venv is there already, at {_BASE_VENV}"
        fix = f"take out `{said}`; or name another folder for a venv beside the base's: `uv venv .venv`"
        yield _fault("venv-over-venv", message, fix, place)


def _goes_to_system(command: ShellCommand, program: Sequence[str], step: _Step) -> bool:
    if tuple(program[:2]) != ("uv", "pip") or not is_install(program) or "--break-system-packages" in program:
        return False
    assigned = "UV_SYSTEM_PYTHON=1" in command.texts[: command.offset]
    told = step.values.get("UV_SYSTEM_PYTHON", "").lower() in SWITCHED_ON
    return "--system" in program or assigned or (told and "--no-system" not in program)


def _about_system(dockerfile: Dockerfile, step: _Step, program: Sequence[str], place: Place) -> Finding:
    said = "--system"
    if "--system" not in program:
        said = "UV_SYSTEM_PYTHON=1"
        setting = [
            each
            for each in dockerfile.instructions
            if each.keyword in ("ENV", "ARG") and each.line < step.instruction.line and "UV_SYSTEM_PYTHON" in each.pairs
        ]
        for instruction in setting[-1:]:
            line = line_at(instruction, instruction.text.find("UV_SYSTEM_PYTHON"))
            place = Place(file=dockerfile.path, line=line)
    message = f"`{said}` has uv install into the system's Python, which it refuses here (EXTERNALLY-MANAGED)"
    return _fault("system", message, f"take out `{said}`", place)


def _about_programs(
    dockerfile: Dockerfile, step: _Step, command: ShellCommand, made: frozenset[str]
) -> Iterator[Finding]:
    """Programs that are named in a venv which nothing makes."""
    for word in command.words:
        found = _PROGRAM.fullmatch(word.text)
        if not found or step.path(found["venv"]) in made | {_BASE_VENV}:
            continue
        place = Place(file=dockerfile.path, line=line_at(step.instruction, word.start))
        message = f"there is no {word.text}: uv installs into {_BASE_VENV}, whose programs are on PATH"
        name = found["name"]
        fix = f"take out `{' '.join(command.texts)}`" if name == "activate" else f"write `{name}` for `{word.text}`"
        yield _fault("no-venv", message, fix, place)


def _about_copy(
    dockerfile: Dockerfile, stages: Sequence[Stage], step: _Step, *, is_ours: bool, has_project: bool
) -> Iterator[Finding]:
    """A copy of a venv that is not made in the stage that it is copied from, or that has the base's packages anew."""
    instruction = step.instruction
    source, place = origin_of(instruction), Place(file=dockerfile.path, line=instruction.line)
    origin = dockerfile.find_stage(source) if source else None
    is_from_base = origin is not None and origin in stages
    if not source or len(instruction.words) < 2 or not (is_ours or is_from_base):
        return
    *paths, target = instruction.words
    made = _made(dockerfile, origin, has_project) if origin else frozenset()
    for word in paths:
        path = posixpath.normpath(posixpath.join("/", expand(word, step.values)[0]))
        if not _VENV.search(path) or path == _BASE_VENV:
            continue
        if is_from_base and path not in made:
            flags = "".join(f" --{name}={value}" for name, value in instruction.flags if name in ("chown", "chmod"))
            there = f" {_BASE_VENV} {_BASE_VENV}" if is_ours else f"{flags} {_BASE_VENV} {target}"
            message = f"there is no {path} to copy: uv installs into {_BASE_VENV}"
            yield _fault("no-venv", message, f"COPY --from={source}{there}", place)
        elif is_ours and step.path(target) != _BASE_VENV:
            said = f"{instruction.keyword} --from={source} {' '.join(instruction.words)}"
            message = f"`{said}` brings a venv that has the base's packages once more"
            fix = f"take it out, and {target.rstrip('/')}/bin of PATH and of commands with it; have `uv sync --frozen"
            yield _fault("copied-venv", message, f"{fix} --inexact` install into the base's venv in this stage", place)


def _fault(code: str, message: str, fix: str, place: Place) -> Finding:
    return Finding(code=code, severity="error", message=message, fix=fix, place=place)
