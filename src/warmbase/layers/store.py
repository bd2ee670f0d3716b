"""The layer store: recipe key → layer, on disk, shared by every build of a machine.

    blobs/sha256/<hex>     compressed layers, read-only
    seals/<hex>.json       what a blob looked like when its digest was last computed
    records/<recipe>.json  the layer that a recipe became; its time is that of the last use
    work/                  folders of running builds, each locked by its process
    lock, use.lock

Nothing is believed twice without a reason. A blob whose size, inode or modification time differs from its
seal, or that was sealed before the machine last started (a crash may lose what was never forced to disk), is
hashed again before it is used. A wrong one is dropped with a report and the layer is made anew: the store is
a cache, its damage costs time and never an image. That is also why nothing is fsynced here.

Files appear by `os.replace` of a complete file. Changes are made under `lock`, which is held for moments;
builds hold `use.lock` together for their whole run, `prune` alone. A killed process loses its locks, and its
work folder is removed by the next one.
"""

import fcntl
import json
import os
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from warmbase.effects.files import replace_file
from warmbase.effects.workspaces import Workspaces
from warmbase.errors import StoreError
from warmbase.layers.layer import Layer, Packed
from warmbase.layers.verified import VerifiedReader
from warmbase.oci.digests import Json, canonical_json, digest_of_file, hex_of

