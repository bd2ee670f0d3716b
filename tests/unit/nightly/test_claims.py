"""Claims of workers on variants: advisory, and never in the way."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest
from tests.publishing import DAY
from tests.unit.publish.memory import MemoryRegistry

from warmbase.errors import RegistryError
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


def test_what_has_ended_is_garbage_and_what_others_wrote_is_not_looked_at(
    worker: Callable[[str], Claims], registry: MemoryRegistry, watch: Watch
) -> None:
    one = worker("one")
    one.take(DATA)
    one.release(DATA)
    tags = registry.tags(f"bases/{CLAIMS}")
    assert len(tags) == 2, "a claim, and that it is over"
    assert plan_claims([*tags, "latest"], watch.now) == ()
    assert plan_claims([*tags, "latest"], watch.now + LASTS + timedelta(seconds=1)) == (min(tags),)
