"""What is read of a folder lies in it, whatever its documents say."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.baseimages import sha256, system_blob, write_image

from warmbase.errors import FoundationError
from warmbase.foundation.sources import open_layout
from warmbase.foundation.upstream import read_image


def docker_folder(folder: Path, config: str, layer: str) -> None:
    """What `docker save` writes, as a folder."""
    (folder / "manifest.json").write_text(json.dumps([{"Config": config, "RepoTags": None, "Layers": [layer]}]))


def with_absolute_config(folder: Path, outside: Path) -> None:
    docker_folder(folder, f"{outside}/config.json", "layer.tar")


def with_climbing_layer(folder: Path, outside: Path) -> None:
    (folder / "config.json").write_bytes((outside / "config.json").read_bytes())
    docker_folder(folder, "config.json", f"../{outside.name}/layer.tar")


def with_link(folder: Path, outside: Path) -> None:
    (folder / "config.json").symlink_to(outside / "config.json")
    docker_folder(folder, "config.json", "layer.tar")


def with_linked_folder(folder: Path, outside: Path) -> None:
    (folder / "all").symlink_to(outside)
    docker_folder(folder, "all/config.json", "all/layer.tar")


@pytest.mark.parametrize("write", [with_absolute_config, with_climbing_layer, with_link, with_linked_folder])
def test_no_folder_names_files_outside_of_it(tmp_path: Path, write: Callable[[Path, Path], None]) -> None:
    folder, outside = tmp_path / "image", tmp_path / "outside"
    layer = system_blob()
    for path in (folder, outside):
        path.mkdir()
        (path / "layer.tar").write_bytes(layer.content)
    config = {"os": "linux", "architecture": "amd64", "rootfs": {"diff_ids": [layer.diff_id]}}
    (outside / "config.json").write_text(json.dumps(config))
    write(folder, outside)
    with pytest.raises(FoundationError, match=r"says that .* is a part of it") as caught:
        read_image(open_layout(tmp_path, "image"), "linux/amd64")
    assert caught.value.next_step


def test_a_folder_may_be_reached_by_a_link_and_have_links_to_its_own_files(tmp_path: Path) -> None:
    layer = system_blob()
    write_image(tmp_path / "image", [layer], platform="linux/amd64")
    blob = tmp_path / "image/blobs/sha256" / sha256(layer.content)[7:]
    blob.rename(tmp_path / "image/layer")
    blob.symlink_to("../../layer")
    (tmp_path / "link").symlink_to("image")
    source = open_layout(tmp_path, "link")
    source.pull(read_image(source, "linux/amd64").manifest.layers[0], tmp_path / "pulled")
    assert (tmp_path / "pulled").read_bytes() == layer.content
