"""What an image offers is read out of the image, and goes wherever the image goes."""

from dataclasses import replace
from datetime import timedelta

import pytest
from tests.billed import LOCK
from tests.offeringimages import CREATED, INDEX, describing_variant
from tests.publishing import AMD64, DAY, Clock, Shelf, attest
from tests.unit.publish.memory import MemoryRegistries, MemoryRegistry
from tests.unit.publish.published import NAME, publish

from warmbase.effects.registry.records import write_record
from warmbase.errors import RegistryError
from warmbase.events import Event, Warned
from warmbase.oci.manifest import Manifest
from warmbase.oci.records import embed, pack, packed_layers, packed_type
from warmbase.oci.reference import Reference
from warmbase.publish.baseline import read_origin
from warmbase.publish.journal import Entry, record_entry
from warmbase.publish.ledger import Ledger
from warmbase.publish.model import Place
from warmbase.publish.offer import Offer, SystemPackage
from warmbase.publish.offer_document import OFFER
from warmbase.publish.offering import read_offer
from warmbase.publish.promote import promote
from warmbase.publish.rollback import roll_back
from warmbase.publish.stage import publish_variants


def newest(place: Place, name: str = NAME) -> Entry:
    entry = Ledger(place, name).read().newest
    assert entry
    return entry


def offer_of(place: Place, name: str = NAME) -> Offer:
    entry = newest(place, name)
    manifest = place.registry.read_manifest(place.journal, entry.id)
    assert manifest
    return read_offer(place, entry, packed_layers(manifest.content))


def offers_of_entries(place: Place, name: str = NAME) -> int:
    return sum(layer.media_type == packed_type(OFFER) for layer, _ in read_origin(place, newest(place, name).id))


@pytest.fixture
def published(shelf: Shelf, place: Place) -> Place:
    told: list[Event] = []
    [done] = publish_variants(
        [describing_variant(shelf)], place, blobs=shelf, clock=Clock(), attest=attest, report=told.append
    )
    assert (done.status, [event for event in told if isinstance(event, Warned)]) == ("published", [])
    return place


def test_the_offer_says_what_the_image_says(published: Place) -> None:
    offer = offer_of(published)
    assert (offer.variant, offer.description, offer.python) == (NAME, "The image data.", "3.13")
    assert (offer.foundation, offer.uv, offer.contract, offer.created) == ("trixie", "0.13.8", 6, CREATED)
    assert dict(offer.indexes) == {
        "": (INDEX, "https://mirror.example/simple"),
        "own": ("https://own.example/simple",),
    }
    [platform] = offer.platforms
    assert (platform.platform, platform.python, platform.system, platform.verified) == (
        AMD64,
        "3.13.5",
        "debian 13",
        "run",
    )
    assert platform.digest == newest(published).platforms[AMD64].digest
    assert platform.system_packages == (
        SystemPackage(name="libc6", version="2.41-12", licences=("LGPL-2.1-or-later",)),
    )


def test_an_offer_that_only_a_newer_version_reads_is_read_out_of_the_image(published: Place) -> None:
    entry = newest(published)
    manifest = published.registry.read_manifest(published.journal, entry.id)
    assert manifest
    newer = embed(*pack(OFFER, b'{"format": 1000}'))
    layers = {**packed_layers(manifest.content), packed_type(OFFER): newer}
    assert read_offer(published, entry, layers) == offer_of(published)


def test_layers_say_which_packages_lie_in_them(published: Place) -> None:
    [platform] = offer_of(published).platforms
    assert [layer.words for layer in platform.layers] == [
        "foundation trixie",
        "uv 0.13.8",
        "numpy 2.5.5",
        "uv 0.13.8, wheel 0.45",
        "contract",
    ]
    assert [(each.name, place) for each, place in zip(platform.packages, platform.places, strict=True)] == [
        ("numpy", 2),
        ("uv", 3),
        ("wheel", 3),
    ]
    manifest = published.registry.read_manifest("bases/data", platform.digest)
    assert manifest
    layers = Manifest.from_bytes(manifest.content).layers
    assert [(each.digest, each.size) for each in platform.layers] == [(each.digest, each.size) for each in layers]


