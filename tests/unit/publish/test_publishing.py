"""Publishing: everything is there before a tag names it, content tags stay, rolling tags come last and only move on."""

import itertools
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from functools import partial

import pytest
from tests.publishing import AMD64, ARM64, DAY, Clock, Shelf, attest, check_whole, tags_of
from tests.unit.publish.memory import MemoryRegistry

from warmbase.errors import PublishError, RegistryError
from warmbase.events import Advanced, Ended, Event, Started
from warmbase.oci.manifest import Index
from warmbase.oci.reference import Reference
from warmbase.publish.ledger import Ledger
from warmbase.publish.model import Place, PublishableVariant
from warmbase.publish.stage import Publication, publish_variants
from warmbase.publish.yank import yank

REPOSITORY = "bases/data"
NAME = "data:py3.13-trixie"
ROLLING = ("py3.13-trixie", "py3.13")


def publish(
    place: Place, shelf: Shelf, *variants: PublishableVariant, clock: Clock | None = None
) -> tuple[Publication, ...]:
    return publish_variants(variants, place, blobs=shelf, clock=clock or Clock(), attest=attest)


def publish_one(place: Place, shelf: Shelf, *layers: str, clock: Clock | None = None) -> Publication:
    (done,) = publish(place, shelf, shelf.variant(layers=layers), clock=clock)
    if done.error:
        raise done.error
    return done


def test_a_variant_is_published_as_one_index_with_the_digests_of_its_images(shelf: Shelf, place: Place) -> None:
    variant = shelf.variant(platforms=(ARM64, AMD64))
    (done,) = publish(place, shelf, variant)
    index = place.registry.read_manifest(REPOSITORY, "py3.13")
    assert index
    platforms = {str(m.platform): m.digest for m in Index.from_bytes(index.content).manifests[:2]}
    assert platforms == {image.image.platform: image.image.digest for _, image in variant.images}
    assert index.digest == done.digest
    check_whole(place.registry, REPOSITORY)


def test_attestations_come_after_the_images_and_say_whose_they_are(shelf: Shelf, place: Place) -> None:
    publish(place, shelf, shelf.variant(platforms=(AMD64, ARM64)))
    index = place.registry.read_manifest(REPOSITORY, "py3.13")
    assert index
    amd, arm, *attestations = Index.from_bytes(index.content).manifests
    assert [str(each.platform) for each in attestations] == ["unknown/unknown"] * 2
    assert [a.annotations["vnd.docker.reference.digest"] for a in attestations] == [amd.digest, arm.digest]


def test_a_variant_has_rolling_dated_and_content_tags(shelf: Shelf, place: Place) -> None:
    variant = shelf.variant()
    (done,) = publish(place, shelf, variant)
    names = {*ROLLING, "py3.13-trixie-20261121", variant.content_tag}
    assert tags_of(place.registry, REPOSITORY) == dict.fromkeys(names, done.digest)


def test_only_a_variant_with_an_image_for_each_platform_can_be_published(shelf: Shelf) -> None:
    whole = shelf.variant(platforms=(AMD64, ARM64))
    with pytest.raises(PublishError, match=r"data:py3\.13-trixie has no verified image for linux/arm64"):
        replace(whole, images=whole.images[:1])


def test_the_journal_says_what_was_published(shelf: Shelf, place: Place) -> None:
    variant = shelf.variant(versions={"numpy": "2.5.5"})
    (done,) = publish(place, shelf, variant)
    (entry,) = Ledger(place, NAME).read().entries
    assert (entry.variant, entry.action, entry.digest, entry.previous) == (NAME, "publish", done.digest, "")
    assert entry.tags == (*ROLLING, "py3.13-trixie-20261121", variant.content_tag)
    assert entry.packages == {"numpy": "2.5.5"}
    assert entry.platforms[AMD64].digest == variant.images[0][1].image.digest
    assert entry.lock == "lock"


def test_an_image_that_was_not_run_is_published_as_static_only(shelf: Shelf, place: Place) -> None:
    publish(place, shelf, shelf.variant(run=False))
    (entry,) = Ledger(place, NAME).read().entries
    assert entry.platforms[AMD64].verified == "static only"


def test_where_nothing_is_to_do_nothing_is_sent_and_only_heads_are_asked(
    shelf: Shelf, place: Place, registry: MemoryRegistry
) -> None:
    publish_one(place, shelf, "one")
    registry.asked.clear()
    assert publish_one(place, shelf, "one").status == "up to date"
    assert set(registry.asked) == {"HEAD"}


