"""What decides what a Dockerfile makes, as one hash: the file, its build context, arguments, stage and contexts.

Of the context, the files that its `.dockerignore` leaves count, by their content and whether they can be executed: all
that git keeps of them, and all that a builder is sent (see `staging`). What warmbase and people put beside a Dockerfile
for its image, locks and `smoke.py`, does not count: a lock that depended on itself would never be done. Neither do
secrets, which are to leave no trace.
"""

import functools
import json
import os
import re
import stat
from pathlib import Path

from warmbase.catalog.model import DockerfileFoundation
from warmbase.errors import FoundationError
from warmbase.foundation.dockerignore import IgnorePattern, is_ignored, read_patterns
from warmbase.oci.digests import Json, canonical_json, digest_of, digest_of_file, hex_of

INPUTS_FORMAT = 2
"""Part of the hash: raise it when the same inputs would be given to BuildKit in another way."""

LAYOUT = "oci-layout://"
IMAGE = "docker-image://"
"""How the sources of contexts begin that are no folders (Docker's manual, "docker buildx build", --build-context)."""

_OF_THE_IMAGE = re.compile(r"py3\.\d+-[^/]+\.(json|txt)|smoke\.py")
_IGNORE_FILE = ".dockerignore"


def inputs_of(foundation: DockerfileFoundation, python: str) -> str:
    """What `hash_inputs` said when this was first asked of `foundation`."""
    if python not in foundation.hashes:
        foundation.hashes[python] = hash_inputs(foundation, python)
    return foundation.hashes[python]


def hash_inputs(foundation: DockerfileFoundation, python: str) -> str:
    """The SHA-256 of all that decides what the Dockerfile makes for this Python, but for the images it stands on.

    Raises FoundationError for a file, or a named context, that is not there.
    """
    try:
        facts: dict[str, Json] = {
            "format": INPUTS_FORMAT,
            "dockerfile": digest_of_file(foundation.file),
            "context": _describe_all(foundation.context, dockerfile=foundation.file.name),
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
    if source.startswith(IMAGE):
        return source
    if source.startswith(LAYOUT):
        path, image = split_layout(source)
        return [image, digest_of(canonical_json(_read_index(foundation, foundation.folder / path / "index.json")))]
    folder = foundation.folder / source
    folder.stat()  # os.walk() says nothing about a folder that is not there
    return _describe_all(folder)


def _read_index(foundation: DockerfileFoundation, file: Path) -> Json:
    try:
        index: Json = json.loads(file.read_bytes())
    except ValueError as error:
        raise FoundationError(
            f"foundation {foundation.name}: {file} is not an OCI layout's index: {error}",
            next_step="write the layout again, or correct `contexts` in the catalog",
        ) from error
    return index


def split_layout(source: str) -> tuple[str, str]:
    """The path of a layout in oci-layout://PATH[:TAG][@DIGEST], and what follows it."""
    found = re.fullmatch(rf"{LAYOUT}(?P<path>.*?)(?P<image>(:[^/:@]+)?(@sha256:[0-9a-f]+)?)", source)
    assert found
    return found["path"], found["image"]


def ignore_file(folder: Path, dockerfile: str = "") -> Path | None:
    """The file that says what is left out of a context; the Dockerfile's own goes first (Docker's manual, "Build
    context", "Filename and location")."""
    names = [f"{dockerfile}{_IGNORE_FILE}"] * bool(dockerfile) + [_IGNORE_FILE]
    return next((folder / name for name in names if (folder / name).is_file()), None)


def context_files(folder: Path, *, dockerfile: str = "") -> tuple[str, ...]:
    """The paths of the files and links that are sent of a build context, in order; with the name of its `dockerfile`,
    of the one that it lies in. Raises FoundationError, OSError."""
    patterns = _patterns(ignore_file(folder, dockerfile))
    prunes = not any(pattern.exception for pattern in patterns)
    found = []
    for place, folders, names in os.walk(folder):
        above = "" if Path(place) == folder else f"{Path(place).relative_to(folder)}/"
        linked = [name for name in folders if Path(place, name).is_symlink()]
        found += [above + name for name in (*names, *linked) if not is_ignored(above + name, patterns)]
        if prunes:
            folders[:] = [name for name in folders if not is_ignored(above + name, patterns)]
    return tuple(sorted(name for name in found if not (dockerfile and _OF_THE_IMAGE.fullmatch(name))))


def is_program(status: os.stat_result) -> bool:
    """Whether a file can be executed by its owner, which is what git keeps of its mode."""
    return bool(status.st_mode & stat.S_IXUSR)


def _describe_all(folder: Path, *, dockerfile: str = "") -> list[tuple[str, ...]]:
    """The path, the kind and the content's hash of all that is sent of a context."""
    return [(path, *_describe(folder / path)) for path in context_files(folder, dockerfile=dockerfile)]


def _patterns(file: Path | None) -> tuple[IgnorePattern, ...]:
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
    kind = "program" if is_program(status) else "file"
    return kind, _hash_file(path, status.st_ino, status.st_size, status.st_mtime_ns)


@functools.lru_cache(maxsize=100_000)
def _hash_file(path: Path, _inode: int, _size: int, _changed: int) -> str:
    """The digest of a file, read again when it is another file, or has changed."""
    return digest_of_file(path)
