"""What a builder is sent: copies of exactly the files that count, with the same modes and times on every machine.

BuildKit keeps the modes of files that a step copies, and times older than SOURCE_DATE_EPOCH: those of a checkout are
whatever the user's umask and git made them. It also keeps what it was sent before, and is sent again only files whose
size, mode or time is another one (tonistiigi/fsutil, "DiffMetadata"): the fraction of a second is that of the content,
and is cut off in the layers. A layout is linked, since Buildx writes a lock into the one that it reads.
"""

import os
import shutil
import stat
from dataclasses import replace
from pathlib import Path

from warmbase.effects.docker.bake import Target
from warmbase.foundation.inputs import IMAGE, LAYOUT, context_files, ignore_file, is_program, split_layout
from warmbase.oci.digests import digest_of_file, hex_of

_FOLDER, _PROGRAM, _FILE = 0o755, 0o755, 0o644
_SECOND = 10**9


def stage_target(target: Target, folder: Path, *, epoch: int) -> Target:
    """`target` with its Dockerfile, its context and its named contexts in `folder`, all of the time `epoch`.

    Raises FoundationError, OSError.
    """
    context, name = Path(target.context), target.dockerfile
    own, sent = folder / "dockerfile", folder / "context"
    own.mkdir(parents=True)
    shutil.copyfile(context / name, own / name)
    ignore = ignore_file(context, name)
    if ignore:  # the context's own may not be among what is sent of it
        shutil.copyfile(ignore, own / f"{name}.dockerignore")
    _stage_folder(context, sent, epoch, dockerfile=name)
    contexts = {
        named: _stage_context(source, folder / f"context-{number}", epoch)
        for number, (named, source) in enumerate(target.contexts.items())
    }
    return replace(target, context=str(sent), dockerfile=str(own / name), contexts=contexts)


def _stage_context(source: str, folder: Path, epoch: int) -> str:
    if source.startswith(IMAGE):
        return source
    if source.startswith(LAYOUT):
        path, image = split_layout(source)
        _link_layout(Path(path), folder)
        return f"{LAYOUT}{folder}{image}"
    _stage_folder(Path(source), folder, epoch)
    return str(folder)


def _link_layout(layout: Path, folder: Path) -> None:
    folder.mkdir()
    for name in ("index.json", "oci-layout"):
        shutil.copyfile(layout / name, folder / name)
    (folder / "blobs").symlink_to(layout / "blobs")


def _stage_folder(source: Path, folder: Path, epoch: int, *, dockerfile: str = "") -> None:
    """Copy what is sent of the context `source` to `folder`, with the folders that lead there."""
    folder.mkdir()
    for name in context_files(source, dockerfile=dockerfile):
        copied = folder / name
        copied.parent.mkdir(parents=True, exist_ok=True)
        _stage_file(source / name, copied, epoch)
    for place, _, _ in os.walk(folder):
        Path(place).chmod(_FOLDER)  # whatever the umask is
        os.utime(place, (epoch, epoch))


def _stage_file(source: Path, copied: Path, epoch: int) -> None:
    """Copy a file or a link; sockets, pipes and devices cannot be copied."""
    status = source.lstat()
    if stat.S_ISLNK(status.st_mode):
        copied.symlink_to(source.readlink())
        os.utime(copied, (epoch, epoch), follow_symlinks=False)
    elif stat.S_ISREG(status.st_mode):
        shutil.copyfile(source, copied)
        copied.chmod(_PROGRAM if is_program(status) else _FILE)
        fraction = 1 + int(hex_of(digest_of_file(copied))[:12], 16) % (_SECOND - 1)
        os.utime(copied, ns=(epoch * _SECOND, epoch * _SECOND + fraction))
