"""What apt's words mean, what counts in a Release file, and what of an image apt is given."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.unit.foundation.conftest import See

from warmbase.effects.process import Finished
from warmbase.errors import FoundationError, ProcessError
from warmbase.foundation.apt import (
    AptSystem,
    Offer,
    ask_upgrades,
    content_of,
    parse_plan,
    read_apt_system,
    read_suites,
)

PLAN = """\
Reading package lists...
Inst libc6 [2.41-12] (2.41-12+deb13u1 Debian:13.2/stable, Debian-Security:13/stable-security [amd64]) []
Inst base-files (13.8+deb13u2 Debian:13.2/stable [amd64])
Inst zlib1g [1:1.3] (1:1.3.1 Debian-Security:13/stable-security [amd64])
Inst tool [1] (2 company-security-team:1/stable [all])
Conf libc6 (2.41-12+deb13u1 Debian:13.2/stable [amd64])
"""
HASH = "a" * 64
RELEASE = f"""\
-----BEGIN PGP SIGNED MESSAGE-----
Codename: trixie
Date: Sat, 21 Nov 2026 02:00:00 UTC
SHA256:
 {HASH}   1000 main/binary-amd64/Packages
 {HASH}    500 main/binary-amd64/Packages.xz
 {HASH}   1000 main/binary-arm64/Packages
 {HASH}     10 main/binary-all/Packages
 {HASH}     10 main/i18n/Translation-en
"""
STATUS = b"""\
Package: openssl
Status: install ok installed
Architecture: amd64
Version: 3.5.1-1

