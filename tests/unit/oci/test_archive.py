"""The tar that `docker load` and `podman load` take."""

import io
import json
import tarfile
from collections.abc import Iterable
from pathlib import Path

import pytest

from warmbase.errors import StoreError
from warmbase.oci.archive import ArchivedImage, archive_entries, known_ids, stream_tar
from warmbase.oci.digests import digest_of, hex_of
from warmbase.oci.layout import Layout
from warmbase.oci.manifest import (
    CONFIG,
    MANIFEST,
    TAR_ZSTD,
    Config,
    Descriptor,
    Index,
    Manifest,
    Platform,
    describe,
)
from warmbase.oci.tar import BLOCK

NAMES = ("registry.example:5000/bases/core:py3.13-trixie", "registry.example:5000/bases/core:py3.13")


class Bench:
    """A layout on disk whose blobs the tests write."""

    def __init__(self, folder: Path) -> None:
        (folder / "blobs" / "sha256").mkdir(parents=True)
        self.layout = Layout(path=folder, index=Index(manifests=()))

    def add(self, content: bytes, media_type: str) -> Descriptor:
        self.layout.blob_path(digest_of(content)).write_bytes(content)
        return describe(content, media_type)

    def image(self, *layers: bytes, names: tuple[str, ...] = NAMES) -> ArchivedImage:
        described = tuple(self.add(layer, TAR_ZSTD) for layer in layers)
        config = Config(platform=Platform(), created="", diff_ids=tuple(layer.digest for layer in described))
        manifest = Manifest(config=self.add(config.to_bytes(), CONFIG), layers=described)
        return ArchivedImage(manifest=self.add(manifest.to_bytes(), MANIFEST), names=names)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path / "dist")


def unpack(pieces: Iterable[bytes]) -> dict[str, bytes]:
    files = {}
    with tarfile.open(fileobj=io.BytesIO(b"".join(pieces)), mode="r:") as tar:
        for member in tar:
            file = tar.extractfile(member)
            if file:
                assert member.name not in files
                files[member.name] = file.read()
    return files


def test_the_archive_is_a_layout_under_the_full_names(bench: Bench) -> None:
    image = bench.image(b"lowest", b"highest")
    files = unpack(stream_tar(archive_entries(bench.layout, [image])))
    assert json.loads(files["oci-layout"]) == {"imageLayoutVersion": "1.0.0"}
    entries = Index.from_bytes(files["index.json"]).manifests
    assert [entry.annotations["io.containerd.image.name"] for entry in entries] == list(NAMES)
    assert [entry.annotations["org.opencontainers.image.ref.name"] for entry in entries] == ["py3.13-trixie", "py3.13"]
    assert {entry.digest for entry in entries} == {image.manifest.digest}
    blobs = {name: content for name, content in files.items() if name.startswith("blobs/")}
    assert len(blobs) == 4
    assert all(name == f"blobs/sha256/{hex_of(digest_of(content))}" for name, content in blobs.items())


def test_the_archive_lists_config_names_and_layers_lowest_first_for_engines_that_know_no_layout(bench: Bench) -> None:
    image = bench.image(b"lowest", b"highest")
    files = unpack(stream_tar(archive_entries(bench.layout, [image])))
    (listed,) = json.loads(files["manifest.json"])
    assert listed["RepoTags"] == list(NAMES)
    assert [files[layer] for layer in listed["Layers"]] == [b"lowest", b"highest"]
    assert f"sha256:{Path(listed['Config']).name}" == known_ids(bench.layout, image)[1]
    assert files[listed["Config"]]


def test_podman_gets_dockers_format_alone(bench: Bench) -> None:
    files = unpack(stream_tar(archive_entries(bench.layout, [bench.image(b"layer")], with_layout=False)))
    assert "manifest.json" in files
    assert not {"index.json", "oci-layout"} & files.keys()


def test_a_layer_that_images_share_is_in_the_archive_once(bench: Bench) -> None:
    first, second = bench.image(b"shared", b"one", names=("a:1",)), bench.image(b"shared", b"two", names=("b:1",))
    files = unpack(stream_tar(archive_entries(bench.layout, [first, second])))
    assert sorted(content for content in files.values() if len(content) < 8) == [b"one", b"shared", b"two"]
    assert [listed["RepoTags"] for listed in json.loads(files["manifest.json"])] == [["a:1"], ["b:1"]]


@pytest.mark.parametrize("size", [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, (1 << 20) + 7])
def test_blobs_of_every_size_come_out_as_they_went_in(bench: Bench, size: int) -> None:
    layer = bytes(number % 251 for number in range(size))
    pieces = list(stream_tar(archive_entries(bench.layout, [bench.image(layer)])))
    assert max(map(len, pieces)) <= 1 << 20
    assert sum(map(len, pieces)) % BLOCK == 0
    assert unpack(pieces)[f"blobs/sha256/{hex_of(digest_of(layer))}"] == layer


def test_a_missing_layer_is_an_error_before_anything_is_sent(bench: Bench) -> None:
    image = bench.image(b"layer")
    path = bench.layout.blob_path(digest_of(b"layer"))
    path.unlink()
    with pytest.raises(StoreError, match="missing or not whole") as caught:
        archive_entries(bench.layout, [image])
    assert str(path) in caught.value.message
    assert "build again" in caught.value.next_step


def test_a_layer_that_shrinks_while_it_is_sent_is_an_error(bench: Bench) -> None:
    entries = archive_entries(bench.layout, [bench.image(b"layer")])
    bench.layout.blob_path(digest_of(b"layer")).write_bytes(b"la")
    with pytest.raises(StoreError, match="missing or not whole"):
        list(stream_tar(entries))
