"""Packing: a tree becomes the same layer whatever made it, and a blob of three independent parts."""

import gzip
import io
import os
import tarfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import zstandard

from warmbase.errors import StoreError
from warmbase.layers.codec import Codec, decompress
from warmbase.layers.layer import Layer, Packed
from warmbase.layers.pack import ModePolicy, pack_entries, pack_tree
from warmbase.layers.recipe import pool_recipe, recipe_key
from warmbase.oci.digests import digest_of, digest_of_file
from warmbase.oci.tar import END_OF_ARCHIVE, Entry, directory, file_of

CODECS = [Codec(), Codec(name="zstd", level=3), Codec(name="gzip", level=6)]
ACL = (("system.posix_acl_default", b"\2\0\0\0"),)
POLICY = ModePolicy(shared=("opt/venv",), exact=(("opt/uv/.lock", 0o666),), xattrs=(("opt/venv", ACL),))


def plant(root: Path, *, backwards: bool = False) -> Path:
    """A small tree of a wheel: an archive in the cache and its hardlinks in the venv."""
    steps: list[Callable[[], object]] = [
        lambda: (root / "opt/uv/archive/x/pkg").mkdir(parents=True, exist_ok=True),
        lambda: (root / "opt/venv/lib/pkg").mkdir(parents=True, exist_ok=True),
        lambda: (root / "opt/uv/archive/x/pkg/big.so").write_bytes(b"machine code" * 10_000),
        lambda: (root / "opt/uv/archive/x/pkg/__init__.py").write_bytes(b"value = 1\n"),
        lambda: (root / "opt/uv/.lock").write_bytes(b""),
        lambda: (root / "opt/venv/run").write_bytes(b"#!/bin/sh\n"),
        lambda: (root / "opt/venv/lib/latest").symlink_to("pkg"),
    ]
    for step in [*steps[:2], *(steps[:1:-1] if backwards else steps[2:])]:
        step()
    for name in ("big.so", "__init__.py"):
        (root / "opt/venv/lib/pkg" / name).hardlink_to(root / "opt/uv/archive/x/pkg" / name)
    (root / "opt/venv/run").chmod(0o750)
    return root


def unpacked(packed: Packed | Layer, blob: Path) -> bytes:
    with blob.open("rb") as file:
        return b"".join(decompress(file, packed.media_type))


def listing(packed: Packed) -> list[tuple[str, str, str, str]]:
    with tarfile.open(fileobj=io.BytesIO(unpacked(packed, packed.blob))) as tar:
        return [(member.name, member.type.decode(), oct(member.mode), member.linkname) for member in tar]


def test_a_tree_becomes_its_directories_then_the_rest_with_the_modes_of_the_policy(tmp_path: Path) -> None:
    packed = pack_tree(plant(tmp_path / "tree"), POLICY, Codec(), tmp_path)
    assert listing(packed) == [
        ("opt", "5", "0o755", ""),
        ("opt/uv", "5", "0o755", ""),
        ("opt/uv/archive", "5", "0o755", ""),
        ("opt/uv/archive/x", "5", "0o755", ""),
        ("opt/uv/archive/x/pkg", "5", "0o755", ""),
        ("opt/venv", "5", "0o777", ""),
        ("opt/venv/lib", "5", "0o777", ""),
        ("opt/venv/lib/pkg", "5", "0o777", ""),
        ("opt/uv/.lock", "0", "0o666", ""),
        ("opt/uv/archive/x/pkg/__init__.py", "0", "0o644", ""),
        ("opt/uv/archive/x/pkg/big.so", "0", "0o644", ""),
        ("opt/venv/lib/latest", "2", "0o777", "pkg"),
        ("opt/venv/lib/pkg/__init__.py", "1", "0o644", "opt/uv/archive/x/pkg/__init__.py"),
        ("opt/venv/lib/pkg/big.so", "1", "0o644", "opt/uv/archive/x/pkg/big.so"),
        ("opt/venv/run", "0", "0o755", ""),
    ]
    assert [(item.path, item.mode, item.xattrs) for item in packed.directories][4:6] == [
        ("opt/uv/archive/x/pkg", 0o755, ()),
        ("opt/venv", 0o777, ACL),
    ]


def test_the_layer_of_a_known_tree_never_changes(tmp_path: Path) -> None:
    """A change here means a new layer for every wheel there is: raise `LAYER_FORMAT` with it."""
    packed = pack_tree(plant(tmp_path / "tree"), POLICY, Codec(), tmp_path)
    assert packed.diff_id == "sha256:849b2e38f02410cfe31c0723408e2a72ad13c86be61abaf4174d15da7b82ce38"


def test_neither_umask_nor_the_order_of_making_changes_the_layer(tmp_path: Path) -> None:
    first = pack_tree(plant(tmp_path / "one"), POLICY, Codec(), tmp_path)
    previous = os.umask(0o077)
    try:
        second = pack_tree(plant(tmp_path / "two", backwards=True), POLICY, Codec(), tmp_path)
    finally:
        os.umask(previous)
    assert (first.digest, first.diff_id, first.body) == (second.digest, second.diff_id, second.body)


