"""OCI layouts: written whole, added to, cleaned up."""

from dataclasses import replace
from pathlib import Path

import pytest

from warmbase.errors import StoreError
from warmbase.oci.digests import digest_of, hex_of
from warmbase.oci.layout import LayoutImage, collect_garbage, publish_to_layout, read_layout
from warmbase.oci.manifest import (
    CONFIG,
    CONTAINERD_NAME,
    INDEX,
    MANIFEST,
    REF_NAME,
    TAR_ZSTD,
    Config,
    Descriptor,
    Index,
    Manifest,
    Platform,
    describe,
)


class Blobs:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()

    def blob_path(self, digest: str) -> Path:
        return self.folder / hex_of(digest)

    def add(self, content: bytes) -> Descriptor:
        digest = digest_of(content)
        self.blob_path(digest).write_bytes(content)
        return Descriptor(media_type=TAR_ZSTD, digest=digest, size=len(content))


@pytest.fixture
def blobs(tmp_path: Path) -> Blobs:
    return Blobs(tmp_path / "store")


@pytest.fixture
def dist(tmp_path: Path) -> Path:
    return tmp_path / "dist"


def image(
    name: str, layers: tuple[Descriptor, ...], *tags: str, architecture: str = "amd64", recipe: str = "1"
) -> LayoutImage:
    platform = Platform(architecture=architecture)
    config = Config(platform=platform, created="", diff_ids=(), run={"Labels": {"name": name}}).to_bytes()
    manifest = Manifest(config=describe(config, CONFIG), layers=layers).to_bytes()
    return LayoutImage(
        image=name,
        tags=tags or ("py3.13",),
        root=replace(describe(manifest, MANIFEST, platform), annotations={"recipe": recipe}),
        documents=(config, manifest),
        layers=layers,
    )


def contents(path: Path) -> dict[str, int]:
    return {str(file.relative_to(path)): file.stat().st_mtime_ns for file in path.rglob("*") if file.is_file()}


def test_an_image_is_found_under_each_of_its_names_and_docker_gets_the_full_one(blobs: Blobs, dist: Path) -> None:
    data = image("data", (blobs.add(b"layer"),), "py3.13-trixie", "py3.13")
    publish_to_layout(dist, [data], blobs)
    layout = read_layout(dist)
    assert layout.names == ("data:py3.13", "data:py3.13-trixie")
    entry = layout.find("data:py3.13")
    assert entry is not None
    assert entry.digest == data.root.digest
    assert entry.annotations == {
        "recipe": "1",
        REF_NAME: "data:py3.13",
        CONTAINERD_NAME: "docker.io/library/data:py3.13",
    }
    assert layout.read(entry) == data.documents[1]
    assert (dist / "oci-layout").read_bytes() == b'{"imageLayoutVersion":"1.0.0"}'


def test_layers_are_hardlinks_of_the_store(blobs: Blobs, dist: Path) -> None:
    layer = blobs.add(b"layer")
    layout = publish_to_layout(dist, [image("data", (layer,))], blobs)
    assert layout.blob_path(layer.digest).samefile(blobs.blob_path(layer.digest))


