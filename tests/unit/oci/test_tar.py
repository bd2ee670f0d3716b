"""The tar writer: the stdlib's tarfile reads back what was written, and the bytes are the same each time."""

import hashlib
import io
import os
import tarfile
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from warmbase.errors import StoreError
from warmbase.oci.tar import (
    BLOCK,
    CHUNK,
    END_OF_ARCHIVE,
    MTIME,
    Entry,
    TarWriter,
    arrange,
    directory,
    file_of,
    header,
    read_entries,
    scan_paths,
    symlink,
)


def written(entries: Sequence[Entry]) -> bytes:
    archive = io.BytesIO()
    writer = TarWriter(archive.write)
    for part in arrange(entries):
        for entry in part:
            writer.add(entry)
    writer.flush()
    return archive.getvalue() + END_OF_ARCHIVE


def members(archive: bytes) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(archive), mode="r:", errors="surrogateescape") as tar:
        return {member.name: member for member in tar}


names = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=60)
components = names.filter(lambda name: name not in (".", ".."))
contents = st.one_of(st.binary(max_size=2000), st.just(b""), st.just(bytes(BLOCK)))
attributes = st.dictionaries(
    st.sampled_from(["user.note", "security.capability", "system.posix_acl_default"]), st.binary(max_size=80)
)


@st.composite
def trees(draw: st.DrawFn) -> list[Entry]:
    paths = draw(st.lists(st.lists(components, min_size=1, max_size=6), max_size=12))
    entries: dict[str, Entry] = {}
    inner: set[str] = set()
    for parts in paths:
        path = "/".join(parts)
        parents = {"/".join(parts[:count]) for count in range(1, len(parts))}
        if path in entries or path in inner or any(parent in entries for parent in parents):
            continue
        inner |= parents
        mode = draw(st.integers(0, 0o7777))
        files = sorted(name for name, entry in entries.items() if entry.kind == "file")
        kind = draw(st.sampled_from(["dir", "file", "file", "symlink", *(["hardlink"] if files else [])]))
        xattrs = tuple(sorted(draw(attributes).items()))
        if kind == "dir":
            entry = directory(path, mode, xattrs)
            inner.add(path)
        elif kind == "symlink":
            entry = symlink(
                path,
                draw(
                    st.text(
                        st.characters(exclude_characters="\0", exclude_categories=["Cs"]),
                        min_size=1,
                        max_size=150,
                    )
                ),
            )
        elif kind == "hardlink":
            entry = Entry(path=path, kind="hardlink", mode=0, target=draw(st.sampled_from(files)))
        else:
            entry = replace(file_of(path, draw(contents), mode), xattrs=xattrs)
        entries[path] = entry
    return list(entries.values())


@settings(deadline=None)
@given(trees())
def test_tarfile_reads_back_names_kinds_modes_targets_contents_and_attributes(entries: list[Entry]) -> None:
    archive = written(entries)
    found = members(archive)
    by_path = {entry.path: entry for entry in entries}
    directories, others = arrange(entries)
    assert list(found) == [entry.path for entry in (*directories, *others)]
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        for entry in (*directories, *others):
            member = found[entry.path]
            assert (member.mtime, member.uid, member.gid, member.uname, member.gname) == (MTIME, 0, 0, "", "")
            assert member.mode == entry.mode
            assert member.linkname == entry.target
            if entry.kind in ("file", "hardlink"):
                original = by_path[entry.path]
                source = by_path[original.target] if original.kind == "hardlink" else original
                extracted = tar.extractfile(member)
                assert extracted is not None
                assert extracted.read() == source.source
            stored = {
                key.removeprefix("SCHILY.xattr."): value.encode("utf-8", "surrogateescape")
                for key, value in member.pax_headers.items()
                if key.startswith("SCHILY.xattr.")
            }
            assert stored == dict(entry.xattrs)


@settings(deadline=None)
@given(trees(), st.randoms())
def test_the_order_of_the_input_does_not_matter(entries: list[Entry], random: Random) -> None:
    shuffled = list(entries)
    random.shuffle(shuffled)
    assert written(shuffled) == written(entries)


@settings(deadline=None)
@given(trees())
def test_what_is_read_from_a_tar_is_written_as_the_same_tar(entries: list[Entry]) -> None:
    archive = written(entries)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "layer.tar"
        path.write_bytes(archive)
        assert written(list(read_entries(path))) == archive


@settings(deadline=None)
@given(trees())
def test_a_scan_finds_every_path_of_our_own_tars(entries: list[Entry]) -> None:
    archive = written(entries)
    assert [path for path, _ in scan_paths(io.BytesIO(archive).read)] == list(members(archive))


@settings(deadline=None)
@given(st.integers(1, 300), st.integers(1, 300))
@example(1, 98)
@example(1, 99)
@example(1, 100)
@example(99, 101)
@example(154, 100)
@example(155, 100)
@example(155, 101)
@example(156, 100)
@example(154, 101)
def test_names_of_every_length_survive(prefix: int, name: int) -> None:
    long = "p" * prefix + "/" + "n" * name
    found = members(written([file_of(long, b"x"), directory("q" * prefix + "/" + "m" * name)]))
    assert long in found
    assert "q" * prefix + "/" + "m" * name in found


@pytest.mark.parametrize(("prefix", "name", "blocks"), [(155, 100, 1), (156, 100, 3), (155, 101, 3), (0, 100, 1)])
def test_ustar_fields_are_used_up_before_a_pax_header_is_written(prefix: int, name: int, blocks: int) -> None:
    path = ("p" * prefix + "/" if prefix else "") + "n" * name
    assert len(header(file_of(path, b""))) == blocks * BLOCK


