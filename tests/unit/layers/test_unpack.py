"""Unpacking: a layer becomes the folder it describes, whole or not at all, and nothing outside of it changes."""

import io
import os
import stat
import tarfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from warmbase.errors import StoreError
from warmbase.layers import unpack
from warmbase.layers.codec import Codec
from warmbase.layers.layer import Layer, Packed
from warmbase.layers.listing import ListedEntry, Listing
from warmbase.layers.pack import pack_entries
from warmbase.layers.store import LayerStore
from warmbase.layers.tree import merge_layers
from warmbase.layers.unpack import UnpackedLayers, unpack_layer
from warmbase.oci.digests import digest_of
from warmbase.oci.manifest import TAR
from warmbase.oci.tar import MTIME, Entry, directory, file_of, symlink

CODECS = [Codec(), Codec(name="gzip", level=6)]
LONG = "opt/" + "long-name/" * 30 + "ä.py"
BIG = os.urandom(2_500_000)


@pytest.fixture
def store(tmp_path: Path) -> LayerStore:
    return LayerStore(tmp_path / "store")


@pytest.fixture
def put_tar(store: LayerStore) -> Callable[..., Layer]:
    """Put a foreign, uncompressed tar into the store; its members are (TarInfo, content)."""

    def put(*members: tuple[tarfile.TarInfo, bytes], format: int = tarfile.PAX_FORMAT, diff_id: str = "") -> Layer:
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w", format=format) as tar:
            for info, content in members:
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
        return put_bytes(store, buffer.getvalue(), diff_id)

    return put


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


@pytest.mark.parametrize("codec", CODECS, ids=lambda codec: codec.name)
def test_our_layer_becomes_what_was_packed(store: LayerStore, tmp_path: Path, codec: Codec) -> None:
    layer = put(
        store,
        file_of("bin/run", b"#!/bin/sh\n", 0o4755),
        file_of(LONG, BIG),
        Entry(path="opt/z", kind="hardlink", mode=0, target=LONG),
        symlink("opt/link", "../../outside"),
        directory("var/empty", 0o2775),
        file_of("empty", b""),
        codec=codec,
    )
    target = tmp_path / "target"
    listing = unpack_layer(store, layer, target)

    assert (target / LONG).read_bytes() == BIG
    assert (target / "opt/z").stat().st_ino == (target / LONG).stat().st_ino
    assert (target / "opt/link").readlink() == Path("../../outside")
    modes = {path: stat.S_IMODE((target / path).lstat().st_mode) for path in ("bin/run", "var/empty", "var", "empty")}
    assert modes == {"bin/run": 0o4755, "var/empty": 0o2775, "var": 0o755, "empty": 0o644}
    assert {path.lstat().st_mtime for path in target.rglob("*")} == {MTIME}
    assert listing.size == len(BIG) + 10
    assert ListedEntry("bin/run", "file", 0o4755, "", 10) in listing.entries
    assert [entry.target for entry in listing.entries if entry.kind == "hardlink"] == [LONG]


def test_default_acls_are_set_and_do_not_act_on_what_was_unpacked(store: LayerStore, tmp_path: Path) -> None:
    acl = bytes.fromhex("0200000001000700ffffffff04000700ffffffff20000700ffffffff")
    layer = put(store, directory("cache", 0o777, (("system.posix_acl_default", acl),)), file_of("cache/f", b"x"))
    listing = unpack_layer(store, layer, tmp_path / "target")

    cache = tmp_path / "target/cache"
    if listing.unset:
        pytest.skip(f"no ACLs on the file system of {tmp_path}")
    assert os.getxattr(cache, "system.posix_acl_default") == acl
    assert os.listxattr(cache / "f") == []
    assert stat.S_IMODE((cache / "f").stat().st_mode) == 0o644


def test_attributes_that_the_file_system_refuses_are_named(store: LayerStore, tmp_path: Path) -> None:
    layer = put(store, directory("d", 0o755, (("nonsense.name", b"1"),)), file_of("d/f", b"x"))
    assert unpack_layer(store, layer, tmp_path / "target").unset == ("nonsense.name",)
    assert (tmp_path / "target/d/f").read_bytes() == b"x"


