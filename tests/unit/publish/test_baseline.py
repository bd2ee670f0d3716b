"""What an image was made from stays with the journal's entry, wherever the image goes."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.pinned import IMAGE_PIN
from tests.publishing import AMD64, ARM64, DAY, Clock, Shelf, attest
from tests.unit.publish.memory import MemoryRegistries, MemoryRegistry
from tests.unit.publish.published import NAME, publish

from warmbase.effects.registry.records import write_record
from warmbase.errors import RegistryError
from warmbase.events import Event, Warned
from warmbase.foundation.pins import DebianPin, DockerfilePin, FoundationPin, ManagedPin
from warmbase.oci.records import pack, record_manifest
from warmbase.oci.reference import Reference
from warmbase.publish.baseline import keyed_pins_from_json, keyed_pins_to_json, read_baseline, read_origin
from warmbase.publish.gc import delete_garbage, find_garbage
from warmbase.publish.journal import KIND, Entry, entry_from_json, entry_to_json, record_entry
from warmbase.publish.ledger import Ledger, newest_entries
from warmbase.publish.model import Place, PublishableVariant
from warmbase.publish.promote import promote
from warmbase.publish.retention import Retention
from warmbase.publish.rollback import roll_back
from warmbase.publish.stage import publish_variants

DEBIAN = DebianPin(suite="trixie", platform=AMD64, epoch=1, archives=(), packages=(("libc6", "2.41-12"),))
IMAGE = replace(IMAGE_PIN, platform=ARM64)
DOCKERFILE = DockerfilePin(
    inputs="d" * 64,
    platform=AMD64,
    bases=(("registry.example/cuda:13", f"sha256:{'e' * 64}"),),
    image=f"sha256:{'f' * 64}",
    created="2026-11-01T00:00:00Z",
    python="",
    interpreter="",
    libc=("glibc", "2.39"),
)
MANAGED = ManagedPin(base=DOCKERFILE, python="3.14.1", archive="cpython.tar.zst", sha256="c" * 64)
PINS: dict[tuple[str, str, str], FoundationPin] = {
    ("trixie", AMD64, "3.13"): DEBIAN,
    ("slim", ARM64, "3.13"): IMAGE,
    ("cuda", AMD64, "3.13"): DOCKERFILE,
    ("managed", AMD64, "3.14"): MANAGED,
}


def newest(place: Place) -> Entry:
    entry = Ledger(place, NAME).read().newest
    assert entry
    return entry


def versions_of(place: Place, tag: str) -> Mapping[str, str]:
    baseline = read_baseline(place, tag)
    assert baseline
    return baseline.lock.versions()


@given(st.sets(st.sampled_from(sorted(PINS))))
def test_pins_of_any_kind_are_read_back_as_they_were_written(keys: set[tuple[str, str, str]]) -> None:
    pins = {key: PINS[key] for key in keys}
    assert keyed_pins_from_json(keyed_pins_to_json(pins)) == pins


def test_an_entry_knows_the_lock_and_the_pins_that_its_image_was_made_from(shelf: Shelf, place: Place) -> None:
    done = publish(place, shelf, "a")
    baseline = read_baseline(place, newest(place).id)
    assert baseline
    assert baseline.entry == done.entry
    step, _ = done.variant.images[0]
    assert baseline.lock == step.lock
    assert baseline.pins == {("trixie", step.platform, "3.13"): step.pin for step, _ in done.variant.images}


def test_an_entry_knows_what_its_image_cost(shelf: Shelf, place: Place) -> None:
    variant = PublishableVariant(
        variant=(made := shelf.variant(layers=["a", "bb"])).variant, images=made.images, seconds=12.34
    )
    publish_variants([variant], place, blobs=shelf, clock=Clock())
    assert (newest(place).seconds, newest(place).size) == (12.3, 3)


def test_the_blobs_that_platforms_share_are_counted_once(shelf: Shelf, place: Place) -> None:
    publish_variants([shelf.variant(layers=["a"], platforms=[AMD64, ARM64])], place, blobs=shelf, clock=Clock())
    assert newest(place).size == 1


def test_an_entry_of_an_older_version_is_read_and_has_no_baseline(place: Place) -> None:
    old = {key: value for key, value in entry_to_json(SOME).items() if key not in ("seconds", "size")}
    assert entry_from_json(old) == SOME
    record, tag = record_entry(SOME)
    write_record(place.registry, place.journal, record, tag)
    assert read_baseline(place, tag) is None
    assert read_baseline(place, tag.replace("2026", "2025")) is None, "there is no such entry"


def test_what_is_rolled_back_to_brings_its_own_along(shelf: Shelf, place: Place) -> None:
    publish(place, shelf, "a")
    publish(place, shelf, "a", "b")
    assert versions_of(place, newest(place).id) == {"numpy": "2.0"}
    roll_back(place, NAME, clock=Clock())
    assert newest(place).action == "rollback"
    assert versions_of(place, newest(place).id) == {"numpy": "1.0"}


@pytest.fixture
def lost(shelf: Shelf, registry: MemoryRegistry, place: Place) -> Entry:
    """The first of two entries: the registry has lost the lock that its image was made from."""
    publish(place, shelf, "a")
    first = newest(place)
    publish(place, shelf, "a", "b")
    (lock, _), _ = read_origin(place, first.id)
    blob = f"{place.journal}@{lock.digest}"

    def refuse(what: str, where: str) -> None:
        if where == blob:
            raise RegistryError("blob unknown", status=404)

    registry.before = refuse
    return first


def test_a_rollback_does_not_wait_for_what_is_damaged(place: Place, lost: Entry) -> None:
    told: list[Event] = []
    roll_back(place, NAME, clock=Clock(), report=told.append)
    assert (newest(place).action, newest(place).digest) == ("rollback", lost.digest)
    assert read_baseline(place, newest(place).id) is None
    assert [event.message for event in told if isinstance(event, Warned)] == [
        "the new entry of the journal does not say what the image was made from: blob unknown"
    ]


def test_what_is_damaged_may_be_promoted(registry: MemoryRegistry, lost: Entry) -> None:
    other = MemoryRegistry("other.example")
    source = Reference.parse(f"registry.example/bases/data@{lost.digest}")
    target = Reference.parse("other.example/stable/data")
    promote(source, target, MemoryRegistries(registry, other), clock=Clock())
    promoted = Place(registry=other, prefix="stable")
    assert newest(promoted).digest == lost.digest
    assert read_baseline(promoted, newest(promoted).id) is None


def test_what_is_promoted_brings_its_own_along(shelf: Shelf, registry: MemoryRegistry, place: Place) -> None:
    publish(place, shelf, "a")
    other = MemoryRegistry("other.example")
    source = Reference.parse("registry.example/bases/data:py3.13")
    target = Reference.parse("other.example/stable/data")
    promote(source, target, MemoryRegistries(registry, other), clock=Clock())
    promoted = Place(registry=other, prefix="stable")
    assert versions_of(promoted, newest(promoted).id) == {"numpy": "1.0"}


def test_garbage_collection_keeps_it_with_its_entry(shelf: Shelf, place: Place) -> None:
    publish(place, shelf, "a")
    first = newest(place).id
    publish(place, shelf, "a", "b")
    retention = Retention(days=0, last=1)
    delete_garbage(place, find_garbage(place, ["data"], retention, DAY + timedelta(days=100)))
    assert read_baseline(place, first) is None
    assert versions_of(place, newest(place).id) == {"numpy": "2.0"}


@pytest.mark.parametrize("content", [b"{}", b"[]", b"no JSON"])
def test_a_damaged_baseline_is_an_error_that_names_the_entry(place: Place, content: bytes) -> None:
    record, tag = record_entry(SOME, [pack("lock", content), pack("pins", content)])
    write_record(place.registry, place.journal, record, tag)
    with pytest.raises(RegistryError, match=tag):
        read_baseline(place, tag)


# The newest entries


def test_the_newest_entries_come_from_one_listing_and_one_request_each(
    shelf: Shelf, place: Place, registry: MemoryRegistry
) -> None:
    for days, image in enumerate(("data", "web", "data", "data")):
        variant = shelf.variant(image, layers=[str(days)])
        publish_variants([variant], place, blobs=shelf, clock=Clock(now=DAY + timedelta(days=days)), attest=attest)
    registry.asked.clear()
    found = newest_entries(place, ["data:py3.13-trixie", "web:py3.13-trixie", "none:py3.13-trixie"])
    assert {name: entry.time[:10] for name, entry in found.items()} == {
        "data:py3.13-trixie": "2026-11-24",
        "web:py3.13-trixie": "2026-11-22",
    }
    assert registry.asked.total() == 1 + 2


def test_what_was_read_once_is_not_asked_for_again(
    shelf: Shelf, place: Place, registry: MemoryRegistry, tmp_path: Path
) -> None:
    publish(place, shelf, "a")
    first = newest_entries(place, [NAME], tmp_path / "journal")
    registry.asked.clear()
    assert newest_entries(place, [NAME], tmp_path / "journal") == first
    assert registry.asked.total() == 1
    for kept in (tmp_path / "journal").iterdir():
        kept.write_text("{")
    assert newest_entries(place, [NAME], tmp_path / "journal") == first, "a damaged copy counts as none"


def test_the_newest_entry_is_the_one_that_the_journal_counts(place: Place) -> None:
    """Two wrote down the same content at once: the older entry counts."""
    first = replace(SOME, digest=f"sha256:{'1' * 64}")
    for entry in (first, replace(SOME, digest=f"sha256:{'2' * 64}", time="2026-11-21T12:00:30Z")):
        record, tag = record_entry(entry)
        write_record(place.registry, place.journal, record, tag)
    assert newest_entries(place, [NAME]) == {NAME: first}
    assert Ledger(place, NAME).read().newest == first


def test_variants_whose_tags_begin_alike_are_told_apart(place: Place) -> None:
    """`a/b` and `a_b` have the same beginning."""
    one, other = replace(SOME, variant="a/b:py3.13"), replace(SOME, variant="a_b:py3.13", time="2026-11-22T12:00:00Z")
    for entry in (one, other):
        record, tag = record_entry(entry)
        write_record(place.registry, place.journal, record, tag)
    assert newest_entries(place, [one.variant, other.variant]) == {one.variant: one, other.variant: other}


def test_the_newest_entries_before_a_time_are_found(shelf: Shelf, place: Place) -> None:
    for days in range(3):
        moment = DAY + timedelta(days=days)
        publish_variants([shelf.variant(layers=[str(days)])], place, blobs=shelf, clock=Clock(now=moment))
    found = newest_entries(place, [NAME], before=DAY + timedelta(days=1, hours=1))
    assert found[NAME].time[:10] == "2026-11-22"


def test_what_others_put_into_the_journal_is_passed_over(shelf: Shelf, place: Place) -> None:
    done = publish(place, shelf, "a")
    record = record_manifest(KIND, {"who": "knows"})
    for tag in ("latest", "data-py3.13-trixie-20269999T999999Z-0123456789ab"):
        write_record(place.registry, place.journal, record, tag)
    assert newest_entries(place, [NAME]) == {NAME: done.entry}


SOME = Entry(
    variant=NAME,
    action="publish",
    time="2026-11-21T12:00:00Z",
    digest=f"sha256:{'0' * 64}",
    rolling=("py3.13-trixie",),
    content="py3.13-trixie-000000000000",
)
