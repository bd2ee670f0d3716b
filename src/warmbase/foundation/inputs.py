"""What decides what a Dockerfile makes, as one hash: the file, its build context, arguments, stage and contexts.

Of the context, the files that its `.dockerignore` leaves count, by their content and whether they can be executed: all
that git keeps of them. What warmbase and people put beside a Dockerfile for its image, locks and `smoke.py`, does not
count: a lock that depended on itself would never be done. Neither do secrets, which are to leave no trace.
"""

import functools
import json
import os
import re
import stat
from collections.abc import Sequence
from pathlib import Path

from warmbase.catalog.model import DockerfileFoundation
from warmbase.errors import FoundationError
from warmbase.foundation.dockerignore import IgnorePattern, is_ignored, read_patterns
from warmbase.oci.digests import Json, canonical_json, digest_of, digest_of_file, hex_of

INPUTS_FORMAT = 1
"""Part of the hash: raise it when the same inputs would be given to BuildKit in another way."""

_OF_THE_IMAGE = re.compile(r"py3\.\d+-[^/]+\.(json|txt)|smoke\.py")
_IGNORE_FILE = ".dockerignore"
_LAYOUT = "oci-layout://"
_IMAGE = "docker-image://"


def hash_inputs(foundation: DockerfileFoundation, python: str) -> str:
    """The SHA-256 of all that decides what the Dockerfile makes for this Python, but for the images it stands on.

    Raises FoundationError for a file, or a named context, that is not there.
    """
    names = (f"{foundation.file.name}.dockerignore", _IGNORE_FILE)
    try:
        facts: dict[str, Json] = {
            "format": INPUTS_FORMAT,
            "dockerfile": digest_of_file(foundation.file),
            "context": [one for one in _describe_all(foundation.context, names) if not _OF_THE_IMAGE.fullmatch(one[0])],
            "target": foundation.target,
            "args": foundation.arguments(python),
            "contexts": {name: _context_facts(foundation, source) for name, source in foundation.contexts},
        }
    except OSError as error:
        raise FoundationError(
            f"foundation {foundation.name}: {error.filename} cannot be read: {error.strerror}",
            next_step="correct `dockerfile` or `contexts` in the catalog, or put there what they name",
        ) from error
    return hex_of(digest_of(canonical_json(facts)))


def _context_facts(foundation: DockerfileFoundation, source: str) -> Json:
    """A folder's files; an image's name, whose digest is pinned; a layout's index, which names all that is in it."""
    if source.startswith(_IMAGE):
        return source
    if source.startswith(_LAYOUT):
        path, image = split_layout(source)
        index = json.loads((foundation.folder / path / "index.json").read_bytes())
        return [image, digest_of(canonical_json(index))]
    folder = foundation.folder / source
    folder.stat()  # os.walk() says nothing about a folder that is not there
    return _describe_all(folder)


def split_layout(source: str) -> tuple[str, str]:
    """The path of a layout in oci-layout://PATH[:TAG][@DIGEST], and what follows it."""
    found = re.fullmatch(rf"{_LAYOUT}(?P<path>.*?)(?P<image>(:[^/:@]+)?(@sha256:[0-9a-f]+)?)", source)
    assert found
    return found["path"], found["image"]


def context_files(folder: Path, ignore_files: Sequence[str] = (_IGNORE_FILE,)) -> tuple[str, ...]:
    """The paths of the files and links that are sent of a build context, in order; the first of `ignore_files` that it
    has says what is left out. Raises FoundationError, OSError."""
    patterns = _patterns([folder / name for name in ignore_files])
    prunes = not any(pattern.exception for pattern in patterns)
    found = []
    for place, folders, names in os.walk(folder):
        above = "" if Path(place) == folder else f"{Path(place).relative_to(folder)}/"
        linked = [name for name in folders if Path(place, name).is_symlink()]
        found += [above + name for name in (*names, *linked) if not is_ignored(above + name, patterns)]
        if prunes:
            folders[:] = [name for name in folders if not is_ignored(above + name, patterns)]
    return tuple(sorted(found))


def _describe_all(folder: Path, ignore_files: Sequence[str] = (_IGNORE_FILE,)) -> list[tuple[str, ...]]:
    """The path, the kind and the content's hash of all that is sent of a context."""
    return [(path, *_describe(folder / path)) for path in context_files(folder, ignore_files)]


def _patterns(files: Sequence[Path]) -> tuple[IgnorePattern, ...]:
    file = next((file for file in files if file.is_file()), None)
    if file is None:
        return ()
    try:
        return read_patterns(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise FoundationError(f"{file} has a pattern that is none: {error}", next_step="mend it") from error


def _describe(path: Path) -> tuple[str, ...]:
    status = path.lstat()
    if stat.S_ISLNK(status.st_mode):
        return "link", str(path.readlink())
    if not stat.S_ISREG(status.st_mode):
        return ("other",)
    kind = "program" if status.st_mode & stat.S_IXUSR else "file"
    return kind, _hash_file(path, status.st_ino, status.st_size, status.st_mtime_ns)


@functools.lru_cache(maxsize=100_000)
def _hash_file(path: Path, _inode: int, _size: int, _changed: int) -> str:
    """The digest of a file, read again when it is another file, or has changed."""
    return digest_of_file(path)