def test_layers_are_copied_where_links_are_impossible(
    blobs: Blobs, dist: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    layer = blobs.add(b"layer")
    for _ in range(2):
        layout = publish_to_layout(dist, [image("data", (layer,))], blobs)
        assert layout.blob_path(layer.digest).read_bytes() == b"layer"
        assert not layout.blob_path(layer.digest).samefile(blobs.blob_path(layer.digest))


def test_publishing_again_touches_nothing(blobs: Blobs, dist: Path) -> None:
    data = image("data", (blobs.add(b"layer"),))
    publish_to_layout(dist, [data], blobs)
    before = contents(dist)
    publish_to_layout(dist, [data], blobs)
    assert contents(dist) == before


def test_other_images_stay_unless_they_are_no_longer_wanted(blobs: Blobs, dist: Path) -> None:
    layers = (blobs.add(b"layer"),)
    publish_to_layout(dist, [image("data", layers), image("web", layers), image("old", layers)], blobs)
    publish_to_layout(dist, [image("data", (blobs.add(b"new"),))], blobs)
    assert read_layout(dist).names == ("data:py3.13", "old:py3.13", "web:py3.13")
    publish_to_layout(dist, [image("data", layers)], blobs, wanted={"web:py3.13"})
    assert read_layout(dist).names == ("data:py3.13", "web:py3.13")


def test_builds_for_several_platforms_share_a_name_in_whatever_order_they_come(blobs: Blobs, dist: Path) -> None:
    layers = (blobs.add(b"layer"),)
    builds = [image("data", layers, architecture=name, recipe=name) for name in ("arm64", "amd64")]
    layout = publish_to_layout(dist, builds[:1], blobs)
    assert layout.builds("data:py3.13") == (builds[0].root,)
    layout = publish_to_layout(dist, builds[1:], blobs)
    assert layout.names == ("data:py3.13",)
    assert layout.builds("data:py3.13") == (builds[1].root, builds[0].root)
    other = dist.with_name("other")
    assert publish_to_layout(other, builds[::-1], blobs).index == layout.index
    entry = layout.find("data:py3.13")
    assert entry is not None
    assert (entry.media_type, set(entry.annotations)) == (INDEX, {REF_NAME, CONTAINERD_NAME})
    before = contents(dist)
    publish_to_layout(dist, builds[:1], blobs)
    assert contents(dist) == before


def test_a_new_build_replaces_the_one_for_its_platform_only(blobs: Blobs, dist: Path) -> None:
    old = [image("data", (blobs.add(b"layer"),), architecture=name) for name in ("amd64", "arm64")]
    publish_to_layout(dist, old, blobs)
    new = image("data", (blobs.add(b"new"),), architecture="arm64")
    layout = publish_to_layout(dist, [new], blobs)
    assert layout.builds("data:py3.13") == (old[0].root, new.root)
    collect_garbage(dist)
    assert layout.read(old[0].root)
    assert layout.read(new.root)
    assert not layout.blob_path(old[1].root.digest).exists()
    assert layout.builds("web:py3.13") == ()


def test_garbage_is_what_no_entry_leads_to(blobs: Blobs, dist: Path) -> None:
    old, new = blobs.add(b"old layer"), blobs.add(b"new layer")
    publish_to_layout(dist, [image("data", (old,))], blobs)
    kept = image("data", (old, new))
    platforms = Index(manifests=(kept.root,)).to_bytes()
    publish_to_layout(
        dist,
        [
            LayoutImage(
                image="data",
                tags=("py3.13",),
                root=describe(platforms, INDEX),
                documents=(*kept.documents, platforms),
                layers=kept.layers,
            )
        ],
        blobs,
    )
    (dist / "blobs" / "sha256" / ".new-left-behind").write_bytes(b"x" * 10)
    freed = collect_garbage(dist)
    needed = {hex_of(digest_of(document)) for document in (*kept.documents, platforms)}
    assert {path.name for path in (dist / "blobs" / "sha256").iterdir()} == needed | {
        hex_of(old.digest),
        hex_of(new.digest),
    }
    assert freed == 10 + image("data", (old,)).root.size
    assert collect_garbage(dist) == 0


def test_a_damaged_document_is_written_anew(blobs: Blobs, dist: Path) -> None:
    data = image("data", (blobs.add(b"layer"),))
    layout = publish_to_layout(dist, [data], blobs)
    layout.blob_path(data.root.digest).write_bytes(b"{}")
    with pytest.raises(StoreError, match="is damaged"):
        layout.read(data.root)
    publish_to_layout(dist, [data], blobs)
    assert layout.read(data.root) == data.documents[1]


def test_a_layer_that_the_store_lost_is_an_error_that_says_what_to_do(blobs: Blobs, dist: Path) -> None:
    layer = blobs.add(b"layer")
    blobs.blob_path(layer.digest).unlink()
    with pytest.raises(StoreError, match=r"is not whole in the layer store\n  next: run the build again"):
        publish_to_layout(dist, [image("data", (layer,))], blobs)
    assert read_layout(dist).names == ()


@pytest.mark.parametrize(("name", "content"), [("index.json", b"[]"), ("index.json", b"{"), ("oci-layout", b"{}")])
def test_what_is_no_layout_is_an_error(blobs: Blobs, dist: Path, name: str, content: bytes) -> None:
    publish_to_layout(dist, [image("data", (blobs.add(b"layer"),))], blobs)
    (dist / name).write_bytes(content)
    with pytest.raises(StoreError, match="cannot use the OCI layout"):
        read_layout(dist)


def test_a_missing_layout_is_an_error(dist: Path) -> None:
    with pytest.raises(StoreError, match=r"cannot use the OCI layout .*No such file"):
        read_layout(dist)


@pytest.mark.parametrize("damage", ["truncated", "missing"])
@pytest.mark.parametrize("part", ["manifest", "config", "layer"])
def test_an_image_is_whole_only_with_all_of_its_blobs_and_publishing_heals_it(
    dist: Path, blobs: Blobs, part: str, damage: str
) -> None:
    published = image("data", (blobs.add(b"a layer"),))
    layout = publish_to_layout(dist, [published], blobs)
    (build,) = layout.builds("data:py3.13")
    assert layout.is_whole(build)
    blob = dict(zip(("manifest", "config", "layer"), layout.blobs(build), strict=True))[part]
    path = layout.blob_path(blob.digest)
    content = path.read_bytes()
    path.unlink()
    if damage == "truncated":
        path.write_bytes(content[:-1])
    assert not layout.is_whole(build)
    publish_to_layout(dist, [published], blobs)
    assert layout.is_whole(build)
    assert path.read_bytes() == content


def test_a_layer_that_is_not_whole_in_the_store_is_not_published(dist: Path, blobs: Blobs) -> None:
    layer = blobs.add(b"a layer")
    blobs.blob_path(layer.digest).write_bytes(b"a lay")
    with pytest.raises(StoreError, match=r"is not whole in the layer store\n  next: run the build again"):
        publish_to_layout(dist, [image("data", (layer,))], blobs)
