"""Choosing an image of a platform, in the words of OCI and of Docker, and archives that Docker writes."""

import io
import json
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from tests.baseimages import entry, link_entry, sha256, tar_blob, write_image, write_index

from warmbase.effects.registry.model import Document, Progress, ignore_progress
from warmbase.errors import FoundationError
from warmbase.foundation.sources import open_layout
from warmbase.foundation.upstream import read_image
from warmbase.oci.manifest import INDEX, MANIFEST, TAR, TAR_GZIP, Descriptor

DOCKER = "application/vnd.docker"
DOCKER_LIST = f"{DOCKER}.distribution.manifest.list.v2+json"
DOCKER_MANIFEST = f"{DOCKER}.distribution.manifest.v2+json"
DIFF_ID = "sha256:" + "d" * 64


@dataclass(kw_only=True)
class Memory:
    """A source whose documents are in memory; the last one put is what its name points to."""

    name: str = "registry.example/python:3"
    documents: dict[str, Document] = field(default_factory=dict)

    def put(self, value: Mapping[str, Any], media_type: str) -> dict[str, Any]:
        """Put a document and return its descriptor."""
        content = json.dumps(value).encode()
        digest = sha256(content)
        self.documents.pop(digest, None)
        self.documents[digest] = Document(content=content, media_type=media_type, digest=digest)
        return {"mediaType": media_type, "digest": digest, "size": len(content)}

    def put_image(
        self, platform: str, *, layer: str = TAR_GZIP, form: str = MANIFEST, layers: int = 1
    ) -> dict[str, Any]:
        """Put an image's config and manifest and return the manifest's descriptor with its platform."""
        os, architecture, *variant = platform.split("/")
        known = {"os": os, "architecture": architecture, **({"variant": variant[0]} if variant else {})}
        config = self.put({**known, "rootfs": {"diff_ids": [DIFF_ID] * layers}}, "config")
        blob = {"mediaType": layer, "digest": DIFF_ID, "size": 1}
        manifest = {"schemaVersion": 2, "mediaType": form, "config": config, "layers": [blob]}
        return {**self.put(manifest, form), "platform": known}

    def put_index(self, *entries: Mapping[str, Any], form: str = INDEX) -> str:
        """Put an index and return its digest."""
        return str(self.put({"schemaVersion": 2, "mediaType": form, "manifests": entries}, form)["digest"])

    def root(self) -> Document:
        return list(self.documents.values())[-1]

    def document(self, descriptor: Descriptor) -> bytes:
        return self.documents[descriptor.digest].content

    def pull(self, blob: Descriptor, target: Path, *, progress: Progress = ignore_progress) -> None:
        raise NotImplementedError


@pytest.fixture
def source() -> Memory:
    return Memory()


@pytest.mark.parametrize("form", [(INDEX, MANIFEST), (DOCKER_LIST, DOCKER_MANIFEST)], ids=["OCI", "Docker"])
def test_of_an_index_the_manifest_of_the_platform_is_taken(source: Memory, form: tuple[str, str]) -> None:
    entries = [
        source.put_image(platform, form=form[1]) for platform in ("linux/amd64", "linux/arm64/v8", "linux/s390x")
    ]
    index = source.put_index(*entries, form=form[0])
    found = read_image(source, "linux/arm64")
    assert (found.index, found.digest) == (index, entries[1]["digest"])
    assert str(found.config.platform) == "linux/arm64/v8"


def test_docker_s_layers_are_told_in_oci_s_words(source: Memory) -> None:
    source.put_image("linux/amd64", layer=f"{DOCKER}.image.rootfs.diff.tar.gzip", form=DOCKER_MANIFEST)
    found = read_image(source, "linux/amd64")
    assert [layer.media_type for layer in found.manifest.layers] == [TAR_GZIP]
    assert found.index == found.digest == source.root().digest


def without_platform(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in entry.items() if key != "platform"}