@pytest.mark.parametrize("length", [1, 99, 100, 101, 155, 255, 256, 1000])
def test_link_targets_of_every_length_survive(length: int) -> None:
    target = "t" * length
    found = members(written([symlink("link", target), file_of(target, b"x"), file_of("a", b"")]))
    assert found["link"].linkname == target
    linked = members(
        written([file_of("a" * length, b"x"), Entry(path="b", kind="hardlink", mode=0, target="a" * length)])
    )
    assert linked["b"].linkname == "a" * length


def test_numbers_that_ustar_cannot_hold_go_into_pax_records() -> None:
    big = Entry(path="big", kind="file", mode=0o644, uid=3_000_000, gid=4_000_000, size=9 << 30, source="/x")
    member = tarfile.TarInfo.frombuf(header(big)[-BLOCK:], "utf-8", "strict")
    records = header(big)[BLOCK:-BLOCK].rstrip(b"\0")
    assert (member.uid, member.gid, member.size) == (0, 0, 0)
    assert records == b"15 gid=4000000\n19 size=9663676416\n15 uid=3000000\n"


def test_a_record_counts_the_digits_of_its_own_length() -> None:
    for length in range(80, 110):
        entry = directory("d", 0o755, (("user.x", b"v" * length),))
        found = members(written([entry]))
        assert found["d"].pax_headers["SCHILY.xattr.user.x"] == "v" * length


def test_a_name_that_is_not_utf8_keeps_its_bytes() -> None:
    name = b"caf\xe9".decode("utf-8", "surrogateescape")
    assert name in members(written([file_of(name, b"")]))


def test_every_parent_has_an_entry_and_the_first_path_of_an_inode_is_the_file() -> None:
    directories, others = arrange(
        [Entry(path="a/b/link", kind="hardlink", mode=0, target="z"), file_of("z", b"12", 0o755)]
    )
    assert [entry.path for entry in directories] == ["a", "a/b"]
    assert [(entry.path, entry.kind, entry.target, entry.mode) for entry in others] == [
        ("a/b/link", "file", "", 0o755),
        ("z", "hardlink", "a/b/link", 0o755),
    ]


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ([file_of("/etc/passwd", b"")], "not a clean relative path"),
        ([file_of("a/../b", b"")], "not a clean relative path"),
        ([file_of("a//b", b"")], "not a clean relative path"),
        ([file_of("a\0b", b"")], "not a clean relative path"),
        ([file_of("a", b""), directory("a")], "path twice in one layer: 'a'"),
        ([symlink("a", "b"), file_of("a/c", b"")], "'a/c' lies below 'a', which is a symlink"),
        ([Entry(path="a", kind="hardlink", mode=0, target="b")], "no file of its layer"),
        ([Entry(path="a", kind="hardlink", mode=0, target="a")], "no file of its layer"),
    ],
)
def test_entries_that_are_no_layer_are_refused(entries: list[Entry], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        arrange(entries)


@pytest.mark.parametrize("size", [1, BLOCK, CHUNK - BLOCK, CHUNK - BLOCK + 1, CHUNK, CHUNK + 1, 3 * CHUNK])
def test_files_around_the_chunk_size_are_copied_whole(tmp_path: Path, size: int) -> None:
    content = os.urandom(size)
    (tmp_path / "file").write_bytes(content)
    entry = Entry(path="file", kind="file", mode=0o644, size=size, source=tmp_path / "file")
    assert written([entry]) == written([file_of("file", content)])


@pytest.mark.parametrize("size", [BLOCK, CHUNK - BLOCK, CHUNK, 2 * CHUNK])
@pytest.mark.parametrize("change", [-1, 1])
def test_a_file_that_changes_its_size_is_an_error(tmp_path: Path, size: int, change: int) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(size + change))
    with pytest.raises(StoreError, match=f"changed its size while it was read; it had {size} bytes"):
        written([Entry(path="file", kind="file", mode=0o644, size=size, source=path)])


def test_a_file_that_is_gone_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"cannot read .*/gone for the layer: No such file"):
        written([Entry(path="file", kind="file", mode=0o644, size=1, source=tmp_path / "gone")])


def test_the_sink_never_gets_more_than_a_chunk() -> None:
    sizes: list[int] = []
    writer = TarWriter(lambda chunk: sizes.append(len(chunk)))
    writer.add(file_of("big", bytes(5 * CHUNK + 7)))
    writer.flush()
    assert max(sizes) == CHUNK
    assert sum(sizes) == 5 * CHUNK + 2 * BLOCK


def test_a_file_that_is_no_tar_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "x.tar").write_bytes(b"not a tar at all" * 100)
    with pytest.raises(StoreError, match=r"cannot read the tar .*x\.tar"):
        list(read_entries(tmp_path / "x.tar"))


def test_the_bytes_of_a_known_tree_never_change() -> None:
    """A change here means new digests for every layer there is: raise `LAYER_FORMAT` with it."""
    archive = written(
        [
            directory("opt/uv", 0o775, (("user.note", b"\0\xff"),)),
            file_of("opt/uv/naïve.py", b"print()\n"),
            file_of("opt/run", b"#!/bin/sh\n", 0o755),
            file_of("opt/" + "deep/" * 60 + "file", b"x" * 600),
            Entry(path="opt/twin", kind="hardlink", mode=0, target="opt/run"),
            symlink("opt/here", "../opt"),
        ]
    )
    assert hashlib.sha256(archive).hexdigest() == "e50baad679ed00ff6866a8dcc9f112d12858c3c94a1a10380b00ba1f9375474f"