RECORD_FORMAT = 1
"""The revision of the JSON records. A record of another revision is a miss."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Damage:
    """A blob that was dropped because it was not what its name says, and the recipes that lost it."""

    digest: str
    reason: str
    recipes: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredLayer:
    """A layer in the store and the time of its last use, in seconds since the epoch."""

    layer: Layer
    last_used: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Pruned:
    """What `prune` removed: the recipes, and the bytes of the blobs that nothing refers to any more."""

    recipes: tuple[str, ...]
    freed: int


def _ignore(_: Damage) -> None:
    pass


class LayerStore:
    """A layer store in the folder `root`, which is made if it is missing.

    `on_event` hears of every damaged blob that is dropped. All methods raise StoreError if the folder cannot
    be read or written; they may be called from several threads and processes at once.
    """

    def __init__(self, root: Path, on_event: Callable[[Damage], object] = _ignore) -> None:
        self.root = root.absolute()
        self._on_event = on_event
        self._blobs = self.root / "blobs" / "sha256"
        self._seals = self.root / "seals"
        self._records = self.root / "records"
        self._work = self.root / "work"
        self._workspaces = Workspaces(self._work)
        with _reported(self.root):
            for folder in (self._blobs, self._seals, self._records, self._work):
                folder.mkdir(parents=True, exist_ok=True)

    def blob_path(self, digest: str) -> Path:
        """Where the blob lies, or would lie."""
        return self._blobs / hex_of(digest)

    def get(self, recipe: str) -> Layer | None:
        """The layer that the recipe became, with its blob as it was stored, or None. Counts as a use."""
        record = self._record(recipe)
        with _reported(self.root):
            layer = _read_record(record)
            if layer is None or layer.recipe != recipe:
                return None
            if not self._is_sealed(layer.digest, layer.size):
                with self._changing():
                    if not self._is_sound(layer.digest, layer.size):
                        self._drop(layer.digest)
                        return None
            with suppress(FileNotFoundError):
                os.utime(record)
            return layer

    def recipes(self) -> frozenset[str]:
        """The recipes that have a record. Nothing is opened, so a record or its blob may yet prove to be damaged."""
        with _reported(self.root):
            return frozenset(record.stem for record in self._records.glob("*.json"))

    def put(self, recipe: str, packed: Packed, notes: Mapping[str, Json] | None = None) -> Layer:
        """Take a fresh blob, which is moved, and remember it under the recipe.

        If another build was faster, its layer is returned and this blob is dropped.
        """
        layer = Layer.of(recipe, packed, notes or {})
        with _reported(self.root):
            packed.blob.chmod(0o444)
            with self._changing():
                known = _read_record(self._record(recipe))
                if known and known.recipe == recipe and self._is_sound(known.digest, known.size):
                    packed.blob.unlink()
                    return known
                if self._is_sound(layer.digest, layer.size):
                    packed.blob.unlink()
                else:
                    packed.blob.replace(self.blob_path(layer.digest))
                    self._seal(layer.digest)
                self._write(self._record(recipe), {"format": RECORD_FORMAT, "layer": layer.to_json()})
        return layer

    @contextmanager
    def open_verified(self, digest: str) -> Iterator[VerifiedReader]:
        """A reader of a blob that takes its digest on the way and fails at the end if it is wrong.

        Raises StoreError if the blob is missing or, when its last byte has been read, damaged; it is dropped
        then, so that the next build makes it anew.
        """
        try:
            file = self.blob_path(digest).open("rb", buffering=0)
        except OSError as error:
            raise StoreError(
                f"cannot open the blob {digest} in the layer store {self.root}: {error.strerror}",
                next_step="run the build again: it makes the layer anew",
            ) from error
        with file:
            yield VerifiedReader(file, digest, lambda: self._drop_damaged(digest))

    @contextmanager
    def workspace(self) -> Iterator[Path]:
        """A folder for temporary files on the store's file system, removed at the end.

        Folders that killed processes left behind are removed on the way.
        """
        with ExitStack() as stack:
            with _reported(self._work), self._changing():
                self._sweep()
                folder = stack.enter_context(self._workspaces.open())
            yield folder

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """Held by a build from its first `get` to its last read, so that nothing is pruned meanwhile."""
        with _locked(self.root / "use.lock", fcntl.LOCK_SH):
            yield

    def verify(self) -> tuple[Damage, ...]:
        """Hash every blob and drop the damaged ones, which are returned, and records that lost their blob."""
        damaged = []
        with _reported(self.root):
            for path in sorted(self._blobs.iterdir()):
                digest = f"sha256:{path.name}"
                with suppress(FileNotFoundError):
                    if digest_of_file(path) != digest and (damage := self._drop_damaged(digest)):
                        damaged.append(damage)
            with self._changing():
                self._drop_records_without_blob()
        return tuple(damaged)

    def list(self) -> tuple[StoredLayer, ...]:
        """The layers in the store, the last used first. Blobs are not looked at."""
        found = []
        with _reported(self.root):
            for record in self._records.glob("*.json"):
                with suppress(FileNotFoundError):
                    used = record.stat().st_mtime
                    if layer := _read_record(record):
                        found.append(StoredLayer(layer=layer, last_used=used))
        return tuple(sorted(found, key=lambda stored: (-stored.last_used, stored.layer.recipe)))

    def prune(self, *, now: float, keep_days: float | None = None, max_bytes: int | None = None) -> Pruned:
        """Forget layers not used for `keep_days`, then the longest unused ones until `max_bytes` suffice.

        `now` is in seconds since the epoch. Raises StoreError if a build is using the store.
        """
        with (
            _reported(self.root),
            _locked(self.root / "use.lock", fcntl.LOCK_EX | fcntl.LOCK_NB),
            self._changing(),
        ):
            self._sweep()
            self._drop_records_without_blob()
            kept: set[str] = set()
            kept_bytes = 0
            dropped = []
            for stored in self.list():
                layer = stored.layer
                more = 0 if layer.digest in kept else layer.size
                too_old = keep_days is not None and stored.last_used < now - keep_days * 86400
                if too_old or (max_bytes is not None and kept_bytes + more > max_bytes):
                    self._record(layer.recipe).unlink(missing_ok=True)
                    dropped.append(layer.recipe)
                else:
                    kept.add(layer.digest)
                    kept_bytes += more
            return Pruned(recipes=tuple(dropped), freed=self._drop_unreferenced(kept))

    def _drop_records_without_blob(self) -> None:
        for record in self._records.glob("*.json"):
            layer = _read_record(record)
            if layer is None or not self.blob_path(layer.digest).exists():
                record.unlink(missing_ok=True)

    def _drop_unreferenced(self, kept: Collection[str]) -> int:
        freed = 0
        for path in self._blobs.iterdir():
            if f"sha256:{path.name}" not in kept:
                freed += path.stat().st_size
                self._seal_path(path.name).unlink(missing_ok=True)
                path.unlink()
        return freed

    def _drop_damaged(self, digest: str) -> Damage | None:
        """Drop a blob that was seen to be wrong, unless it has been replaced by a good one meanwhile."""
        with self._changing():
            path = self.blob_path(digest)
            if not path.exists() or digest_of_file(path) == digest:
                return None
            return self._drop(digest)

    def _drop(self, digest: str) -> Damage | None:
        """Remove a blob and the records that name it; the lock is held. None if there was no blob."""
        path = self.blob_path(digest)
        recipes = []
        for record in sorted(self._records.glob("*.json")):
            layer = _read_record(record)
            if layer and layer.digest == digest:
                recipes.append(layer.recipe)
                record.unlink(missing_ok=True)
        self._seal_path(path.name).unlink(missing_ok=True)
        try:
            size = path.stat().st_size
            path.unlink()
        except FileNotFoundError:
            return None
        damage = Damage(digest=digest, reason=f"its {size} bytes have another digest", recipes=tuple(recipes))
        self._on_event(damage)
        return damage

    def _is_sound(self, digest: str, size: int) -> bool:
        """Whether the blob is there and right; it is hashed only if its seal is broken. The lock is held."""
        if self._is_sealed(digest, size):
            return True
        path = self.blob_path(digest)
        try:
            if path.stat().st_size != size or digest_of_file(path) != digest:
                return False
        except FileNotFoundError:
            return False
        self._seal(digest)
        return True

    def _is_sealed(self, digest: str, size: int) -> bool:
        """Whether the blob is there and looks as when its digest was last computed."""
        path = self.blob_path(digest)
        try:
            looks = _appearance(path)
        except FileNotFoundError:
            return False
        return looks["size"] == size and _read_json(self._seal_path(path.name)) == looks

    def _seal(self, digest: str) -> None:
        path = self.blob_path(digest)
        self._write(self._seal_path(path.name), _appearance(path))

    def _seal_path(self, name: str) -> Path:
        return self._seals / f"{name}.json"

    def _record(self, recipe: str) -> Path:
        if not recipe.isalnum():
            raise ValueError(f"not a recipe key: {recipe!r}")
        return self._records / f"{recipe}.json"

    def _write(self, path: Path, value: Json) -> None:
        # In the folder that is swept, should this process die here.
        replace_file(path, canonical_json(value), folder=self._work)

    def _sweep(self) -> None:
        """Remove what dead processes left; the lock is held, under which records are written."""
        for path in self._work.glob(".new-*"):
            path.unlink(missing_ok=True)
        self._workspaces.sweep()

    @contextmanager
    def _changing(self) -> Iterator[None]:
        with _locked(self.root / "lock", fcntl.LOCK_EX):
            yield


@contextmanager
def _locked(path: Path, operation: int) -> Iterator[None]:
    with _reported(path):
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        try:
            fcntl.flock(descriptor, operation)
        except BlockingIOError:
            raise StoreError(
                f"the layer store {path.parent} is in use by a build",
                next_step="wait until it is done, and try again",
            ) from None
        yield
    finally:
        os.close(descriptor)


@contextmanager
def _reported(place: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreError(
            f"the layer store cannot use {error.filename or place}: {error.strerror or error}",
            next_step=f"see that {place} can be written and has room, or choose another folder",
        ) from error


def _read_json(path: Path) -> Any:  # noqa: ANN401 (what JSON holds is only known when it is used)
    try:
        return json.loads(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return None


def _read_record(path: Path) -> Layer | None:
    """The layer of a record; None if it is missing, unreadable as JSON, or of another revision."""
    value = _read_json(path)
    try:
        return Layer.from_json(value["layer"]) if value["format"] == RECORD_FORMAT else None
    except (KeyError, TypeError, ValueError):
        return None


def _appearance(path: Path) -> dict[str, Json]:
    status = path.stat()
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return {"size": status.st_size, "inode": status.st_ino, "mtime_ns": status.st_mtime_ns, "boot": boot}
