"""From a layer's blob to a folder that an overlay mount takes as it is, in one pass.

Both digests, the blob's and the uncompressed tar's, are taken while the bytes stream by; memory is bounded by the
number of entries, not by their sizes.

Nothing is written outside of the target: names with `..` are refused, and an entry may lie only below folders
that this extraction made itself, so no symlink is ever followed. A folder's mode, time and attributes are set when all
is in it, since a default ACL or a set-group-id bit would act on what is created below. Whiteouts (OCI image
specification, layer.md, "Whiteouts") become what overlayfs knows: a character device 0:0, or the attribute `opaque`;
they act on lower layers only, so what the same layer has at such a path stays, wherever in the tar it is. Other device
nodes are left out, a container's runtime makes them, and so are attributes by which a layer could steer the overlay.

Two processes unpack at once: with threads the many small steps of decompression wait for the interpreter's lock, and
854 MB took 7.5 s instead of 3.7 s. The second process is a helper that may fail: it takes the same layers, each of
which has a lock, and what it did not do is done here.
"""

import errno
import fcntl
import json
import os
import re
import shutil
import stat
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, cast

from warmbase.effects.process import Processes, run_process
from warmbase.errors import ProcessError, StoreError
from warmbase.layers.codec import decompress
from warmbase.layers.layer import Layer
from warmbase.layers.links import complete_links
from warmbase.layers.listing import OPAQUE, ListedEntry, Listing, read_head, read_listing, write_listing
from warmbase.layers.store import LayerStore
from warmbase.layers.untar import ListedKind, Member, TarStream, clean_path, read_members
from warmbase.oci.digests import hex_of
from warmbase.oci.tar import BLOCK, CHUNK

_WHITEOUT, _RESERVED = ".wh.", ".wh..wh."  # AUFS kept notes of its own under the latter
_OVERLAY = re.compile(r"(trusted|user)\.overlay\.")
_NO_SUPPORT = {errno.ENOTSUP, errno.EPERM, errno.EINVAL, errno.ENOSYS}
_WORTH_A_HELPER = 50_000_000  # bytes


def unpack_layer(store: LayerStore, layer: Layer, target: Path) -> Listing:
    """Extract a layer of the store to the folder `target`, which appears only when it is whole.

    What an interrupted extraction left beside it is removed; only one process may unpack to a target at a time (see
    `UnpackedLayers`). Owners are set for root only. Raises StoreError for a damaged blob, for what is no tar or
    leads out of the target, and for what cannot be written.
    """
    partial = target.with_name(f".{target.name}.partial")
    try:
        _remove(partial)
        partial.mkdir(parents=True)
        extraction = _Extraction(os.fspath(partial))
        with store.open_verified(layer.digest) as blob:
            stream = TarStream(decompress(cast("BinaryIO", _Buffered(blob.read)), layer.media_type))
            for member in read_members(stream):
                extraction.add(member, stream)
            stream.finish(layer.diff_id)
            blob.finish()
        extraction.finish_folders()
        partial.rename(target)
    except ValueError as error:
        _remove(partial)
        raise _unusable(layer, error) from error
    except OSError as error:
        _remove(partial)
        raise StoreError(
            f"cannot unpack a layer to {error.filename or target}: {error.strerror}",
            next_step="see that the disk has room and the folder can be written",
        ) from error
    except BaseException:
        _remove(partial)
        raise
    return extraction.listing()


def _unusable(layer: Layer, error: ValueError) -> StoreError:
    return StoreError(
        f"cannot unpack the layer {layer.digest}: {error}",
        next_step="build the layer, or push the image that it is of, anew; and report this",
    )


