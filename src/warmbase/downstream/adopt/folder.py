"""The project's folder: reading what a plan is made from, and writing what was shown, all of it or nothing."""

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path, PurePosixPath
from posixpath import normpath

from warmbase.downstream.adopt.exporting import EXPORTED, EXPORTED_MAIN
from warmbase.downstream.adopt.extras import COMPOSE_NAMES, DEVCONTAINER_NAMES
from warmbase.downstream.adopt.model import Change, ProjectFiles
from warmbase.effects.files import new_file
from warmbase.errors import ProjectError

_DEPTH, _MOST_FILES, _LARGEST = 3, 5000, 200_000
_SKIPPED = frozenset({"node_modules", "__pycache__", "build", "dist", "site-packages"})
_COUNTING = ("pyproject.toml", "uv.lock", ".python-version", ".dockerignore", "uv.toml", EXPORTED, EXPORTED_MAIN)


def read_files(folder: Path, dockerfile: str, described_by: str) -> ProjectFiles:
    """What a plan is made from. Raises ProjectError for a file that counts and is no text, or none at all."""
    if (folder / dockerfile).is_dir():
        raise ProjectError(f"{folder / dockerfile} is a folder", next_step="name the Dockerfile with --dockerfile")
    names = frozenset(_walk(folder))
    counting = {*_COUNTING, *COMPOSE_NAMES, *DEVCONTAINER_NAMES, dockerfile, f"{dockerfile}.dockerignore", described_by}
    texts = {name: _read_text(folder / name) for name in sorted(counting) if (folder / name).is_file()}
    for name in sorted(names - set(texts)):
        if name.endswith((".py", ".sh")) and (folder / name).stat().st_size <= _LARGEST:
            texts[name] = (folder / name).read_bytes().decode("utf-8", "replace")
    return ProjectFiles(texts=texts, names=names)


def name_within(folder: Path, file: str) -> str:
    """A file's path, relative to the folder and with '/'. Raises ProjectError for one that does not lie in it."""
    path = folder / file
    if not path.resolve().is_relative_to(folder.resolve()):
        raise ProjectError(
            f"{file} lies outside of {folder}: its lines copy from another folder than the project's",
            next_step="move it into the project, or write the base in its FROM by hand; `warmbase show` names it",
        )
    relative = path.relative_to(folder) if path.is_relative_to(folder) else path.resolve().relative_to(folder.resolve())
    return PurePosixPath(normpath(relative.as_posix())).as_posix()


def apply_changes(folder: Path, changes: Sequence[Change]) -> None:
    """Write the changes; where one cannot be written, none is.

    Raises ProjectError for a file that is not any more as it was shown, or that lies elsewhere, and OSError.
    """
    for change in changes:
        _check_unchanged(folder, change)
    with ExitStack() as new_files:
        prepared = []
        for change in changes:
            path = folder / change.path
            path.parent.mkdir(parents=True, exist_ok=True)
            partial = new_files.enter_context(new_file(path.parent))
            partial.write_bytes(change.new.encode())
            partial.chmod(path.stat().st_mode & 0o777 if path.exists() else 0o644)
            prepared.append((partial, path, change))
        done: list[tuple[Path, Change]] = []
        try:
            for partial, path, change in prepared:
                done.append((path, change))
                partial.replace(path)
        except BaseException:  # Ctrl-C too
            for path, change in reversed(done):
                _put_back(path, change)
            raise


def _put_back(path: Path, change: Change) -> None:
    if change.old is None:
        path.unlink(missing_ok=True)
    else:
        path.write_bytes(change.old.encode())


def _check_unchanged(folder: Path, change: Change) -> None:
    path = folder / change.path
    if path.is_symlink() or not path.resolve().is_relative_to(folder.resolve()):
        raise ProjectError(
            f"{path} is a link: what it leads to would not be what was shown",
            next_step="replace it by a file, or change it by hand as the diff shows",
        )
    now = _read_text(path) if path.exists() else None
    if now != change.old:
        raise ProjectError(f"{path} has changed meanwhile; nothing was written", next_step="run the command again")


def _read_text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8")
    except UnicodeDecodeError:
        raise ProjectError(f"{path} is not a text in UTF-8", next_step="convert it, or change it by hand") from None


def _walk(folder: Path) -> Iterator[str]:
    """The names of the project's files, not too deep and not too many."""
    found = 0
    for root, folders, files in os.walk(folder):
        here = Path(root)
        depth = len(here.relative_to(folder).parts)
        folders[:] = sorted(
            name
            for name in folders
            if depth < _DEPTH
            and not name.startswith(".")
            and name not in _SKIPPED
            and not (here / name / "pyvenv.cfg").exists()
        )
        for name in sorted(files):
            found += 1
            if found > _MOST_FILES:
                return
            yield PurePosixPath((here / name).relative_to(folder)).as_posix()