def test_other_content_on_the_same_day_gets_a_number_and_the_old_dated_tag_stays(shelf: Shelf, place: Place) -> None:
    first, second = publish_one(place, shelf, "one"), publish_one(place, shelf, "two")
    tags = tags_of(place.registry, REPOSITORY)
    assert tags["py3.13-trixie-20261121"] == first.digest
    assert tags["py3.13-trixie-20261121.2"] == tags["py3.13"] == second.digest


def test_other_content_on_another_day_gets_that_day(shelf: Shelf, place: Place) -> None:
    publish_one(place, shelf, "one")
    second = publish_one(place, shelf, "two", clock=Clock(now=DAY + timedelta(days=1)))
    assert second.entry
    assert second.entry.dated == "py3.13-trixie-20261122"


def test_a_rolling_tag_never_moves_back(shelf: Shelf, place: Place) -> None:
    first, second = publish_one(place, shelf, "one"), publish_one(place, shelf, "two")
    again = publish_one(place, shelf, "one")
    assert (again.status, again.digest) == ("superseded", first.digest)
    assert again.newest
    assert again.newest.digest == second.digest
    assert tags_of(place.registry, REPOSITORY)["py3.13"] == second.digest
    assert len(Ledger(place, NAME).read().entries) == 2


def test_a_yanked_image_is_not_published_again_without_a_word(shelf: Shelf, place: Place) -> None:
    bad = publish_one(place, shelf, "one")
    publish_one(place, shelf, "two")
    yank(place, NAME, bad.digest, reason="leaks", instead="", clock=Clock())
    again = publish_one(place, shelf, "one")
    assert [each.reason for each in again.yanks] == ["leaks"]


def test_a_content_tag_with_other_layers_is_an_error_and_no_tag_moves(shelf: Shelf, place: Place) -> None:
    good = publish_one(place, shelf, "one")
    usurped, other = shelf.variant(layers=["two"]), shelf.variant(layers=["three"])
    publish(place, shelf, other)
    index = place.registry.read_manifest(REPOSITORY, good.digest)
    assert index
    place.registry.write_manifest(REPOSITORY, usurped.content_tag, index.content, index.media_type)
    before = tags_of(place.registry, REPOSITORY)
    (done,) = publish(place, shelf, usurped)
    assert done.error
    assert f"{REPOSITORY}:{usurped.content_tag} has other images for linux/amd64" in done.error.message
    assert tags_of(place.registry, REPOSITORY) == before


def test_the_same_layers_in_other_compressed_bytes_are_adopted(shelf: Shelf, place: Place) -> None:
    first = publish_one(place, shelf, "one")
    (again,) = publish(place, shelf, shelf.variant(layers=["one"], packing="packed otherwise "))
    assert again.is_adopted
    assert again.digest == first.digest
    assert set(tags_of(place.registry, REPOSITORY).values()) == {first.digest}
    assert len(Ledger(place, NAME).read().entries) == 1


def test_the_same_layers_that_are_started_otherwise_are_not_adopted(shelf: Shelf, place: Place) -> None:
    publish(place, shelf, shelf.variant(entrypoint="/evil"))
    before = tags_of(place.registry, REPOSITORY)
    (done,) = publish(place, shelf, shelf.variant())
    assert done.status == "failed"
    assert "has other images for linux/amd64" in str(done.error)
    assert tags_of(place.registry, REPOSITORY) == before


@pytest.mark.parametrize("what", ["an image", "an attestation"])
def test_what_is_missing_of_a_published_index_is_pushed_again(shelf: Shelf, place: Place, what: str) -> None:
    first = publish_one(place, shelf, "one")
    publish_one(place, shelf, "two")
    assert first.entry
    (platform,) = first.entry.platforms.values()
    lost = platform.digest if what == "an image" else platform.attestation
    assert place.registry.delete_manifest(REPOSITORY, lost)
    again = publish_one(place, shelf, "one")
    assert again.digest == first.digest
    check_whole(place.registry, REPOSITORY)
    assert len(Ledger(place, NAME).read().entries) == 2


def test_a_current_image_that_is_missing_is_pushed_again(shelf: Shelf, place: Place) -> None:
    first = publish_one(place, shelf, "one")
    assert place.registry.delete_manifest(REPOSITORY, first.variant.images[0][1].image.digest)
    assert publish_one(place, shelf, "one").status == "published"
    check_whole(place.registry, REPOSITORY)
    assert publish_one(place, shelf, "one").status == "up to date"


