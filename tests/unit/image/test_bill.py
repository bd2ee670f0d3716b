"""The bill of materials: everything in an image that somebody else made, as CycloneDX."""

import json
from dataclasses import replace
from typing import Any

import pytest
from tests.billed import LOCK, PLATFORM, SAID, foundation

from warmbase.foundation.model import Archive, Foundation, Package
from warmbase.image.bill import image_parts, pypi_url, write_bill


def bill(system: Foundation | None = None) -> dict[str, Any]:
    parts = image_parts(LOCK, PLATFORM, system or foundation(), SAID)
    document: dict[str, Any] = json.loads(write_bill(LOCK.variant, "ab" * 32, "2026-01-02T03:04:05Z", parts))
    return document


def parts(system: Foundation | None = None) -> dict[str, dict[str, Any]]:
    return {part["bom-ref"]: part for part in bill(system)["components"]}


def test_the_document_is_cyclonedx_1_6_about_the_image() -> None:
    document = bill()
    assert (document["bomFormat"], document["specVersion"], document["version"]) == ("CycloneDX", "1.6", 1)
    subject = document["metadata"]["component"]
    assert (subject["type"], subject["name"]) == ("container", LOCK.variant)


def test_the_same_image_has_the_same_bill() -> None:
    document = bill()
    assert document == bill()
    assert document["metadata"]["timestamp"] == "2026-01-02T03:04:05Z"
    assert "serialNumber" not in document


def test_every_wheel_is_named_with_its_hash_licence_and_links() -> None:
    assert parts()["pkg:pypi/numpy@2.5.5"] == {
        "bom-ref": "pkg:pypi/numpy@2.5.5",
        "type": "library",
        "name": "numpy",
        "version": "2.5.5",
        "scope": "required",
        "hashes": [{"alg": "SHA-256", "content": "a" * 64}],
        "licenses": [{"license": {"id": "BSD-3-Clause"}}],
        "externalReferences": [
            {"type": "website", "url": "https://numpy.example", "comment": "Homepage"},
            {"type": "release-notes", "url": "https://numpy.example/news", "comment": "Release Notes"},
        ],
        "purl": "pkg:pypi/numpy@2.5.5",
    }


def test_a_local_version_is_quoted_in_a_url() -> None:
    assert pypi_url("torch", "2.9.0+cpu") == "pkg:pypi/torch@2.9.0%2Bcpu"
    named = pypi_url("torch", "2.9.0", index="https://index.example/simple")
    assert named == "pkg:pypi/torch@2.9.0?repository_url=https:%2F%2Findex.example%2Fsimple"


def test_what_lies_in_the_cache_alone_is_optional_and_what_other_platforms_need_is_not_there() -> None:
    scopes = {part["name"]: part["scope"] for part in bill()["components"]}
    assert scopes["wheel"] == "optional"
    assert "colorama" not in scopes


def test_uv_itself_and_a_package_uv_are_two_parts() -> None:
    found = [part for part in bill()["components"] if part["name"] == "uv"]
    assert [(part["type"], part["bom-ref"]) for part in found] == [
        ("application", "uv"),
        ("library", "pkg:pypi/uv@0.13.8"),
    ]


def test_python_and_the_system_are_parts_too() -> None:
    found = parts()
    assert found["debian-13"]["type"] == "operating-system"
    assert found["pkg:generic/python@3.13.5"]["cpe"] == "cpe:2.3:a:python:python:3.13.5:*:*:*:*:*:*:*"


def test_a_managed_python_is_named_with_the_archive_that_it_came_in() -> None:
    archive = Archive(name="cpython-3.13.5+1.tar.gz", sha256="d" * 64)
    components = bill(replace(foundation(), archive=archive))["components"]
    (python,) = (part for part in components if part["name"] == "python")
    assert python["hashes"] == [{"alg": "SHA-256", "content": "d" * 64}]
    name = "cpython-3.13.5%2B1.tar.gz"
    assert python["purl"] == f"pkg:generic/python@3.13.5?checksum=sha256:{'d' * 64}&file_name={name}"


@pytest.mark.parametrize(
    ("system", "version", "name", "url"),
    [
        ("debian", "13", "libstdc++6", "pkg:deb/debian/libstdc%2B%2B6@1:14.2~rc1-19?arch=amd64&distro=debian-13"),
        ("ubuntu", "24.04", "dpkg", "pkg:deb/ubuntu/dpkg@1:14.2~rc1-19?arch=amd64&distro=ubuntu-24.04"),
        ("alpine", "3.20", "musl", "pkg:apk/alpine/musl@1:14.2~rc1-19?arch=amd64&distro=alpine-3.20"),
        ("wolfi", "2023", "glibc", "pkg:apk/wolfi/glibc@1:14.2~rc1-19?arch=amd64&distro=wolfi-2023"),
    ],
)
def test_a_package_of_the_system_has_its_distribution_s_url(system: str, version: str, name: str, url: str) -> None:
    licences, kind = ("GPL-3.0-only", "odd one"), url[4:7]
    made = Package(name=name, version="1:14.2~rc1-19", architecture="amd64", licences=licences, kind=kind)
    part = parts(foundation(made, system=system, version=version))[url]
    assert part["purl"] == url
    assert part["licenses"] == [{"license": {"id": "GPL-3.0-only"}}, {"license": {"name": "odd one"}}]


def test_alternatives_are_an_expression_and_unknown_words_are_names() -> None:
    found = {part["name"]: part["licenses"] for part in bill()["components"] if "licenses" in part}
    assert found["uv"] == [{"expression": "MIT OR Apache-2.0"}]
    assert found["wheel"] == [{"license": {"name": "BSD License"}}, {"license": {"id": "MIT"}}]


def test_no_two_parts_have_one_name_within_the_bill() -> None:
    references = [part["bom-ref"] for part in bill()["components"]]
    assert len(references) == len(set(references))