Package: removed
Status: deinstall ok config-files
Architecture: amd64
Version: 1.0
"""


def test_a_plan_tells_versions_and_what_comes_from_a_security_suite() -> None:
    assert parse_plan(PLAN) == (
        Offer(name="base-files", version="13.8+deb13u2"),
        Offer(name="libc6", version="2.41-12+deb13u1", installed="2.41-12", security=True),
        Offer(name="tool", version="2", installed="1", security=False),
        Offer(name="zlib1g", version="1:1.3.1", installed="1:1.3", security=True),
    )


@pytest.mark.parametrize(
    ("before", "after", "counts"),
    [
        ("02:00:00", "08:00:00", False),
        (f"{HASH}   1000 main/binary-amd64", f"{'b' * 64}   1000 main/binary-amd64", True),
        (f"{HASH}     10 main/binary-all", f"{'b' * 64}     10 main/binary-all", True),
        (f"{HASH}   1000 main/binary-arm64", f"{'b' * 64}   1000 main/binary-arm64", False),
        (f"{HASH}     10 main/i18n", f"{'b' * 64}     10 main/i18n", False),
    ],
)
def test_of_a_release_file_the_lists_of_the_architecture_count(before: str, after: str, *, counts: bool) -> None:
    assert before in RELEASE
    old, new = (content_of(text.encode(), "amd64") for text in (RELEASE, RELEASE.replace(before, after)))
    assert (old != new) is counts


@pytest.mark.parametrize(
    ("digest", "path"),
    [
        ("a" * 64, "Packages"),
        ("a" * 64, "./Packages.gz"),
        ("a" * 64, "amd64/Packages.xz"),
        ("a" * 128, "main/binary-amd64/Packages"),
        ("a" * 32, "main/binary-amd64/Packages"),
    ],
)
def test_the_list_of_a_flat_archive_counts_and_any_kind_of_hash(digest: str, path: str) -> None:
    def content(digest: str, date: str) -> str:
        release = f"Date: {date}\nHashes:\n {digest} 12 {path}\n {'e' * len(digest)} 9 main/binary-arm64/Packages\n"
        return content_of(release.encode(), "amd64")

    assert content(digest, "today") == content(digest, "tomorrow")
    assert content(digest, "today") != content(digest.replace("a", "b"), "today")


def test_of_a_release_file_that_names_no_list_everything_counts() -> None:
    assert content_of(b"Date: today\n", "amd64") != content_of(b"Date: tomorrow\n", "amd64")


def test_suites_are_known_by_the_addresses_that_apt_asks(tmp_path: Path) -> None:
    (tmp_path / "a.example_debian_dists_trixie_InRelease").write_text(RELEASE)
    (tmp_path / "a.example_debian_dists_old_Release").write_text(RELEASE)
    said = (
        "'http://a.example/debian/dists/trixie/InRelease' a.example_debian_dists_trixie_InRelease 0 \n"
        "'http://me:hunter2@a.example/debian/dists/old/InRelease' a.example_debian_dists_old_InRelease 0 \n"
        "'http://a.example/debian/dists/trixie/main/binary-amd64/Packages.xz' a.example_Packages 0 \n"
    )
    content = content_of(RELEASE.encode(), "amd64")
    assert read_suites(said, tmp_path, "amd64") == {
        "http://a.example/debian/dists/trixie/InRelease": content,
        "http://***@a.example/debian/dists/old/InRelease": content,
    }


def test_an_image_s_sources_preferences_and_keys_are_read_and_its_settings_are_not(see: See) -> None:
    tree = see(
        {
            "var/lib/dpkg/status": STATUS,
            "etc/apt/sources.list.d/debian.sources": b"Types: deb\nSigned-By: /usr/share/keys.gpg\n",
            "etc/apt/sources.list.d/old.list": b"deb [signed-by=/../../etc/shadow] http://a.example x main\n"
            b"deb [signed-by=/etc/apt/apt.conf.d/hook] http://a.example y main\n",
            "etc/apt/sources.list.d/notes.txt": b"no sources",
            "etc/apt/preferences.d/pin": b"Package: *\n",
            "etc/apt/apt.conf.d/hook": b'APT::Update::Pre-Invoke {"false";};\n',
            "usr/share/keys.gpg": b"keys",
            "etc/shadow": b"secret",
        },
    )
    system = read_apt_system(tree)
    assert system is not None
    assert system.installed == (("openssl", "amd64", "3.5.1-1"),)
    assert set(system.files) == {
        "etc/apt/sources.list.d/debian.sources",
        "etc/apt/sources.list.d/old.list",
        "etc/apt/preferences.d/pin",
        "usr/share/keys.gpg",
    }


@pytest.mark.parametrize("missing", ["var/lib/dpkg/status", "etc/apt/sources.list"])
def test_there_is_nothing_to_ask_without_packages_or_sources(missing: str, see: See) -> None:
    files = {"var/lib/dpkg/status": STATUS, "etc/apt/sources.list": b"deb http://a.example x main\n"}
    assert read_apt_system(see({p: c for p, c in files.items() if p != missing})) is None


class Apt:
    """Stands for apt-get: keeps what it was given, and says what it is told to."""

    def __init__(self, plan: str = "", error: str = "") -> None:
        self.plan, self.error = plan, error
        self.given: dict[str, str] = {}

    def __call__(self, argv: Sequence[str | Path], **options: Any) -> Finished:
        if self.error:
            raise ProcessError(self.error)
        environment: Mapping[str, str] = options["env"]
        root = Path(environment["APT_CONFIG"]).parent
        self.given = {
            str(path.relative_to(root)): path.read_text().replace(str(root), "ROOT")
            for path in root.rglob("*")
            if path.is_file()
        }
        return Finished(code=0, stdout=self.plan.encode() if "dist-upgrade" in argv else b"", stderr=b"")


def ask(files: Mapping[str, bytes], apt: Apt) -> tuple[Offer, ...]:
    system = AptSystem(installed=(("openssl", "amd64", "3.5.1-1"),), files=files)
    return ask_upgrades(system, "amd64", processes=apt).offers


def test_apt_is_given_web_addresses_alone_and_keys_where_they_are_now() -> None:
    apt = Apt()
    stanzas = (
        b"# Debian\nTypes: deb deb-src\nURIs: http://a.example/debian\nSuites: trixie\nSigned-By: /k.gpg\n\n"
        b"Types: deb\nURIs: http://a.example/x\n file:/srv/x\nSuites: x\n\nTypes: deb-src\nURIs: http://a.example/s\n"
    )
    lines = b"deb [signed-by=/k.gpg] https://b.example x main\ndeb file:/srv x main\ndeb-src http://c.example x main\n"
    ask({"etc/apt/sources.list.d/a.sources": stanzas, "etc/apt/sources.list": lines}, apt)
    assert apt.given["etc/apt/sources.list.d/a.sources"] == (
        "Types: deb\nURIs: http://a.example/debian\nSuites: trixie\nSigned-By: ROOT/k.gpg\n\n"
    )
    assert apt.given["etc/apt/sources.list"] == "deb [signed-by=ROOT/k.gpg] https://b.example x main\n"
    assert "Package: openssl\nStatus: install ok installed" in apt.given["var/lib/dpkg/status"]


def test_only_newer_versions_of_what_is_there_are_offered() -> None:
    plan = "Inst a [1] (2 D:1/s [all])\nInst new (1 D:1/s [all])\nInst same [1] (1 D:1/s [all])\n"
    assert [offer.name for offer in ask({}, Apt(plan))] == ["a"]


def test_an_archive_that_cannot_be_asked_is_an_error_that_says_so() -> None:
    with pytest.raises(FoundationError, match="apt cannot tell what is newer: E: no network"):
        ask({}, Apt(error="E: no network"))