class UnpackedLayers:
    """Unpacked layers in `folder`, each as `<diff_id in hex>`, made once and shared by all processes of a machine.

    Beside each lies `<hex>.json`, its listing, which is written last: what has none, or one from before the machine
    last started (nothing is forced to disk), is unpacked again. The folders must not be changed: mount them below an
    overlay. `processes` starts the helper.
    """

    def __init__(self, folder: Path, store: LayerStore, *, processes: Processes = run_process) -> None:
        self.folder = folder.resolve()
        self._store = store
        self._processes = processes
        self._boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()

    def folders(self, layers: Sequence[Layer]) -> tuple[Path, ...]:
        """The folders of `layers`, which lie over each other in this order; those that are missing are unpacked now,
        the largest first.

        Raises StoreError as `unpack_layer` does.
        """
        by_size = sorted({layer.diff_id: layer for layer in layers}.values(), key=lambda layer: -layer.unpacked_size)
        missing = [layer for layer in by_size if not self._is_whole(layer)]
        if missing:
            self.folder.mkdir(parents=True, exist_ok=True)
            with self._helper(missing):
                self.unpack(missing)
        folders = tuple(self.folder / hex_of(layer.diff_id) for layer in layers)
        for number, layer in enumerate(layers):
            self._complete(layer, folders[:number])
        return folders

    def unpack(self, layers: Iterable[Layer]) -> None:
        """Unpack what is missing, without help; layers that another process is unpacking come last."""
        busy = [layer for layer in layers if not self._unpack(layer, wait=False)]
        for layer in busy:
            self._unpack(layer, wait=True)

    def listings(self, layers: Sequence[Layer]) -> tuple[Listing, ...]:
        """What is in each of `layers`, unpacking those that are missing. Raises StoreError."""
        self.folders(layers)
        found = []
        for layer in layers:
            listing = read_listing(self._record(layer), self._boot)
            if listing is None:  # somebody removed it a moment ago
                raise StoreError(f"{self._record(layer)} was changed while it was used", next_step="try again")
            found.append(listing)
        return tuple(found)

    def prune(self) -> int:
        """Remove the unpacked layers that the store no longer has; returns how many. A build must not be running."""
        kept = {hex_of(stored.layer.diff_id) for stored in self._store.list()}
        removed = 0
        for record in self.folder.glob("*.json"):
            if record.stem not in kept:
                record.unlink()
                _remove(self.folder / record.stem)
                (self.folder / f".{record.stem}.lock").unlink(missing_ok=True)
                removed += 1
        return removed

    def _complete(self, layer: Layer, below: Sequence[Path]) -> None:
        """Make the hardlinks of a layer to files of those `below`."""
        head = read_head(self._record(layer), self._boot)
        if head is None or not head.dangling:
            return
        name = hex_of(layer.diff_id)
        with _locked(self.folder / f".{name}.lock", wait=True):
            try:
                complete_links(self.folder / name, head.dangling, below)
            except ValueError as error:
                raise _unusable(layer, error) from error

    def _record(self, layer: Layer) -> Path:
        return self.folder / f"{hex_of(layer.diff_id)}.json"

    def _is_whole(self, layer: Layer) -> bool:
        folder = self.folder / hex_of(layer.diff_id)
        return folder.is_dir() and read_head(self._record(layer), self._boot) is not None

    def _unpack(self, layer: Layer, *, wait: bool) -> bool:
        """Unpack a layer unless it is there; False if another process is at it and `wait` is not asked for."""
        name = hex_of(layer.diff_id)
        with _locked(self.folder / f".{name}.lock", wait=wait) as is_mine:
            if is_mine and not self._is_whole(layer):
                self._record(layer).unlink(missing_ok=True)
                _remove(self.folder / name)
                listing = unpack_layer(self._store, layer, self.folder / name)
                write_listing(self._record(layer), listing, self._boot)
        return is_mine

    @contextmanager
    def _helper(self, layers: Sequence[Layer]) -> Iterator[None]:
        """A second process at work on `layers`, if they are worth one."""
        if len(layers) < 2 or sum(layer.unpacked_size for layer in layers) < _WORTH_A_HELPER:
            yield
            return
        command = [sys.executable, "-m", __name__, str(self._store.root), str(self.folder)]
        work = json.dumps([layer.to_json() for layer in layers]).encode()
        with ThreadPoolExecutor(max_workers=1, thread_name_prefix="unpack") as executor:
            helper = executor.submit(self._processes, command, input=work, check=False)
            yield
            with suppress(ProcessError):
                helper.result()


