"""What a night learns of foundations from a Debian archive that changes."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.archives import Archive, serve_archive
from tests.baseimages import system_blob, write_image
from tests.bases import FOREIGN, PLATFORM
from tests.surveys import Nights, said

from warmbase.errors import FoundationError
from warmbase.foundation.managed import choose_python, known_pythons
from warmbase.foundation.pins import DebianPin, ManagedPin
from warmbase.nightly.model import FoundationKey, FoundationNews

DEBIAN: FoundationKey = ("company", PLATFORM, "3.13")
PYTHON: FoundationKey = ("python", PLATFORM, "3.13")


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    """An archive whose system can be pinned, and not made."""
    with serve_archive(tmp_path) as archive:
        archive.pretend_system()
        yield archive


@pytest.fixture
def debian(archive: Archive, tmp_path: Path) -> Nights:
    """A foundation that was pinned the night before."""
    nights = Nights.of(tmp_path, {"company": archive.entry(tmp_path)})
    nights.news(DEBIAN)
    archive.asked.clear()
    archive.unchanged.clear()
    return nights


def test_a_foundation_that_was_never_pinned_is_pinned_without_a_reason(debian: Nights) -> None:
    pin = debian.known[DEBIAN]
    assert isinstance(pin, DebianPin)
    assert ("openssl", "3.5.1-1") in pin.packages
    assert debian.survey(DEBIAN).news[DEBIAN] == FoundationNews(pin=pin)


def test_an_archive_without_news_is_asked_for_three_files_and_sends_none(debian: Nights, archive: Archive) -> None:
    memory, survey = debian.memory, debian.survey(DEBIAN)
    assert survey.news[DEBIAN].pin is debian.known[DEBIAN]
    assert (survey.requests, debian.started) == (3, [])
    assert sorted(archive.asked) == sorted(archive.unchanged)
    assert len(archive.asked) == 3
    assert survey.memory == memory


def test_an_archive_that_is_only_signed_anew_is_no_news(debian: Nights, archive: Archive) -> None:
    archive.renew()
    assert debian.news(DEBIAN).reasons == ()
    assert debian.started == []
    assert archive.unchanged == []
    debian.news(DEBIAN)
    assert len(archive.unchanged) == 3


def test_a_security_update_is_told_apart(debian: Nights, archive: Archive) -> None:
    archive.bump("base-files", "13.9")
    archive.bump("openssl", security=True)
    known = debian.known[DEBIAN]
    assert said(debian.news(DEBIAN)) == [
        "security: openssl 3.5.1-1 → 3.5.1-1+deb13u9 (security)",
        "foundation: base-files 13.8 → 13.9",
    ]
    assert debian.known[DEBIAN] != known


def test_python_s_patch_release_is_a_change_of_the_tool(debian: Nights, archive: Archive) -> None:
    archive.bump("python3.13-minimal", "3.13.6-1")
    assert said(debian.news(DEBIAN))[-1] == "tool: python 3.13.5 → 3.13.6"


def test_packages_come_and_go(debian: Nights, archive: Archive) -> None:
    archive.make("libgreet", "1.0")
    archive.make("python3", "3.13.5-1", fields={"Depends": "python3.13-minimal, libgreet"})
    assert said(debian.news(DEBIAN)) == [
        "foundation: libgreet (new) → 1.0",
        "foundation: openssl 3.5.1-1 → (gone)",
    ]


def test_a_package_that_is_in_no_foundation_asks_apt_and_is_no_news(debian: Nights, archive: Archive) -> None:
    archive.make("greeter", "1.0")
    known = debian.known[DEBIAN]
    assert debian.news(DEBIAN).pin is known
    assert debian.started
    debian.news(DEBIAN)
    assert debian.started == []


def test_what_was_offered_and_not_taken_is_said_again_without_apt(debian: Nights, archive: Archive) -> None:
    archive.bump("openssl")
    first, second = debian.survey(DEBIAN), debian.survey(DEBIAN)
    assert first.news == second.news
    assert said(second.news[DEBIAN]) == ["foundation: openssl 3.5.1-1 → 3.5.1-1+deb13u9"]
    assert debian.started == []


def test_a_variant_on_an_older_pin_than_the_known_one_has_its_own_reasons(debian: Nights, archive: Archive) -> None:
    old = debian.known[DEBIAN]
    archive.make("openssl", "3.5.1-2", security=True)
    debian.news(DEBIAN)
    archive.bump("base-files", "13.9")
    survey = debian.survey(DEBIAN)
    assert len(survey.news[DEBIAN].reasons) == 1
    assert [str(reason) for reason in survey.reasons(DEBIAN, old)] == [
        "openssl 3.5.1-1 → 3.5.1-2 (security)",
        "base-files 13.8 → 13.9",
    ]


def test_all_platforms_of_a_foundation_share_what_is_asked_of_an_archive(debian: Nights, archive: Archive) -> None:
    foreign = ("company", FOREIGN, "3.13")
    first = debian.survey(DEBIAN, foreign)
    debian.known |= {key: news.pin for key, news in first.news.items() if news.pin}
    debian.survey(DEBIAN, foreign)  # it learns what counts for the other one
    again = debian.survey(DEBIAN, foreign)
    assert [again.news[key].pin for key in (DEBIAN, foreign)] == [debian.known[key] for key in (DEBIAN, foreign)]
    assert (again.requests, debian.started) == (3, [])


def test_an_archive_that_is_down_stops_no_other_foundation(debian: Nights, archive: Archive, tmp_path: Path) -> None:
    write_image(tmp_path / "python.oci", [system_blob()])
    debian.foundations = {**debian.foundations, "python": {"oci": "python.oci", "python": "3.13"}}
    debian.survey(PYTHON)
    pin, memory = debian.pin(PYTHON), debian.memory
    archive.pages.clear()
    survey = debian.survey(DEBIAN, PYTHON)
    assert isinstance(survey.news[DEBIAN].error, FoundationError)
    assert survey.news[PYTHON] == FoundationNews(pin=pin)
    assert survey.memory.suites == memory.suites


def test_another_foundation_than_the_pinned_one_is_the_catalog_s_doing(debian: Nights, archive: Archive) -> None:
    archive.make("greeter", "1.0")
    debian.foundations = {"company": archive.entry(debian.folder, packages=["greeter"])}
    news = debian.survey(DEBIAN).news[DEBIAN]
    assert said(news) == ["catalog: foundation company (the catalog asks for another)"]
    assert isinstance(news.pin, DebianPin)
    assert ("greeter", "1.0") in news.pin.packages


def test_a_managed_python_is_behind_when_uv_knows_a_newer_patch_release(debian: Nights) -> None:
    debian.foundations = {"company": {**debian.foundations["company"], "python": "managed"}}
    system = debian.survey(DEBIAN).memory.answers
    (base,) = [
        answer.pin for answer in system.values() if answer.pin and ("python3", "3.13.5-1") not in answer.pin.packages
    ]
    newest = choose_python(known_pythons(debian.ground), base, "3.13")
    assert newest
    pin = ManagedPin(base=base, python=newest.version, archive=newest.archive, sha256="0" * 64)
    debian.known[DEBIAN] = pin
    assert debian.survey(DEBIAN).news[DEBIAN] == FoundationNews(pin=pin)
    debian.known[DEBIAN] = replace(pin, python="3.13.0", archive="cpython-3.13.0")
    news = debian.survey(DEBIAN).news[DEBIAN]
    assert (news.pin, said(news)) == (None, [f"tool: python 3.13.0 → {newest.version}"])
    debian.known[DEBIAN] = replace(pin, archive="cpython-of-another-day")
    assert said(debian.survey(DEBIAN).news[DEBIAN]) == [f"tool: python cpython-of-another-day → {newest.archive}"]
