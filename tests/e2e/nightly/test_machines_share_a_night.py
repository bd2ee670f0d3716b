"""A night's work on two machines that have nothing but the registry in common; and what if one of them is lost."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from tests.nights import World, open_world, told

from warmbase.nightly.claims import LASTS, Claims
from warmbase.nightly.job import run_night
from warmbase.nightly.model import Night
from warmbase.nightly.setting import Job
from warmbase.nightly.shards import Shard
from warmbase.publish.ledger import Ledger

IMAGES = {"core": {"requirements": ["alpha"]}, "data": {"requirements": ["gamma"]}}
MACHINES = 2


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, system_packages: Path) -> Iterator[World]:
    catalog = {"images": IMAGES, "defaults": {"foundations": ["slim"], "backends": []}}
    with open_world(tmp_path_factory.mktemp("shared-night"), system_packages, catalog) as world:
        for name in ("alpha", "gamma"):
            world.release(name, "1.0", uploaded="2026-01-02T03:04:05.000000Z")
        yield world


def job(world: World, number: int) -> Job:
    """The job of one of the machines, each of which has a cache of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WARMBASE_CACHE_DIR", str(world.bases.cache.parent / f"machine-{number}"))
        return world.job(shard=Shard(index=number, count=MACHINES))


@pytest.fixture(scope="module")
def nights(world: World) -> list[Night]:
    """The first night, on all machines at once."""
    jobs = [job(world, number) for number in range(1, MACHINES + 1)]
    with ThreadPoolExecutor(max_workers=MACHINES) as executor:
        return list(executor.map(run_night, jobs))


def test_every_image_is_published_once_though_both_saw_all_of_them(world: World, nights: list[Night]) -> None:
    assert set(world.tags()) == set(IMAGES)
    for variant in job(world, 1).variants:
        entries = Ledger(job(world, 1).place, variant.name).read().entries
        assert [entry.digest for entry in entries] == [world.tags()[variant.image]]


def test_together_they_did_all_of_it_and_nothing_failed(nights: list[Night]) -> None:
    """Who is ready first may take what the other one has not claimed yet."""
    assert {image for night in nights for image in told(night)} == set(IMAGES)
    assert {result.status for night in nights for result in night.results} <= {"refreshed", "fresh"}


def test_what_another_machine_is_at_is_left_to_it_and_done_by_others_if_it_is_lost(
    world: World, nights: list[Night]
) -> None:
    """What is stale is the first machine's part. It claims it and is never heard of again."""
    world.evening += timedelta(days=1)
    world.release("gamma", "1.1")
    second, before = job(world, 2), world.tags()
    (data,) = (variant.name for variant in second.variants if variant.image == "data")
    assert Claims(second.place, "first", lambda: world.evening + timedelta(hours=5)).take(data)
    assert told(run_night(second)) == {}
    assert world.tags() == before
    world.evening += LASTS
    assert told(run_night(job(world, 2))) == {"data": "refreshed: gamma 1.0 → 1.1"}