def test_packages_have_their_files_from_the_lock_and_their_licences_from_the_bill(published: Place) -> None:
    [platform] = offer_of(published).platforms
    found = {each.name: (each.version, each.use, each.file, each.sha256, each.licences) for each in platform.packages}
    assert found == {
        "numpy": ("2.5.5", "venv", "numpy-2.5.5-py3-none-any.whl", "a" * 64, ("BSD-3-Clause",)),
        "uv": ("0.13.8", "venv", "uv-0.13.8-py3-none-any.whl", "b" * 64, ("MIT OR Apache-2.0",)),
        "wheel": ("0.45", "warm", "wheel-0.45-py3-none-any.whl", "c" * 64, ("BSD License", "MIT")),
    }


def without_offer(place: Place, *kept: str) -> None:
    """Put an entry of an older version in the place of the newest, with these of its further layers alone."""
    entry = newest(place)
    layers = [(layer, content) for layer, content in read_origin(place, entry.id) if layer.media_type in kept]
    older = replace(entry, time="2026-11-21T11:00:00Z")  # of two for one image the older counts
    record, tag = record_entry(older, layers)
    write_record(place.registry, place.journal, record, tag)


def test_an_entry_of_an_older_version_is_asked_of_its_image(published: Place) -> None:
    offer = offer_of(published)
    without_offer(published, packed_type("lock"))
    assert offers_of_entries(published) == 0
    assert offer_of(published) == offer


def test_without_a_lock_the_bill_says_what_there_is(published: Place) -> None:
    [before] = offer_of(published).platforms
    without_offer(published)
    [platform] = offer_of(published).platforms
    assert [(each.name, each.version, each.use, each.sha256, each.licences) for each in platform.packages] == [
        (each.name, each.version, each.use, each.sha256, each.licences) for each in before.packages
    ]
    assert not any(each.file or each.size for each in platform.packages)


@pytest.mark.parametrize("move", ["rollback", "promotion"])
def test_what_moves_brings_its_offer_along(published: Place, shelf: Shelf, registry: MemoryRegistry, move: str) -> None:
    offer = offer_of(published)
    if move == "rollback":
        newer = replace(LOCK, packages=LOCK.packages[1:2])
        variant = describing_variant(shelf, lock=newer)
        publish_variants([variant], published, blobs=shelf, clock=Clock(now=DAY + timedelta(hours=1)))
        assert offer_of(published) != offer
        roll_back(published, NAME, clock=Clock(now=DAY + timedelta(hours=2)))
        assert offers_of_entries(published) == 1
        assert offer_of(published) == offer
        return
    other = MemoryRegistry("other.example")
    source, target = (Reference.parse(text) for text in ("registry.example/bases/data:py3.13", "other.example/kit"))
    promote(source, target, MemoryRegistries(registry, other), clock=Clock())
    promoted = Place(registry=other, prefix="")
    assert offer_of(promoted, "kit:py3.13-trixie") == replace(offer, variant="kit:py3.13-trixie")


def test_a_publication_does_not_wait_for_an_offer_that_cannot_be_read(shelf: Shelf, place: Place) -> None:
    """The images of these tests have no last layer that says anything."""
    told: list[Event] = []
    variant = shelf.variant()
    publish_variants([variant], place, blobs=shelf, clock=Clock(), report=told.append)
    [warning] = [event.message for event in told if isinstance(event, Warned)]
    assert warning.startswith("the new entry of the journal does not say what the image offers: ")
    assert offers_of_entries(place) == 0


@pytest.mark.parametrize("damage", ["index", "layer"])
def test_what_is_no_image_of_ours_is_an_error(
    shelf: Shelf, place: Place, registry: MemoryRegistry, damage: str
) -> None:
    publish(place, shelf, "a")
    if damage == "index":
        registry.delete_manifest("bases/data", newest(place).digest)
    with pytest.raises((ValueError, RegistryError), match=r"no sha256:|damaged|not an image|zstd|tar"):
        offer_of(place)