@pytest.mark.parametrize("format", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT])
def test_tars_of_other_writers_are_read(
    put_tar: Callable[..., Layer], store: LayerStore, tmp_path: Path, format: int
) -> None:
    long = "d/" + "n" * 60 + "/" + "m" * (90 if format == tarfile.USTAR_FORMAT else 190)
    layer = put_tar(
        (member("./", tarfile.DIRTYPE, mode=0o700), b""),
        (member("./d/", tarfile.DIRTYPE, mode=0o750, mtime=1_000_000_000), b""),
        (member("/" + long, mtime=1_500_000_000), b"content"),
        (member("d/s", tarfile.SYMTYPE, linkname="t" * 80), b""),
        (member("d/h", tarfile.LNKTYPE, linkname="./" + long[: 98 if format == tarfile.USTAR_FORMAT else 300]), b"")
        if format != tarfile.USTAR_FORMAT
        else (member("d/h"), b"content"),
        (member("dev/null", tarfile.CHRTYPE), b""),
        (member("d/pipe", tarfile.FIFOTYPE), b""),
        format=format,
    )
    target = tmp_path / "target"
    listing = unpack_layer(store, layer, target)

    assert (target / long).read_bytes() == (target / "d/h").read_bytes() == b"content"
    assert (target / long).stat().st_mtime == 1_500_000_000
    assert (target / "d").stat().st_mtime == 1_000_000_000
    assert stat.S_IMODE(target.stat().st_mode) == 0o700
    assert str((target / "d/s").readlink()) == "t" * 80
    assert not (target / "dev/null").exists()
    assert [entry.path for entry in listing.entries if entry.kind == "device"] == ["dev/null", "d/pipe"]


def test_pax_times_and_attributes_are_exact(put_tar: Callable[..., Layer], store: LayerStore, tmp_path: Path) -> None:
    headers = {"mtime": "1500000000.123456789", "SCHILY.xattr.user.note": "yes"}
    layer = put_tar((member("f", pax_headers=headers), b"x"))
    listing = unpack_layer(store, layer, tmp_path / "target")
    assert (tmp_path / "target/f").stat().st_mtime_ns == 1_500_000_000_123_456_789
    assert listing.unset or os.getxattr(tmp_path / "target/f", "user.note") == b"yes"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_root_keeps_owners(put_tar: Callable[..., Layer], store: LayerStore, tmp_path: Path) -> None:
    big = 3_000_000_000  # more than the header's octal digits hold
    layer = put_tar(
        (member("d", tarfile.DIRTYPE, uid=5, gid=6, mode=0o755), b""),
        (member("d/f", uid=7, gid=big, mode=0o4755), b""),
        (member("d/s", tarfile.SYMTYPE, uid=8, gid=9, linkname="f"), b""),
    )
    unpack_layer(store, layer, tmp_path / "target")
    found = [(s.st_uid, s.st_gid) for s in ((tmp_path / "target" / path).lstat() for path in ("d", "d/f", "d/s"))]
    assert found == [(5, 6), (7, big), (8, 9)]
    assert stat.S_IMODE((tmp_path / "target/d/f").stat().st_mode) == 0o4755  # chown clears the set-user-id bit


def test_whiteouts_become_what_overlayfs_knows(
    put_tar: Callable[..., Layer], store: LayerStore, tmp_path: Path
) -> None:
    layer = put_tar((member("d/.wh.gone"), b""), (member("d/.wh..wh..opq"), b""), (member("d/new"), b"x"))
    listing = unpack_layer(store, layer, tmp_path / "target")
    gone = (tmp_path / "target/d/gone").lstat()
    assert stat.S_ISCHR(gone.st_mode)
    assert gone.st_rdev == 0
    name = f"{'trusted' if os.geteuid() == 0 else 'user'}.overlay.opaque"
    assert name in listing.unset or os.getxattr(tmp_path / "target/d", name) == b"y"
    assert [(e.path, e.kind) for e in listing.entries] == [
        ("d/gone", "whiteout"),
        ("d/.wh..wh..opq", "whiteout"),
        ("d/new", "file"),
    ]


def is_opaque(folder: Path, listing: Listing) -> bool:
    name = f"{'trusted' if os.geteuid() == 0 else 'user'}.overlay.opaque"
    return name in listing.unset or (name in os.listxattr(folder) and os.getxattr(folder, name) == b"y")


SAME_LAYER = {
    "a whiteout after its file": [(member("f"), b"x"), (member(".wh.f"), b"")],
    "a whiteout before its file": [(member(".wh.f"), b""), (member("f"), b"x")],
    "a whiteout after its folder": [(member("d", tarfile.DIRTYPE), b""), (member("d/f"), b"x"), (member(".wh.d"), b"")],
    "a whiteout before its folder": [
        (member(".wh.d"), b""),
        (member("d", tarfile.DIRTYPE), b""),
        (member("d/f"), b"x"),
    ],
    "a whiteout before what is in its folder": [(member(".wh.d"), b""), (member("d/f"), b"x")],
}


