"""Layers for tests: our own, and tars as other tools write them."""

import os
import tarfile

from warmbase.layers.codec import Codec
from warmbase.layers.layer import Layer, Packed
from warmbase.layers.pack import pack_entries
from warmbase.layers.store import LayerStore
from warmbase.oci.digests import digest_of
from warmbase.oci.manifest import TAR
from warmbase.oci.tar import Entry

CODECS = [Codec(), Codec(name="gzip", level=6)]
BIG = os.urandom(2_500_000)


def put_bytes(store: LayerStore, content: bytes, diff_id: str = "") -> Layer:
    with store.workspace() as work:
        (work / "blob").write_bytes(content)
        packed = Packed(
            blob=work / "blob",
            diff_id=diff_id or digest_of(content),
            digest=digest_of(content),
            size=len(content),
            unpacked_size=len(content),
            media_type=TAR,
            body=(0, len(content)),
            directories=(),
        )
        return store.put(packed.digest.removeprefix("sha256:"), packed)


def put(store: LayerStore, *entries: Entry, codec: Codec = CODECS[0], recipe: str = "ours") -> Layer:
    with store.workspace() as work:
        return store.put(recipe, pack_entries(entries, codec, work))


def member(name: str, type: bytes = tarfile.REGTYPE, **fields: object) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type = type
    for field, value in fields.items():
        setattr(info, field, value)
    return info
