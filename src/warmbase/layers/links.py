"""Hardlinks to files of lower layers.

An overlay's own difference has both names of a file, but some tools write the new name alone (as tars of an incremental
archive have it). Such a name becomes a file of its own in the unpacked layer: a copy of what the layers below have.
"""

import os
import shutil
import stat
from collections.abc import Iterable, Sequence
from pathlib import Path


def complete_links(folder: Path, links: Iterable[tuple[str, str]], below: Sequence[Path]) -> None:
    """Make those of `links` (path, target) in the unpacked layer `folder` that are missing.

    `below` are the unpacked layers under it, the lowest first. Raises ValueError if none has a target.
    """
    for path, target in links:
        place = folder / path
        if os.path.lexists(place):
            continue
        source = _find(target, below)
        if source is None:
            raise ValueError(f"the hardlink {path!r} points to {target!r}, which is in no layer")
        times = place.parent.stat()
        _copy(source, place)
        os.utime(place.parent, ns=(times.st_atime_ns, times.st_mtime_ns))


def _find(path: str, layers: Sequence[Path]) -> Path | None:
    """A file or a symlink in the highest layer that says anything of `path`."""
    for layer in reversed(layers):
        found = layer / path
        if found.parent.resolve() != layer.resolve() / os.path.dirname(path):  # noqa: PTH120 - "" for no folder
            continue  # it is not there, or a link leads elsewhere
        if os.path.lexists(found):
            mode = found.lstat().st_mode
            return found if stat.S_ISREG(mode) or stat.S_ISLNK(mode) else None
    return None


def _copy(source: Path, target: Path) -> None:
    partial = target.with_name(".wh..wh.new")  # a name that no layer has
    shutil.copyfile(source, partial, follow_symlinks=False)
    status = source.lstat()
    if os.geteuid() == 0:
        os.chown(partial, status.st_uid, status.st_gid, follow_symlinks=False)
    shutil.copystat(source, partial, follow_symlinks=False)
    partial.replace(target)
