"""From a layer's blob to a folder that an overlay mount takes as it is, in one pass.

Both digests, the blob's and the uncompressed tar's, are taken while the bytes stream by; memory is bounded by the
number of entries, not by their sizes. How entries become files is said in `extraction`.

Some layers are not whole without those below them: hardlinks may lead there, and folders that no entry names may be
links there, as `/lib64` often is. Such a layer is unpacked for each stack that it is part of (see `UnpackedLayers`).

Two processes unpack at once: with threads the many small steps of decompression wait for the interpreter's lock, and
854 MB took 7.5 s instead of 3.7 s. The second process is a helper that may fail: it takes the same layers, each of
which has a lock, and what it did not do is done here.
"""

import fcntl
import hashlib
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from warmbase.effects.files import make_private
from warmbase.effects.process import Processes, run_process
from warmbase.effects.runner import Blob, Root
from warmbase.errors import ProcessError, StoreError
from warmbase.layers.codec import decompress
from warmbase.layers.extraction import Extraction
from warmbase.layers.layer import Layer
from warmbase.layers.links import complete_links
from warmbase.layers.listing import Listing, read_head, read_listing, write_listing
from warmbase.layers.store import LayerStore
from warmbase.layers.tree import merge_layers
from warmbase.layers.untar import TarStream, read_members
from warmbase.oci.digests import hex_of
from warmbase.oci.tar import CHUNK

_WORTH_A_HELPER = 50_000_000  # bytes


@dataclass(frozen=True, slots=True)
class _Stack:
    """The unpacked layers `below` a layer, the `name` of its folder over them, and where they move what is in it."""

    name: str
    below: Sequence[Path]
    moved: Mapping[str, str]


def unpack_layer(store: LayerStore, layer: Layer, target: Path, stack: _Stack | None = None) -> Listing:
    """Extract a layer of the store to the folder `target`, which appears only when it is whole; on a `stack` it
    becomes what it is there.

    What an interrupted extraction left beside it is removed; only one process may unpack to a target at a time (see
    `UnpackedLayers`). Owners are set for root only, and other users may read all that they unpack. Raises StoreError
    for a damaged blob, for what is no tar or leads out of the target, and for what cannot be written.
    """
    partial = target.with_name(f".{target.name}.partial")
    try:
        _remove(partial)
        partial.mkdir(parents=True)
        extraction = Extraction(os.fspath(partial), stack.moved if stack else {})
        with store.open_verified(layer.digest) as blob:
            stream = TarStream(decompress(cast("BinaryIO", _Buffered(blob.read)), layer.media_type))
            for member in read_members(stream):
                extraction.add(member, stream)
            stream.finish(layer.diff_id)
            blob.finish()
        extraction.finish_folders()
        if stack:
            complete_links(partial, extraction.listing().dangling, stack.below)
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

    A layer that is not whole without those below it is also there for each stack of them, as `<diff_id>-<stack>`.
    Beside each lies `<name>.json`, its listing, which is written last: what has none, or one from before the machine
    last started (nothing is forced to disk), is unpacked again. The folders must not be changed: mount them below an
    overlay. Nobody else can reach them, since any image may bring programs that run as root. `processes` starts the
    helper.
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
        return tuple(self.folder / name for name in self._names(layers))

    def root(self, layers: Sequence[Layer]) -> Root:
        """The root filesystem that `layers` make, for a runner. Errors as of `folders`."""
        return Root(folders=self.folders(layers), blobs=tuple(map(self._blob, layers)))

    def _blob(self, layer: Layer) -> Blob:
        path = self._store.blob_path(layer.digest)
        return Blob(descriptor=layer.descriptor(), diff_id=layer.diff_id, path=path)

    def unpack(self, layers: Iterable[Layer]) -> None:
        """Unpack what is missing, without help; layers that another process is unpacking come last."""
        busy = [layer for layer in layers if not self._unpack(layer, wait=False)]
        for layer in busy:
            self._unpack(layer, wait=True)

    def listings(self, layers: Sequence[Layer]) -> tuple[Listing, ...]:
        """What is in each of `layers`, unpacking those that are missing. Raises StoreError."""
        return self._listings(self._names(layers))

    def prune(self) -> int:
        """Remove the unpacked layers that the store no longer has; returns how many. A build must not be running."""
        kept = {hex_of(stored.layer.diff_id) for stored in self._store.list()}
        removed = 0
        for record in self.folder.glob("*.json"):
            if record.stem.partition("-")[0] not in kept:
                record.unlink()
                _remove(self.folder / record.stem)
                (self.folder / f".{record.stem}.lock").unlink(missing_ok=True)
                removed += 1
        return removed

    def _names(self, layers: Sequence[Layer]) -> Sequence[str]:
        """The names of the folders of `layers`, all of which are there then."""
        by_size = sorted({layer.diff_id: layer for layer in layers}.values(), key=lambda layer: -layer.unpacked_size)
        missing = [layer for layer in by_size if not self._is_whole(hex_of(layer.diff_id))]
        make_private(self.folder)
        if missing:
            with self._helper(missing):
                self.unpack(missing)
        names: list[str] = []
        for layer in layers:
            names.append(self._fit(layer, names))
        return names

    def _fit(self, layer: Layer, below: Sequence[str]) -> str:
        """The name of a layer that is to lie on those `below`, unpacked anew where they make it another one."""
        name = hex_of(layer.diff_id)
        head = read_head(self._record(name), self._boot)
        moved = self._moved(head.implied, below) if head else {}
        if head is None or not (head.dangling or moved):
            return name
        fitted = f"{name}-{hashlib.sha256(' '.join(below).encode()).hexdigest()}"
        self._unpack(layer, _Stack(fitted, [self.folder / one for one in below], moved), wait=True)
        return fitted

    def _moved(self, implied: Sequence[str], below: Sequence[str]) -> Mapping[str, str]:
        """Which of a layer's `implied` folders are links in the layers `below`, and where these lead to."""
        if not any((self.folder / name / path).is_symlink() for path in implied for name in below):
            return {}
        tree = merge_layers(self._listings(below), [self.folder / name for name in below])
        places = ((path, tree.locate(path)) for path in implied)
        return {path: place for path, place in places if place is not None and place != path}

    def _listings(self, names: Sequence[str]) -> tuple[Listing, ...]:
        found = []
        for name in names:
            listing = read_listing(self._record(name), self._boot)
            if listing is None:  # somebody removed it a moment ago
                raise StoreError(f"{self._record(name)} was changed while it was used", next_step="try again")
            found.append(listing)
        return tuple(found)

    def _record(self, name: str) -> Path:
        return self.folder / f"{name}.json"

    def _is_whole(self, name: str) -> bool:
        return (self.folder / name).is_dir() and read_head(self._record(name), self._boot) is not None

    def _unpack(self, layer: Layer, stack: _Stack | None = None, *, wait: bool) -> bool:
        """Unpack a layer unless it is there; False if another process is at it and `wait` is not asked for."""
        name = stack.name if stack else hex_of(layer.diff_id)
        with _locked(self.folder / f".{name}.lock", wait=wait) as is_mine:
            if is_mine and not self._is_whole(name):
                self._record(name).unlink(missing_ok=True)
                _remove(self.folder / name)
                listing = unpack_layer(self._store, layer, self.folder / name, stack)
                write_listing(self._record(name), listing, self._boot)
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