@pytest.mark.parametrize("members", SAME_LAYER.values(), ids=SAME_LAYER.keys())
def test_a_whiteout_acts_on_lower_layers_only(
    put_tar: Callable[..., Layer], store: LayerStore, tmp_path: Path, members: list[tuple[tarfile.TarInfo, bytes]]
) -> None:
    listing = unpack_layer(store, put_tar(*members), tmp_path / "target")
    (file,) = (path for path in (tmp_path / "target").rglob("f"))
    assert file.read_bytes() == b"x"
    assert file.parent.name != "d" or is_opaque(file.parent, listing)


def test_a_folder_stays_opaque_when_its_entry_comes_late(
    put_tar: Callable[..., Layer], store: LayerStore, tmp_path: Path
) -> None:
    layer = put_tar((member("d/.wh..wh..opq"), b""), (member("d", tarfile.DIRTYPE, mode=0o700), b""))
    listing = unpack_layer(store, layer, tmp_path / "target")
    assert is_opaque(tmp_path / "target/d", listing)
    assert stat.S_IMODE((tmp_path / "target/d").stat().st_mode) == 0o700


def test_notes_of_aufs_are_left_out(put_tar: Callable[..., Layer], store: LayerStore, tmp_path: Path) -> None:
    layer = put_tar((member(".wh..wh.aufs"), b"note"), (member(".wh..wh.plnk/1.2"), b"x"), (member("f"), b"x"))
    listing = unpack_layer(store, layer, tmp_path / "target")
    assert [entry.path for entry in listing.entries] == ["f"]
    assert [path.name for path in (tmp_path / "target").iterdir()] == ["f"]


@pytest.mark.parametrize("name", ["trusted.overlay.redirect", "user.overlay.opaque"])
def test_no_layer_steers_the_overlay(
    put_tar: Callable[..., Layer], store: LayerStore, tmp_path: Path, name: str
) -> None:
    attributes = {f"SCHILY.xattr.{name}": "/elsewhere"}
    layer = put_tar((member("d", tarfile.DIRTYPE, pax_headers=attributes), b""))
    listing = unpack_layer(store, layer, tmp_path / "target")
    assert listing.unset == ()
    assert os.listxattr(tmp_path / "target/d") == []


def test_the_later_of_two_entries_counts_and_both_are_listed(
    put_tar: Callable[..., Layer], store: LayerStore, tmp_path: Path
) -> None:
    layer = put_tar(
        (member("f"), b"first"), (member("h", tarfile.LNKTYPE, linkname="f"), b""), (member("f"), b"second")
    )
    listing = unpack_layer(store, layer, tmp_path / "target")
    assert (tmp_path / "target/f").read_bytes() == b"second"
    assert (tmp_path / "target/h").read_bytes() == b"first"
    assert [entry.path for entry in listing.entries] == ["f", "h", "f"]


def test_a_hardlink_to_a_file_of_a_lower_layer_is_that_file(
    put_tar: Callable[..., Layer], store: LayerStore, tmp_path: Path
) -> None:
    layers = (
        put_tar(
            (member("d/f", mode=0o750, mtime=1_500_000_000), b"old"),
            (member("d/s", tarfile.SYMTYPE, linkname="f"), b""),
        ),
        put_tar((member("d/f", mode=0o750, mtime=1_600_000_000), b"new")),
        put_tar(
            (member("e/h", tarfile.LNKTYPE, linkname="d/f"), b""),
            (member("again", tarfile.LNKTYPE, linkname="e/h"), b""),
            (member("s", tarfile.LNKTYPE, linkname="./d/s"), b""),
        ),
    )
    unpacked = UnpackedLayers(tmp_path / "unpacked", store)
    top = unpacked.folders(layers)[-1]
    assert [(top / path).read_bytes() for path in ("e/h", "again")] == [b"new", b"new"]
    assert stat.S_IMODE((top / "e/h").stat().st_mode) == 0o750
    assert (top / "e/h").stat().st_mtime == 1_600_000_000
    assert (top / "s").readlink() == Path("f")
    assert [entry.kind for entry in unpacked.listings(layers)[-1].entries] == ["hardlink"] * 3


