"""The layer store through the registry: what one machine made, others take instead of making it again.

The repository `warmbase-layers` beside the images' has a record for each layer, tagged with its recipe: what the store
keeps of the layer, as JSON. Its manifest names the blob too, which keeps that from the registry's garbage collection.
Nothing else is shared, and nobody has to run anything.

A recipe authenticates nothing, so what is taken is checked to the last byte: the blob's digest, that its three parts
become the tar with the record's digest, and that the first one holds the folders that the record names. A registry that
cannot be reached or holds nonsense costs a warning and time: layers are made here then.
"""

import hashlib
import threading
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, BinaryIO, TypeVar, cast

from warmbase.effects.registry.model import Registry
from warmbase.effects.registry.records import read_record
from warmbase.errors import RegistryError
from warmbase.layers.codec import decompress
from warmbase.layers.layer import Directory, Layer, Packed
from warmbase.layers.store import RECORD_FORMAT, LayerStore
from warmbase.layers.untar import TarStream, read_members
from warmbase.oci.digests import Json
from warmbase.oci.layout import BlobSource
from warmbase.oci.manifest import CONFIG, MANIFEST, describe
from warmbase.oci.records import RECORD_CONFIG, record_manifest
from warmbase.oci.tar import END_OF_ARCHIVE

REPOSITORY = "warmbase-layers"
"""The repository, beside the images', that keeps the layers' records."""

KIND = "layer"
_AT_ONCE = 8
_MOST_FAILURES = 3  # then the registry is given up
_MOST_FOLDERS = 1 << 24  # bytes of a layer's first part, which is held in memory: some ten thousand folders

_Result = TypeVar("_Result")


class RegistryLayers:
    """The layers in `repository` of a registry. Safe for several threads.

    `warn` hears of the first failure. A few more, and nothing is asked any more.
    """

    def __init__(self, registry: Registry, repository: str, warn: Callable[[str], object]) -> None:
        self._registry = registry
        self._repository = repository
        self._warn = warn
        self._lock = threading.Lock()
        self._failures = 0
        self._damaged: set[str] = set()
        self._first = threading.Lock()
        self._was_empty: bool | None = None
        self._given: set[str] = set()

    def take(
        self,
        recipes: Collection[str],
        store: LayerStore,
        media_type: str,
        *,
        done: Callable[[Layer], object] = lambda _: None,
    ) -> int:
        """Take those layers of `recipes` that the registry has into `store`; how many they were.

        `done` hears of each. What is not there, compressed in another way or wrong is left out. Raises StoreError.
        """

        def take(recipe: str) -> bool:
            layer = self._try(lambda: self._take(recipe, store, work, media_type))
            if layer:
                done(layer)
            return layer is not None

        if not recipes:
            return 0
        with store.workspace() as work, ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="take") as pool:
            return sum(pool.map(take, recipes))

    def give(self, layers: Iterable[Layer], blobs: BlobSource, *, mount_from: str, time: str) -> int:
        """Give the registry those of `layers`, whose blobs are in `blobs`, that it does not have; how many they were.

        `mount_from` is a repository of the registry that may have the blobs, `time` the RFC 3339 text of now.
        """

        def give(layer: Layer) -> bool:
            return bool(self._try(lambda: self._give(layer, blobs, mount_from, time)))

        with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="give") as pool:
            return sum(pool.map(give, layers))

    def _try(self, work: Callable[[], _Result]) -> _Result | None:
        """The result, None where the registry fails or has failed too often."""
        if self._failures >= _MOST_FAILURES:
            return None
        try:
            return work()
        except RegistryError as error:
            with self._lock:
                self._failures += 1
                first = self._failures == 1
            if first:
                self._warn(f"layers are not shared with {self._registry.host}/{self._repository}: {error.message}")
            return None

    def _take(self, recipe: str, store: LayerStore, work: Path, media_type: str) -> Layer | None:
        document = read_record(self._registry, self._repository, recipe, KIND)
        if document is None or document.get("format") != RECORD_FORMAT:
            return None
        blob = work / f"{recipe}.blob"
        try:
            layer = Layer.from_json(document["layer"])
            if layer.media_type != media_type:
                return None
            self._registry.pull_blob(self._repository, layer.descriptor(), blob)
            check_layer(layer, recipe, blob)
        except (KeyError, TypeError, ValueError) as error:
            blob.unlink(missing_ok=True)
            self._damaged.add(recipe)
            raise RegistryError(f"the layer {recipe} is not what it should be: {error!r}") from error
        return store.put(recipe, _packed(layer, blob), layer.notes)

    def _give(self, layer: Layer, blobs: BlobSource, mount_from: str, time: str) -> bool:
        known = layer.recipe in self._given
        if not known and not self._is_first():
            known = self._registry.find_manifest(self._repository, layer.recipe) is not None
        if known and layer.recipe not in self._damaged:
            return False
        blob = layer.descriptor()
        source = blobs.blob_path(layer.digest)
        self._registry.push_blob(self._repository, blob, source, mount_from=mount_from, is_new=not known)
        document: Json = {"format": RECORD_FORMAT, "recipe": layer.recipe, "time": time, "layer": layer.to_json()}
        record = record_manifest(KIND, document, kept=[blob])
        for described, content in record.blobs:
            if content != RECORD_CONFIG:
                self._registry.push_blob(self._repository, described, content, is_new=True)
        self._registry.write_manifest(self._repository, layer.recipe, record.manifest, MANIFEST)
        self._given.add(layer.recipe)
        return True

    def _is_first(self) -> bool:
        """Whether the repository had no record when this asked first.

        It has the config of all records then, and where that had to be sent, none of them can have been there.
        """
        with self._first:
            if self._was_empty is None:
                config = describe(RECORD_CONFIG, CONFIG)
                self._was_empty = self._registry.push_blob(self._repository, config, RECORD_CONFIG) == "sent"
            return self._was_empty


