"""What is published beside an image, in the form that BuildKit's readers know."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from tests.billed import LOCK, PLATFORM, SAID, foundation
from tests.pinned import DEBIAN_PIN, IMAGE_PIN

from warmbase.attest.stage import CYCLONEDX, SLSA, SPDX, STATEMENT, Attestation, attest
from warmbase.catalog.model import CatalogRequirement, DebianFoundation, ImageConfig, Position, Variant
from warmbase.errors import PublishError
from warmbase.foundation.model import Package
from warmbase.foundation.pins import ArchiveState, DockerfilePin, FoundationPin, ManagedPin
from warmbase.image.bill import image_parts, write_bill
from warmbase.image.promises import BILL
from warmbase.layers.codec import Codec
from warmbase.layers.pack import pack_entries
from warmbase.oci.digests import digest_of, hex_of
from warmbase.oci.manifest import CONFIG, TAR_ZSTD, Config, Descriptor, Manifest, Platform, describe
from warmbase.oci.tar import file_of
from warmbase.plan import BuildStep

VARIANT = Variant(
    image="data",
    python="3.13",
    foundation=DebianFoundation(name="trixie", suite="trixie", python="3.13"),
    first=True,
    description="Data.",
    requirements=(
        CatalogRequirement(
            requirement=Requirement("numpy"),
            text="numpy",
            position=Position(file=Path("images.yaml"), line=1, column=1),
        ),
    ),
    warm=(),
    winners=(),
    sets=(),
    smoke=None,
    config=ImageConfig(user="app"),
    labels=(("team", "platform"),),
    platforms=(PLATFORM,),
)
DEBIAN = replace(DEBIAN_PIN, archives=(ArchiveState(suite="trixie", date="2026-01-01T00:00:00Z", sha256="e" * 64),))
IMAGE = replace(
    IMAGE_PIN,
    reference="registry.example:5000/mirror/python:3.13-slim",
    index="sha256:" + "1" * 64,
    manifest="sha256:" + "2" * 64,
)


def step(pin: FoundationPin = DEBIAN) -> BuildStep:
    return BuildStep(
        variant=VARIANT,
        platform=PLATFORM,
        lock=LOCK,
        pin=pin,
        foundation="f",
        uv="u",
        wheels=(),
        contract="c",
        recipe="ab" * 32,
        native=None,
    )


def bill_text() -> str:
    odd = Package(name="libstdc++6", version="14.2.0-19", architecture="amd64", licences=("GPL-3.0-only", "odd one"))
    parts = image_parts(LOCK, PLATFORM, foundation(odd), SAID)
    return write_bill(VARIANT.name, "ab" * 32, "2026-01-02T03:04:05Z", parts)


@dataclass(frozen=True)
class Image:
    """An image of two layers in a folder of blobs; the second holds the bill of materials."""

    folder: Path
    manifest: bytes

    @property
    def contract(self) -> Path:
        return self.blob_path(Manifest.from_bytes(self.manifest).layers[-1].digest)

    def blob_path(self, digest: str) -> Path:
        return self.folder / hex_of(digest)


def make_image(folder: Path, files: Mapping[str, str]) -> Image:
    packed = pack_entries((file_of(path, text.encode()) for path, text in files.items()), Codec(), folder)
    packed.blob.rename(folder / hex_of(packed.digest))
    foundation = Descriptor(media_type=TAR_ZSTD, digest="sha256:" + "f" * 64, size=1)
    config = Config(platform=Platform.parse(PLATFORM), created="", diff_ids=(foundation.digest, packed.diff_id))
    layer = Descriptor(media_type=packed.media_type, digest=packed.digest, size=packed.size)
    manifest = Manifest(config=describe(config.to_bytes(), CONFIG), layers=(foundation, layer))
    return Image(folder=folder, manifest=manifest.to_bytes())


@pytest.fixture
def image(tmp_path: Path) -> Image:
    return make_image(tmp_path, {"opt/warmbase/base.json": "{}", BILL: bill_text(), "opt/warmbase/uv.lock": ""})


@pytest.fixture
def attested(image: Image) -> Attestation:
    return attest(step(), image.manifest, image)


def statements(attestation: Attestation) -> dict[str, dict[str, Any]]:
    """The statements by the annotation that readers choose them by."""
    contents = dict(attestation.blobs)
    contents_by_digest = {descriptor.digest: content for descriptor, content in attestation.blobs}
    assert len(contents) == len(contents_by_digest)
    manifest = Manifest.from_bytes(attestation.manifest)
    return {
        layer.annotations["in-toto.io/predicate-type"]: json.loads(contents_by_digest[layer.digest])
        for layer in manifest.layers
    }


def test_the_index_names_an_attestation_as_buildkit_does(image: Image, attested: Attestation) -> None:
    assert attested.descriptor.digest == digest_of(attested.manifest)
    assert attested.descriptor.size == len(attested.manifest)
    assert str(attested.descriptor.platform) == "unknown/unknown"
    assert attested.descriptor.annotations == {
        "vnd.docker.reference.type": "attestation-manifest",
        "vnd.docker.reference.digest": digest_of(image.manifest),
    }


def test_every_layer_is_a_statement_about_the_platform_s_manifest(image: Image, attested: Attestation) -> None:
    found = statements(attested)
    assert list(found) == [CYCLONEDX, SPDX, SLSA]
    assert {layer.media_type for layer in Manifest.from_bytes(attested.manifest).layers} == {STATEMENT}
    for kind, statement in found.items():
        assert statement["_type"] == "https://in-toto.io/Statement/v1"
        assert statement["predicateType"] == kind
        assert statement["subject"] == [{"name": VARIANT.name, "digest": {"sha256": hex_of(digest_of(image.manifest))}}]


def test_all_that_the_manifest_names_comes_with_it(attested: Attestation) -> None:
    manifest = Manifest.from_bytes(attested.manifest)
    given = {descriptor.digest: content for descriptor, content in attested.blobs}
    assert set(given) == {manifest.config.digest, *(layer.digest for layer in manifest.layers)}
    assert all(digest_of(content) == digest for digest, content in given.items())


def test_the_same_image_has_the_same_attestations(image: Image, attested: Attestation) -> None:
    assert attest(step(), image.manifest, image) == attested


def test_the_bill_of_materials_is_the_one_in_the_image(attested: Attestation) -> None:
    assert statements(attested)[CYCLONEDX]["predicate"] == json.loads(bill_text())


def test_the_spdx_document_names_every_part_of_the_image(attested: Attestation) -> None:
    document = statements(attested)[SPDX]["predicate"]
    bill = json.loads(bill_text())
    assert document["spdxVersion"] == "SPDX-2.3"
    image, *packages = document["packages"]
    assert [package["name"] for package in packages] == [part["name"] for part in bill["components"]]
    contained = [link for link in document["relationships"] if link["relationshipType"] == "CONTAINS"]
    assert {link["spdxElementId"] for link in contained} == {image["SPDXID"]}
    assert {link["relatedSpdxElement"] for link in contained} == {package["SPDXID"] for package in packages}
    urls = [reference["referenceLocator"] for package in packages for reference in package.get("externalRefs", ())]
    assert "pkg:deb/debian/libstdc%2B%2B6@14.2.0-19?arch=amd64&distro=debian-13" in urls


def test_spdx_says_licences_that_it_does_not_know_by_reference(attested: Attestation) -> None:
    document = statements(attested)[SPDX]["predicate"]
    declared = {package["name"]: package["licenseDeclared"] for package in document["packages"]}
    assert declared["libstdc++6"] == "GPL-3.0-only AND LicenseRef-odd-one"
    assert declared["uv"] == "MIT OR Apache-2.0"
    assert declared["debian"] == "NOASSERTION"
    texts = {entry["licenseId"]: entry["extractedText"] for entry in document["hasExtractedLicensingInfos"]}
    assert texts == {"LicenseRef-odd-one": "odd one", "LicenseRef-BSD-License": "BSD License"}


def test_provenance_has_what_its_specification_asks_for(attested: Attestation) -> None:
    predicate = statements(attested)[SLSA]["predicate"]
    definition, details = predicate["buildDefinition"], predicate["runDetails"]
    assert predicate.keys() == {"buildDefinition", "runDetails"}
    assert definition["buildType"].startswith("https://")
    assert details["builder"]["id"].startswith("https://")
    assert details["builder"]["version"]["uv"] == "0.13.8"
    asked = definition["externalParameters"]
    assert (asked["variant"], asked["platform"]) == (VARIANT.name, PLATFORM)
    assert (asked["requirements"], asked["config"]) == (["numpy"], {"user": "app"})
    assert definition["internalParameters"] == {"recipe": "ab" * 32}


def dependencies(attestation: Attestation) -> dict[str, tuple[str, str]]:
    resolved = statements(attestation)[SLSA]["predicate"]["buildDefinition"]["resolvedDependencies"]
    return {entry["name"]: (entry.get("uri", ""), entry["digest"]["sha256"]) for entry in resolved}


def test_provenance_resolves_the_foundation_uv_and_every_wheel_to_a_digest(attested: Attestation) -> None:
    found = dependencies(attested)
    assert found.pop("lock")[1]
    assert found == {
        "Release file of trixie, 2026-01-01T00:00:00Z": ("", "e" * 64),
        "foundation trixie": ("", "f" * 64),
        "uv-0.13.8-py3-none-any.whl": ("pkg:pypi/uv@0.13.8?file_name=uv-0.13.8-py3-none-any.whl", "b" * 64),
        "numpy-2.5.5-py3-none-any.whl": ("pkg:pypi/numpy@2.5.5?file_name=numpy-2.5.5-py3-none-any.whl", "a" * 64),
        "wheel-0.45-py3-none-any.whl": ("pkg:pypi/wheel@0.45?file_name=wheel-0.45-py3-none-any.whl", "c" * 64),
    }


@pytest.mark.parametrize(
    ("reference", "url"),
    [
        ("python:3.13-slim", "pkg:docker/library/python@3.13-slim?platform=linux%2Famd64"),
        (
            "registry.example:5000/mirror/python:3.13",
            "pkg:docker/mirror/python@3.13?platform=linux%2Famd64&repository_url=registry.example:5000",
        ),
        ("./layouts/Python", ""),
    ],
)
def test_a_foundation_that_is_an_image_is_named_by_its_manifest(image: Image, reference: str, url: str) -> None:
    attestation = attest(step(replace(IMAGE, reference=reference)), image.manifest, image)
    found = dependencies(attestation)
    assert found[reference] == (url, "2" * 64)
    assert not any(name.startswith(("foundation", "Release")) for name in found)


def test_a_dockerfile_is_named_by_what_it_reads_and_the_images_that_it_stands_on(image: Image) -> None:
    pin = DockerfilePin(
        inputs="3" * 64,
        platform=PLATFORM,
        bases=(("docker.io/library/debian:trixie", "sha256:" + "4" * 64),),
        image="sha256:" + "5" * 64,
        created="2026-01-01T00:00:00Z",
        python="",
        interpreter="",
        libc=("glibc", "2.41"),
    )
    managed = ManagedPin(base=pin, python="3.13.9", archive="cpython-3.13.9+1.tar.gz", sha256="6" * 64)
    found = dependencies(attest(step(managed), image.manifest, image))
    assert found["Dockerfile and what it reads"] == ("", "3" * 64)
    base = "docker.io/library/debian:trixie"
    assert found[base] == ("pkg:docker/library/debian@trixie?platform=linux%2Famd64", "4" * 64)
    assert found["cpython-3.13.9+1.tar.gz"] == ("", "6" * 64)


def test_an_image_whose_last_layer_is_damaged_is_not_attested(image: Image) -> None:
    image.contract.chmod(0o644)
    image.contract.write_bytes(image.contract.read_bytes()[:-1] + b"x")
    with pytest.raises(PublishError, match="cannot be read: it is damaged"):
        attest(step(), image.manifest, image)


@pytest.mark.parametrize("files", [{"opt/warmbase/base.json": "{}"}, {BILL: "[]"}, {BILL: "{"}])
def test_an_image_without_a_bill_of_materials_is_not_attested(tmp_path: Path, files: dict[str, str]) -> None:
    image = make_image(tmp_path, files)
    with pytest.raises(PublishError, match=r"the image.s last layer, sha256:\w+, cannot be read"):
        attest(step(), image.manifest, image)


def test_spdx_names_the_home_page_that_a_package_gives(attested: Attestation) -> None:
    packages = statements(attested)[SPDX]["predicate"]["packages"]
    assert {package["name"]: package["homepage"] for package in packages if "homepage" in package} == {
        "numpy": "https://numpy.example"
    }
