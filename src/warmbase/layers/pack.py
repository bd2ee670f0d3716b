"""Packing: from a directory tree, or from entries, to a blob of three parts.

The blob is the **head** (all directories), the **body** (everything else) and the **tail** (the end of the
archive), each compressed on its own. A pool takes its members' bodies as they are, so a small wheel's bytes
are compressed once, ever.

Many trees are packed by threads, not processes: hashing, compressing and reading leave the interpreter to
others, and 28 wheels of 506 MB took 1.06 s with two threads on two cores, 1.10 s with two processes and 2.0 s
alone. So there is no worker to start, to feed, or to outlive a killed build.
"""

import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from warmbase.errors import StoreError
from warmbase.layers.blob import BlobWriter, new_blob
from warmbase.layers.codec import Codec
from warmbase.layers.layer import Directory, Packed
from warmbase.oci.tar import Entry, Kind, Xattrs, arrange


@dataclass(frozen=True, kw_only=True, slots=True)
class ModePolicy:
    """The modes that a tree's entries get, whatever the umask was that made it. All belong to uid 0, gid 0.

    Files are 0644, or 0755 where the owner may execute them; directories 0755, or 0777 at and below the
    paths in `shared`. A path in `exact` gets that mode. Directories at and below a path of `xattrs`
    get its extended attributes; the longest such path counts.
    """

    shared: tuple[str, ...] = ()
    exact: tuple[tuple[str, int], ...] = ()
    xattrs: tuple[tuple[str, Xattrs], ...] = ()

    def mode(self, path: str, kind: Kind, host_mode: int) -> int:
        """The mode of an entry; `host_mode` is what the tree has."""
        for name, mode in self.exact:
            if name == path:
                return mode
        if kind == "symlink":
            return 0o777
        if kind == "dir":
            return 0o777 if any(_within(path, top) for top in self.shared) else 0o755
        return 0o755 if host_mode & stat.S_IXUSR else 0o644

    def directory_xattrs(self, path: str) -> Xattrs:
        """The extended attributes of a directory."""
        tops = [top for top, _ in self.xattrs if _within(path, top)]
        return dict(self.xattrs)[max(tops, key=len)] if tops else ()


def _within(path: str, top: str) -> bool:
    return path == top or path.startswith(top + "/")


def scan_tree(root: Path, policy: ModePolicy) -> Iterator[Entry]:
    """The entries of the tree below `root`, which has no entry itself. Order as the file system gives it.

    Regular files with the same inode become hardlinks, symlinks stay. Raises StoreError for anything that
    is neither a file, a directory nor a symlink, and for what cannot be read.
    """
    seen: dict[tuple[int, int], str] = {}
    pending = [(os.fspath(root), "")]
    while pending:
        folder, prefix = pending.pop()
        try:
            with os.scandir(folder) as items:
                for item in items:
                    name = item.name
                    # The archive has the name's bytes as UTF-8, whatever this process's locale made of them.
                    if not name.isascii():
                        name = os.fsencode(name).decode("utf-8", "surrogateescape")
                    path = prefix + name
                    entry = _entry_of(item, path, policy, seen)
                    if entry.kind == "dir":
                        pending.append((item.path, path + "/"))
                    yield entry
        except OSError as error:
            raise StoreError(
                f"cannot read {error.filename or folder} for the layer: {error.strerror}",
                next_step="see that nothing else changes the tree, and build again",
            ) from error


def _entry_of(item: os.DirEntry[str], path: str, policy: ModePolicy, seen: dict[tuple[int, int], str]) -> Entry:
    status = item.stat(follow_symlinks=False)
    mode = status.st_mode
    if stat.S_ISDIR(mode):
        return Entry(
            path=path,
            kind="dir",
            mode=policy.mode(path, "dir", mode),
            xattrs=policy.directory_xattrs(path) if policy.xattrs else (),
        )
    if stat.S_ISLNK(mode):
        target = os.fsencode(Path(item.path).readlink()).decode("utf-8", "surrogateescape")
        return Entry(path=path, kind="symlink", mode=policy.mode(path, "symlink", mode), target=target)
    if not stat.S_ISREG(mode):
        raise StoreError(
            f"{item.path} is neither a file, a directory nor a symlink",
            next_step="remove it, and build again",
        )
    if status.st_nlink > 1:
        first = seen.setdefault((status.st_dev, status.st_ino), path)
        if first != path:
            return Entry(path=path, kind="hardlink", mode=0, target=first)
    return Entry(
        path=path,
        kind="file",
        mode=policy.mode(path, "file", mode),
        size=status.st_size,
        source=item.path,
    )


def pack_tree(root: Path, policy: ModePolicy, codec: Codec, work: Path) -> Packed:
    """Pack the tree below `root` into a new file in the folder `work`. Errors as of `pack_entries`."""
    return pack_entries(scan_tree(root, policy), codec, work)


def pack_entries(entries: Iterable[Entry], codec: Codec, work: Path) -> Packed:
    """Pack entries into a new file in the folder `work` (on the store's file system; see `LayerStore`).

    Uses a few MiB of memory whatever the size of the files. Raises ValueError where the entries are no
    layer (see `arrange`), StoreError where a file cannot be read, changes its size, or cannot be written.
    """
    directories, others = arrange(entries)
    with new_blob(work) as file:
        blob = BlobWriter(file, codec)
        blob.add_frame(directories)
        start = blob.size
        blob.add_frame(others)
        end = blob.size
        blob.add_end()
        return Packed(
            blob=Path(file.name),
            diff_id="sha256:" + blob.tar_hash.hexdigest(),
            digest="sha256:" + blob.hash.hexdigest(),
            size=blob.size,
            unpacked_size=blob.tar_size,
            media_type=codec.media_type,
            body=(start, end),
            directories=tuple(
                Directory(path=entry.path, mode=entry.mode, xattrs=entry.xattrs) for entry in directories
            ),
        )
