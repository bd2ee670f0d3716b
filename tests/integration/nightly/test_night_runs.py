"""Nights with real builds on a registry and an index of the tests' own: locks to review, publishing, many workers."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from tests.baseimages import read_tar
from tests.bases import Bases
from tests.nights import World, open_world, told

from warmbase.catalog.load import load_catalog
from warmbase.cli.nightly import OUT_OF_TIME, exit_code
from warmbase.effects.process import run_process
from warmbase.events import Event, Started
from warmbase.lock.files import read_lock
from warmbase.nightly.claims import LASTS, Claims
from warmbase.nightly.job import run_night
from warmbase.nightly.model import Night
from warmbase.nightly.setting import Job
from warmbase.nightly.shards import Shard
from warmbase.publish.ledger import Ledger
from warmbase.publish.model import CLAIMS

CATALOG = {
    "images": {"app": {"requirements": ["alpha"]}, "kid": {"from": "app", "requirements": ["beta"]}},
    "defaults": {"foundations": ["slim"], "backends": []},
}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, foundation: Bases) -> Iterator[World]:
    (layer,) = (stored.layer for stored in foundation.store.list() if "foundation" in stored.layer.notes)
    system = read_tar(foundation.store, layer)
    with open_world(tmp_path_factory.mktemp("runs"), CATALOG, system=system) as world:
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


def test_a_repeated_run_proposes_all_locks_that_are_not_committed(committed: World, tmp_path: Path) -> None:
    git = ("git", "-C", committed.bases.folder, "-c", "user.name=a", "-c", "user.email=a@b.invalid")
    run_process((*git, "init", "--quiet"))
    run_process((*git, "add", committed.bases.catalog))
    run_process((*git, "commit", "--quiet", "--message", "Begin"))
    said = committed.bases.run("nightly", "--commit", "--report", str(tmp_path))
    assert "not committed in bases/" in said.stderr
    assert "Refresh 2 bases" in (tmp_path / "message.txt").read_text()
    assert "not committed in bases/" in (tmp_path / "report.md").read_text()


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


def test_what_another_worker_has_claimed_is_left_to_it_and_taken_if_it_is_lost(published: World) -> None:
    published.release("beta", "1.1")
    job = published.job(shard=Shard(index=1, count=2))
    theirs = Claims(job.place, "another worker", job.clock)
    assert theirs.take("kid:py3.13-slim")
    before = published.tags()
    night = published.night(shard=Shard(index=1, count=2))
    assert [result.variant for result in night.of("fresh")] == ["app:py3.13-slim"]
    assert told(night)["kid"].startswith("left: beta 1.0 → 1.1, another machine is at it until")
    assert exit_code(night) == OUT_OF_TIME
    assert published.tags() == before
    theirs.release("kid:py3.13-slim")
    lost = Claims(job.place, "lost", job.clock)
    assert lost.take("kid:py3.13-slim")
    published.evening += LASTS + timedelta(minutes=1)
    night = published.night(shard=Shard(index=2, count=2))
    lost.release("kid:py3.13-slim")
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
    assert any(note.startswith("The night was interrupted") for note in night.notes)
    assert told(published.night()) == {"kid": "refreshed: alpha 1.0 → 1.1"}
    published.evening += timedelta(days=1)


def test_the_command_reports_in_three_forms_and_in_its_exit_code(published: World, tmp_path: Path) -> None:
    published.bases.run("nightly", "--plan", "--report", str(tmp_path))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["report.html", "report.json", "report.md"]
    assert json.loads((tmp_path / "report.json").read_text())["mode"] == "plan"
    published.edit("app", requirements=["alpha", "nowhere"])
    assert "nowhere" in published.bases.run("nightly", code=1).stdout


MACHINES = 2


def machine(world: World, number: int) -> Job:
    """The job of one of the machines, each of which has a cache of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WARMBASE_CACHE_DIR", str(world.bases.folder / f"machine-{number}"))
        return world.job(shard=Shard(index=number, count=MACHINES))


@pytest.fixture(scope="module")
def shared(world: World) -> World:
    """The same world with a catalog of two images that have nothing to do with each other."""
    bases = Bases(folder=world.bases.folder.parent / "shared", cache=world.bases.cache)
    bases.folder.mkdir()
    images = {"core": {"requirements": ["alpha"]}, "data": {"requirements": ["beta"]}}
    foundations = {"slim": world.catalog["foundations"]["slim"]}
    shared = replace(world, bases=bases, catalog={**world.catalog, "images": images, "foundations": foundations})
    shared.write()
    return shared


@pytest.fixture(scope="module")
def nights(shared: World) -> list[Night]:
    """The first night of these images, on all machines at once."""
    jobs = [machine(shared, number) for number in range(1, MACHINES + 1)]
    with ThreadPoolExecutor(max_workers=MACHINES) as executor:
        return list(executor.map(run_night, jobs))


def test_every_image_is_published_once_though_all_machines_saw_all_of_them(shared: World, nights: list[Night]) -> None:
    assert set(shared.tags()) == {"core", "data"}
    for variant in machine(shared, 1).variants:
        entries = Ledger(machine(shared, 1).place, variant.name).read().entries
        assert [entry.digest for entry in entries] == [shared.tags()[variant.image]]


def test_machines_that_are_done_leave_no_claims(shared: World, nights: list[Night]) -> None:
    place = machine(shared, 1).place
    assert place.registry.tags(place.repository(CLAIMS)) == ()


def test_together_the_machines_did_all_of_it_and_nothing_failed(nights: list[Night]) -> None:
    """Who is ready first may take what the other one has not claimed yet, and has to leave what it is still at."""
    done = [{result.variant for result in night.of("refreshed", "fresh")} for night in nights]
    assert set().union(*done) == {"core:py3.13-slim", "data:py3.13-slim"}
    for night, others in zip(nights, reversed(done), strict=True):
        assert {result.variant for result in night.of("left")} <= others
        assert not night.of("failed", "waiting", "held")