def test_what_is_missing_and_cannot_be_made_again_is_an_error(shelf: Shelf, place: Place) -> None:
    first = publish_one(place, shelf, "one")
    publish_one(place, shelf, "two")
    assert first.entry
    (platform,) = first.entry.platforms.values()
    assert place.registry.delete_manifest(REPOSITORY, platform.attestation)
    (again,) = publish_variants([first.variant], place, blobs=shelf, clock=Clock(), attest=None)
    assert again.error
    assert f"bases/data lacks {platform.attestation}" in again.error.message
    assert again.error.next_step == f"delete {place}/data@{first.digest}, and publish again"


def test_a_registry_that_lists_new_tags_late_has_all_of_a_publication(shelf: Shelf) -> None:
    registry = LateRegistry()
    place = Place(registry=registry, prefix="bases")
    first = publish_one(place, shelf, "one")
    second = publish_one(place, shelf, "two", clock=Clock(now=DAY + timedelta(hours=1)))
    assert (first.status, second.status) == ("published", "published")
    registry.is_late = False
    check_state(place, shelf, second, first)


class LateRegistry(MemoryRegistry):
    """Lists no tag as long as it is late."""

    is_late = True

    def tags(self, repository: str) -> tuple[str, ...]:
        return () if self.is_late else super().tags(repository)


def test_of_two_who_publish_the_same_content_at_once_the_one_who_writes_it_down_first_counts(shelf: Shelf) -> None:
    """Both see no content tag and give it away; at some moment the other one does all of it."""
    theirs = shelf.variant(layers=["one"], packing="packed otherwise ")
    for place, done, _ in at_every_request(shelf, "one", theirs):
        (entry,) = Ledger(place, NAME).read().entries
        assert done.status in ("published", "up to date")
        assert done.digest == entry.digest
        tags = tags_of(place.registry, REPOSITORY)
        assert {tags[tag] for tag in entry.tags} == {entry.digest}


def at_every_request(
    shelf: Shelf, ours: str, theirs: PublishableVariant
) -> Iterator[tuple[Place, Publication, Publication]]:
    """We publish, and at one request, each in turn, somebody else publishes to the end: the place, and what came of
    both."""
    for number in itertools.count(1):
        registry = MemoryRegistry()
        place = Place(registry=registry, prefix="bases")
        others: list[Publication] = []
        registry.at(number, partial(lambda place, others: others.extend(publish(place, shelf, theirs)), place, others))
        done = publish_one(place, shelf, ours)
        registry.let_pass()
        if not others:  # all of our requests were made before that number
            break
        assert others[0].error is None
        yield place, done, others[0]
    assert number > 30


def test_layers_of_the_foundation_are_mounted_where_it_is_in_the_same_registry(
    shelf: Shelf, registry: MemoryRegistry
) -> None:
    base = shelf.variant("python", layers=["base"])
    publish(Place(registry=registry, prefix="hub/library"), shelf, base)

    def locate(reference: Reference) -> Reference:
        return replace(reference, registry=registry.host, repository=f"hub/{reference.repository}")

    image = shelf.variant("data", layers=["base", "own"], base="python:3.13-slim")
    (done,) = publish(Place(registry=registry, prefix="bases", locate=locate), shelf, image)
    assert done.transfers["mounted"] == 1
    (elsewhere,) = publish(Place(registry=registry, prefix="other"), shelf, image)
    assert elsewhere.transfers["mounted"] == 0


def test_a_blob_that_two_variants_share_is_sent_once_and_mounted(
    shelf: Shelf, place: Place, registry: MemoryRegistry
) -> None:
    layers = ["shared one", "shared two"]
    variants = [shelf.variant(image, layers=layers) for image in ("data", "web")]
    done = publish_variants(variants, place, blobs=shelf, clock=Clock())
    assert sum(publication.transfers["mounted"] for publication in done) == len(layers)
    assert registry.asked["mount"] == len(layers)


def test_what_one_publication_has_sent_the_next_one_of_a_run_mounts(shelf: Shelf, place: Place) -> None:
    placed: dict[str, str] = {}
    first, second = (
        publish_variants([shelf.variant(image, layers=["shared"])], place, blobs=shelf, clock=Clock(), placed=placed)[0]
        for image in ("data", "web")
    )
    assert (first.transfers["mounted"], second.transfers["mounted"]) == (0, 1)


def test_a_new_variant_mounts_what_the_unchanged_ones_have(shelf: Shelf, place: Place) -> None:
    old = shelf.variant("data", layers=["shared", "a"])
    publish(place, shelf, old)
    _, new = publish_variants([old, shelf.variant("web", layers=["shared", "b"])], place, blobs=shelf, clock=Clock())
    assert new.transfers["mounted"] == 1