@pytest.mark.parametrize("codec", CODECS, ids=str)
def test_digests_and_sizes_are_those_of_the_bytes(tmp_path: Path, codec: Codec) -> None:
    packed = pack_tree(plant(tmp_path / "tree"), POLICY, codec, tmp_path)
    content = unpacked(packed, packed.blob)
    assert packed.diff_id == digest_of(content)
    assert packed.unpacked_size == len(content)
    assert packed.digest == digest_of_file(packed.blob)
    assert packed.size == packed.blob.stat().st_size


@pytest.mark.parametrize("codec", CODECS, ids=str)
def test_head_body_and_tail_can_be_decompressed_alone(tmp_path: Path, codec: Codec) -> None:
    packed = pack_tree(plant(tmp_path / "tree"), POLICY, codec, tmp_path)
    blob = packed.blob.read_bytes()
    start, end = packed.body

    def alone(part: bytes) -> bytes:
        if codec.name == "gzip":
            return gzip.decompress(part)
        return zstandard.ZstdDecompressor().decompressobj().decompress(part)

    parts = [alone(blob[:start]), alone(blob[start:end]), alone(blob[end:])]
    assert len(parts[0]) % 512 == len(parts[1]) % 512 == 0
    assert parts[2] == END_OF_ARCHIVE
    assert digest_of(b"".join(parts)) == packed.diff_id


@pytest.mark.parametrize("codec", CODECS, ids=str)
def test_a_blob_that_ends_early_is_noticed(tmp_path: Path, codec: Codec) -> None:
    packed = pack_entries([file_of("a", os.urandom(5000))], codec, tmp_path)
    packed.blob.write_bytes(packed.blob.read_bytes()[: packed.body[1] - 100])
    with packed.blob.open("rb") as file, pytest.raises(ValueError, match="no valid"):
        list(decompress(file, packed.media_type))


def test_a_gzip_layer_names_neither_time_nor_file(tmp_path: Path) -> None:
    packed = pack_entries([file_of("a", b"x")], Codec(name="gzip"), tmp_path)
    header = packed.blob.read_bytes()[:10]
    assert header[:8] == b"\x1f\x8b\x08\0\0\0\0\0"


def test_a_layer_without_files_has_an_empty_body(tmp_path: Path) -> None:
    packed = pack_entries([directory("opt")], Codec(), tmp_path)
    assert listing(packed) == [("opt", "5", "0o755", "")]
    assert packed.body[0] < packed.body[1]


def test_a_fifo_in_the_tree_is_an_error_and_leaves_no_blob(tmp_path: Path) -> None:
    root = plant(tmp_path / "tree")
    os.mkfifo(root / "pipe")
    work = tmp_path / "work"
    work.mkdir()
    with pytest.raises(StoreError, match="pipe is neither a file, a directory nor a symlink"):
        pack_tree(root, POLICY, Codec(), work)
    assert list(work.iterdir()) == []


def test_a_file_that_shrinks_while_it_is_packed_is_an_error_and_leaves_no_blob(tmp_path: Path) -> None:
    source = tmp_path / "file"
    source.write_bytes(b"12345")
    work = tmp_path / "work"
    work.mkdir()
    with pytest.raises(StoreError, match="changed its size"):
        pack_entries([Entry(path="a", kind="file", mode=0o644, size=9, source=source)], Codec(), work)
    assert list(work.iterdir()) == []


def test_a_missing_work_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot write a layer in"):
        pack_entries([], Codec(), tmp_path / "gone")


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_trees_packed_by_several_threads_get_the_digests_that_they_get_alone(tmp_path: Path, threads: int) -> None:
    roots = []
    for number in range(8):
        roots.append(plant(tmp_path / f"tree{number}"))
        (roots[-1] / "own").write_bytes(os.urandom(1000 * number))
    alone = [pack_tree(root, POLICY, Codec(), tmp_path).digest for root in roots]
    with ThreadPoolExecutor(threads) as pool:
        together = pool.map(lambda root: pack_tree(root, POLICY, Codec(), tmp_path).digest, roots)
        assert list(together) == alone


def test_a_tree_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"cannot read .*gone"):
        pack_tree(tmp_path / "gone", POLICY, Codec(), tmp_path)


def test_a_recipe_depends_on_kind_facts_and_codec_and_on_nothing_else() -> None:
    key = recipe_key("wheel", {"a": 1, "b": [2]}, Codec())
    assert len(key) == 64
    assert recipe_key("wheel", {"b": [2], "a": 1}, Codec()) == key
    others = {
        recipe_key("pool", {"a": 1, "b": [2]}, Codec()),
        recipe_key("wheel", {"a": 2, "b": [2]}, Codec()),
        recipe_key("wheel", {"a": 1, "b": [2]}, Codec(level=3)),
        recipe_key("wheel", {"a": 1, "b": [2]}, Codec(name="gzip")),
        pool_recipe(["a", "b"], Codec()),
        pool_recipe(["b", "a"], Codec()),
    }
    assert len(others | {key}) == 7


def test_a_recipe_changes_with_the_library_that_compresses(monkeypatch: pytest.MonkeyPatch) -> None:
    key = recipe_key("wheel", {}, Codec())
    monkeypatch.setattr(zstandard, "ZSTD_VERSION", (9, 9, 9))
    assert recipe_key("wheel", {}, Codec()) != key
