"""What a night learns of foundations that are images, from registries and layouts, or that Dockerfiles make."""

import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.archives import Archive, serve_archive
from tests.baseimages import Blob, entry, system_blob, tar_blob, write_image, write_index
from tests.bases import FOREIGN, PLATFORM
from tests.registries import RunningRegistry, copy_with_skopeo, running_registry
from tests.surveys import Nights, said

from warmbase.catalog.load import load_catalog
from warmbase.catalog.model import DockerfileFoundation
from warmbase.foundation.apt import AptSystem, ask_upgrades
from warmbase.foundation.dockerfile import Order, take_result
from warmbase.foundation.pins import DockerfilePin, ImagePin
from warmbase.nightly.facts import fingerprint_of_pins
from warmbase.nightly.model import FoundationKey, FoundationNews
from warmbase.oci.reference import Reference

PYTHON: FoundationKey = ("python", PLATFORM, "3.13")


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Archive]:
    """An archive whose system can be pinned, and not made."""
    with serve_archive(tmp_path_factory.mktemp("archive")) as archive:
        yield archive


@pytest.fixture(autouse=True)
def system(archive: Archive) -> None:
    """Each test begins with the same packages."""
    for suite in archive.suites.values():
        suite.clear()
    archive.pretend_system()
    archive.renew()


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningRegistry]:
    with running_registry(tmp_path_factory.mktemp("registry")) as running:
        yield running


def apt_blob(archive: Archive, **versions: str) -> Blob:
    """What an image has whose packages come from an archive."""
    status = "".join(
        f"Package: {name}\nStatus: install ok installed\nArchitecture: all\nVersion: {version}\n\n"
        for name, version in versions.items()
    )
    security = archive.url.replace("/debian", "/debian-security")
    sources = "".join(
        f"Types: deb deb-src\nURIs: {address}\nSuites: {suite}\nComponents: main\nSigned-By: /srv/keys.gpg\n\n"
        for address, suite in ((archive.url, "trixie"), (security, "trixie-security"))
    )
    return tar_blob(
        [
            entry("var/lib/dpkg/status", status.encode()),
            entry("etc/apt/sources.list.d/debian.sources", sources.encode()),
            entry("srv/keys.gpg", archive.keyring.read_bytes()),
        ]
    )


@pytest.fixture
def push(registry: RunningRegistry, tmp_path: Path) -> Callable[..., str]:
    """Push an image, under the name that the test's foundation has."""
    name = f"{registry.host}/{tmp_path.name}/python"
    pushed = 0

    def push_layers(*layers: Blob, run: Mapping[str, Any] | None = None, other: bool = False) -> str:
        nonlocal pushed
        pushed += 1
        layout = write_image(tmp_path / f"pushed-{pushed}", layers, run)
        if other:
            foreign = write_image(tmp_path / f"foreign-{pushed}", [tar_blob([])], platform=FOREIGN)
            layout = write_index(tmp_path / f"index-{pushed}", layout, foreign)
        copy_with_skopeo(f"oci:{layout}", f"docker://{name}:3.13")
        return f"{name}:{{python}}"

    return push_layers


def on_image(folder: Path, image: str) -> Nights:
    """A foundation that is an image in a registry, pinned the night before."""
    nights = Nights.of(folder, {"python": {"image": image, "python": "3.13"}})
    assert nights.survey(PYTHON).news[PYTHON] == FoundationNews()
    nights.pin(PYTHON)
    return nights


def test_an_image_that_moved_is_told_by_its_digests_and_not_pulled(push: Callable[..., str], tmp_path: Path) -> None:
    nights = on_image(tmp_path, push(system_blob(), run={"Env": ["PYTHON_VERSION=3.13.5"]}))
    old = nights.known[PYTHON]
    assert isinstance(old, ImagePin)
    assert nights.news(PYTHON) == FoundationNews(pin=old)
    push(system_blob(), tar_blob([entry("srv/new")]), run={"Env": ["PYTHON_VERSION=3.13.6"]})
    nights.elsewhere()
    survey = nights.survey(PYTHON)
    moved, python = survey.news[PYTHON].reasons
    assert (moved.axis, moved.subject, moved.old) == ("foundation", old.reference, old.index[:19])
    assert moved.new.startswith("sha256:")
    assert str(python) == "python 3.13.5 → 3.13.6"
    assert survey.news[PYTHON].pin is None
    assert survey.requests == 1
    assert list(nights.ground.store.list()) == []


