"""Which packages an image's system has, whatever its package manager."""

import pytest
from tests.unit.foundation.conftest import See

from warmbase.foundation.model import Package
from warmbase.foundation.system import find_packages

LIBC = b"Package: libc6\nVersion: 2.41-12\nArchitecture: amd64\nStatus: install ok installed\n"
COPYRIGHT = b"Format: https://docs.example/copyright-format/1.0/\n\nFiles: *\nCopyright: x\nLicense: MIT\n"


def test_debian_s_packages_with_their_licences(see: See) -> None:
    tree = see({"var/lib/dpkg/status": LIBC, "usr/share/doc/libc6/copyright": COPYRIGHT})
    assert find_packages(tree) == (Package(name="libc6", version="2.41-12", architecture="amd64", licences=("MIT",)),)


def test_a_system_without_dpkg_has_a_file_for_each_package(see: See) -> None:
    tree = see({
        "var/lib/dpkg/status.d/libc6": b"Package: libc6\nVersion: 2.41-12\nArchitecture: amd64\n",
        "var/lib/dpkg/status.d/libc6.md5sums": b"0 usr/lib/libc.so.6\n",
        "var/lib/dpkg/status.d/base": b"Package: base-files\nVersion: 13\nArchitecture: amd64\n",
    })  # fmt: skip
    assert [package.name for package in find_packages(tree)] == ["base-files", "libc6"]


@pytest.mark.parametrize("folder", ["lib", "usr/lib"])
def test_apk_s_packages(see: See, folder: str) -> None:
    database = b"C:Q1x\nP:zlib\nV:1.3.1-r2\nA:x86_64\nL:Zlib\nF:lib\nR:libz.so.1\n\nP:musl\nV:1.2.5-r10\nA:x86_64\n\n"
    assert find_packages(see({f"{folder}/apk/db/installed": database})) == (
        Package(name="musl", version="1.2.5-r10", architecture="x86_64", kind="apk"),
        Package(name="zlib", version="1.3.1-r2", architecture="x86_64", licences=("Zlib",), kind="apk"),
    )


def test_another_system_has_none_that_are_known(see: See) -> None:
    assert find_packages(see({"var/lib/rpm/rpmdb.sqlite": b"x"})) == ()
