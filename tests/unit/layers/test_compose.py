"""Pools: what is composed equals what would have been packed from the members together."""

import io
import os
import tarfile
from collections.abc import Sequence
from pathlib import Path

import pytest

from warmbase.errors import OverlapError, StoreError
from warmbase.layers.codec import Codec, decompress
from warmbase.layers.compose import compose_pool
from warmbase.layers.layer import Layer
from warmbase.layers.pack import pack_entries
from warmbase.layers.recipe import pool_recipe
from warmbase.layers.store import LayerStore
from warmbase.oci.digests import digest_of
from warmbase.oci.tar import Entry, directory, file_of, symlink

CODECS = [Codec(), Codec(name="gzip", level=6)]
RANDOM = os.urandom(3_000_000)
WHEELS: list[list[Entry]] = [
    [
        file_of("opt/cache/a/mod.py", b"a = 1\n"),
        Entry(path="opt/venv/a/mod.py", kind="hardlink", mode=0, target="opt/cache/a/mod.py"),
    ],
    [file_of("opt/cache/b/" + "long/" * 40 + "ä.so", RANDOM), directory("opt/venv", 0o755)],
    [symlink("opt/venv/c", "a"), directory("opt/empty", 0o775, (("user.x", b"\0y"),))],
    [],
]


@pytest.fixture
def store(tmp_path: Path) -> LayerStore:
    return LayerStore(tmp_path / "store")


def packed(store: LayerStore, wheels: Sequence[Sequence[Entry]], codec: Codec) -> list[Layer]:
    with store.workspace() as work:
        return [
            store.put(f"wheel{number}of{len(wheels)}", pack_entries(wheel, codec, work))
            for number, wheel in enumerate(wheels)
        ]


def unpacked(store: LayerStore, layer: Layer) -> bytes:
    with store.open_verified(layer.digest) as reader:
        return b"".join(decompress(io.BytesIO(reader.read()), layer.media_type))


def listing(archive: bytes) -> dict[str, tuple[object, ...]]:
    found: dict[str, tuple[object, ...]] = {}
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        for member in tar:
            file = tar.extractfile(member) if member.isreg() else None
            content = file.read() if file else b""
            found[member.name] = (member.type, member.mode, member.linkname, member.pax_headers, content)
    return found


@pytest.mark.parametrize("codec", CODECS, ids=str)
def test_a_pool_holds_what_its_members_hold(store: LayerStore, codec: Codec) -> None:
    members = packed(store, WHEELS, codec)
    pool = compose_pool(store, members, pool_recipe(members, codec), codec, {"names": ["a", "b"]})
    together = packed(store, [[entry for wheel in WHEELS for entry in wheel]], Codec(level=2))[0]
    content = unpacked(store, pool)
    assert listing(content) == listing(unpacked(store, together))
    assert pool.diff_id == digest_of(content)
    assert pool.unpacked_size == len(content) == together.unpacked_size
    assert pool.directories == together.directories
    assert pool.notes == {"names": ["a", "b"]}
    assert store.get(pool.recipe) == pool


def test_a_pool_is_a_head_the_bodies_of_its_members_as_they_are_and_a_tail(store: LayerStore) -> None:
    members = packed(store, WHEELS, Codec())
    pool = compose_pool(store, members, "pool", Codec())
    bodies = b"".join(store.blob_path(member.digest).read_bytes()[slice(*member.body)] for member in members)
    assert store.blob_path(pool.digest).read_bytes()[slice(*pool.body)] == bodies


def test_a_pool_of_pools_is_the_pool_of_all(store: LayerStore) -> None:
    members = packed(store, WHEELS, Codec())
    halves = [
        compose_pool(store, members[:2], "first", Codec()),
        compose_pool(store, members[2:], "second", Codec()),
    ]
    assert compose_pool(store, halves, "nested", Codec()).digest == compose_pool(store, members, "flat", Codec()).digest


def test_members_that_share_a_path_are_refused_and_nothing_is_stored(store: LayerStore) -> None:
    members = packed(store, [[file_of("opt/a", b"1")], [file_of("opt/a", b"2")]], Codec())
    with pytest.raises(OverlapError, match="two wheels of one pool bring the path opt/a"):
        compose_pool(store, members, "pool", Codec())
    assert store.get("pool") is None
    assert list((store.root / "work").iterdir()) == []


def test_a_file_where_another_member_has_a_directory_is_refused(store: LayerStore) -> None:
    members = packed(store, [[file_of("opt/a", b"1")], [file_of("opt/a/b", b"2")]], Codec())
    with pytest.raises(OverlapError, match="bring the path opt/a"):
        compose_pool(store, members, "pool", Codec())


def test_directories_that_differ_are_refused(store: LayerStore) -> None:
    members = packed(store, [[directory("opt", 0o755)], [directory("opt", 0o775)]], Codec())
    with pytest.raises(OverlapError, match="has the directory opt with another mode"):
        compose_pool(store, members, "pool", Codec())


def test_a_member_of_another_compression_is_refused(store: LayerStore) -> None:
    members = packed(store, WHEELS, Codec(name="gzip"))
    with pytest.raises(ValueError, match=r"tar\+gzip, its pool .*tar\+zstd"):
        compose_pool(store, members, "pool", Codec())


@pytest.mark.parametrize("place", ["head", "body", "tail"])
def test_a_damaged_member_never_reaches_a_pool(store: LayerStore, place: str) -> None:
    members = packed(store, WHEELS, Codec())
    blob = store.blob_path(members[1].digest)
    content = bytearray(blob.read_bytes())
    content[{"head": 8, "body": members[1].body[0] + 20_000, "tail": -1}[place]] ^= 1
    blob.chmod(0o644)
    blob.write_bytes(content)
    with pytest.raises(StoreError, match="is damaged; it was dropped"):
        compose_pool(store, members, "pool", Codec())
    assert not blob.exists()
    assert store.get(members[1].recipe) is None
    assert store.get("pool") is None