@pytest.mark.parametrize("said", [{}, {"platform": {"os": "linux", "architecture": "amd64"}}], ids=["", "for amd64"])
def test_an_index_may_be_in_an_index(source: Memory, said: dict[str, Any]) -> None:
    other, wanted = source.put_image("linux/arm64"), source.put_image("linux/amd64")
    inner = source.put({"schemaVersion": 2, "mediaType": INDEX, "manifests": [other, wanted]}, INDEX)
    outer = source.put_index({**inner, **said})
    found = read_image(source, "linux/amd64")
    assert (found.index, found.digest) == (outer, wanted["digest"])


def test_indexes_without_end_are_refused(source: Memory) -> None:
    entry = source.put_image("linux/amd64")
    for _ in range(9):
        entry = source.put({"schemaVersion": 2, "mediaType": INDEX, "manifests": [entry]}, INDEX)
    with pytest.raises(FoundationError, match="indexes in indexes"):
        read_image(source, "linux/amd64")


def test_the_config_tells_the_platform_of_an_entry_that_does_not(source: Memory) -> None:
    signature = source.put({"schemaVersion": 2, "config": source.put({}, "config"), "layers": []}, MANIFEST)
    entries = [source.put_image(platform) for platform in ("linux/arm64", "linux/amd64")]
    source.put_index(signature, *(without_platform(entry) for entry in entries))
    assert read_image(source, "linux/amd64").digest == entries[1]["digest"]
    with pytest.raises(FoundationError, match="not there for linux/s390x, but for linux/amd64, linux/arm64"):
        read_image(source, "linux/s390x")


def test_an_image_that_is_all_an_index_has_says_why_it_is_none(source: Memory) -> None:
    source.put_index(without_platform(source.put_image("linux/amd64", layers=2)))
    with pytest.raises(FoundationError, match="has 1 layers, its config 2"):
        read_image(source, "linux/amd64")


def test_an_attestation_is_no_platform(source: Memory) -> None:
    attestation = {**source.put_image("unknown/unknown"), "platform": {"os": "unknown", "architecture": "unknown"}}
    source.put_index(attestation, source.put_image("linux/arm64"))
    with pytest.raises(FoundationError, match=r"python:3 is not there for linux/amd64, but for linux/arm64\n"):
        read_image(source, "linux/amd64")


def test_an_arm_without_a_variant_is_the_usual_one(source: Memory) -> None:
    source.put_index(source.put_image("linux/arm/v6"), wanted := source.put_image("linux/arm/v7"))
    assert read_image(source, "linux/arm").digest == wanted["digest"]


def test_an_entry_that_is_for_another_platform_than_it_says_is_refused(source: Memory) -> None:
    wrong = {**source.put_image("linux/arm64"), "platform": {"os": "linux", "architecture": "amd64"}}
    source.put_index(wrong)
    with pytest.raises(FoundationError, match="not there for linux/amd64, but for linux/arm64"):
        read_image(source, "linux/amd64")


REFUSED = {
    "layers that lie elsewhere": ({"layer": f"{DOCKER}.image.rootfs.foreign.diff.tar.gzip"}, "has layers of type"),
    "fewer layers than the config": ({"layers": 2}, "has 1 layers, its config 2"),
    "Docker's first schema": ({"form": f"{DOCKER}.distribution.manifest.v1+prettyjws"}, "which is no image"),
}


@pytest.mark.parametrize(("image", "message"), REFUSED.values(), ids=REFUSED)
def test_what_nobody_could_run_is_refused(source: Memory, image: dict[str, Any], message: str) -> None:
    source.put_image("linux/amd64", **image)
    with pytest.raises(FoundationError, match=message):
        read_image(source, "linux/amd64")


def write_archive(path: Path, *images: tuple[str, bytes]) -> None:
    """What `docker save` wrote for ages: a folder for each layer, the same one linked."""
    config = json.dumps({"os": "linux", "architecture": "amd64", "rootfs": {"diff_ids": [DIFF_ID, DIFF_ID]}}).encode()
    entries, said = [entry("config.json", config)], []
    for tag, layer in images:
        entries += [entry(f"{tag}/layer.tar", layer), link_entry(f"{tag}-again/layer.tar", f"../{tag}/layer.tar")]
        layers = [f"{tag}/layer.tar", f"{tag}-again/layer.tar"]
        said.append({"Config": "config.json", "RepoTags": [f"python:{tag}"], "Layers": layers})
    with tarfile.open(path, "w") as tar:
        for info, content in [*entries, entry("manifest.json", json.dumps(said).encode())]:
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))