def test_a_hardlink_to_a_lower_layer_is_what_it_is_on_each_base(
    put_tar: Callable[..., Layer], store: LayerStore, tmp_path: Path
) -> None:
    long = "n" * 255
    above = put_tar((member(long, tarfile.LNKTYPE, linkname="f"), b""))
    bases = [put_tar((member("f"), content)) for content in (b"one", b"two")]
    unpacked = UnpackedLayers(tmp_path / "unpacked", store)
    for _ in range(2):
        found = [(unpacked.folders([base, above])[-1] / long).read_bytes() for base in bases]
        assert found == [b"one", b"two"]
    assert [len(unpacked.listings([base, above])) for base in bases] == [2, 2]
    assert unpacked.prune() == 0
    with pytest.raises(StoreError, match="which is in no layer"):
        unpacked.folders([above])


IMPLIED = {
    "a file": ([member("lib64/new")], ["usr/lib64/new"]),
    "a folder": ([member("lib64/d", tarfile.DIRTYPE), member("lib64/d/new")], ["usr/lib64/d/new"]),
    "a link": ([member("new"), member("lib64/new", tarfile.LNKTYPE, linkname="new")], ["new", "usr/lib64/new"]),
    "a file below a link to nothing": ([member("run/new")], ["var/run/new"]),
}


