"""What one stage of a Dockerfile copies of the packages that another one installed. Pure.

Where both stand on the base, the environment is copied over itself, which costs only what changed; with another owner
every file of it would be copied. A stage that took the packages along with the project's folder gets a line for them.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from posixpath import join, normpath

from warmbase.downstream.adopt.edits import Edit, leave_out
from warmbase.downstream.adopt.others import is_tool_folder
from warmbase.downstream.adopt.stages import VENV_FOLDER, Ground, folders_of, installed_folders
from warmbase.downstream.dockerfile import Instruction, Stage, expand

_INSTALLED = re.compile(
    r"/usr/local/lib/python3\.\d+(?:/site-packages)?|/usr/lib/python3(?:/dist-packages)?|/root/\.local"
)
_PROGRAMS = re.compile(r"/usr/local/bin|/usr/bin")
_HELD_PACKAGES = frozenset({"/usr", "/usr/lib", "/usr/local", "/usr/local/lib", "/root"})
"""Folders in which pip had installed, among other things."""
_THERE_ANYWAY = frozenset({"/", "/home", "/mnt", "/opt", "/root", "/srv", "/usr", "/usr/local", "/var"})
"""Folders that an image on Debian has in any case."""
_WHY = "the packages are in the base's environment"


def copied_edits(ground: Ground, stage: Stage) -> Iterator[tuple[int, Edit]]:
    """The edits of a stage's lines, by line."""
    has_venv = False
    missing: tuple[Instruction, str] | None = None
    is_ours = stage.number in ground.ours
    for instruction, origin, paths, target in _copies(ground, stage):
        source = dict(instruction.flags)["from"]
        if paths and all(is_tool_folder(ground, origin, path) for path in paths):
            yield instruction.line, leave_out(instruction, "uv takes its place")
        elif any(_is_environment(ground, path) for path in paths):
            lines = [] if has_venv else [_venv_line(instruction, source, VENV_FOLDER if is_ours else target, is_ours)]
            rest = [path for path in paths if not _is_environment(ground, path)]
            lines += [f"COPY --from={source}{_owner(instruction)} {' '.join(rest)} {target}/"] if rest else []
            if " ".join(instruction.text.split()) != " ".join(lines):
                end = _newline(instruction)
                new = "".join(f"{line}{end}" for line in lines)
                yield instruction.line, Edit(start=0, end=len(instruction.text), new=new, why=_WHY)
            has_venv = True
        elif all(_PROGRAMS.fullmatch(path) for path in paths) and takes_environment(ground, stage, source):
            yield instruction.line, leave_out(instruction, "the programs are in the base's environment")
        elif paths and all(path in ground.pythons for path in paths):
            yield instruction.line, leave_out(instruction, "the base has its Python")
        elif is_ours and paths and all(_held_environment(ground, origin, path) for path in paths):
            line = f"{_venv_line(instruction, source, VENV_FOLDER, True)}{_newline(instruction)}"
            new = "" if has_venv else line
            yield instruction.line, Edit(start=0, end=len(instruction.text), new=new, why=_WHY)
            has_venv = True
        elif missing is None and is_ours and _has_installed_in(ground, origin, paths):
            missing = instruction, source
    if missing and not has_venv:
        instruction, source = missing
        line = f"{_venv_line(instruction, source, VENV_FOLDER, True)}{_newline(instruction)}"
        yield instruction.line, Edit(start=0, end=0, new=line, why=_WHY)


def takes_environment(ground: Ground, stage: Stage, source: str = "") -> bool:
    """Whether a stage copies packages that a stage on the base installed, from `source` or from any."""
    return any(
        _is_environment(ground, path) or _has_installed_in(ground, origin, paths)
        for instruction, origin, paths, _ in _copies(ground, stage)
        if source in ("", dict(instruction.flags)["from"])
        for path in paths
    )


def _copies(ground: Ground, stage: Stage) -> Iterator[tuple[Instruction, Stage, Sequence[str], str]]:
    """The lines that copy from a stage on the base: that stage, the paths, and where they go."""
    for instruction, folder, variables in folders_of(stage, ground.dockerfile):
        source = dict(instruction.flags).get("from", "") if instruction.keyword == "COPY" else ""
        origin = ground.dockerfile.find_stage(source) if source else None
        if origin is not None and origin.number in ground.ours:
            *paths, target = (_path(word, variables) for word in instruction.words)
            yield instruction, origin, paths, normpath(join(folder, target)) if target.startswith(".") else target


def _path(word: str, variables: Mapping[str, str]) -> str:
    return normpath(expand(word, variables)[0] or word)


def _is_environment(ground: Ground, path: str) -> bool:
    folder = re.sub(r"/(?:bin|lib|lib64)(?:/.*)?$", "", path)
    return path == VENV_FOLDER or {path, folder} & ground.venvs != set() or bool(_INSTALLED.fullmatch(path))


def _has_installed_in(ground: Ground, origin: Stage, paths: Sequence[str]) -> bool:
    """Whether a stage installs in one of the folders, so that its environment used to come along."""
    for each in ground.dockerfile.ancestry(origin):
        if any(_lies_in(venv, path) for venv in _own_folders(ground, each) for path in paths):
            return True
        for instruction, folder, _ in folders_of(each, ground.dockerfile):
            if ground.installs(instruction):
                within = (normpath(join(folder, path)) for path in paths)
                if any(path in _HELD_PACKAGES or folder == path or _lies_in(folder, path) for path in within):
                    return True
    return False


def _held_environment(ground: Ground, origin: Stage, path: str) -> bool:
    """Whether a folder only was there for an environment that a stage made within it."""
    if path in _THERE_ANYWAY:
        return False
    stages = ground.dockerfile.ancestry(origin)
    venvs = [venv for stage in stages for venv in _own_folders(ground, stage) if _lies_in(venv, path)]
    others = (used for stage in stages for used in _filled(ground, stage) if used == path or _lies_in(used, path))
    return bool(venvs) and all(any(used == venv or _lies_in(used, venv) for venv in venvs) for used in others)


def _own_folders(ground: Ground, stage: Stage) -> list[str]:
    return [path for _, path in installed_folders(ground, stage) if path in ground.venvs]


def _filled(ground: Ground, stage: Stage) -> Iterator[str]:
    """The paths that a stage may fill: its folders, where it copies to, and what its commands name."""
    for instruction, folder, variables in folders_of(stage, ground.dockerfile):
        if instruction.keyword == "WORKDIR":
            yield folder
        elif instruction.keyword in ("COPY", "ADD"):
            yield normpath(join(folder, _path(instruction.words[-1], variables)))
        elif instruction.keyword == "RUN":
            words = (word for command in ground.commands(instruction) for word in command.texts)
            yield from (normpath(join(folder, _path(word, variables))) for word in words)


def _lies_in(path: str, folder: str) -> bool:
    return path.startswith(f"{folder.rstrip('/')}/")


def _venv_line(instruction: Instruction, source: str, place: str, is_ours: bool) -> str:
    return f"COPY --from={source}{'' if is_ours else _owner(instruction)} {VENV_FOLDER} {place}"


def _owner(instruction: Instruction) -> str:
    return "".join(f" --{name}={value}" for name, value in instruction.flags if name in ("chown", "chmod"))


def _newline(instruction: Instruction) -> str:
    return "\r\n" if instruction.text.endswith("\r\n") else "\n"
