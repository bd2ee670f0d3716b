"""A foundation from a company's own archive, signed with its own key: made once, 15 s, from a real system."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.archives import Archive, serve_archive
from tests.bases import PLATFORM
from tests.grounds import ground_at

from warmbase.catalog.model import DebianFoundation
from warmbase.effects.runner import Sandbox
from warmbase.errors import FoundationError
from warmbase.foundation.debian import pin_debian
from warmbase.foundation.stage import make_foundation

ENV = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND": "noninteractive"}


@pytest.fixture(scope="module")
def archive(system_packages: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Archive]:
    """An archive with a real system, and a package of a company's own."""
    with serve_archive(tmp_path_factory.mktemp("archive"), system_packages) as archive:
        archive.make("greeter", "1.0", files={"usr/share/greeting": "hello\n"})
        yield archive


def company(archive: Archive) -> DebianFoundation:
    return DebianFoundation(
        name="company",
        suite="trixie",
        python="3.13",
        packages=("greeter",),
        mirror=archive.url,
        keyring=archive.keyring,
    )


@pytest.fixture(scope="module")
def sandbox(archive: Archive, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """The foundation as programs in it see it."""
    ground = ground_at(tmp_path_factory.mktemp("ground"))
    wanted = company(archive)
    made = make_foundation(wanted, pin_debian(wanted, PLATFORM), PLATFORM, ground, locked=True)
    with ground.runner().open(ground.unpacked.root(made.layers), network=True) as sandbox:
        yield sandbox


def test_the_company_s_packages_are_in_the_foundation(sandbox: Sandbox) -> None:
    assert sandbox.run(["cat", "/usr/share/greeting"], env=ENV).text == "hello\n"


def test_children_trust_the_archive_by_the_same_key(sandbox: Sandbox, archive: Archive) -> None:
    archive.bump("greeter", "1.1", security=True)
    update = sandbox.run(["apt-get", "update"], env=ENV)
    assert (update.code, update.stderr) == (0, b"")
    upgrade = sandbox.run(["apt-get", "--simulate", "dist-upgrade"], env=ENV)
    assert "Inst greeter [1.0] (1.1 Debian-Security" in upgrade.text


def test_an_archive_with_another_key_is_refused(archive: Archive, tmp_path: Path) -> None:
    with serve_archive(tmp_path) as other, pytest.raises(FoundationError, match=r"not signed|NO_PUBKEY"):
        pin_debian(replace(company(archive), keyring=other.keyring), PLATFORM)
