"""Unpacking: a layer becomes the folder it describes, whole or not at all, and nothing outside of it changes."""

import os
import stat
import tarfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.conftest import go_without
from tests.tars import BIG, CODECS, member, put

from warmbase.layers.codec import Codec
from warmbase.layers.layer import Layer
from warmbase.layers.listing import ListedEntry, Listing
from warmbase.layers.store import LayerStore
from warmbase.layers.tree import merge_layers
from warmbase.layers.unpack import UnpackedLayers, unpack_layer
from warmbase.oci.tar import MTIME, Entry, directory, file_of, symlink

LONG = "opt/" + "long-name/" * 30 + "ä.py"


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
        go_without(f"no ACLs on the file system of {tmp_path}")
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
