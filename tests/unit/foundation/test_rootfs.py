"""What of a bootstrap's tar becomes part of a foundation's layer."""

import struct
import tarfile
from pathlib import Path

import pytest

from warmbase.errors import FoundationError
from warmbase.foundation.model import Package
from warmbase.foundation.rootfs import clean_entries, parse_os_release, parse_status, read_contents
from warmbase.oci.tar import MTIME, Entry, directory, file_of, symlink


def kept(*entries: Entry) -> list[str]:
    return [entry.path for entry in clean_entries(entries)]


@pytest.mark.parametrize(
    "path",
    [
        "dev/fd",
        "etc/hostname",
        "etc/resolv.conf",
        "etc/machine-id",
        "etc/.pwd.lock",
        "etc/passwd-",
        "etc/subuid-",
        "etc/apt/sources.list",
        "etc/apt/sources.list.d/0000sources.list",
        "etc/apt/preferences.d/warmbase",
        "etc/apt/apt.conf.d/99mmdebstrap",
        "etc/dpkg/dpkg.cfg.d/99mmdebstrap",
        "var/lib/apt/lists/mirror.example_debian_dists_trixie_InRelease",
        "var/lib/apt/lists/lock",
        "var/cache/apt/pkgcache.bin",
        "var/cache/apt/archives/apt_3.0.4_amd64.deb",
        "var/cache/ldconfig/aux-cache",
        "var/cache/debconf/templates.dat-old",
        "var/lib/dpkg/status-old",
        "var/lib/dpkg/lock-frontend",
        "var/lib/dpkg/triggers/Lock",
        "var/log/dpkg.log",
        "var/log/apt/history.log",
        "tmp/left-behind",
    ],
)
def test_what_belongs_to_a_machine_or_to_the_bootstrap_is_left_out(path: str) -> None:
    assert kept(file_of(path, b"x")) == []


@pytest.mark.parametrize(
    "path",
    [
        "etc/passwd",
        "etc/hosts.allow",
        "etc/apt/apt.conf.d/01autoremove",
        "var/lib/dpkg/status",
        "var/lib/dpkg/info/hostname.list",
        "var/cache/debconf/templates.dat",
        "usr/share/doc/apt/copyright",
        "usr/share/keyrings/debian-archive-keyring.gpg",
        "etc/default/useradd",
    ],
)
def test_what_belongs_to_the_system_stays(path: str) -> None:
    assert kept(file_of(path, b"x")) == [path]


@pytest.mark.parametrize("path", ["var/lib/apt/lists/partial", "var/cache/apt/archives/partial"])
def test_folders_whose_owner_depends_on_the_host_are_left_to_apt(path: str) -> None:
    assert kept(Entry(path=path, kind="dir", mode=0o700, uid=42)) == []


@pytest.mark.parametrize(
    "path",
    [
        "dev",
        "run/lock",
        "tmp",
        "var/lib/apt/lists",
        "var/cache/apt/archives",
        "etc/apt/sources.list.d",
        "var/log/apt",
    ],
)
def test_directories_that_programs_expect_stay(path: str) -> None:
    assert kept(directory(path)) == [path]


def test_empty_logs_stay_for_programs_that_only_append() -> None:
    assert kept(file_of("var/log/wtmp", b"")) == ["var/log/wtmp"]


def test_owners_modes_and_capabilities_are_kept() -> None:
    chage = Entry(path="usr/bin/chage", kind="file", mode=0o2755, gid=42, size=1, source=b"x")
    ping = Entry(
        path="usr/bin/ping",
        kind="file",
        mode=0o755,
        size=1,
        source=b"x",
        xattrs=(("security.capability", b"\1\0\0\2"),),
    )
    assert list(clean_entries([chage, ping])) == [chage, ping]


def test_bytecode_is_dated_with_the_time_that_every_file_of_a_layer_has() -> None:
    path = "usr/lib/python3.13/__pycache__/json.cpython-313.pyc"
    compiled = struct.pack("<4sIII", b"\xf3\r\r\n", 0, 1754000000, 123) + b"code"
    (entry,) = clean_entries([file_of(path, compiled)])
    assert entry.source == struct.pack("<4sIII", b"\xf3\r\r\n", 0, MTIME, 123) + b"code"
    assert entry.size == len(compiled)


def test_bytecode_that_is_checked_by_hash_is_left_alone() -> None:
    hashed = file_of("usr/lib/x.pyc", struct.pack("<4sI8s", b"\xf3\r\r\n", 3, b"siphash!") + b"code")
    link = symlink("usr/lib/y.pyc", "x.pyc")
    assert list(clean_entries([hashed, link])) == [hashed, link]


def test_only_installed_packages_of_dpkg_s_status_count() -> None:
    status = """\
Package: libc6
Status: install ok installed
Architecture: amd64
Version: 2.41-12
Description: C library
 Version: not this one

Package: gone
Status: deinstall ok config-files
Architecture: all
Version: 1

Package: apt
Status: hold ok installed
Architecture: amd64
Version: 3.0.4
"""
    assert parse_status(status) == (
        Package(name="apt", version="3.0.4", architecture="amd64"),
        Package(name="libc6", version="2.41-12", architecture="amd64"),
    )


def test_stanzas_that_dpkg_did_not_write_are_passed_over() -> None:
    whole = "Package: a\nStatus: install ok installed\nVersion: 1\nArchitecture: all\n"
    for field in ("Package", "Version", "Architecture"):
        lacking = "".join(line for line in whole.splitlines(keepends=True) if not line.startswith(field))
        assert [package.name for package in parse_status(f"{lacking}\n{whole}")] == ["a"]


def test_os_release_is_read_without_quotes_and_comments() -> None:
    text = "# comment\nPRETTY_NAME=\"Debian GNU/Linux 13 (trixie)\"\nID=debian\n\nHOME_URL='x=y'\n"
    assert parse_os_release(text) == (
        ("PRETTY_NAME", "Debian GNU/Linux 13 (trixie)"),
        ("ID", "debian"),
        ("HOME_URL", "x=y"),
    )


def test_a_system_that_is_not_debian_s_says_what_to_correct(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "rootfs.tar", "w"):
        pass
    with pytest.raises(FoundationError, match="it is not a Debian system") as caught:
        read_contents(tmp_path / "rootfs.tar")
    assert "in the catalog" in caught.value.next_step
