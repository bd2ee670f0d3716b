"""What a night knows of what is published, and what it asks to know it."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

import pytest
from tests.publishing import AMD64, DAY, Clock, Shelf, attest, describe_variant, lock_of
from tests.unit.publish.memory import MemoryRegistry

from warmbase.catalog.model import Catalog, Compression, Image, Variant
from warmbase.effects.files import CacheFolders
from warmbase.foundation.pins import DebianPin
from warmbase.lock.fingerprint import fingerprint_of_lock
from warmbase.nightly.decide import attempt_key
from warmbase.nightly.facts import fingerprint_of_pins
from warmbase.nightly.known import Known
from warmbase.nightly.model import Failure, VariantState
from warmbase.nightly.setting import Job, Tools
from warmbase.nightly.state import State
from warmbase.oci.manifest import INDEX
from warmbase.plan import Existing, plan_builds
from warmbase.publish.model import Place, PublishableVariant
from warmbase.publish.rollback import roll_back
from warmbase.publish.stage import Publication, publish_variants
from warmbase.verify.model import accept_image
from warmbase.verify.recorded import StoredImage

VARIANT = describe_variant("data")
NAME = VARIANT.name
KEY = ("trixie", AMD64, "3.13")
PIN = DebianPin(
    suite="trixie",
    platform=AMD64,
    epoch=1,
    archives=(),
    packages=(("libc6", "2.41-12"), ("python3.13-minimal", "3.13.5-2")),
)
FAILURE = Failure(since="", last="", count=1, attempt="a", retry="", message="no")


@pytest.fixture
def registry() -> MemoryRegistry:
    return MemoryRegistry()


@pytest.fixture
def publish(registry: MemoryRegistry, tmp_path: Path) -> Callable[[str], Publication]:
    """Publishes `data` with a version of numpy, made as a build would have made it; a minute after another."""
    shelf, clock = Shelf(folder=tmp_path / "blobs"), Clock()

    def publish(version: str) -> Publication:
        made = _made(shelf, version)
        [done] = publish_variants([made], _place(registry), blobs=shelf, clock=clock, attest=attest)
        assert not done.error
        return done

    return publish


def _made(shelf: Shelf, version: str) -> PublishableVariant:
    plan = plan_builds([VARIANT], (), {NAME: lock_of({"numpy": version})}, {KEY: PIN}, Existing(), native=AMD64)
    [step] = plan.steps
    [(_, verified)] = shelf.variant("data", layers=(version,), versions={"numpy": version}).images
    assert isinstance(verified.image, StoredImage)
    image = accept_image(replace(verified.image, recipe=step.recipe), verified.verification)
    return PublishableVariant(variant=VARIANT, images=((step, image),), seconds=7)


def _place(registry: MemoryRegistry) -> Place:
    return Place(registry=registry, prefix="bases")


def nobody_asks(*_: object) -> NoReturn:
    raise AssertionError("no tool is needed to know what is published")


def job_of(registry: MemoryRegistry, folder: Path, variant: Variant = VARIANT) -> Job:
    catalog = Catalog(
        path=folder / "images.yaml",
        uv="0.13.8",
        registry=None,
        platforms=(AMD64,),
        compression=Compression(),
        foundations=(variant.foundation,),
        images=(Image(name="data", description="", variants=(variant,)),),
    )
    tools = Tools(
        uv=nobody_asks,
        ground=nobody_asks,
        resolver=nobody_asks,
        site=nobody_asks,
        existing=nobody_asks,
        traffic=nobody_asks,
        native=AMD64,
    )
    place, folders = _place(registry), CacheFolders(root=folder)
    return Job(catalog=catalog, variants=(variant,), place=place, folders=folders, tools=tools, clock=lambda: DAY)


def state_of(states: Mapping[str, VariantState]) -> State:
    return State(variants=dict(states))


def test_nothing_is_known_of_what_was_never_published(registry: MemoryRegistry, tmp_path: Path) -> None:
    assert Known(job_of(registry, tmp_path), State()).states == {}


def test_the_first_night_learns_from_the_journal_what_was_published(
    registry: MemoryRegistry, publish: Callable[[str], Publication], tmp_path: Path
) -> None:
    published = publish("2.0")
    known = Known(job_of(registry, tmp_path), State())
    state = known.states[NAME]
    assert (state.digest, state.facts, state.tool) == (published.digest, known.facts[NAME], known.tool)
    assert state.packages == fingerprint_of_lock(lock_of({"numpy": "2.0"}))
    assert state.pins == fingerprint_of_pins({KEY: PIN})
    assert state.seconds == 7
    assert known.versions(VARIANT) == {"numpy": "2.0"}


def test_of_what_is_as_it_was_only_the_tags_are_asked(
    registry: MemoryRegistry, publish: Callable[[str], Publication], tmp_path: Path
) -> None:
    publish("2.0")
    first = Known(job_of(registry, tmp_path), State())
    registry.asked.clear()
    again = Known(job_of(registry, tmp_path), state_of(first.states))
    assert again.states == first.states
    assert registry.asked == {"HEAD": len(VARIANT.tags)}


def test_what_somebody_else_published_is_noticed(
    registry: MemoryRegistry, publish: Callable[[str], Publication], tmp_path: Path
) -> None:
    publish("2.0")
    before = Known(job_of(registry, tmp_path), State()).states
    broken = {NAME: replace(before[NAME], failure=FAILURE)}
    newer = publish("2.1")
    state = Known(job_of(registry, tmp_path), state_of(broken)).states[NAME]
    assert (state.digest, state.packages) == (newer.digest, fingerprint_of_lock(lock_of({"numpy": "2.1"})))
    assert state.failure == FAILURE


def test_a_rollback_refuses_what_it_left(
    registry: MemoryRegistry, publish: Callable[[str], Publication], tmp_path: Path
) -> None:
    old = publish("2.0")
    publish("2.1")
    roll_back(_place(registry), NAME, VARIANT.tags, clock=Clock(now=DAY.replace(hour=20)))
    known = Known(job_of(registry, tmp_path), State())
    state = known.states[NAME]
    assert state.digest == old.digest
    refused = fingerprint_of_lock(lock_of({"numpy": "2.1"}))
    assert state.refused == attempt_key(state.facts, state.tool, refused, state.pins)


def test_a_publication_refuses_nothing(
    registry: MemoryRegistry, publish: Callable[[str], Publication], tmp_path: Path
) -> None:
    publish("2.0")
    publish("2.1")
    assert Known(job_of(registry, tmp_path), State()).states[NAME].refused == ""


def test_a_tag_that_somebody_moved_is_noticed(
    registry: MemoryRegistry, publish: Callable[[str], Publication], tmp_path: Path
) -> None:
    old, _ = publish("2.0"), publish("2.1")
    index = registry.read_manifest("bases/data", old.digest)
    assert index
    registry.write_manifest("bases/data", VARIANT.tag, index.content, INDEX)
    assert Known(job_of(registry, tmp_path), State()).strays == {NAME}


def test_a_changed_catalog_is_told_from_what_was_published(
    registry: MemoryRegistry, publish: Callable[[str], Publication], tmp_path: Path
) -> None:
    publish("2.0")
    changed = replace(VARIANT, labels=(("team", "science"),))
    known = Known(job_of(registry, tmp_path, changed), State())
    assert known.states[NAME].facts != known.facts[NAME]
    assert not known.is_current(NAME)


def test_what_is_gone_from_the_registry_is_made_again_and_its_failures_stay_known(
    registry: MemoryRegistry, tmp_path: Path
) -> None:
    gone = VariantState(time="2026-11-20T02:00:00Z", digest="sha256:aa", packages="p", pins="g", failure=FAILURE)
    state = Known(job_of(registry, tmp_path), state_of({NAME: gone})).states[NAME]
    assert (state.digest, state.packages, state.failure) == ("", "", FAILURE)