class _Buffered:
    """Serves small reads from large ones: each true read and its hash let another thread in, and wait for it after."""

    def __init__(self, read: Callable[[int], bytes]) -> None:
        self._read = read
        self._chunk = b""
        self._at = 0

    def read(self, size: int) -> bytes:
        """At most `size` bytes, nothing only at the end."""
        if self._at == len(self._chunk):
            self._chunk, self._at = self._read(CHUNK), 0
        start = self._at
        self._at = min(start + size, len(self._chunk))
        return self._chunk[start : self._at]


@dataclass(slots=True)
class _Extraction:
    """Writes members below `root` and remembers what it wrote."""

    root: str
    entries: list[ListedEntry] = field(default_factory=list)
    size: int = 0
    unset: set[str] = field(default_factory=set)
    _kinds: dict[str, ListedKind] = field(default_factory=lambda: {"": "dir"})
    _folders: dict[str, Member] = field(default_factory=dict)
    _opaque: set[str] = field(default_factory=set)
    _dangling: dict[str, str] = field(default_factory=dict)
    _privileged: bool = field(default_factory=lambda: os.geteuid() == 0)

    def add(self, member: Member, stream: TarStream) -> None:
        """Write one member, reading its content from `stream`."""
        folder, _, name = member.path.rpartition("/")
        if _WHITEOUT in member.path and not self._read_whiteout(member, folder, name, stream):
            return
        if not member.path and member.kind != "dir":
            raise ValueError("an entry without a name")
        if member.kind == "hardlink":
            member.target = clean_path(member.target.encode("utf-8", "surrogateescape"))
        if member.path:
            self.entries.append(ListedEntry(member.path, member.kind, member.mode, member.target, member.size))
        known = self._kinds.get(member.path)
        if {known, member.kind} == {"whiteout", "dir"}:
            self._opaque.add(member.path)
        if known is None:
            self._require_folder(folder)
        elif member.kind == "whiteout":
            return
        elif known == "dir" != member.kind:
            raise ValueError(f"{member.path!r} is a folder and a {member.kind}")
        if known == "device":
            self._dangling.pop(member.path, None)
        path = f"{self.root}/{member.path}"
        if known and known not in ("dir", "device"):  # the later one counts, as with tar itself
            os.unlink(path)  # noqa: PTH108 - a Path for each of 20,000 files is a third of the time
        self._kinds[member.path] = member.kind
        getattr(self, f"_add_{member.kind}")(member, path, stream)

    def _read_whiteout(self, member: Member, folder: str, name: str, stream: TarStream) -> bool:
        """Whether a member with a whiteout's words in its path is still to be added, as a whiteout or as it is."""
        if name == OPAQUE:
            self._require_folder(folder)
            self._opaque.add(folder)
            self.entries.append(ListedEntry(member.path, "whiteout", member.mode))
        if f"/{_RESERVED}" in f"/{member.path}":
            stream.skip(member.size + -member.size % BLOCK)
            return False
        if name.startswith(_WHITEOUT):
            if name[len(_WHITEOUT) :] in ("", ".", ".."):
                raise ValueError(f"the whiteout {member.path!r} names nothing")
            stream.skip(member.size + -member.size % BLOCK)
            path = member.path[: -len(name)] + name[len(_WHITEOUT) :]
            member.kind, member.path, member.size = "whiteout", path, 0
        return True

    def finish_folders(self) -> None:
        """Set what folders have, the deepest first."""
        for path, member in sorted(self._folders.items(), reverse=True):
            place = f"{self.root}/{path}"
            self._own(member, lambda uid, gid, place=place: os.chown(place, uid, gid))  # type: ignore[misc]
            os.chmod(place, member.mode)  # noqa: PTH101
            self._set_xattrs(member, place)
            if path in self._opaque:
                prefix = "trusted" if self._privileged else "user"  # as overlayfs reads it with `userxattr` and without
                self._set_xattr(place, f"{prefix}.overlay.opaque", b"y")
            os.utime(place, ns=(member.mtime, member.mtime))

    def listing(self) -> Listing:
        return Listing(
            entries=tuple(self.entries),
            size=self.size,
            unset=tuple(sorted(self.unset)),
            dangling=tuple(self._dangling.items()),
        )

    def _add_file(self, member: Member, path: str, stream: TarStream) -> None:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            for part in stream.parts(member.size):
                written = os.write(descriptor, part)
                while written < len(part):
                    written += os.write(descriptor, part[written:])
            self._own(member, lambda uid, gid: os.fchown(descriptor, uid, gid))
            os.fchmod(descriptor, member.mode)
            if member.xattrs:
                self._set_xattrs(member, path)
            os.utime(descriptor, ns=(member.mtime, member.mtime))
        finally:
            os.close(descriptor)
        stream.skip(-member.size % BLOCK)
        self.size += member.size

    def _add_dir(self, member: Member, path: str, _stream: TarStream) -> None:
        if member.path and member.path not in self._folders:
            os.mkdir(path, 0o700)  # noqa: PTH102
        self._folders[member.path] = member

    def _add_symlink(self, member: Member, path: str, _stream: TarStream) -> None:
        os.symlink(member.target.encode("utf-8", "surrogateescape"), path)  # noqa: PTH211
        self._own(member, lambda uid, gid: os.lchown(path, uid, gid))
        os.utime(path, ns=(member.mtime, member.mtime), follow_symlinks=False)

    def _add_hardlink(self, member: Member, path: str, _stream: TarStream) -> None:
        known = self._kinds.get(member.target)
        if known is None or member.target in self._dangling:
            self._kinds[member.path] = "device"  # as with devices, nothing is there yet
            self._dangling[member.path] = self._dangling.get(member.target, member.target)
            return
        if known not in ("file", "symlink", "hardlink") or member.target == member.path:
            raise ValueError(f"the hardlink {member.path!r} points to {member.target!r}, which is no file")
        os.link(f"{self.root}/{member.target}", path, follow_symlinks=False)

    def _add_whiteout(self, _member: Member, path: str, _stream: TarStream) -> None:
        os.mknod(path, stat.S_IFCHR, 0)  # allowed to everyone since Linux 5.8

    def _add_device(self, _member: Member, _path: str, _stream: TarStream) -> None:
        pass

    def _require_folder(self, path: str) -> None:
        known = self._kinds.get(path)
        if known == "dir":
            return
        if known == "whiteout":
            os.unlink(f"{self.root}/{path}")  # noqa: PTH108
            self._opaque.add(path)
        elif known is not None:
            raise ValueError(f"an entry lies below {path!r}, which is a {known}")
        self._require_folder(path.rpartition("/")[0])
        os.mkdir(f"{self.root}/{path}", 0o700)  # noqa: PTH102
        self._kinds[path] = "dir"
        self._folders[path] = Member(path, "dir", 0o755, 0, 0, 0, 0, "", [])

    def _own(self, member: Member, change: Callable[[int, int], None]) -> None:
        if self._privileged and (member.uid or member.gid):
            change(member.uid, member.gid)

    def _set_xattrs(self, member: Member, path: str) -> None:
        for name, value in member.xattrs:
            if not _OVERLAY.match(name):
                self._set_xattr(path, name, value)

    def _set_xattr(self, path: str, name: str, value: bytes) -> None:
        try:
            os.setxattr(path, name, value)
        except OSError as error:
            if error.errno not in _NO_SUPPORT:
                raise
            self.unset.add(name)


def _remove(folder: Path) -> None:
    with suppress(FileNotFoundError):
        shutil.rmtree(folder)


@contextmanager
def _locked(path: Path, *, wait: bool) -> Iterator[bool]:
    """Whether the lock is held: always, with `wait`."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            yield False
            return
        yield True
    finally:
        os.close(descriptor)


def _help() -> None:
    """What the helper does: see `UnpackedLayers._helper`."""
    store, folder = sys.argv[1:]
    layers = [Layer.from_json(layer) for layer in json.load(sys.stdin)]
    UnpackedLayers(Path(folder), LayerStore(Path(store))).unpack(layers)


if __name__ == "__main__":
    _help()