@pytest.mark.parametrize(("members", "expected"), IMPLIED.values(), ids=IMPLIED.keys())
def test_a_folder_that_no_entry_names_does_not_hide_a_link_below(
    put_tar: Callable[..., Layer],
    store: LayerStore,
    tmp_path: Path,
    members: list[tarfile.TarInfo],
    expected: list[str],
) -> None:
    base = put_tar(
        (member("usr/lib64", tarfile.DIRTYPE), b""),
        (member("lib64", tarfile.SYMTYPE, linkname="usr/lib64"), b""),
        (member("run", tarfile.SYMTYPE, linkname="/var/run"), b""),
    )
    above = put_tar(*((info, b"x") if info.isfile() else (info, b"") for info in members))
    unpacked = UnpackedLayers(tmp_path / "unpacked", store)
    folder = unpacked.folders([base, above])[-1]
    assert sorted(os.fspath(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()) == expected
    listed = unpacked.listings([base, above])[-1].entries
    assert sorted(entry.path for entry in listed if entry.kind != "dir") == expected


def test_a_folder_that_an_entry_names_takes_the_place_of_a_link_below(
    put_tar: Callable[..., Layer], store: LayerStore, tmp_path: Path
) -> None:
    base = put_tar((member("lib64", tarfile.SYMTYPE, linkname="usr/lib64"), b""))
    above = put_tar((member("lib64/new"), b"x"), (member("lib64", tarfile.DIRTYPE), b""))
    assert (UnpackedLayers(tmp_path / "unpacked", store).folders([base, above])[-1] / "lib64/new").is_file()


@pytest.mark.parametrize("mode", [None, 0o755])
def test_only_the_owner_reaches_what_is_unpacked(store: LayerStore, tmp_path: Path, mode: int | None) -> None:
    folder = tmp_path / "unpacked"
    if mode:
        folder.mkdir()
        folder.chmod(mode)
    UnpackedLayers(folder, store).folders([put(store, file_of("su", b"x", 0o4755))])
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_without_root_everything_can_be_read(
    put_tar: Callable[..., Layer], store: LayerStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    layer = put_tar((member("etc", tarfile.DIRTYPE, mode=0o011), b""), (member("etc/shadow", mode=0), b"x"))
    with monkeypatch.context() as patched:
        patched.setattr(os, "geteuid", lambda: 12345)
        listing = unpack_layer(store, layer, tmp_path / "target")
    modes = [stat.S_IMODE((tmp_path / "target" / path).stat().st_mode) for path in ("etc", "etc/shadow")]
    assert modes == [0o711, 0o400]
    assert [entry.mode for entry in listing.entries] == [0o011, 0]


DANGLING = {
    "to nothing": [(member("h", tarfile.LNKTYPE, linkname="missing"), b"")],
    "to an absolute path": [(member("h", tarfile.LNKTYPE, linkname="/etc/hostname"), b"")],
    "through a link of a lower layer": [(member("h", tarfile.LNKTYPE, linkname="out/witness"), b"")],
    "to a folder": [(member("h", tarfile.LNKTYPE, linkname="folder"), b"")],
    "to what a layer between took away": [(member("h", tarfile.LNKTYPE, linkname="gone"), b"")],
}


@pytest.mark.parametrize("members", DANGLING.values(), ids=DANGLING.keys())
def test_a_hardlink_that_leads_to_no_file_of_a_layer_is_refused(
    put_tar: Callable[..., Layer], store: LayerStore, tmp_path: Path, members: list[tuple[tarfile.TarInfo, bytes]]
) -> None:
    (tmp_path / "witness").write_text("unchanged")
    out = member("out", tarfile.SYMTYPE, linkname="../..")
    lowest = put_tar((out, b""), (member("folder", tarfile.DIRTYPE), b""), (member("gone"), b"x"))
    layers = [lowest, put_tar((member(".wh.gone"), b"")), put_tar(*members)]
    unpacked = UnpackedLayers(tmp_path / "unpacked", store)
    for _ in range(2):
        with pytest.raises(StoreError, match="which is in no layer"):
            unpacked.folders(layers)
    assert (tmp_path / "witness").stat().st_nlink == 1


HOSTILE = {
    "a name that climbs out": [(member("../escaped"), b"x")],
    "a name that climbs out later": [(member("a/../../escaped"), b"x")],
    "a file below a symlink": [
        (member("out", tarfile.SYMTYPE, linkname=".."), b""),
        (member("out/escaped"), b"x"),
    ],
    "a hardlink out": [(member("escaped", tarfile.LNKTYPE, linkname="../witness"), b"")],
    "a hardlink to itself": [(member("h", tarfile.LNKTYPE, linkname="h"), b"")],
    "a file below a file": [(member("f"), b"x"), (member("f/g"), b"x")],
    "a whiteout of above": [(member(".wh..."), b"")],
    "a file instead of the root": [(member("."), b"x")],
}


@pytest.mark.parametrize("members", HOSTILE.values(), ids=HOSTILE.keys())
def test_nothing_is_written_outside(
    put_tar: Callable[..., Layer],
    store: LayerStore,
    tmp_path: Path,
    members: list[tuple[tarfile.TarInfo, bytes]],
) -> None:
    place = tmp_path / "place"
    place.mkdir()
    (place / "witness").write_text("unchanged")
    with pytest.raises(StoreError, match="cannot unpack the layer sha256:"):
        unpack_layer(store, put_tar(*members), place / "target")
    assert [path.name for path in place.iterdir()] == ["witness"]
    assert (place / "witness").stat().st_nlink == 1


@pytest.mark.parametrize("content", [b"no tar" * 1000, bytes(100), b"\0" * 512 + b"x"], ids=["text", "short", "end"])
def test_what_is_no_tar_leaves_nothing(store: LayerStore, tmp_path: Path, content: bytes) -> None:
    layer = put_bytes(store, content, digest_of(b"another"))
    with pytest.raises(StoreError, match="cannot unpack the layer"):
        unpack_layer(store, layer, tmp_path / "place/target")
    assert list((tmp_path / "place").iterdir()) == []


def test_a_folder_takes_the_place_of_a_symlink(
    put_tar: Callable[..., Layer], store: LayerStore, tmp_path: Path
) -> None:
    layer = put_tar(
        (member("out", tarfile.SYMTYPE, linkname=".."), b""),
        (member("out", tarfile.DIRTYPE), b""),
        (member("out/kept"), b"x"),
    )
    unpack_layer(store, layer, tmp_path / "place/target")
    assert (tmp_path / "place/target/out/kept").read_bytes() == b"x"
    assert [path.name for path in (tmp_path / "place").iterdir()] == ["target"]


def test_a_symlink_takes_the_place_of_a_folder(
    put_tar: Callable[..., Layer], store: LayerStore, tmp_path: Path
) -> None:
    layer = put_tar(
        (member("d", tarfile.DIRTYPE), b""),
        (member("d/e/f"), b"x"),
        (member("kept", tarfile.LNKTYPE, linkname="d/e/f"), b""),
        (member("d", tarfile.SYMTYPE, linkname="kept"), b""),
    )
    unpacked = UnpackedLayers(tmp_path / "unpacked", store)
    (folder,) = unpacked.folders([layer])
    assert (folder / "d").readlink() == Path("kept")
    tree = merge_layers(unpacked.listings([layer]), [folder])
    assert {path: node.kind for path, node in tree.nodes.items()} == {"kept": "file", "d": "symlink"}
    assert tree.read("d") == b"x"


ODD = {
    "a user that Linux has not": member("f", uid=2**40),
    "a group that Linux has not": member("f", gid=2**32 - 1),
    "a negative user": member("f", uid=-2),
    "a time after all times": member("f", mtime=2**70),
    "a time before all times": member("f", mtime=-(2**70)),
}


@pytest.mark.parametrize("info", ODD.values(), ids=ODD.keys())
def test_numbers_that_no_file_can_have_are_refused(
    put_tar: Callable[..., Layer], store: LayerStore, tmp_path: Path, info: tarfile.TarInfo
) -> None:
    layer = put_tar((info, b"x"), format=tarfile.GNU_FORMAT if info.uid < 0 else tarfile.PAX_FORMAT)
    with pytest.raises(StoreError, match="cannot unpack the layer sha256:"):
        unpack_layer(store, layer, tmp_path / "target")


def test_another_diff_id_is_refused(put_tar: Callable[..., Layer], store: LayerStore, tmp_path: Path) -> None:
    layer = put_tar((member("f"), b"x"), diff_id=digest_of(b"another"))
    with pytest.raises(StoreError, match=f"its content is sha256:[0-9a-f]+, not {digest_of(b'another')}"):
        unpack_layer(store, layer, tmp_path / "target")
    assert not (tmp_path / "target").exists()


def test_a_damaged_blob_is_refused_and_dropped(store: LayerStore, tmp_path: Path) -> None:
    layer = put(store, file_of("f", BIG))
    blob = store.blob_path(layer.digest)
    blob.chmod(0o644)
    content = bytearray(blob.read_bytes())
    content[len(content) // 2] ^= 1
    blob.write_bytes(content)
    with pytest.raises(StoreError):
        unpack_layer(store, layer, tmp_path / "target")
    assert not (tmp_path / "target").exists()


def test_an_interrupted_extraction_is_no_layer(
    store: LayerStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    layer = put(store, file_of("f", b"x"))
    unpacked = UnpackedLayers(tmp_path / "unpacked", store)
    with monkeypatch.context() as patched:
        patched.setattr(unpack, "write_listing", interrupt)
        with pytest.raises(KeyboardInterrupt):
            unpacked.folders([layer])
    (folder,) = unpacked.folders([layer])
    assert (folder / "f").read_bytes() == b"x"
    assert unpacked.listings([layer])[0].entries == (ListedEntry("f", "file", 0o644, "", 1),)


def interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def test_a_killed_extraction_is_swept_away(store: LayerStore, tmp_path: Path) -> None:
    layer = put(store, file_of("f", b"x"))
    left = tmp_path / ".target.partial"
    (left / "half").mkdir(parents=True)
    unpack_layer(store, layer, tmp_path / "target")
    assert [path.name for path in (tmp_path / "target").iterdir()] == ["f"]
    assert not left.exists()


def test_a_layer_is_unpacked_once(store: LayerStore, tmp_path: Path) -> None:
    layers = [put(store, file_of(name, name.encode()), recipe=name) for name in ("a", "b", "c")]
    unpacked = UnpackedLayers(tmp_path / "unpacked", store)
    with ThreadPoolExecutor(4) as executor:
        results = list(executor.map(unpacked.folders, [layers, layers[::-1], layers, [layers[0]] * 2]))
    inodes = [folder.stat().st_ino for folder in results[0]]
    assert [path.name for path in results[0]] == [layer.diff_id.removeprefix("sha256:") for layer in layers]
    assert results[1] == results[0][::-1]
    assert results[3] == (results[0][0],) * 2
    store.blob_path(layers[0].digest).unlink()  # what is unpacked needs no blob
    again = UnpackedLayers(tmp_path / "unpacked", store)
    assert [folder.stat().st_ino for folder in again.folders(layers)] == inodes


@pytest.mark.parametrize("damage", ["", "{}", '{"format": 1, "boot": "another", "size": 0, "unset": []}\n[]\n'])
def test_what_has_no_sound_listing_is_unpacked_again(store: LayerStore, tmp_path: Path, damage: str) -> None:
    layer = put(store, file_of("f", b"right"))
    unpacked = UnpackedLayers(tmp_path / "unpacked", store)
    (folder,) = unpacked.folders([layer])
    (folder / "f").write_bytes(b"wrong")
    folder.with_name(f"{folder.name}.json").write_text(damage)
    unpacked.folders([layer])
    assert (folder / "f").read_bytes() == b"right"
