"""What machines know of each other through a real registry: nights, claims, and what images were made from."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

from tests.integration.publish.attempts import NAME
from tests.publishing import DAY, Clock, Shelf, attest
from tests.registries import RunningRegistry, client_of, running_registry

from warmbase.nightly.claims import Claims
from warmbase.nightly.model import VariantState
from warmbase.nightly.record import read_state, write_state
from warmbase.nightly.state import State, merge_states
from warmbase.publish.baseline import read_baseline
from warmbase.publish.gc import delete_garbage, find_garbage
from warmbase.publish.journal import format_time
from warmbase.publish.ledger import newest_entries
from warmbase.publish.model import CLAIMS, JOURNAL, NIGHTS, Place
from warmbase.publish.retention import Retention
from warmbase.publish.stage import publish_variants

WORKERS = 4


def learn(state: State, variant: str, minute: int) -> State:
    known = VariantState(time=format_time(DAY + timedelta(minutes=minute)), digest=str(minute))
    return merge_states(state, State(variants={variant: known}))


def test_machines_that_share_a_night_know_all_of_it_afterwards(
    registry: RunningRegistry, prefix: str, tmp_path: Path
) -> None:
    def work(number: int) -> None:
        place, own = Place(registry=client_of(registry.host), prefix=prefix), tmp_path / str(number)
        state = read_state(place, own)
        for step in range(3):
            minute = number * 10 + step
            state = learn(state, f"image{number}.{step}", minute)
            state = write_state(place, own, state, DAY + timedelta(minutes=minute))

    with ThreadPoolExecutor(max_workers=WORKERS) as executor:
        list(executor.map(work, range(WORKERS)))
    place = Place(registry=client_of(registry.host), prefix=prefix)
    assert len(read_state(place, tmp_path / "fresh").variants) == WORKERS * 3
    for number in range(WORKERS):
        assert len(read_state(place, tmp_path / str(number)).variants) == WORKERS * 3


def test_of_all_machines_that_reach_for_a_variant_one_gets_it(registry: RunningRegistry, prefix: str) -> None:
    clock = Clock(step=timedelta())
    workers = [
        Claims(Place(registry=client_of(registry.host), prefix=prefix), f"worker {number}", clock)
        for number in range(WORKERS)
    ]
    with ThreadPoolExecutor(max_workers=WORKERS) as executor:
        taken = list(executor.map(lambda worker: worker.take(NAME), workers))
    assert sum(taken) >= 1, "advisory: who looks before the others have written goes on, too"
    winners = [worker for worker, got in zip(workers, taken, strict=True) if got]
    for worker in workers:
        assert worker.others([NAME]) == (frozenset() if winners == [worker] else {NAME})
    for worker in winners:
        worker.release(NAME)
    assert all(worker.others([NAME]) == frozenset() for worker in workers)


def test_a_fresh_machine_finds_what_an_image_was_made_from(place: Place, shelf: Shelf, tmp_path: Path) -> None:
    for days, layers in enumerate((["a"], ["a", "b"])):
        clock = Clock(now=DAY + timedelta(days=days))
        publish_variants([shelf.variant(layers=layers)], place, blobs=shelf, clock=clock, attest=attest)
    newest = newest_entries(place, [NAME], tmp_path / "journal")[NAME]
    baseline = read_baseline(place, newest.id)
    assert baseline
    assert baseline.lock.versions() == {"numpy": "2.0"}
    assert [name for name, _, _ in baseline.pins] == ["trixie"]


def test_what_a_registry_would_not_delete_is_garbage_once_it_does_and_what_is_needed_stays(
    shelf: Shelf, tmp_path: Path
) -> None:
    with running_registry(tmp_path / "registry", delete=False) as unwilling:
        place = Place(registry=client_of(unwilling.host), prefix="bases")
        publish_variants([shelf.variant(layers=["a"])], place, blobs=shelf, clock=Clock(), attest=attest)
        claims = Claims(place, "one", Clock(step=timedelta()))
        claims.take(NAME)
        claims.release(NAME)
        state = State()
        for days in range(5):
            state = write_state(place, tmp_path, learn(state, f"image{days}", days), DAY + timedelta(days=days))
    with running_registry(tmp_path / "registry") as willing:
        place = Place(registry=client_of(willing.host), prefix="bases")
        garbage = find_garbage(place, ["data"], Retention(days=30, last=10), DAY + timedelta(days=5))
        assert sorted(removal.name for removal in garbage.removals) == [CLAIMS, NIGHTS, NIGHTS]
        (claim,) = (removal for removal in garbage.removals if removal.name == CLAIMS)
        assert sorted(claim.tags) == sorted(place.registry.tags(place.repository(CLAIMS)))
        delete_garbage(place, garbage)
        assert place.registry.tags(place.repository(CLAIMS)) == ()
        assert len(place.registry.tags(place.repository(NIGHTS))) == 3
        assert len(read_state(place, tmp_path / "fresh").variants) == 5
        (tag,) = place.registry.tags(place.repository(JOURNAL))
        assert read_baseline(place, tag)
