"""Unpacking a layer that leads to the layers below it: it becomes what a container sees."""

import os
import stat
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.tars import member

from warmbase.errors import StoreError
from warmbase.layers.layer import Layer
from warmbase.layers.store import LayerStore
from warmbase.layers.unpack import UnpackedLayers


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
