"""A site's files in a folder. Whoever looks meanwhile sees whole pages with their own scripts and styles.

Files are replaced one by one, and not the folder as a whole, so that it can be what people publish from: a checkout
with its `.git`, a mount, a folder with a `CNAME`. Assets have their content's hash in their names, and come before the
pages that load them; what only the earlier site had is removed last.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath

from warmbase.effects.files import replace_file
from warmbase.errors import PublishError

FILES = "assets/files.txt"
"""The list of what a site wrote: the next one removes of it what it no longer has."""


def write_site(files: Mapping[str, bytes], folder: Path) -> None:
    """Write a site, and remove what is left of an earlier one. Other files stay as they are.

    Raises PublishError where the folder cannot be written, or has a page of somebody else in the place of ours.
    """
    try:
        earlier = _earlier(folder)
        if not earlier and (folder / "index.html").exists():
            raise PublishError(
                f"{folder} has an index.html that `warmbase site` did not write",
                next_step="name an empty or a new folder, or remove the file",
            )
        _write(folder, FILES, _listed(earlier | files.keys()))  # first: what is interrupted is known, and goes with it
        for path, content in files.items():
            _write(folder, path, content)
        _write(folder, FILES, _listed(files.keys()))
        for path in sorted(earlier - files.keys() - {FILES}):
            _remove(folder, path)
    except OSError as error:
        raise PublishError(
            f"the site cannot be written to {folder}: {error.strerror or error}",
            next_step="name a folder that can be written",
        ) from error


def _earlier(folder: Path) -> set[str]:
    """What an earlier site wrote here, as far as it is below the folder."""
    try:
        text = (folder / FILES).read_text(encoding="utf-8")
    except FileNotFoundError:
        return set()
    paths = {line: PurePosixPath(line) for line in text.splitlines() if line}
    return {line for line, path in paths.items() if not path.is_absolute() and ".." not in path.parts}


def _listed(paths: Iterable[str]) -> bytes:
    return "".join(f"{path}\n" for path in sorted({*paths, FILES})).encode()


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
