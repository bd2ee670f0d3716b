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
from collections.abc import Iterator
from pathlib import Path

from warmbase.catalog.model import DockerfileFoundation
from warmbase.errors import FoundationError
from warmbase.foundation.dockerignore import IgnorePattern, is_ignored, read_patterns
from warmbase.oci.digests import Json, canonical_json, digest_of, digest_of_file, hex_of

INPUTS_FORMAT = 1
"""Part of the hash: raise it when the same inputs would be given to BuildKit in another way."""

_OF_THE_IMAGE = re.compile(r"py3\.\d+-[^/]+\.(json|txt)|smoke\.py")
_LAYOUT = "oci-layout://"
_IMAGE = "docker-image://"


def hash_inputs(foundation: DockerfileFoundation, python: str) -> str:
    """The SHA-256 of all that decides what the Dockerfile makes for this Python, but for the images it stands on.

    Raises FoundationError for a file, or a named context, that is not there.
    """
    ignore_files = (foundation.file.with_name(f"{foundation.file.name}.dockerignore"), _ignore_file(foundation.context))
    try:
        facts: dict[str, Json] = {
            "format": INPUTS_FORMAT,
            "dockerfile": digest_of_file(foundation.file),
            "context": [
                one for one in _files(foundation.context, ignore_files) if not _OF_THE_IMAGE.fullmatch(str(one[0]))
            ],
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
    return list(_files(folder, (_ignore_file(folder),)))


def split_layout(source: str) -> tuple[str, str]:
    """The path of a layout in oci-layout://PATH[:TAG][@DIGEST], and what follows it."""
    found = re.fullmatch(rf"{_LAYOUT}(?P<path>.*?)(?P<image>(:[^/:@]+)?(@sha256:[0-9a-f]+)?)", source)
    assert found
    return found["path"], found["image"]


def _ignore_file(folder: Path) -> Path:
    return folder / ".dockerignore"


def _files(folder: Path, ignore_files: tuple[Path, ...]) -> Iterator[list[Json]]:
    """The path, the kind and the content's hash of what is sent of a context, in order."""
    patterns = _patterns(next((path for path in ignore_files if path.is_file()), None))
    found: list[list[Json]] = []
    for place, folders, names in os.walk(folder):
        above = os.path.relpath(place, folder)
        linked = [name for name in folders if os.path.islink(os.path.join(place, name))]  # noqa: PTH114,PTH118
        for name in (*names, *linked):
            path = name if above == "." else f"{above}/{name}"
            if not is_ignored(path, patterns):
                found.append([path, *_describe(Path(place, name))])
        if not any(pattern.exception for pattern in patterns):
            prefix = "" if above == "." else f"{above}/"
            folders[:] = [name for name in folders if not is_ignored(f"{prefix}{name}", patterns)]
    yield from sorted(found, key=lambda one: str(one[0]))


def _patterns(file: Path | None) -> tuple[IgnorePattern, ...]:
    if file is None:
        return ()
    try:
        return read_patterns(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise FoundationError(f"{file} has a pattern that is none: {error}", next_step="mend it") from error


def _describe(path: Path) -> tuple[Json, ...]:
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
