"""A site's files in a folder. Whoever looks meanwhile sees whole pages with their own scripts and styles.

Files are replaced one by one, and not the folder as a whole, so that it can be what people publish from: a checkout
with its `.git`, a mount, a folder with a `CNAME`. Assets have their content's hash in their names, and come before the
pages that load them. What only the earlier site had is removed last, and its assets with the site after this one:
pages that a browser, or a server between, has kept still find theirs.

A list in the folder says which files are ours, and what was in them. What is not in it is nobody's to overwrite, and
what was changed since is nobody's to remove.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from warmbase.effects.files import replace_file
from warmbase.errors import PublishError

FILES = "assets/warmbase-site.txt"
"""The list of what a site wrote."""

_HEAD = "warmbase site 1"
_ASSETS = "assets/"

_State = Literal["now", "before"]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Written:
    """A file that a site wrote: for the pages of now, or for those before them."""

    path: str
    sha256: str
    state: _State = "now"


def write_site(files: Mapping[str, bytes], folder: Path) -> None:
    """Write a site, and remove what is left of an earlier one. Other files stay as they are.

    Raises PublishError where the folder cannot be written, or has a file of somebody else in the place of ours.
    """
    try:
        earlier = _earlier(folder)
        _check_ours(files, earlier, folder)
        new = {_Written(path=path, sha256=_sha256(content)) for path, content in files.items()}
        _write(folder, FILES, _listed(earlier | new))  # first: what is interrupted is known, and goes with it
        for path, content in files.items():
            _write(folder, path, content)
        kept = {each for each in _superseded(earlier, files) if _is_as_written(folder, each)}
        _write(folder, FILES, _listed(kept | new))
        for each in sorted(earlier, key=lambda each: each.path):
            if each.path not in {*files, *(other.path for other in kept)} and _is_as_written(folder, each):
                _remove(folder, each.path)
    except OSError as error:
        raise PublishError(
            f"the site cannot be written to {folder}: {error.strerror or error}",
            next_step="name a folder that can be written",
        ) from error


def _earlier(folder: Path) -> set[_Written]:
    """What an earlier site wrote here, as far as it is below the folder."""
    try:
        head, *lines = (folder / FILES).read_text(encoding="utf-8", errors="replace").splitlines()
    except (FileNotFoundError, ValueError):
        return set()
    parts = [line.split(" ", 2) for line in lines if head == _HEAD]
    found = [(part[0], part[1], part[2]) for part in parts if len(part) == 3 and _is_below(part[2])]
    return {
        _Written(path=path, sha256=sha256, state="now" if state == "now" else "before") for state, sha256, path in found
    }


def _is_below(path: str) -> bool:
    """Whether a path leads nowhere but into the folder, also as Windows reads paths."""
    return not {"", ".", ".."} & set(path.split("/")) and not {"\\", ":"} & set(path)


def _check_ours(files: Mapping[str, bytes], earlier: set[_Written], folder: Path) -> None:
    """Raise PublishError where a file is in the place of one of ours and neither was ours nor is the same."""
    ours = {each.path for each in earlier} | ({FILES} if earlier else set())
    for path in sorted({*files, FILES} - ours):
        target = folder / path
        if target.is_file() and target.read_bytes() != files.get(path):
            raise PublishError(
                f"{folder} has {_article(path)} {path} that `warmbase site` did not write",
                next_step="name an empty or a new folder, or remove the file",
            )


def _article(path: str) -> str:
    return "an" if path[0] in "aeiou" else "a"


def _superseded(earlier: set[_Written], files: Mapping[str, bytes]) -> set[_Written]:
    """The assets that pages before these load. Where all is as it was, those of the ones before it."""
    assets = [each for each in earlier if each.path.startswith(_ASSETS) and each.path not in files]
    latest = {each for each in assets if each.state == "now"} or set(assets)
    return {_Written(path=each.path, sha256=each.sha256, state="before") for each in latest}


def _is_as_written(folder: Path, written: _Written) -> bool:
    target = folder / written.path
    return target.is_file() and _sha256(target.read_bytes()) == written.sha256


def _listed(written: Iterable[_Written]) -> bytes:
    lines = sorted(f"{each.state} {each.sha256} {each.path}" for each in written)
    return "".join(f"{line}\n" for line in (_HEAD, *lines)).encode()


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _write(folder: Path, path: str, content: bytes) -> None:
    """Write a file, unless it is there as it is to be."""
    target = folder / path
    if target.is_file() and target.read_bytes() == content:
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    replace_file(target, content)


def _remove(folder: Path, path: str) -> None:
    """Remove a file, and the folders that are empty then."""
    target = folder / path
    target.unlink(missing_ok=True)
    for parent in target.relative_to(folder).parents:
        place = folder / parent
        if place == folder or not place.is_dir() or any(place.iterdir()):
            return
        place.rmdir()
