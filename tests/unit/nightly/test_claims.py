"""Claims of workers on variants: advisory, and never in the way."""

import itertools
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from tests.publishing import DAY
from tests.unit.publish.memory import MemoryRegistry

from warmbase.cli.nightly import make_job
from warmbase.cli.session import Session
from warmbase.errors import RegistryError
from warmbase.events import ignore
from warmbase.nightly.claims import LASTS, Claims
from warmbase.publish.model import CLAIMS, Place
from warmbase.publish.retention import plan_claims

DATA, WEB = "data:py3.13-trixie", "web:py3.13-trixie"


@dataclass
class Watch:
    """A clock that stands still until it is moved."""

    now: datetime = DAY

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def registry() -> MemoryRegistry:
    return MemoryRegistry()


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture
def worker(registry: MemoryRegistry, watch: Watch) -> Callable[[str], Claims]:
    place = Place(registry=registry, prefix="bases")
    return lambda name: Claims(place, name, watch)


def test_others_see_what_a_worker_is_at_and_it_does_not_see_its_own(worker: Callable[[str], Claims]) -> None:
    one, two = worker("one"), worker("two")
    assert one.take(DATA)
    assert two.others([DATA, WEB]) == {DATA}
    assert one.others([DATA, WEB]) == frozenset()


def test_who_comes_second_is_told_and_leaves_no_claim(worker: Callable[[str], Claims], watch: Watch) -> None:
    one, two, three = worker("one"), worker("two"), worker("three")
    assert one.take(DATA)
    watch.now += timedelta(seconds=1)
    assert not two.take(DATA)
    one.release(DATA)
    assert three.others([DATA]) == frozenset()


def test_of_two_at_the_same_moment_exactly_one_goes_on(
    worker: Callable[[str], Claims], registry: MemoryRegistry
) -> None:
    one, two = worker("one"), worker("two")
    taken: list[bool] = []

    def interrupt(what: str, where: str) -> None:
        if where.endswith("tags"):
            registry.let_pass()
            taken.append(two.take(DATA))

    registry.before = interrupt
    taken.append(one.take(DATA))
    assert sorted(taken) == [False, True]


def test_what_is_done_can_be_taken_again_at_once(worker: Callable[[str], Claims]) -> None:
    one, two = worker("one"), worker("two")
    one.take(DATA)
    one.release(DATA)
    assert two.others([DATA]) == frozenset()
    assert two.take(DATA)


def test_the_claim_of_a_lost_worker_ends(worker: Callable[[str], Claims], watch: Watch) -> None:
    assert worker("lost").take(DATA)
    watch.now += LASTS - timedelta(seconds=1)
    assert not worker("one").take(DATA)
    watch.now += timedelta(seconds=1)
    assert worker("two").others([DATA]) == frozenset()
    assert worker("two").take(DATA)


def test_one_request_tells_all_claims(worker: Callable[[str], Claims], registry: MemoryRegistry) -> None:
    worker("one").take(DATA)
    worker("two").take(WEB)
    registry.asked.clear()
    assert worker("three").others([DATA, WEB]) == {DATA, WEB}
    assert registry.asked.total() == 1


def test_a_registry_that_is_down_keeps_nobody_from_working(
    worker: Callable[[str], Claims], registry: MemoryRegistry
) -> None:
    def refuse(what: str, where: str) -> None:
        raise RegistryError("the registry does not answer")

    one = worker("one")
    registry.before = refuse
    assert one.others([DATA]) == frozenset()
    assert one.take(DATA)
    one.release(DATA)


def test_who_is_done_leaves_nothing_behind(worker: Callable[[str], Claims], registry: MemoryRegistry) -> None:
    one = worker("one")
    assert one.take(DATA)
    one.release(DATA)
    assert registry.tags(f"bases/{CLAIMS}") == ()


def test_where_nothing_can_be_deleted_a_claim_is_said_to_be_over_until_garbage_is_collected(watch: Watch) -> None:
    """What others wrote there is not looked at."""
    registry = MemoryRegistry(can_delete=False)
    one, two = (Claims(Place(registry=registry, prefix="bases"), name, watch) for name in ("one", "two"))
    one.take(DATA)
    one.release(DATA)
    tags = registry.tags(f"bases/{CLAIMS}")
    assert len(tags) == 2, "a claim, and that it is over"
    assert two.others([DATA]) == frozenset()
    assert plan_claims([*tags, "latest"], watch.now) == ()
    assert plan_claims([*tags, "latest"], watch.now + LASTS + timedelta(seconds=1)) == (min(tags),)
    asked = registry.asked["DELETE"]
    one.take(WEB)
    one.release(WEB)
    one.sweep()
    assert registry.asked["DELETE"] == asked == 1, "it is not asked again"


def test_what_lost_workers_left_is_deleted_by_who_comes_the_day_after(
    worker: Callable[[str], Claims], registry: MemoryRegistry, watch: Watch
) -> None:
    assert worker("lost").take(DATA)
    watch.now += timedelta(hours=23)
    assert worker("late").take(WEB)
    worker("one").sweep()
    assert len(registry.tags(f"bases/{CLAIMS}")) == 2, "a clock may be wrong by hours"
    watch.now += timedelta(hours=2)
    worker("one").sweep()
    (left,) = registry.tags(f"bases/{CLAIMS}")
    assert left.startswith("web")


def test_a_claim_is_made_anew_while_the_work_goes_on(registry: MemoryRegistry, watch: Watch) -> None:
    """The clock stands still when the old claim has ended, as far as the others can see."""
    place, renewals, done = Place(registry=registry, prefix="bases"), itertools.count(), threading.Event()
    one, two = Claims(place, "one", watch, lasts=timedelta(seconds=1)), Claims(place, "two", watch)

    def count(what: str, where: str) -> None:
        if what == "PUT" and CLAIMS in where and next(renewals) == 1:
            done.set()  # the one before it is there

    assert one.take(DATA)
    registry.before = count
    watch.now += timedelta(minutes=1)
    assert done.wait(60)
    assert two.others([DATA]) == {DATA}
    one.release(DATA)
    assert registry.tags(f"bases/{CLAIMS}") == ()


def test_a_claim_that_a_wrong_clock_lets_last_for_hours_does_not_count(
    worker: Callable[[str], Claims], registry: MemoryRegistry, watch: Watch
) -> None:
    ahead = Claims(Place(registry=registry, prefix="bases"), "ahead", lambda: watch.now + timedelta(days=1))
    assert ahead.take(DATA)
    assert worker("one").take(DATA)


def test_a_worker_is_known_by_what_says_nothing_of_its_machine(registry: MemoryRegistry, tmp_path: Path) -> None:
    (tmp_path / "images.yaml").write_text(
        "uv: 0.13.8\nfoundations: {trixie: {debian: trixie, python: '3.13'}}\n"
        "defaults: {foundations: [trixie]}\nimages: {one: {description: One., requirements: [idna]}}\n"
    )
    session, place = Session(tmp_path / "images.yaml", ignore), Place(registry=registry, prefix="bases")
    workers = {make_job(session, place).worker for _ in range(2)}
    assert len(workers) == 2
    assert not any(os.uname().nodename in worker for worker in workers)
