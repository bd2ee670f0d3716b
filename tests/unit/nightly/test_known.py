"""What a night knows of what is published, and what it asks to know it."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import pytest
from tests.publishing import AMD64, DAY, Clock, Shelf, attest, describe_variant, lock_of
from tests.unit.nightly.jobs import idle_job
from tests.unit.publish.memory import MemoryRegistry

from warmbase.catalog.model import Variant
from warmbase.effects.registry.records import write_record
from warmbase.errors import RegistryError
from warmbase.foundation.pins import DebianPin
from warmbase.lock.fingerprint import fingerprint_of_lock
from warmbase.nightly.decide import Ground, Situation, attempt_key, decide, trial_key
from warmbase.nightly.facts import fingerprint_of_pins
from warmbase.nightly.known import Known
from warmbase.nightly.model import Broken, Failure, PackageNews, VariantState
from warmbase.nightly.setting import Job
from warmbase.nightly.state import State
from warmbase.oci.manifest import INDEX
from warmbase.oci.records import record_manifest
from warmbase.plan import Existing, plan_builds
from warmbase.publish.baseline import read_origin
from warmbase.publish.journal import KIND
from warmbase.publish.ledger import newest_entries
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


class Publish(Protocol):
    """Publishes an image with a version of numpy, made as a build would have made it; a minute after another."""

    def __call__(self, version: str, variant: Variant = VARIANT) -> Publication: ...


@pytest.fixture
def publish(registry: MemoryRegistry, tmp_path: Path) -> Publish:
    shelf, clock = Shelf(folder=tmp_path / "blobs"), Clock()

    def publish(version: str, variant: Variant = VARIANT) -> Publication:
        made = _made(shelf, version, variant)
        [done] = publish_variants([made], _place(registry), blobs=shelf, clock=clock, attest=attest)
        assert not done.error
        return done

    return publish


def _made(shelf: Shelf, version: str, variant: Variant) -> PublishableVariant:
    locks = {variant.name: lock_of({"numpy": version})}
    [step] = plan_builds([variant], (), locks, {KEY: PIN}, Existing(), native=AMD64).steps
    [(_, verified)] = shelf.variant(variant.image, layers=(version,), versions={"numpy": version}).images
    assert isinstance(verified.image, StoredImage)
    image = accept_image(replace(verified.image, recipe=step.recipe), verified.verification)
    return PublishableVariant(variant=variant, images=((step, image),), seconds=7)


def _place(registry: MemoryRegistry) -> Place:
    return Place(registry=registry, prefix="bases")


def job_of(registry: MemoryRegistry, folder: Path, *variants: Variant) -> Job:
    return idle_job(folder, *variants, registry=registry)


def state_of(states: Mapping[str, VariantState]) -> State:
    return State(variants=dict(states))


def test_nothing_is_known_of_what_was_never_published(registry: MemoryRegistry, tmp_path: Path) -> None:
    assert Known(job_of(registry, tmp_path), State()).states == {}


def test_the_first_night_learns_from_the_journal_what_was_published(
    registry: MemoryRegistry, publish: Publish, tmp_path: Path
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
    registry: MemoryRegistry, publish: Publish, tmp_path: Path
) -> None:
    publish("2.0")
    first = Known(job_of(registry, tmp_path), State())
    registry.asked.clear()
    again = Known(job_of(registry, tmp_path), state_of(first.states))
    assert again.states == first.states
    assert registry.asked == {"HEAD": len(VARIANT.tags)}


def test_what_somebody_else_published_is_noticed(registry: MemoryRegistry, publish: Publish, tmp_path: Path) -> None:
    publish("2.0")
    before = Known(job_of(registry, tmp_path), State()).states
    broken = {NAME: replace(before[NAME], failure=FAILURE)}
    newer = publish("2.1")
    state = Known(job_of(registry, tmp_path), state_of(broken)).states[NAME]
    assert (state.digest, state.packages) == (newer.digest, fingerprint_of_lock(lock_of({"numpy": "2.1"})))
    assert state.failure == FAILURE


def test_a_rollback_refuses_what_it_left(registry: MemoryRegistry, publish: Publish, tmp_path: Path) -> None:
    old = publish("2.0")
    publish("2.1")
    roll_back(_place(registry), NAME, VARIANT.tags, clock=Clock(now=DAY.replace(hour=20)))
    known = Known(job_of(registry, tmp_path), State())
    state = known.states[NAME]
    assert state.digest == old.digest
    refused = fingerprint_of_lock(lock_of({"numpy": "2.1"}))
    assert state.refused == (attempt_key(state.facts, state.tool, refused, state.pins),)


def attempt_of(version: str, state: VariantState) -> str:
    return attempt_key(state.facts, state.tool, fingerprint_of_lock(lock_of({"numpy": version})), state.pins)


def test_a_rollback_after_another_refuses_what_both_left(
    registry: MemoryRegistry, publish: Publish, tmp_path: Path
) -> None:
    old, _, _ = publish("2.0"), publish("2.1"), publish("2.2")
    clock = Clock(now=DAY.replace(hour=20))
    roll_back(_place(registry), NAME, VARIANT.tags, clock=clock)
    between = Known(job_of(registry, tmp_path), State()).states[NAME]
    assert between.refused == (attempt_of("2.2", between),)
    roll_back(_place(registry), NAME, VARIANT.tags, clock=clock)
    state = Known(job_of(registry, tmp_path), state_of({NAME: between})).states[NAME]
    assert state.digest == old.digest
    assert set(state.refused) == {attempt_of("2.1", state), attempt_of("2.2", state)}
    assert Known(job_of(registry, tmp_path), State()).states[NAME] == state, "the journal alone says it"


def test_a_rollback_to_what_nobody_knows_the_origin_of_is_no_less_of_one(
    registry: MemoryRegistry, publish: Publish, tmp_path: Path
) -> None:
    publish("2.0")
    lose(registry, NAME)
    newer = publish("2.1")
    before = Known(job_of(registry, tmp_path), State()).states[NAME]
    roll_back(_place(registry), NAME, VARIANT.tags, clock=Clock(now=DAY.replace(hour=20)))
    state = Known(job_of(registry, tmp_path), State()).states[NAME]
    assert state.digest != newer.digest
    assert state.packages == ""
    assert state.refused == (attempt_of("2.1", before),)
    news = PackageNews(fingerprint=fingerprint_of_lock(lock_of({"numpy": "2.1"})), versions={"numpy": "2.1"})
    ground = Ground(pins=before.pins)
    situation = Situation(
        variant=VARIANT, facts=before.facts, tool=before.tool, packages=news, ground=ground, known=state
    )
    assert decide(situation, DAY).verdict == "held"


def lose(registry: MemoryRegistry, name: str) -> None:
    """Let the registry lose the lock that the newest entry of a variant was made from."""
    place = _place(registry)
    (lock, _), _ = read_origin(place, newest_entries(place, [name])[name].id)

    def refuse(what: str, where: str) -> None:
        if where == f"{place.journal}@{lock.digest}":
            raise RegistryError("blob unknown", status=404)

    registry.before = refuse


WEB = describe_variant("web")


def test_what_cannot_be_read_of_a_variant_is_its_own_error(
    registry: MemoryRegistry, publish: Publish, tmp_path: Path
) -> None:
    publish("2.0")
    web = publish("2.1", WEB)
    lose(registry, NAME)
    known = Known(job_of(registry, tmp_path, VARIANT, WEB), State())
    assert {name: error.message for name, error in known.errors.items()} == {NAME: "blob unknown"}
    assert known.basis(VARIANT) is None
    assert known.states[WEB.name].digest == web.digest
    assert known.versions(WEB) == {"numpy": "2.1"}


def test_an_entry_that_cannot_be_read_is_its_variant_s_own_error(
    registry: MemoryRegistry, publish: Publish, tmp_path: Path
) -> None:
    publish("2.0")
    publish("2.1", WEB)
    place = _place(registry)
    before = Known(job_of(registry, tmp_path, VARIANT, WEB), State()).states
    damaged = newest_entries(place, [NAME])[NAME].id.replace("2026", "2027")
    write_record(registry, place.journal, record_manifest(KIND, {"format": 2}), damaged)
    known = Known(job_of(registry, tmp_path / "elsewhere", VARIANT, WEB), State())
    assert known.errors.keys() == {NAME}
    assert known.states == {WEB.name: before[WEB.name]}


def test_a_repository_that_may_not_be_read_is_its_variant_s_own_error(
    registry: MemoryRegistry, publish: Publish, tmp_path: Path
) -> None:
    publish("2.0")
    publish("2.1", WEB)
    states = Known(job_of(registry, tmp_path, VARIANT, WEB), State()).states
    refuse(registry, "bases/data:", 403)
    known = Known(job_of(registry, tmp_path, VARIANT, WEB), state_of(states))
    assert known.errors.keys() == {NAME}
    assert known.states == states, "what was known of it is not forgotten"


@pytest.mark.parametrize(
    ("where", "status"), [("bases/", 401), ("bases/", 0), ("bases/data:", 0), ("bases/data:", 503)]
)
def test_where_the_place_does_not_answer_or_refuses_everything_there_is_no_night(
    registry: MemoryRegistry, publish: Publish, tmp_path: Path, where: str, status: int
) -> None:
    publish("2.0")
    publish("2.1", WEB)
    refuse(registry, where, status)
    with pytest.raises(RegistryError, match="no"):
        Known(job_of(registry, tmp_path, VARIANT, WEB), State())


def refuse(registry: MemoryRegistry, front: str, status: int) -> None:
    def before(what: str, where: str) -> None:
        if where.startswith(front):
            raise RegistryError("no", status=status)

    registry.before = before


def test_what_a_variant_was_made_from_is_read_once_on_a_machine(
    registry: MemoryRegistry, publish: Publish, tmp_path: Path
) -> None:
    publish("2.0")
    first = Known(job_of(registry, tmp_path), State())
    basis = first.basis(VARIANT)
    registry.asked.clear()
    assert Known(job_of(registry, tmp_path), state_of(first.states)).basis(VARIANT) == basis
    assert registry.asked == {"HEAD": len(VARIANT.tags)}
    (kept,) = (tmp_path / "cache/journal").glob("*.origin")
    kept.write_bytes(b"damaged")
    assert Known(job_of(registry, tmp_path), state_of(first.states)).basis(VARIANT) == basis


def test_a_publication_refuses_nothing(registry: MemoryRegistry, publish: Publish, tmp_path: Path) -> None:
    publish("2.0")
    publish("2.1")
    assert Known(job_of(registry, tmp_path), State()).states[NAME].refused == ()


def test_a_tag_that_somebody_moved_is_noticed(registry: MemoryRegistry, publish: Publish, tmp_path: Path) -> None:
    old, _ = publish("2.0"), publish("2.1")
    index = registry.read_manifest("bases/data", old.digest)
    assert index
    registry.write_manifest("bases/data", VARIANT.tag, index.content, INDEX)
    assert Known(job_of(registry, tmp_path), State()).strays == {NAME}


def test_a_changed_catalog_is_told_from_what_was_published(
    registry: MemoryRegistry, publish: Publish, tmp_path: Path
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


def test_what_broke_is_forgotten_when_people_mend_the_catalog(
    registry: MemoryRegistry, publish: Publish, tmp_path: Path
) -> None:
    publish("2.0")
    known = Known(job_of(registry, tmp_path), State())
    found_with = trial_key(known.facts[NAME], known.tool, known.states[NAME].pins)
    broken = Broken(package="numpy", version="2.1", why="no", since="2026-11-20T02:00:00Z", found_with=found_with)
    remembered = state_of({NAME: replace(known.states[NAME], broken=(broken,))})
    assert Known(job_of(registry, tmp_path), remembered).states[NAME].broken == (broken,)
    mended = replace(VARIANT, labels=(("team", "science"),))
    assert Known(job_of(registry, tmp_path, mended), remembered).states[NAME].broken == ()
