"""What is told and remembered of a variant that was made: what it has, and not what was wanted."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.pinned import DEBIAN_PIN
from tests.publishing import AMD64, Clock, Shelf, attest, lock_of
from tests.unit.nightly.jobs import idle_job

from warmbase.catalog.load import load_catalog
from warmbase.lock.files import write_lock, write_pins
from warmbase.nightly import release
from warmbase.nightly.attempt import Made, Stages
from warmbase.nightly.known import Known
from warmbase.nightly.model import Broken, Decision, Reason, VariantState
from warmbase.nightly.release import Given, give_away, true_reasons
from warmbase.nightly.setting import Job
from warmbase.nightly.state import State
from warmbase.oci.manifest import INDEX

SUNDAY = datetime(2026, 11, 22, 23, 30, tzinfo=UTC)
NEWS = (
    Reason(axis="packages", subject="numpy", old="2.0", new="2.1"),
    Reason(axis="packages", subject="six", old="1.0", new="1.1"),
)
DECISION = Decision(variant="data:py3.13-trixie", verdict="stale", reasons=NEWS, taken=("catalog", "packages"))
BROKEN = Broken(package="six", version="1.1", why="smoke.py: it ended with code 1", since="2026-11-22T23:40:00Z")


def words(reasons: tuple[Reason, ...]) -> list[str]:
    return [str(reason) for reason in reasons]


def test_the_reasons_are_what_moved() -> None:
    assert words(true_reasons(DECISION, lock_of({"numpy": "2.1", "six": "1.0"}))) == ["numpy 2.0 → 2.1"]


def test_a_release_that_was_younger_than_the_survey_is_named() -> None:
    lock = lock_of({"numpy": "2.2", "six": "1.1"})
    assert words(true_reasons(DECISION, lock)) == ["numpy 2.0 → 2.2", "six 1.0 → 1.1"]


def test_packages_that_come_and_go_count_where_they_did() -> None:
    moved = (
        Reason(axis="packages", subject="rich", new="15.0"),
        Reason(axis="packages", subject="six", old="1.0"),
        Reason(axis="packages", subject="files of the same versions"),
    )
    decision = replace(DECISION, reasons=moved)
    assert true_reasons(decision, lock_of({"rich": "15.0"})) == moved
    assert words(true_reasons(decision, lock_of({"six": "1.0"}))) == ["files of the same versions"]


def test_a_yanked_release_that_stayed_is_no_reason_and_the_systems_are() -> None:
    yanked = Reason(axis="security", subject="numpy", old="2.1", new="2.0", note="yanked: it loses files")
    openssl = Reason(axis="security", subject="openssl", old="1", new="2", note="security")
    decision = replace(DECISION, reasons=(yanked, openssl), moving=("numpy",))
    assert true_reasons(decision, lock_of({"numpy": "2.1"})) == (openssl,)
    assert true_reasons(decision, lock_of({"numpy": "2.0"})) == (yanked, openssl)


@pytest.fixture
def job(tmp_path: Path) -> Job:
    """A job that writes locks for review, of a variant whose packages are taken every week. It ends after midnight."""
    image = {"requirements": ["numpy", "six"], "foundation": "trixie", "refresh": {"packages": "weekly"}}
    document = {"uv": "0.13.8", "foundations": {"trixie": {"debian": "trixie"}}, "images": {"data": image}}
    (tmp_path / "images.yaml").write_text(json.dumps(document))
    catalog = load_catalog(tmp_path / "images.yaml")
    job = idle_job(tmp_path, *catalog.variants, mode="commit", clock=lambda: SUNDAY + timedelta(hours=1))
    return replace(job, catalog=catalog)


def give(job: Job, versions: Mapping[str, str], *broken: Broken, untried: Mapping[str, str] | None = None) -> Given:
    [variant] = job.variants
    folder = job.catalog.folder
    scratch, lock = job.at(folder / "scratch"), lock_of(versions)
    write_lock(scratch, variant, replace(lock, variant=variant.name))
    write_pins(scratch, variant.foundation, {(AMD64, "3.13"): replace(DEBIAN_PIN, platform=AMD64)})
    made = Made(
        publishable=replace(Shelf(folder=folder / "blobs").variant("data"), variant=variant),
        lock=lock,
        pins={},
        catalog=scratch,
        layout=folder,
        broken=broken,
        untried=untried or {},
    )
    known = Known(job, State(variants={variant.name: VariantState(time="")}))
    return give_away(job, made, DECISION, known, Stages(), SUNDAY)


def test_a_night_that_ends_on_monday_took_what_was_due_on_sunday(job: Job) -> None:
    given = give(job, {"numpy": "2.1", "six": "1.1"})
    assert given.state.taken == {"packages": "2026-11-22T23:30:00Z"}
    assert words(given.result.reasons) == ["numpy 2.0 → 2.1", "six 1.0 → 1.1"]
    assert given.result.held == ()


def test_what_broke_is_held_and_remembered(job: Job) -> None:
    given = give(job, {"numpy": "2.1", "six": "1.0"}, BROKEN)
    assert given.state.broken == (BROKEN,)
    assert words(given.result.reasons) == ["numpy 2.0 → 2.1"]
    assert [str(held) for held in given.result.held] == [
        "six 1.0, not 1.1: broken, smoke.py: it ended with code 1",
    ]


def test_what_was_not_tried_is_held_and_stays_due(job: Job) -> None:
    given = give(job, {"numpy": "2.0", "six": "1.0"}, untried={"numpy": "2.1", "six": "1.1"})
    assert given.state.taken == {}
    assert given.result.reasons == ()
    said = "it is not known yet which of numpy, six breaks the image"
    assert [str(held) for held in given.result.held] == [
        f"numpy 2.0, not 2.1: untried, {said}",
        f"six 1.0, not 1.1: untried, {said}",
    ]


def test_locks_to_review_that_say_what_the_committed_ones_do_are_no_refreshed_base(job: Job) -> None:
    assert give(job, {"numpy": "2.0", "six": "1.0"}).result.status == "refreshed"
    assert give(job, {"numpy": "2.0", "six": "1.0"}).result.status == "fresh"
    assert give(job, {"numpy": "2.0", "six": "1.0"}, BROKEN).result.status == "held"


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shelf:
    """Where images come from instead of a layout."""
    shelf = Shelf(folder=tmp_path / "blobs")
    monkeypatch.setattr(release, "read_layout", lambda _: shelf)
    monkeypatch.setattr(release, "attest", attest)
    return shelf


def publish(job: Job, shelf: Shelf, layers: Sequence[str], state: State, *, seconds: float) -> Given:
    """Give away a variant of these layers, in a night that begins with a state."""
    made = Made(
        publishable=replace(shelf.variant("data", layers=layers), seconds=seconds),
        lock=lock_of({"numpy": f"{len(layers)}.0"}),
        pins={},
        catalog=job.catalog,
        layout=shelf.folder,
    )
    return give_away(job, made, DECISION, Known(job, state), Stages(), SUNDAY)


def test_what_came_to_the_same_changes_nothing_that_is_known(tmp_path: Path, shelf: Shelf) -> None:
    job = idle_job(tmp_path, clock=Clock())
    first = publish(job, shelf, ["one"], State(), seconds=7)
    state = State(variants={DECISION.variant: first.state})
    again = publish(job, shelf, ["one"], state, seconds=9)
    assert (first.result.status, again.result.status) == ("refreshed", "fresh")
    assert replace(again.state, time=first.state.time) == first.state


def test_tags_that_were_put_back_are_told(tmp_path: Path, shelf: Shelf) -> None:
    job = idle_job(tmp_path, clock=Clock())
    old = publish(job, shelf, ["one"], State(), seconds=7)
    new = publish(job, shelf, ["one", "two"], State(variants={DECISION.variant: old.state}), seconds=7)
    index = job.place.registry.read_manifest("bases/data", old.state.digest)
    assert index
    job.place.registry.write_manifest("bases/data", job.variants[0].tag, index.content, INDEX)
    state = State(variants={DECISION.variant: new.state})
    again = publish(job, shelf, ["one", "two"], state, seconds=7)
    assert (again.result.status, again.result.digest) == ("refreshed", new.result.digest)
