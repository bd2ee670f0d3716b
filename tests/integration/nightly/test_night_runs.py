"""Nights with real builds on a registry and an index of the tests' own: locks to review, publishing, many workers."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from tests.nights import World, open_world, told

from warmbase.catalog.load import load_catalog
from warmbase.events import Event, Started
from warmbase.lock.files import read_lock
from warmbase.nightly.claims import Claims
from warmbase.nightly.job import run_night
from warmbase.nightly.model import Night
from warmbase.nightly.shards import Shard

CATALOG = {
    "images": {"app": {"requirements": ["alpha"]}, "kid": {"from": "app", "requirements": ["beta"]}},
    "defaults": {"foundations": ["slim"], "backends": []},
}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, system_packages: Path) -> Iterator[World]:
    with open_world(tmp_path_factory.mktemp("runs"), system_packages, CATALOG) as world:
        for name in ("alpha", "beta"):
            world.release(name, "1.0", uploaded="2026-01-02T03:04:05.000000Z")
        yield world


@pytest.fixture(scope="module")
def committed(world: World) -> World:
    """The world after a night that wrote locks for review."""
    assert told(world.night(commit=True)) == dict.fromkeys(("app", "kid"), "refreshed: nothing is published of it")
    world.evening += timedelta(days=1)
    return world


@pytest.fixture(scope="module")
def published(committed: World) -> World:
    """The world after a night that published what the locks had made."""
    night = committed.night()
    assert [result.status for result in night.results] == ["refreshed", "refreshed"]
    committed.evening += timedelta(days=1)
    return committed


def test_locks_to_review_are_written_and_nothing_is_published(committed: World) -> None:
    catalog = load_catalog(committed.bases.catalog)
    locks = [read_lock(catalog, variant) for variant in catalog.variants]
    assert [lock.versions() for lock in locks if lock] == [{"alpha": "1.0"}, {"alpha": "1.0", "beta": "1.0"}]
    assert committed.tags() == {}
    assert told(committed.night(commit=True)) == {}


def test_a_night_says_where_its_images_are(published: World) -> None:
    night = published.night()
    assert told(night) == {}
    assert {result.variant.partition(":")[0]: result.digest for result in night.results} == published.tags()


def test_a_machine_without_memory_knows_that_nothing_is_to_do(
    published: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WARMBASE_CACHE_DIR", str(published.bases.folder.parent / "nobody"))
    published.proxy.seen.clear()
    assert told(published.night()) == {}
    assert {one.method for one in published.proxy.seen} <= {"GET", "HEAD"}


def test_what_another_worker_has_claimed_is_left_to_it(published: World) -> None:
    published.release("beta", "1.1")
    job = published.job(shard=Shard(index=1, count=2))
    theirs = Claims(job.place, "another worker", job.clock)
    assert theirs.take("kid:py3.13-slim")
    assert [result.variant for result in published.night(shard=Shard(index=1, count=2)).results] == ["app:py3.13-slim"]
    theirs.release("kid:py3.13-slim")
    night = published.night(shard=Shard(index=2, count=2))
    assert told(night) == {"kid": "refreshed: beta 1.0 → 1.1"}
    published.evening += timedelta(days=1)


def test_an_interrupted_night_keeps_what_it_did(published: World) -> None:
    published.release("alpha", "1.1")

    def interrupt(event: Event) -> None:
        if isinstance(event, Started) and (event.subject, event.stage) == ("kid:py3.13-slim", "image"):
            raise KeyboardInterrupt

    nights: list[Night] = []
    with pytest.raises(KeyboardInterrupt):
        run_night(replace(published.job(), report=interrupt), nights.append)
    [night] = nights
    assert [result.status for result in night.results] == ["refreshed", "left"]
    assert any(note.startswith("It was interrupted") for note in night.notes)
    assert told(published.night()) == {"kid": "refreshed: alpha 1.0 → 1.1"}
    published.evening += timedelta(days=1)


def test_the_command_reports_in_three_forms_and_in_its_exit_code(published: World, tmp_path: Path) -> None:
    published.bases.run("nightly", "--plan", "--report", str(tmp_path))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["report.html", "report.json", "report.md"]
    assert json.loads((tmp_path / "report.json").read_text())["mode"] == "plan"
    published.edit("app", requirements=["alpha", "nowhere"])
    assert "nowhere" in published.bases.run("nightly", code=1).stdout
