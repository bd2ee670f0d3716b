"""What is published in a registry: the newest of each variant, from its journal, and from what was kept of it."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from tests.billed import LOCK
from tests.listed import entry_of, list_bases
from tests.offered import NEWEST, PLACE, base
from tests.offeringimages import describing_variant
from tests.publishing import Clock, Shelf
from tests.unit.publish.memory import MemoryRegistry

from warmbase.downstream.doctor.standing import find_newest_sound
from warmbase.downstream.kept import FRESH
from warmbase.downstream.listing import Base
from warmbase.downstream.registry_listing import RegistryListing
from warmbase.effects.registry.records import write_record
from warmbase.errors import ListingError, RegistryError
from warmbase.events import Event, Warned
from warmbase.publish.journal import record_entry
from warmbase.publish.ledger import Ledger
from warmbase.publish.model import Place
from warmbase.publish.stage import publish_variants
from warmbase.publish.yank import yank

DATA = base("data:py3.13-trixie", time=NEWEST)
BEFORE = base("data:py3.13-trixie", {"numpy": "2.0"}, time=NEWEST - timedelta(days=7))
WEB = base("web:py3.12-trixie", {"fastapi": "1.0"}, time=NEWEST - timedelta(days=1))


class Reader:
    """Someone on a machine: what they are told, and what was asked for it."""

    def __init__(self, registry: MemoryRegistry, folder: Path) -> None:
        self.registry = registry
        self.told: list[Event] = []
        self.now = NEWEST
        self._folder = folder

    def open(self) -> RegistryListing:
        return RegistryListing(
            PLACE,
            lambda is_kept: Place(registry=self.registry, prefix="bases"),
            folder=self._folder / "published",
            entries=self._folder / "journal",
            clock=lambda: self.now,
            report=self.told.append,
        )

    def bases(self) -> tuple[Base, ...]:
        return self.open().listing().bases

    def asks(self, action: Callable[[], object]) -> int:
        """How many requests an action takes."""
        self.registry.asked.clear()
        action()
        return self.registry.asked.total()

    @property
    def warnings(self) -> list[str]:
        return [event.message for event in self.told if isinstance(event, Warned)]

    def later(self) -> None:
        """Wait until what was kept is asked about again."""
        self.now += FRESH


@pytest.fixture
def reader(tmp_path: Path) -> Reader:
    registry = MemoryRegistry()
    list_bases(registry, [BEFORE, DATA, WEB])
    return Reader(registry, tmp_path)


def test_the_newest_of_each_variant_is_listed(reader: Reader) -> None:
    assert reader.bases() == (DATA, WEB)


def test_it_takes_one_request_for_each_variant_and_one_for_each_image(reader: Reader) -> None:
    assert reader.asks(reader.bases) == 1 + 2 + 2


def test_what_was_just_read_is_told_without_asking(reader: Reader) -> None:
    first = reader.bases()
    assert reader.asks(reader.bases) == 0
    assert reader.bases() == first


def test_later_the_tags_are_listed_again_and_what_is_new_is_read(reader: Reader) -> None:
    told: list[tuple[Base, ...]] = []
    reader.bases()
    reader.later()
    assert reader.asks(reader.bases) == 1 + 2, "the journal's tags, and each image's for yanks"
    newer = base("web:py3.12-trixie", {"fastapi": "1.1"}, time=NEWEST)
    list_bases(reader.registry, [newer])
    reader.later()
    assert reader.asks(lambda: told.append(reader.bases())) == 1 + 1 + 2, "and the one that is new"
    assert told == [(DATA, newer)]


def test_a_clock_that_goes_back_makes_nothing_fresh(reader: Reader) -> None:
    reader.bases()
    reader.now -= timedelta(hours=1)
    assert reader.asks(reader.bases) > 0


def refuse(*_: object) -> None:
    raise RegistryError("no connection", next_step="see to the network")


def test_with_the_registry_away_what_was_kept_is_told_with_a_warning(reader: Reader) -> None:
    first = reader.bases()
    reader.later()
    reader.registry.before = refuse
    assert reader.bases() == first
    assert reader.warnings == [f"no connection; what is told is of {NEWEST:%Y-%m-%dT%H:%M:%SZ}"]


def test_with_the_registry_away_and_nothing_kept_it_is_an_error(reader: Reader) -> None:
    reader.registry.before = refuse
    with pytest.raises(ListingError, match="no connection") as raised:
        reader.bases()
    assert raised.value.next_step == "see to the network"


@pytest.mark.parametrize("damage", [b"", b"{", b"{}\n{}", b'{"source": "other", "asked": "", "stamp": {}}\n{}'])
def test_a_damaged_copy_counts_as_none(reader: Reader, tmp_path: Path, damage: bytes) -> None:
    first = reader.bases()
    [kept] = (tmp_path / "published").iterdir()
    whole = kept.read_bytes()
    kept.write_bytes(damage)
    assert reader.bases() == first
    assert kept.read_bytes() == whole


def test_where_nothing_is_published_it_is_said(tmp_path: Path) -> None:
    with pytest.raises(ListingError, match=r"nothing is published at registry\.example/bases"):
        Reader(MemoryRegistry(), tmp_path).bases()


def test_one_entry_that_cannot_be_read_hides_no_other(reader: Reader) -> None:
    record, tag = record_entry(entry_of(base("odd:py3.13-trixie")), [])
    write_record(reader.registry, "bases/warmbase-journal", record, tag)
    assert reader.bases() == (DATA, WEB)
    assert len(reader.warnings) == 1
    assert "it is left out, as it cannot be read" in reader.warnings[0]
    reader.later()
    reader.bases()
    assert len(reader.warnings) == 2, "it is tried and told again"


# Yanks


def test_a_yank_is_told_as_soon_as_it_is_asked_about_again(reader: Reader, tmp_path: Path) -> None:
    shelf, place = Shelf(folder=tmp_path / "blobs"), Place(registry=reader.registry, prefix="bases")
    name, clock = "kit:py3.13-trixie", Clock()
    for lock in (replace(LOCK, packages=LOCK.packages[:2]), LOCK):
        variant = describing_variant(shelf, "kit", lock)
        [good] = publish_variants([variant], place, blobs=shelf, clock=clock)[-1:]
    journal = Ledger(place, name).read()
    assert good.entry
    before = reader.open().find("kit:py3.13")
    assert (before.digest, before.yanked, before.instead) == (good.digest, "", "")
    older = journal.entries[0]
    yank(place, name, good.digest, reason="a broken build", instead=older.digest, clock=clock)
    assert reader.open().find("kit:py3.13").yanked == "", "it was asked just now"
    reader.later()
    told = reader.open().find("kit:py3.13")
    assert (told.yanked, told.instead) == ("a broken build", f"kit:{older.dated}@{older.digest}")
    assert reader.open().find("kit:py3.13-trixie") == told, "it is kept"
    sound = find_newest_sound(told, reader.open(), clock().date())
    assert sound
    assert (sound.digest, sound.tags[0]) == (older.digest, older.dated)
    yank(place, name, older.digest, reason="older, and broken too", instead="", clock=clock)
    assert find_newest_sound(told, reader.open(), clock().date()) is None
    assert reader.open().find(f"kit:{older.dated}").yanked == "older, and broken too"
    against = [(each.yanked, each.instead) for each in reader.open().editions(name)]
    assert against == [("a broken build", f"kit:{older.dated}@{older.digest}"), ("older, and broken too", "")]


# Where a base comes from


def test_a_short_name_is_the_one_that_was_given_it_last(reader: Reader) -> None:
    slim = base("data:py3.13-bookworm", tags=["py3.13-bookworm", "py3.13"], time=NEWEST + timedelta(days=1))
    list_bases(reader.registry, [slim])
    assert {each.variant: each.tags for each in reader.bases()} == {
        "data:py3.13-bookworm": ("py3.13-bookworm", "py3.13"),
        "data:py3.13-trixie": ("py3.13-trixie",),
        "web:py3.12-trixie": ("py3.12-trixie", "py3.12"),
    }


def test_variants_whose_tags_begin_alike_are_told_apart(reader: Reader) -> None:
    one, other = base("a/b:py3.13-trixie", time=NEWEST), base("a_b:py3.13-trixie", {"six": "1.0"}, time=NEWEST)
    list_bases(reader.registry, [one, other])
    assert {one, other} <= set(reader.bases())


# Earlier images


@pytest.mark.parametrize(
    "text",
    [f"data:{BEFORE.dated}", BEFORE.digest, f"data:py3.13@{BEFORE.digest}", BEFORE.offer.platforms[0].digest],
)
def test_an_earlier_image_is_found_with_all_that_it_offered(reader: Reader, text: str) -> None:
    found = reader.open().find(text)
    assert found == replace(BEFORE, tags=(BEFORE.dated, BEFORE.content))


def test_what_never_was_is_told_with_the_nearest_names(reader: Reader) -> None:
    with pytest.raises(ListingError, match=r"has no base data:py3\.9") as raised:
        reader.open().find("data:py3.9")
    assert "data:py3.13" in raised.value.next_step


def test_the_editions_of_a_variant_say_what_changed(reader: Reader) -> None:
    now, before = reader.open().editions("data:py3.13-trixie")
    assert (now.digest, before.digest) == (DATA.digest, BEFORE.digest)
    assert now.changes == "numpy 2.0 → 2.3.4, +pandas 2.2.3"
    assert dict(before.packages) == {"numpy": "2.0"}
    assert reader.open().editions("none:py3.13") == ()


def test_what_all_variants_were_is_read_with_one_listing_for_each_image(reader: Reader) -> None:
    told: list[object] = []
    published = reader.open()
    published.listing()
    assert reader.asks(lambda: told.append(published.histories())) == 3 + 2, "three entries, two images"
    assert told == [{name: reader.open().editions(name) for name in ("data:py3.13-trixie", "web:py3.12-trixie")}]
    reader.later()
    again = reader.open()
    again.listing()
    assert reader.asks(again.histories) == 2, "entries never change"


def test_with_the_registry_away_bases_are_told_without_what_they_were(reader: Reader) -> None:
    first = reader.bases()
    reader.later()
    reader.registry.before = refuse
    published = reader.open()
    assert (published.listing().bases, published.histories()) == (first, {})
    assert reader.warnings[1:] == ["no connection; what bases were before is not told"]


def test_what_people_wrote_in_a_registry_loses_what_a_terminal_obeys(reader: Reader, tmp_path: Path) -> None:
    shelf, place = Shelf(folder=tmp_path / "blobs"), Place(registry=reader.registry, prefix="bases")
    variant = describing_variant(shelf, "kit", LOCK)
    [done] = publish_variants([variant], place, blobs=shelf, clock=Clock())
    assert done.entry
    odd = replace(entry_of(DATA), variant=done.entry.variant, packages={"odd\u202e": "1\x1b"})
    Ledger(place, odd.variant).write(odd)
    yank(place, odd.variant, done.entry.digest, reason="turned\u202e round", instead="", clock=Clock())
    by_digest = {each.digest: each for each in reader.open().editions(odd.variant)}
    assert by_digest[done.entry.digest].yanked == "turned\ufffd round"
    assert by_digest[odd.digest].packages == {"odd\ufffd": "1\ufffd"}
    assert all(each.changes.isprintable() for each in by_digest.values())