def test_a_docker_archive_has_a_manifest_that_its_files_decide(tmp_path: Path) -> None:
    write_archive(tmp_path / "one.tar", ("3.13", b"layer"))
    write_archive(tmp_path / "two.tar", ("3.12", b"other"), ("3.13", b"layer"))
    one = read_image(open_layout(tmp_path, "one.tar"), "linux/amd64")
    assert [(layer.media_type, layer.digest) for layer in one.manifest.layers] == [(TAR, sha256(b"layer"))] * 2
    assert read_image(open_layout(tmp_path, "two.tar:python:3.13"), "linux/amd64") == one
    source = open_layout(tmp_path, "one.tar", digest=one.digest)
    assert source.root().digest == one.digest
    source.pull(one.manifest.layers[1], tmp_path / "pulled")
    assert (tmp_path / "pulled").read_bytes() == b"layer"


def test_of_several_images_one_has_to_be_named(tmp_path: Path) -> None:
    write_archive(tmp_path / "two.tar", ("3.12", b"other"), ("3.13", b"layer"))
    with pytest.raises(FoundationError, match=r"means 2 images; there are python:3\.12, python:3\.13") as caught:
        open_layout(tmp_path, "two.tar").root()
    assert "oci: path:name" in caught.value.next_step
    with pytest.raises(FoundationError, match="means 0 images"):
        open_layout(tmp_path, "two.tar:python:3.11").root()


@pytest.mark.parametrize("name", ["3.13", "python:3.13", "docker.io/library/python:3.13"])
def test_an_image_in_a_layout_has_the_names_that_docker_saves_it_under(tmp_path: Path, name: str) -> None:
    layouts = [write_image(tmp_path / python, [tar_blob([entry(python)])]) for python in ("3.12", "3.13")]
    both = write_index(tmp_path / "both", *layouts)
    entries = [json.loads((layout / "index.json").read_text())["manifests"][0] for layout in layouts]
    for python, descriptor in zip(("3.12", "3.13"), entries, strict=True):
        full = f"docker.io/library/python:{python}"
        descriptor["annotations"] = {"org.opencontainers.image.ref.name": python, "io.containerd.image.name": full}
    (both / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": entries}))
    assert open_layout(tmp_path, f"both:{name}").root().digest == entries[1]["digest"]
    with pytest.raises(FoundationError, match=r"there are 3\.12, 3\.13, docker\.io/library/python:3\.12, docker"):
        open_layout(tmp_path, "both:other").root()


@pytest.mark.parametrize("file", ["index.json", "manifest.json"])
def test_a_damaged_layout_says_what_to_do(tmp_path: Path, file: str) -> None:
    (tmp_path / file).write_text('{"manifests": 1}')
    with pytest.raises(FoundationError, match=f"has a damaged {file}") as caught:
        open_layout(tmp_path, ".").root()
    assert caught.value.next_step


def test_an_image_that_is_gone_says_how_to_pin_another(tmp_path: Path) -> None:
    write_archive(tmp_path / "one.tar", ("3.13", b"layer"))
    with pytest.raises(FoundationError, match="no longer has the pinned image") as caught:
        open_layout(tmp_path, "one.tar", digest=DIFF_ID).root()
    assert "--upgrade-foundation" in caught.value.next_step


def test_a_compressed_archive_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "x.tar.gz").write_bytes(b"\x1f\x8b\x08" + b"\0" * 600)
    with pytest.raises(FoundationError, match=r"cannot read the tar .*x\.tar\.gz") as caught:
        open_layout(tmp_path, "x.tar.gz")
    assert "without compression" in caught.value.next_step
