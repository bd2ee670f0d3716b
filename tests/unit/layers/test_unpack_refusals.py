"""What cannot be unpacked, or not to its end, leaves nothing, and nothing outside of its folder changes."""

import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.tars import BIG, member, put, put_bytes

from warmbase.errors import StoreError
from warmbase.layers import unpack
from warmbase.layers.layer import Layer
from warmbase.layers.listing import ListedEntry
from warmbase.layers.store import LayerStore
from warmbase.layers.unpack import UnpackedLayers, unpack_layer
from warmbase.oci.digests import digest_of
from warmbase.oci.tar import file_of

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