def test_an_image_that_is_new_for_another_platform_alone_is_no_news(push: Callable[..., str], tmp_path: Path) -> None:
    nights = on_image(tmp_path, push(system_blob()))
    old = nights.known[PYTHON]
    assert isinstance(old, ImagePin)
    push(system_blob(), other=True)
    news = nights.news(PYTHON)
    assert isinstance(news.pin, ImagePin)
    assert news == FoundationNews(pin=replace(old, index=news.pin.index))
    assert fingerprint_of_pins({PYTHON: news.pin}) == fingerprint_of_pins({PYTHON: old})
    nights.elsewhere()
    assert nights.news(PYTHON) == FoundationNews(pin=news.pin)
    (traffic,) = nights.ground.registries().traffic.values()
    assert traffic.requests == {"HEAD": 1}, "the other index is known from then on"


def test_an_image_that_is_gone_is_an_error_of_its_own(push: Callable[..., str], tmp_path: Path) -> None:
    nights = on_image(tmp_path, push(system_blob()))
    gone = nights.known[PYTHON]
    assert isinstance(gone, ImagePin)
    missing = f"{gone.reference.rpartition(':')[0]}:none"
    nights.foundations = {"python": {"image": missing, "python": "3.13"}}
    nights.known[PYTHON] = replace(gone, reference=missing)
    error = nights.survey(PYTHON).news[PYTHON].error
    assert error is not None
    assert "does not exist" in error.message


def test_packages_of_an_image_that_are_behind_are_held_until_its_next_one(
    push: Callable[..., str], archive: Archive, tmp_path: Path
) -> None:
    nights = on_image(
        tmp_path, push(system_blob(), apt_blob(archive, openssl="3.5.1-1", apt="2.9", python3="3.13.5-1"))
    )
    archive.bump("openssl", security=True)
    news = nights.news(PYTHON)
    assert (news.pin, news.reasons) == (nights.known[PYTHON], ())
    assert [str(held) for held in news.held] == [
        "apt 2.9, not 3.0.3: upstream, comes with the next image of python",
        "openssl 3.5.1-1, not 3.5.1-1+deb13u9: upstream, security update, comes with the next image of python",
    ]


def test_apt_obeys_no_settings_of_an_image(archive: Archive, tmp_path: Path) -> None:
    hook = f'APT::Update::Pre-Invoke {{"touch {tmp_path}/obeyed";}};\n'.encode()
    sources = f"deb [signed-by={archive.keyring}] {archive.url} trixie main\n".encode()
    files = {
        "etc/apt/sources.list": sources,
        "etc/apt/apt.conf": hook,
        "etc/apt/apt.conf.d/99hook": hook,
        str(archive.keyring).lstrip("/"): archive.keyring.read_bytes(),
    }
    upgrades = ask_upgrades(AptSystem(installed=(("openssl", "all", "3.5"),), files=files), "amd64")
    assert [offer.version for offer in upgrades.offers] == ["3.5.1-1"]
    assert not (tmp_path / "obeyed").exists()


def test_another_machine_asks_about_an_image_without_pulling_it(
    push: Callable[..., str], archive: Archive, tmp_path: Path
) -> None:
    nights = on_image(tmp_path, push(system_blob(), apt_blob(archive, openssl="3.5.1-1")))
    assert nights.news(PYTHON).held == ()
    nights.elsewhere()
    assert nights.news(PYTHON).held == ()
    assert nights.started == []
    archive.bump("openssl")
    assert len(nights.news(PYTHON).held) == 1
    assert list(nights.ground.store.list()) == []


def test_an_image_whose_archive_is_down_is_no_failure(
    push: Callable[..., str], archive: Archive, tmp_path: Path
) -> None:
    nights = on_image(tmp_path, push(system_blob(), apt_blob(archive, openssl="3.5.1-1")))
    archive.pages.clear()
    news = nights.news(PYTHON)
    assert (news.pin, news.held) == (nights.known[PYTHON], ())
    (note,) = news.notes
    assert note.startswith(f"the packages of python for {PLATFORM} were not looked at: apt cannot tell what is newer")


def test_an_image_without_apt_is_looked_into_once(push: Callable[..., str], tmp_path: Path) -> None:
    nights = on_image(tmp_path, push(system_blob()))
    nights.news(PYTHON)
    nights.elsewhere()
    assert nights.news(PYTHON) == FoundationNews(pin=nights.known[PYTHON])
    assert list(nights.ground.store.list()) == []


