"""The bill of materials: everything in an image that somebody else made, as CycloneDX."""

import json
from typing import Any

import pytest

from warmbase.foundation.model import Foundation, Package
from warmbase.image.bill import image_parts, write_bill
from warmbase.lock.model import Lock, LockedFile, LockedPackage

PLATFORM = "linux/amd64"
LICENCES = {"a" * 64: ("BSD-3-Clause",), "b" * 64: ("Apache-2.0 OR MIT",), "c" * 64: ("BSD License", "MIT")}


def package(name: str, version: str, sha256: str, use: str = "venv") -> LockedPackage:
    file = LockedFile(name=f"{name}-{version}-py3-none-any.whl", sha256=sha256 * 64, path=f"packages/{name}")
    return LockedPackage(
        name=name,
        version=version,
        use=use,
        requires_dist=(),
        requires_python="",
        extras=(),
        files=(file,),
        wheels=((PLATFORM, file.name),) if use != "index" else (),
    )


LOCK = Lock(
    variant="data:py3.13-trixie",
    python="3.13",
    inputs="",
    uv=package("uv", "0.13.8", "b"),
    packages=(
        package("colorama", "0.4.6", "d", "index"),
        package("numpy", "2.5.5+cpu", "a"),
        package("uv", "0.13.8", "b"),
        package("wheel", "0.45", "c", "warm"),
    ),
)


def foundation(system: str = "debian", version: str = "13", packages: tuple[Package, ...] = ()) -> Foundation:
    return Foundation(
        name="trixie",
        platform=PLATFORM,
        interpreter="/usr/bin/python3.13",
        stdlib="/usr/lib/python3.13",
        python="3.13.5",
        libc=("glibc", "2.41"),
        os_release=(("ID", system), ("VERSION_ID", version)),
        packages=packages,
        created="2026-01-01T00:00:00Z",
    )


def bill(system: Foundation | None = None) -> dict[str, Any]:
    parts = image_parts(LOCK, PLATFORM, system or foundation(), LICENCES)
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


def test_every_wheel_is_named_with_its_hash_and_licence() -> None:
    assert parts()["pkg:pypi/numpy@2.5.5%2Bcpu"] == {
        "bom-ref": "pkg:pypi/numpy@2.5.5%2Bcpu",
        "type": "library",
        "name": "numpy",
        "version": "2.5.5+cpu",
        "scope": "required",
        "hashes": [{"alg": "SHA-256", "content": "a" * 64}],
        "licenses": [{"license": {"id": "BSD-3-Clause"}}],
        "purl": "pkg:pypi/numpy@2.5.5%2Bcpu",
    }


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


@pytest.mark.parametrize(
    ("system", "version", "name", "url"),
    [
        ("debian", "13", "libstdc++6", "pkg:deb/debian/libstdc%2B%2B6@1:14.2~rc1-19?arch=amd64&distro=debian-13"),
        ("ubuntu", "24.04", "dpkg", "pkg:deb/ubuntu/dpkg@1:14.2~rc1-19?arch=amd64&distro=ubuntu-24.04"),
        ("alpine", "3.20", "musl", "pkg:apk/alpine/musl@1:14.2~rc1-19?arch=amd64&distro=alpine-3.20"),
    ],
)
def test_a_package_of_the_system_has_its_distribution_s_url(system: str, version: str, name: str, url: str) -> None:
    made = Package(name=name, version="1:14.2~rc1-19", architecture="amd64", licences=("GPL-3.0-only", "odd one"))
    part = parts(foundation(system, version, (made,)))[url]
    assert part["purl"] == url
    assert part["licenses"] == [{"license": {"id": "GPL-3.0-only"}}, {"license": {"name": "odd one"}}]


def test_alternatives_are_an_expression_and_unknown_words_are_names() -> None:
    found = {part["name"]: part["licenses"] for part in bill()["components"] if "licenses" in part}
    assert found["uv"] == [{"expression": "Apache-2.0 OR MIT"}]
    assert found["wheel"] == [{"license": {"name": "BSD License"}}, {"license": {"id": "MIT"}}]


def test_no_two_parts_have_one_name_within_the_bill() -> None:
    references = [part["bom-ref"] for part in bill()["components"]]
    assert len(references) == len(set(references))
