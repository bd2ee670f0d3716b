"""New locks for review: what was verified and nothing else, and a message that says why."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from tests.pinned import DEBIAN_PIN, package
from tests.reports import NUMPY, busy_night, quiet_night, refreshed

from warmbase.catalog.load import load_catalog
from warmbase.catalog.model import Catalog
from warmbase.errors import LockError
from warmbase.lock.files import lock_paths, pin_path, read_lock, read_pins, write_lock, write_pins
from warmbase.lock.model import Lock, lock_to_json
from warmbase.nightly.changes import lock_moves
from warmbase.nightly.commit import changelog_text, message_text, take_locks, write_messages
from warmbase.nightly.model import Night, Reason, VariantResult
from warmbase.nightly.proposal import changed_locks, name_uncommitted, whole_proposal

AMD64, ARM64 = "linux/amd64", "linux/arm64"


def lock(variant: str, version: str) -> Lock:
    packages = (package("it", version),)
    return Lock(variant=variant, python="3.13", inputs="", uv=package("uv", "1"), packages=packages)


Pair = tuple[Catalog, Catalog]


@pytest.fixture
def catalogs(tmp_path: Path) -> Pair:
    """The same catalog twice: with a scratch folder of locks at version 2, and its own at version 1."""
    images = {name: {"requirements": ["it"], "foundation": "trixie"} for name in ("app", "web")}
    document = {"uv": "0.13.8", "foundations": {"trixie": {"debian": "trixie"}}, "images": images}
    (tmp_path / "images.yaml").write_text(json.dumps(document))
    target = load_catalog(tmp_path / "images.yaml")
    scratch = replace(target, locks=tmp_path / "scratch")
    for catalog, version, epoch in ((target, "1", 1), (scratch, "2", 2)):
        for variant in catalog.variants:
            write_lock(catalog, variant, lock(variant.name, version))
        pin = replace(DEBIAN_PIN, platform=AMD64, epoch=epoch)
        write_pins(catalog, catalog.foundations[0], {(AMD64, "3.13"): pin})
    return scratch, target


def versions(catalog: Catalog) -> dict[str, str]:
    found = {variant.image: read_lock(catalog, variant) for variant in catalog.variants}
    return {name: lock.versions()["it"] for name, lock in found.items() if lock}


def test_only_what_was_verified_gets_its_new_lock(catalogs: Pair) -> None:
    scratch, target = catalogs
    changed = take_locks(scratch, target, target.variants[:1])
    assert versions(target) == {"app": "2", "web": "1"}
    assert sorted(path.name for path in changed) == ["py3.13-trixie.json", "py3.13-trixie.txt", "trixie.json"]
    assert all(path.is_file() for path in changed)


def test_the_pins_come_with_it_and_those_of_other_platforms_stay(catalogs: Pair) -> None:
    scratch, target = catalogs
    foundation = target.foundations[0]
    other = replace(DEBIAN_PIN, platform=ARM64, epoch=1)
    write_pins(target, foundation, {**read_pins(target, foundation), (ARM64, "3.13"): other})
    take_locks(scratch, target, target.variants[:1])
    found = read_pins(target, foundation)
    assert found[AMD64, "3.13"] == read_pins(scratch, foundation)[AMD64, "3.13"]
    assert found[ARM64, "3.13"] == other


def test_taking_the_same_locks_again_changes_nothing(catalogs: Pair) -> None:
    scratch, target = catalogs
    take_locks(scratch, target, target.variants)
    before = pin_path(target, target.foundations[0]).stat().st_mtime_ns
    assert take_locks(scratch, target, target.variants) == ()
    assert pin_path(target, target.foundations[0]).stat().st_mtime_ns == before


def test_a_variant_without_a_new_lock_is_an_error(catalogs: Pair) -> None:
    _, target = catalogs
    empty = replace(target, locks=target.folder / "empty")
    with pytest.raises(LockError, match=r"app:py3\.13-trixie has no lock in"):
        take_locks(empty, target, target.variants)


# The message


def committed(night: Callable[[], Night] = busy_night) -> Night:
    return replace(night(), mode="commit")


def test_the_subject_names_the_most_urgent_first() -> None:
    subject, empty, *_ = message_text(committed()).splitlines()
    assert subject == "Refresh 3 bases: openssl 3.5.1-1+deb13u2 (security) and 2 more"
    assert empty == ""


@pytest.mark.parametrize("length", range(1, 80, 6))
def test_the_subject_is_never_longer_than_72_characters(length: int) -> None:
    reasons = [Reason(axis="packages", subject=f"{number}" * length, old="1", new="2") for number in range(4)]
    night = replace(committed(), results=(refreshed("data:py3.13-trixie", *reasons),))
    subject = message_text(night).splitlines()[0]
    assert subject.startswith("Refresh 1 base")
    assert len(subject) <= 72


def test_the_body_says_why_what_is_held_back_and_what_failed() -> None:
    text = message_text(committed())
    for line in (
        "Security:",
        "- openssl 3.5.1-1 → 3.5.1-1+deb13u2 (security): data:py3.13-trixie, web:py3.13-trixie",
        "- python:3.12-slim sha256:aaaaaaaaaaaa… → sha256:bbbbbbbbbbbb…: data:py3.12-slim",
        "- matplotlib 3.11.0: smoke.py: AttributeError: no attribute 'cm' (data:py3.13-trixie)",
        "- web:py3.11-bookworm: uv cannot resolve web:py3.11-bookworm (since 2026-11-18)",
    ):
        assert line in text.splitlines()
    assert "- polars 1.35.1, not 1.36.0: cooldown until 2026-11-24" in text


def test_a_message_has_no_empty_parts() -> None:
    assert message_text(committed(quiet_night)) == "Refresh 0 bases\n\nAll 8 variants are fresh.\n"


def test_the_changelog_tells_variants_in_which_the_same_moved_together() -> None:
    results = tuple(refreshed(f"{name}:py3.13-trixie", NUMPY) for name in ("core", "data"))
    text = changelog_text(replace(committed(), results=results))
    assert "## core:py3.13-trixie, data:py3.13-trixie" in text
    assert text.count("| numpy | 2.5.5 | 2.5.6 | up | [Release Notes](<https://numpy.example/news>) · [Source](") == 1


def test_both_files_are_written(tmp_path: Path) -> None:
    changelog, message = write_messages(committed(), tmp_path / "report")
    assert changelog.read_text() == changelog_text(committed())
    assert message.read_text() == message_text(committed())


# What several runs have made


def test_a_repeated_run_proposes_what_the_one_before_it_wrote(catalogs: Pair) -> None:
    """An interrupted run has relocked `app`; the next one finds that fresh, and relocks `web`."""
    scratch, target = catalogs
    app, web = target.variants
    committed_files = {
        lock_paths(target, variant)[1]: lock_to_json(lock(variant.name, "1")).encode() for variant in (app, web)
    }
    take_locks(scratch, target, (app, web))
    moved = Reason(axis="packages", subject="it", old="1", new="2")
    tonight = replace(refreshed(web.name, moved), moves=lock_moves(lock(web.name, "1"), lock(web.name, "2")))
    results = (VariantResult(variant=app.name, status="fresh"), tonight)
    night = whole_proposal(replace(committed(), results=results), changed_locks(target, committed_files))
    assert message_text(night).startswith("Refresh 2 bases: it 2\n")
    assert "- it 1 → 2 (taken by an earlier run): app:py3.13-trixie" in message_text(night)
    assert "| it | 1 | 2 | up |" in changelog_text(night)
    assert night.results[1] == tonight


def test_what_moved_twice_before_it_is_committed_is_proposed_as_one_move(catalogs: Pair) -> None:
    scratch, target = catalogs
    app = target.variants[0]
    files = {lock_paths(target, app)[1]: lock_to_json(lock(app.name, "0")).encode()}
    take_locks(scratch, target, (app,))
    tonight = replace(refreshed(app.name, NUMPY), moves=lock_moves(lock(app.name, "1"), lock(app.name, "2")))
    night = whole_proposal(replace(committed(), results=(tonight,)), changed_locks(target, files))
    assert "| it | 0 | 2 | up |" in changelog_text(night)


def test_a_lock_that_the_last_commit_has_not_is_proposed_too(catalogs: Pair) -> None:
    _, target = catalogs
    app = target.variants[0]
    night = replace(committed(), results=(VariantResult(variant=app.name, status="fresh"),))
    text = message_text(whole_proposal(night, changed_locks(target, {lock_paths(target, app)[1]: None})))
    assert "- a lock that an earlier run wrote: app:py3.13-trixie" in text


def test_what_is_committed_is_not_proposed_again(catalogs: Pair) -> None:
    _, target = catalogs
    assert changed_locks(target, {}) == {}
    assert whole_proposal(committed(), {}) == committed()


def test_edits_that_are_not_committed_are_not_written_over_without_a_word(catalogs: Pair) -> None:
    _, target = catalogs
    assert name_uncommitted(target, ()) == ()
    [note] = name_uncommitted(target, lock_paths(target, target.variants[0]))
    assert "2 files are not committed in bases/ (app/py3.13-trixie.txt, app/py3.13-trixie.json)" in note
    assert "writes over them" in note
