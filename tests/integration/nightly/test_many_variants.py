"""Five hundred variants over sixty package sets: what a night asks for, and that a variant costs no more among many."""

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest
from tests.bases import FOREIGN, PLATFORM
from tests.fleets import BEGAN, Fleet, open_fleet
from tests.registries import client_of
from tests.wheelhouse import make_wheel

from warmbase.effects.registry.records import write_record
from warmbase.nightly.job import plan_night, run_night
from warmbase.nightly.model import Night
from warmbase.oci.digests import digest_of
from warmbase.oci.manifest import INDEX, Index
from warmbase.oci.records import record_manifest
from warmbase.publish.journal import KIND, Entry, format_time, record_entry
from warmbase.publish.model import Place

MANY, FEW = 250, 50
"""Images; each has a variant on both foundations."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Quiet:
    """A night in which nothing had happened: its seconds, what the registry was asked, and what of the index was
    asked for and what of that had changed."""

    night: Night
    seconds: float
    registry: Counter[str]
    index: Counter[str]
    changed: Counter[str]

    @property
    def requests(self) -> float:
        """How many of a variant, in all."""
        return (self.registry.total() + self.index.total()) / len(self.night.results)


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    with open_fleet(tmp_path_factory.mktemp("fleet")) as fleet:
        for images in (MANY, FEW):
            fleet.bases(images)
            fleet.publish(images)
        yield fleet


def quiet_night(fleet: Fleet, images: int) -> Quiet:
    job = fleet.job(images)
    asked, unchanged = Counter(fleet.index.asked), Counter(fleet.index.unchanged)
    seen = len(fleet.proxy.seen)
    begun = time.perf_counter()
    night = run_night(job)
    seconds = time.perf_counter() - begun
    index = Counter(fleet.index.asked) - asked
    return Quiet(
        night=night,
        seconds=seconds,
        registry=Counter(one.method for one in fleet.proxy.seen[seen:]),
        index=index,
        changed=index - (Counter(fleet.index.unchanged) - unchanged),
    )


@pytest.fixture(scope="module")
def many(fleet: Fleet) -> Quiet:
    return quiet_night(fleet, MANY)


@pytest.fixture(scope="module")
def few(fleet: Fleet) -> Quiet:
    return quiet_night(fleet, FEW)


def test_five_hundred_variants_are_fresh_and_nothing_is_sent_or_read(many: Quiet) -> None:
    assert Counter(result.status for result in many.night.results) == {"fresh": 500}
    assert set(many.registry) <= {"HEAD", "GET"}
    assert many.changed.total() == 0


def test_a_variant_takes_at_most_three_requests(many: Quiet) -> None:
    assert many.requests <= 3


def test_a_tag_is_asked_for_once_and_so_is_a_page(many: Quiet) -> None:
    assert set(many.index.values()) == {1}
    assert many.index.total() <= 101  # the packages of all sets, and uv
    assert many.registry["HEAD"] == 750 + 2  # tags of all variants, half of which have two, and of the foundations


def test_a_variant_costs_no_more_among_many(many: Quiet, few: Quiet) -> None:
    assert len(few.night.results) == 100
    assert many.requests <= few.requests
    assert many.seconds / 500 <= 2 * few.seconds / 100


def test_what_has_never_been_published_is_planned_by_asking_for_everything_once(fleet: Fleet, many: Quiet) -> None:
    """Sixty resolutions, of which variants with the same packages share one, read the same pages."""
    asked = Counter(fleet.index.asked)
    plan = plan_night(replace(fleet.job(MANY), place=replace(many_place(fleet), prefix="nowhere")))
    index = Counter(fleet.index.asked) - asked
    assert Counter(decision.verdict for decision in plan.decisions) == {"stale": 500}
    assert {path for path, times in index.items() if times > 1} == set()


def test_what_is_from_an_image_that_waits_for_its_day_asks_for_no_page_again(fleet: Fleet) -> None:
    others = {f"child-{number}": {"from": "core", "requirements": [f"package-{50 + number}"]} for number in range(4)}
    weekly = {"requirements": ["package-49"], "refresh": {"packages": "weekly"}}
    fleet.write(3, {"core": weekly, **others})
    fleet.publish_all(fleet.job(3), {"packages": format_time(BEGAN)})
    fleet.index.wheels.append(make_wheel("package-49", "1.1", {"package_49.py": ""}))
    for days in (1, 2):
        asked = Counter(fleet.index.asked)
        plan = plan_night(fleet.job(3, BEGAN + timedelta(days=days)))
        assert set((Counter(fleet.index.asked) - asked).values()) == {1}
        assert {decision.verdict for decision in plan.decisions} == {"held"}


def test_what_is_to_be_for_another_platform_too_has_no_other_reason(fleet: Fleet) -> None:
    images = {"wide": {"requirements": ["package-72"]}}
    fleet.write(1, images)
    fleet.publish_all(fleet.job(1))
    fleet.write(1, images, platforms=[PLATFORM, FOREIGN])
    first, _ = plan_night(fleet.job(1)).decisions
    assert [str(reason) for reason in first.reasons] == [
        "what the catalog says of it",
        f"slim (not pinned yet for {FOREIGN})",
    ]


def test_a_variant_whose_journal_cannot_be_read_fails_alone_and_waits_then(fleet: Fleet) -> None:
    """Somebody published it with what this version does not understand."""
    fleet.write(2, {name: {"requirements": [f"package-{number}"]} for name, number in (("data", 70), ("web", 71))})
    job = fleet.job(2)
    fleet.publish_all(job)
    [strange] = [variant for variant in job.variants if variant.name == "data:py3.13-slim"]
    content = Index(manifests=(), annotations={"org.opencontainers.image.title": "of tomorrow"}).to_bytes()
    client = client_of(fleet.registry.host)
    client.write_manifest(job.place.repository("data"), strange.tag, content, INDEX)
    entry = Entry(
        variant=strange.name,
        action="publish",
        time=format_time(BEGAN),
        digest=digest_of(content),
        rolling=strange.tags,
        content=f"{strange.tag}-000000000000",
    )
    write_record(client, job.place.journal, record_manifest(KIND, {"format": 2}), record_entry(entry)[1])
    for days, status in ((1, "failed"), (1, "waiting")):
        night = run_night(fleet.job(2, BEGAN + timedelta(days=days)))
        told = {result.variant: result.status for result in night.results}
        assert told.pop(strange.name) == status
        assert set(told.values()) == {"fresh"}
        (failure,) = (result.failure for result in night.results if result.failure)
        assert "format 2 instead of 1" in failure.message


def many_place(fleet: Fleet) -> Place:
    return fleet.job(MANY).place