def test_a_layout_that_was_replaced_is_told_by_its_digests(tmp_path: Path) -> None:
    write_image(tmp_path / "python.oci", [system_blob()])
    nights = Nights.of(tmp_path, {"python": {"oci": "python.oci", "python": "3.13"}})
    nights.survey(PYTHON)
    nights.pin(PYTHON)
    assert nights.news(PYTHON) == FoundationNews(pin=nights.known[PYTHON])
    shutil.rmtree(tmp_path / "python.oci")
    write_image(tmp_path / "python.oci", [system_blob(), tar_blob([entry("srv/new")])])
    (reason,) = nights.news(PYTHON).reasons
    assert (reason.axis, reason.subject) == ("foundation", "python.oci")


@pytest.fixture
def baked(push: Callable[..., str], archive: Archive, tmp_path: Path) -> Nights:
    """A foundation that a Dockerfile made, as a bake leaves it: pinned, and in the store of this machine."""
    base = push(system_blob()).format(python="3.13")
    (tmp_path / "own").mkdir()
    (tmp_path / "own/Dockerfile").write_text(f"FROM {base}\n")
    nights = Nights.of(tmp_path, {"python": {"dockerfile": "own", "python": "3.13"}})
    assert nights.survey(PYTHON).news[PYTHON] == FoundationNews()
    bake(nights, base, apt_blob(archive, openssl="3.5.1-1"), name="first")
    return nights


def bake(nights: Nights, base: str, *layers: Blob, name: str) -> None:
    """Take what a builder wrote for the Dockerfile into the store."""
    layout = write_image(nights.folder / name, [system_blob(), *layers], name=name)
    wanted = load_catalog(nights.folder / "images.yaml").foundations[0]
    assert isinstance(wanted, DockerfileFoundation)
    reference = Reference.parse(base)
    found = nights.ground.registries().at(reference.registry).find_manifest(reference.repository, reference.reference)
    assert found
    order = Order(
        foundation=wanted, platform=PLATFORM, python="3.13", codec=nights.ground.codec, created="2026-11-20T00:00:00Z"
    )
    made, _ = take_result(order, layout, {}, nights.ground)
    nights.known[PYTHON] = pin = replace(made, bases=((base, found.digest),))
    assert pin.image == made.image


def test_a_dockerfile_whose_images_and_packages_are_as_they_were_is_fresh(baked: Nights, archive: Archive) -> None:
    assert baked.news(PYTHON) == FoundationNews(pin=baked.known[PYTHON])
    survey = baked.survey(PYTHON)
    assert survey.news[PYTHON] == FoundationNews(pin=baked.known[PYTHON])
    assert (survey.requests, baked.started) == (3, [])  # the image below, and two suites


def test_a_dockerfile_that_was_edited_is_the_catalog_s_doing(baked: Nights) -> None:
    with (baked.folder / "own/Dockerfile").open("a") as file:
        file.write("RUN true\n")
    (reason,) = baked.news(PYTHON).reasons
    assert (reason.axis, reason.subject, reason.note) == ("catalog", "own/Dockerfile", "what goes in")


def test_a_dockerfile_on_an_image_that_moved_is_stale(baked: Nights, push: Callable[..., str]) -> None:
    base = push(system_blob(), tar_blob([entry("srv/new")])).format(python="3.13")
    news = baked.news(PYTHON)
    (reason,) = news.reasons
    assert (reason.axis, reason.subject) == ("foundation", base)
    assert news.pin is None


def test_packages_behind_are_a_reason_to_make_a_dockerfile_anew_once(baked: Nights, archive: Archive) -> None:
    archive.bump("openssl", security=True)
    news = baked.news(PYTHON)
    assert (news.pin, said(news)) == (None, ["security: openssl 3.5.1-1 → 3.5.1-1+deb13u9 (security)"])
    pin = baked.known[PYTHON]
    assert isinstance(pin, DockerfilePin)
    ((base, _),) = pin.bases
    bake(baked, base, apt_blob(archive, openssl="3.5.1-1", greeter="1"), name="second")
    again = baked.news(PYTHON)
    assert (again.pin, again.reasons) == (baked.known[PYTHON], ())
    assert [held.by for held in again.held] == ["upstream"]
    archive.bump("openssl", "3.5.1-3")
    assert [reason.new for reason in baked.news(PYTHON).reasons] == ["3.5.1-3"]


def test_what_a_dockerfile_made_elsewhere_is_not_looked_into(baked: Nights) -> None:
    baked.elsewhere()
    news = baked.news(PYTHON)
    assert (news.pin, news.reasons) == (baked.known[PYTHON], ())
    assert "what its Dockerfile made is not on this machine" in news.notes[0]
