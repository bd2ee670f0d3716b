"""The tree of an image's layers: what a container will see, and nothing of this machine's own files."""

from collections.abc import Callable
from pathlib import Path
from tarfile import LNKTYPE

import pytest
from tests.baseimages import Member, entry, folder_entry, link_entry, tar_blob
from tests.tars import put_bytes

from warmbase.errors import StoreError
from warmbase.layers.content import open_content
from warmbase.layers.store import LayerStore
from warmbase.layers.tree import ImageTree, merge_layers
from warmbase.layers.unpack import UnpackedLayers

See = Callable[..., ImageTree]


@pytest.fixture
def unpacked(tmp_path: Path) -> UnpackedLayers:
    return UnpackedLayers(tmp_path / "unpacked", LayerStore(tmp_path / "store"))


@pytest.fixture
def see(tmp_path: Path, unpacked: UnpackedLayers) -> See:
    """Look at layers of these members, the lowest first."""
    store = LayerStore(tmp_path / "store")

    def look(*layers: list[Member]) -> ImageTree:
        stored = [put_bytes(store, tar_blob(members, compressed=False).content) for members in layers]
        return merge_layers(unpacked.listings(stored), unpacked.folders(stored))

    return look


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """A file of this machine."""
    path = tmp_path / "secret"
    path.write_text("of this machine")
    return path


def hardlink(name: str, target: str) -> Member:
    return entry(name, type=LNKTYPE, linkname=target)


def test_a_hardlink_to_a_symlink_is_a_symlink(see: See, secret: Path) -> None:
    layer = [link_entry("x", str(secret)), hardlink("y", "x"), hardlink("etc/os-release", "y")]
    tree = see(layer)
    assert tree.read("etc/os-release") is None
    assert (tree.nodes["etc/os-release"].kind, tree.nodes["etc/os-release"].target) == ("symlink", str(secret))


def test_a_hardlink_to_a_symlink_of_a_lower_layer_is_a_symlink(see: See, secret: Path) -> None:
    tree = see([link_entry("x", str(secret))], [hardlink("y", "x")])
    assert tree.read("y") is None
    assert see([entry("file", b"lower"), link_entry("x", "file")], [hardlink("y", "x")]).read("y") == b"lower"


def test_names_of_one_file_have_its_content(see: See) -> None:
    tree = see([entry("a", b"first"), hardlink("b", "a"), entry("a", b"second")], [hardlink("c", "b")])
    assert [tree.read(name) for name in "abc"] == [b"second", b"first", b"first"]
    assert len({tree.sha256(tree.nodes[name]) for name in "abc"}) == 2
    assert tree.nodes["c"].size == 5


def test_a_link_in_the_place_of_an_unpacked_file_is_not_followed(
    see: See, secret: Path, unpacked: UnpackedLayers
) -> None:
    tree = see([entry("d/f", b"right")])
    (layer,) = (path for path in unpacked.folder.iterdir() if path.is_dir())
    (layer / "d").rename(layer / "e")
    (layer / "d").symlink_to("e")
    with pytest.raises(StoreError, match="is no file of its layer"):
        tree.read("d/f")
    (layer / "d").unlink()
    (layer / "d").mkdir()
    (layer / "d/f").symlink_to(secret)
    with pytest.raises(StoreError, match="cannot be read"):
        tree.read("d/f")
    with pytest.raises(StoreError, match="is no file of its layer"):
        open_content(str(layer), "d")


def test_a_folder_of_its_own_takes_the_place_of_a_lower_link(see: See) -> None:
    tree = see([link_entry("d", "e"), entry("e/f", b"")], [folder_entry("d"), entry("d/g", b"")])
    assert tree.names("d") == ["g"]
    assert tree.nodes["d"].kind == "dir"
