"""Keeping what nights know: whoever reads gets what all runs wrote, however they overlapped."""

import itertools
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from tests.publishing import DAY
from tests.unit.publish.memory import MemoryRegistry

from warmbase.effects.registry.records import write_record
from warmbase.errors import RegistryError
from warmbase.nightly.model import VariantState
from warmbase.nightly.record import KIND, keep_state, read_state, write_state
from warmbase.nightly.state import State, merge_states
from warmbase.oci.records import pack, record_manifest
from warmbase.publish.gc import delete_garbage, find_garbage
from warmbase.publish.journal import format_time
from warmbase.publish.model import NIGHTS, Place
from warmbase.publish.retention import Retention

MINUTE = timedelta(minutes=1)


@pytest.fixture
def registry() -> MemoryRegistry:
    return MemoryRegistry()


@pytest.fixture
def place(registry: MemoryRegistry) -> Place:
    return Place(registry=registry, prefix="bases")


@pytest.fixture
def machine(tmp_path: Path) -> Callable[[], Path]:
    """Makes the cache folder of a fresh machine."""
    numbers = itertools.count()
    return lambda: tmp_path / f"machine{next(numbers)}"


def learn(state: State, minute: int, *variants: str) -> State:
    """The state after something happened to `variants`."""
    time = format_time(DAY + minute * MINUTE)
    return merge_states(state, State(variants={name: VariantState(time=time, digest=str(minute)) for name in variants}))


def digests(state: State) -> dict[str, str]:
    return {name: each.digest for name, each in state.variants.items()}


def test_before_the_first_night_nothing_is_known(
    place: Place, registry: MemoryRegistry, machine: Callable[[], Path]
) -> None:
    assert read_state(place, machine()) == State()
    assert registry.asked.total() == 1


def test_another_machine_reads_what_one_wrote_in_three_requests(
    place: Place, registry: MemoryRegistry, machine: Callable[[], Path]
) -> None:
    written = write_state(place, machine(), learn(State(), 1, "data", "web"), DAY + MINUTE)
    registry.asked.clear()
    assert read_state(place, machine()) == written
    assert registry.asked.total() == 3


def test_the_machine_that_wrote_it_asks_for_the_listing_alone(
    place: Place, registry: MemoryRegistry, machine: Callable[[], Path]
) -> None:
    own = machine()
    written = write_state(place, own, learn(State(), 1, "data"), DAY + MINUTE)
    registry.asked.clear()
    assert read_state(place, own) == written
    assert registry.asked.total() == 1


def test_a_quiet_night_is_known_on_its_machine_alone_and_writes_nothing(
    place: Place, registry: MemoryRegistry, machine: Callable[[], Path]
) -> None:
    own = machine()
    write_state(place, own, learn(State(), 1, "data"), DAY + MINUTE)
    registry.asked.clear()
    keep_state(place, own, learn(read_state(place, own), 2, "web"))
    assert registry.asked["PUT"] + registry.asked["send"] == 0
    assert digests(read_state(place, own)) == {"data": "1", "web": "2"}
    assert digests(read_state(place, machine())) == {"data": "1"}


def test_two_runs_at_once_are_both_read_and_the_next_record_holds_both(
    place: Place, registry: MemoryRegistry, machine: Callable[[], Path]
) -> None:
    one, two = machine(), machine()
    write_state(place, one, learn(State(), 1, "data", "web", "lab"), DAY + MINUTE)
    first, second = read_state(place, one), read_state(place, two)
    write_state(place, two, learn(second, 2, "web"), DAY + 2 * MINUTE)
    write_state(place, one, learn(first, 3, "data"), DAY + 3 * MINUTE)
    both = read_state(place, machine())
    assert digests(both) == {"data": "3", "web": "2", "lab": "1"}
    write_state(place, machine(), both, DAY + 4 * MINUTE)
    registry.asked.clear()
    assert digests(read_state(place, machine())) == {"data": "3", "web": "2", "lab": "1"}
    assert registry.asked.total() == 3, "the newest record holds all"


def test_a_run_that_was_killed_leaves_what_it_wrote_on_the_way(place: Place, machine: Callable[[], Path]) -> None:
    own = machine()
    state = write_state(place, own, learn(State(), 1, "data"), DAY + MINUTE)
    write_state(place, own, learn(state, 2, "web"), DAY + 2 * MINUTE)
    assert digests(read_state(place, machine())) == {"data": "1", "web": "2"}


def test_a_record_is_the_newest_though_somebodys_clock_is_ahead(place: Place, machine: Callable[[], Path]) -> None:
    ahead = DAY + timedelta(days=1000)
    write_state(place, machine(), learn(State(), 1, "data"), ahead)
    for night in range(3):
        own = machine()
        write_state(place, own, learn(read_state(place, own), 2 + night, "web"), DAY + night * timedelta(days=1))
    assert digests(read_state(place, machine())) == {"data": "1", "web": "4"}