def check_layer(layer: Layer, recipe: str, blob: Path) -> None:
    """Raise ValueError unless `layer` is one of `recipe` and the file `blob`, whose digest is right, all that it says.

    Each part stands alone, the folders come first, and together they are the tar with the layer's `diff_id`.
    """
    start, end = layer.body
    if layer.recipe != recipe:
        raise ValueError(f"it is of the recipe {layer.recipe}")
    if not 0 < start <= end < layer.size or blob.stat().st_size != layer.size:
        raise ValueError(f"the blob has no parts at {start} and {end}")
    tar, size = hashlib.sha256(), 0
    with blob.open("rb") as file:
        head = b"".join(_part(file, 0, start, layer, most=_MOST_FOLDERS))
        _check_folders(head, layer.directories)
        tar.update(head)
        size += len(head)
        for begin, stop in ((start, end), (end, layer.size)):
            for chunk in _part(file, begin, stop, layer):
                tar.update(chunk)
                size += len(chunk)
    if (f"sha256:{tar.hexdigest()}", size) != (layer.diff_id, layer.unpacked_size):
        raise ValueError(f"its content is sha256:{tar.hexdigest()} of {size} bytes, not {layer.diff_id}")


def _check_folders(head: bytes, directories: tuple[Directory, ...]) -> None:
    members = read_members(TarStream(iter((head, END_OF_ARCHIVE))))
    found = tuple(Directory(path=m.path, mode=m.mode, xattrs=tuple(m.xattrs)) for m in members if m.kind == "dir")
    if found != directories:
        raise ValueError("its folders are others")


def _part(file: IO[bytes], start: int, end: int, layer: Layer, most: int | None = None) -> Iterator[bytes]:
    """The uncompressed content of a part of the blob. Raises ValueError where it is longer than `most` or the layer."""
    size, most = 0, min(layer.unpacked_size, layer.unpacked_size if most is None else most)
    for chunk in decompress(cast("BinaryIO", _Part(file, start, end)), layer.media_type):
        size += len(chunk)
        if size > most:
            raise ValueError(f"a part of it becomes more than {most} bytes")
        yield chunk


class _Part:
    """The bytes of a file from `start` to `end`, to be read once."""

    def __init__(self, file: IO[bytes], start: int, end: int) -> None:
        file.seek(start)
        self._file = file
        self._left = end - start

    def read(self, size: int = -1) -> bytes:
        content = self._file.read(self._left if size < 0 else min(size, self._left))
        self._left -= len(content)
        return content


def _packed(layer: Layer, blob: Path) -> Packed:
    return Packed(
        blob=blob,
        diff_id=layer.diff_id,
        digest=layer.digest,
        size=layer.size,
        unpacked_size=layer.unpacked_size,
        media_type=layer.media_type,
        body=layer.body,
        directories=layer.directories,
    )
