"""Pools: one layer from many small wheels' layers, without compressing them again.

The members' bodies are copied as they are between a fresh head, the union of their directories, and a tail
(see `pack` for the three parts). A new version of one small wheel therefore costs its own compression and a
copy. The pool's diff_id cannot be had from its members', so the result is decompressed and hashed; the same
pass proves that no path comes twice.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from warmbase.errors import OverlapError
from warmbase.layers.blob import BlobWriter, new_blob
from warmbase.layers.codec import Codec, decompress
from warmbase.layers.layer import Directory, Layer, Packed
from warmbase.layers.store import LayerStore
from warmbase.oci.digests import CHUNK, Json
from warmbase.oci.tar import encode, scan_paths


def compose_pool(
    store: LayerStore,
    members: Sequence[Layer],
    recipe: str,
    codec: Codec,
    notes: Mapping[str, Json] | None = None,
) -> Layer:
    """Compose the pool of these members, in this order, into the store under `recipe`.

    Raises OverlapError if two members bring the same path, ValueError if one is compressed in another way,
    StoreError if a member's blob is missing or damaged.
    """
    for member in members:
        if member.media_type != codec.media_type:
            raise ValueError(f"{member.recipe} is {member.media_type}, its pool {codec.media_type}")
    directories = _union(members)
    with store.workspace() as work:
        with new_blob(work) as file:
            blob = BlobWriter(file, codec)
            blob.add_frame(directory.entry() for directory in directories)
            start = blob.size
            for member in members:
                _copy_body(store, member, blob)
            end = blob.size
            blob.add_end()
        path = Path(file.name)
        diff_id, unpacked_size = _inspect(path, codec.media_type)
        packed = Packed(
            blob=path,
            diff_id=diff_id,
            digest="sha256:" + blob.hash.hexdigest(),
            size=blob.size,
            unpacked_size=unpacked_size,
            media_type=codec.media_type,
            body=(start, end),
            directories=directories,
        )
        return store.put(recipe, packed, notes)


def _union(members: Sequence[Layer]) -> tuple[Directory, ...]:
    union: dict[str, Directory] = {}
    for member in members:
        for directory in member.directories:
            known = union.setdefault(directory.path, directory)
            if known != directory:
                raise OverlapError(
                    f"{member.recipe} has the directory {directory.path} with another mode or attributes",
                    next_step="pack both wheels with the same mode policy",
                )
    return tuple(union[path] for path in sorted(union, key=encode))


def _copy_body(store: LayerStore, member: Layer, blob: BlobWriter) -> None:
    start, end = member.body
    with store.open_verified(member.digest) as reader:
        position = 0
        while position < end and (chunk := reader.read(min(CHUNK, (start if position < start else end) - position))):
            if position >= start:
                blob.add_raw(chunk)
            position += len(chunk)
        reader.finish()


def _inspect(path: Path, media_type: str) -> tuple[str, int]:
    """(diff_id, unpacked size) of a blob whose paths are all different."""
    hash_ = hashlib.sha256()
    size = 0

    def hashed(chunks: Iterator[bytes]) -> Iterator[bytes]:
        nonlocal size
        for chunk in chunks:
            hash_.update(chunk)
            size += len(chunk)
            yield chunk

    with path.open("rb") as file:
        seen: set[str] = set()
        for name, _ in scan_paths(_Chunks(hashed(decompress(file, media_type))).read):
            if name in seen:
                raise OverlapError(
                    f"two wheels of one pool bring the path {name}",
                    next_step="this is a fault of the layer plan: please report it",
                )
            seen.add(name)
    return "sha256:" + hash_.hexdigest(), size


class _Chunks:
    """Exact reads from an iterator of chunks."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._rest = memoryview(b"")

    def read(self, count: int) -> bytes:
        parts = []
        while count:
            if not self._rest:
                self._rest = memoryview(next(self._chunks, b""))
                if not self._rest:
                    break
            part = self._rest[:count]
            self._rest = self._rest[count:]
            parts.append(part)
            count -= len(part)
        return b"".join(parts)