def test_a_variant_that_fails_stops_no_other(shelf: Shelf, place: Place, registry: MemoryRegistry) -> None:
    def refuse(what: str, where: str) -> None:
        if "bases/web" in where:
            raise RegistryError("denied", status=403)

    registry.before = refuse
    web, data = publish(place, shelf, shelf.variant("web"), shelf.variant("data"))
    assert (web.status, data.status) == ("failed", "published")
    assert web.error
    assert web.error.message == "denied"


def test_a_short_name_that_moves_to_another_foundation_is_written_down(shelf: Shelf, place: Place) -> None:
    publish(place, shelf, shelf.variant(foundation="bookworm", first=False, layers=["b"]))
    publish(place, shelf, shelf.variant(layers=["t"]))
    (moved,) = publish(place, shelf, shelf.variant(foundation="bookworm", layers=["b"]))
    assert tags_of(place.registry, REPOSITORY)["py3.13"] == moved.digest
    newest = Ledger(place, "data:py3.13-bookworm").read().newest
    assert newest
    assert newest.rolling == ("py3.13-bookworm", "py3.13")


def test_progress_says_how_many_blobs_are_there(shelf: Shelf, place: Place) -> None:
    events: list[Event] = []
    publish_variants([shelf.variant()], place, blobs=shelf, clock=Clock(), report=events.append)
    assert isinstance(events[0], Started)
    assert isinstance(events[-1], Ended)
    assert Advanced(subject=NAME, stage="publish", done=2, total=2, detail="blobs") in events


class CutError(RegistryError):
    """The connection is gone."""


def cut_after(count: int) -> tuple[Callable[[str, str], None], list[str]]:
    """Let `count` requests through, then none."""
    asked: list[str] = []
    lock = threading.Lock()

    def before(what: str, where: str) -> None:
        with lock:
            asked.append(f"{what} {where}")
            if len(asked) > count:
                raise CutError("the connection is cut")

    return before, asked


def count_requests(shelf: Shelf, *layers: str) -> int:
    """How many requests it takes to publish `two` after `one`."""
    registry = MemoryRegistry()
    place = Place(registry=registry, prefix="bases")
    publish_one(place, shelf, "one")
    before, asked = cut_after(10_000)
    registry.before = before
    publish_one(place, shelf, *layers)
    return len(asked)


def test_cut_off_at_any_request_the_old_state_stays_and_the_next_run_finishes(shelf: Shelf) -> None:
    total = count_requests(shelf, "two")
    assert total > 15
    for count in range(total):
        registry = MemoryRegistry()
        place = Place(registry=registry, prefix="bases")
        first = publish_one(place, shelf, "one")
        registry.before, _ = cut_after(count)
        (failed,) = publish(place, shelf, shelf.variant(layers=["two"]))
        registry.let_pass()
        assert failed.status == "failed", count
        check_whole(registry, REPOSITORY)
        tags = tags_of(registry, REPOSITORY)
        assert tags["py3.13-trixie-20261121"] == first.digest
        journalled = len(Ledger(place, NAME).read().entries) == 2
        assert journalled or {tags[tag] for tag in ROLLING} == {first.digest}, "tags move after the journal"
        finished = publish_one(place, shelf, "two")
        check_state(place, shelf, finished, first)


def check_state(place: Place, shelf: Shelf, second: Publication, first: Publication) -> None:
    """What the registry has after `first` and `second`, whatever happened on the way."""
    assert tags_of(place.registry, REPOSITORY) == {
        "py3.13-trixie": second.digest,
        "py3.13": second.digest,
        "py3.13-trixie-20261121": first.digest,
        "py3.13-trixie-20261121.2": second.digest,
        first.variant.content_tag: first.digest,
        second.variant.content_tag: second.digest,
    }
    entries = Ledger(place, NAME).read().entries
    assert [(entry.digest, entry.dated) for entry in entries] == [
        (first.digest, "py3.13-trixie-20261121"),
        (second.digest, "py3.13-trixie-20261121.2"),
    ]


def test_two_publishers_at_once_end_in_one_consistent_state(shelf: Shelf) -> None:
    """The first stops at some request; meanwhile another one publishes something else, to the end."""
    for place, ours, other in at_every_request(shelf, "ours", shelf.variant(layers=["theirs"])):
        journal = Ledger(place, NAME).read()
        tags = tags_of(place.registry, REPOSITORY)
        newest = journal.newest
        assert newest
        assert {tags[tag] for tag in ROLLING} == {newest.digest}
        for entry in journal.entries:
            assert tags[entry.dated] == tags[entry.content] == entry.digest
        assert {entry.digest for entry in journal.entries} == {ours.digest, other.digest}