def test_who_writes_a_record_deletes_what_nobody_reads_any_more(
    place: Place, registry: MemoryRegistry, machine: Callable[[], Path]
) -> None:
    """Each night is another machine's, as in CI systems."""
    for day in range(30):
        own = machine()
        write_state(place, own, learn(read_state(place, own), day, f"image{day}"), DAY + timedelta(days=day))
    assert len(registry.tags(f"bases/{NIGHTS}")) <= 4
    assert len(read_state(place, machine()).variants) == 30


def test_where_records_cannot_be_deleted_nights_go_on(machine: Callable[[], Path]) -> None:
    place = Place(registry=MemoryRegistry(can_delete=False), prefix="bases")
    for day in range(6):
        own = machine()
        write_state(place, own, learn(read_state(place, own), day, f"image{day}"), DAY + timedelta(days=day))
    assert len(place.registry.tags(place.repository(NIGHTS))) == 6
    assert len(read_state(place, machine()).variants) == 6


def test_states_of_different_places_are_kept_apart(place: Place, machine: Callable[[], Path]) -> None:
    own = machine()
    write_state(place, own, learn(State(), 1, "data"), DAY)
    assert read_state(Place(registry=place.registry, prefix="staging"), own) == State()


def test_old_records_are_garbage_and_what_is_read_stays_the_same(
    place: Place, registry: MemoryRegistry, machine: Callable[[], Path]
) -> None:
    own = machine()
    for day in range(6):
        moment = DAY + timedelta(days=day)
        write_state(place, own, learn(read_state(place, own), day, f"image{day}"), moment)
    before = read_state(place, machine())
    assert len(before.variants) == 6
    garbage = find_garbage(place, ["data"], Retention(days=30, last=10), DAY + timedelta(days=6))
    assert {removal.name for removal in garbage.removals} == {NIGHTS}
    delete_garbage(place, garbage)
    assert len(registry.tags(f"bases/{NIGHTS}")) == 3
    assert digests(read_state(place, machine())) == digests(before)
    assert find_garbage(place, ["data"], Retention(days=30, last=10), DAY + timedelta(days=6)).removals == ()


@pytest.mark.parametrize("content", [b"no JSON", b'{"format": 99}', b"[]"])
def test_a_record_that_cannot_be_read_is_passed_over_and_said(
    place: Place, machine: Callable[[], Path], content: bytes
) -> None:
    write_state(place, machine(), learn(State(), 1, "data"), DAY)
    tag = "state-20261121T130000Z-0123456789ab"
    write_record(
        place.registry, place.repository(NIGHTS), record_manifest(KIND, {}, more=[pack("state", content)]), tag
    )
    said: list[str] = []
    assert digests(read_state(place, machine(), said.append)) == {"data": "1"}
    assert tag in said[0]


@pytest.mark.parametrize("status", [401, 403])
def test_a_registry_that_does_not_say_what_is_not_there_is_written_to_all_the_same(
    place: Place, registry: MemoryRegistry, machine: Callable[[], Path], status: int
) -> None:
    def refuse(what: str, where: str) -> None:
        if where.endswith("tags"):
            raise RegistryError("denied", status=status)

    said: list[str] = []
    registry.before = refuse
    assert read_state(place, machine(), said.append) == State()
    assert "may not be read: denied" in said[0]
    write_state(place, machine(), learn(State(), 1, "data"), DAY)
    registry.let_pass()
    assert digests(read_state(place, machine())) == {"data": "1"}


def test_a_copy_that_cannot_be_read_counts_as_none(place: Place, machine: Callable[[], Path]) -> None:
    own = machine()
    write_state(place, own, learn(State(), 1, "data"), DAY)
    for copy in own.iterdir():
        copy.write_bytes(b"damaged")
    assert digests(read_state(place, own)) == {"data": "1"}


def test_a_registry_that_is_down_is_an_error_and_loses_nothing(
    place: Place, registry: MemoryRegistry, machine: Callable[[], Path]
) -> None:
    own = machine()
    state = write_state(place, own, learn(State(), 1, "data"), DAY)

    def refuse(what: str, where: str) -> None:
        raise RegistryError("the registry does not answer")

    for number in (1, 2, 3):
        registry.at(number, lambda: refuse("", ""))
        with pytest.raises(RegistryError):
            read_state(place, machine())
        registry.let_pass()
    registry.before = refuse
    with pytest.raises(RegistryError):
        write_state(place, own, learn(state, 2, "web"), DAY + MINUTE)
    registry.let_pass()
    assert digests(read_state(place, own)) == {"data": "1"}
