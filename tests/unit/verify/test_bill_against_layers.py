"""The bill of materials held against the layers."""

import json
from typing import Any

from warmbase.packages.uvcache import archive_id
from warmbase.verify.bill import check_bill

CACHE = "opt/uv/cache/archive-v0"
SITE = "opt/venv/lib/python3.13/site-packages"
HASH = "ab" * 32
STATUS = b"Package: libc6\nStatus: install ok installed\nArchitecture: amd64\nVersion: 2.41-12\n"


def python(name: str, version: str, sha256: str = HASH) -> dict[str, Any]:
    return {
        "type": "library",
        "name": name,
        "version": version,
        "purl": f"pkg:pypi/{name}@{version}",
        "hashes": [{"alg": "SHA-256", "content": sha256}],
    }


LIBC = {"type": "library", "name": "libc6", "version": "2.41-12", "purl": "pkg:deb/debian/libc6@2.41-12?arch=amd64"}
UV = {"type": "application", "name": "uv", "version": "0.13.8", "purl": "pkg:pypi/uv@0.13.8"}
PATHS = (
    f"{CACHE}/{archive_id(HASH)}/Some_Package-1.0+local.dist-info/METADATA",
    f"{SITE}/Some_Package-1.0+local.dist-info/METADATA",
    f"{SITE}/some/_vendor/other-2.0.dist-info/METADATA",
    "usr/lib/python3/dist-packages/apt-1.0.dist-info/METADATA",
)


def problems(
    *parts: dict[str, Any], paths: tuple[str, ...] = PATHS, status: bytes | None = STATUS, reproducible: bool = True
) -> list[str]:
    bill = json.dumps({"components": parts}).encode()
    return list(check_bill(bill, paths, status, reproducible=reproducible))


def test_a_bill_that_names_what_is_there_is_right() -> None:
    assert problems(python("some-package", "1.0+local"), LIBC, UV) == []


def test_a_package_that_the_bill_keeps_quiet_about_is_found() -> None:
    assert problems(LIBC) == ["some-package 1.0+local is in the layers, but not in the bill of materials"]
    assert problems(python("some-package", "1.0+local")) == [
        "libc6 2.41-12 is in the layers, but not in the bill of materials"
    ]


def test_a_package_that_only_the_bill_has_is_found() -> None:
    assert problems(python("some-package", "1.0+local"), python("ghost", "3"), LIBC) == [
        "ghost 3 is in the bill of materials, but not in the layers"
    ]


def test_another_version_is_found_from_both_sides() -> None:
    assert problems(python("some-package", "2.0"), LIBC) == [
        "some-package 1.0+local is in the layers, but not in the bill of materials",
        "some-package 2.0 is in the bill of materials, but not in the layers",
    ]


def test_a_hash_that_is_not_the_unpacked_wheel_s_is_found() -> None:
    part = python("some-package", "1.0+local", "cd" * 32)
    expected = "some-package 1.0+local is not in the layers with the hash that the bill of materials has"
    assert problems(part, LIBC) == [expected]
    assert problems(part, LIBC, reproducible=False) == []


def test_a_system_without_dpkg_has_nothing_to_compare() -> None:
    assert problems(python("some-package", "1.0+local"), status=None) == []


def test_what_is_no_bill_is_said_to_be_none() -> None:
    (problem,) = check_bill(b"{}", PATHS, STATUS, reproducible=True)
    assert "cannot be read" in problem
