"""The history: what each entry of a journal changed, which entry a name means, and tags that do not follow."""

from dataclasses import replace

import pytest
from tests.publishing import Clock, Shelf

from warmbase.errors import PublishError
from warmbase.publish.history import compare, find_entry, find_strays, history
from warmbase.publish.journal import Entry, Journal, merge
from warmbase.publish.ledger import Ledger
from warmbase.publish.model import Place
from warmbase.publish.stage import publish_variants

NAME = "data:py3.13-trixie"
ROLLING = ("py3.13-trixie", "py3.13")


def test_what_was_never_published_has_no_history(place: Place) -> None:
    assert list(history(Ledger(place, NAME).read())) == []


def test_the_history_says_what_each_entry_changed_the_newest_first(shelf: Shelf, place: Place) -> None:
    for versions in ({"numpy": "2.0", "six": "1.0"}, {"numpy": "2.1", "polars": "1.0"}):
        variant = shelf.variant(layers=["foundation", str(versions)], versions=versions)
        publish_variants([variant], place, blobs=shelf, clock=Clock())
    words = [change.words() for _, change in history(Ledger(place, NAME).read())]
    assert words == ["numpy 2.0 → 2.1, +polars 1.0, -six 1.0", "first, 2 packages"]


def entry(**more: object) -> Entry:
    fields = {"variant": NAME, "action": "publish", "time": "2026-11-21T12:00:00Z", "digest": "sha256:" + "a" * 64}
    return Entry(**{**fields, "rolling": ROLLING, "content": "c", **more})  # type: ignore[arg-type]


def test_tags_that_do_not_name_what_the_journal_says_are_told() -> None:
    old, new = entry(digest="old"), entry(digest="new", content="d", time="2026-11-22T12:00:00Z")
    journal = merge([old, new])
    assert find_strays(journal, dict.fromkeys(ROLLING, "new")) == {}
    assert find_strays(journal, {"py3.13-trixie": "new", "py3.13": "old"}) == {"py3.13": "old"}
    assert find_strays(journal, {"py3.13-trixie": "a stranger's"}) == {"py3.13-trixie": "a stranger's", "py3.13": ""}


def test_a_short_name_that_another_variant_has_taken_over_is_told_by_no_history() -> None:
    assert find_strays(merge([entry(digest="new")]), {"py3.13-trixie": "new", "py3.13": "another variant's"}) == {}


def test_a_journal_without_entries_has_no_tags_to_stray() -> None:
    assert find_strays(Journal(), {"py3.13": "a stranger's"}) == {}


def test_long_changes_are_counted() -> None:
    new = entry(packages={f"p{number}": "1" for number in range(9)})
    assert compare(entry(), new).words(most=2) == "+p0 1, +p1 1, 7 more"


def test_a_change_of_the_foundation_is_told() -> None:
    assert compare(entry(foundation="trixie"), entry(foundation="slim")).words() == "foundation trixie → slim"
    assert compare(entry(), entry()).words() == "nothing but the files"


def test_a_digest_needs_enough_digits_to_be_found(shelf: Shelf, place: Place) -> None:
    (first,) = publish_variants([shelf.variant()], place, blobs=shelf, clock=Clock())
    journal = Ledger(place, NAME).read()
    assert find_entry(journal, first.digest[:13]) == first.entry
    with pytest.raises(PublishError, match="no entry"):
        find_entry(journal, first.digest[:12])
    twin = replace(journal.entries[0], digest=first.digest[:20] + "0" * 51)
    with pytest.raises(PublishError, match="several entries"):
        find_entry(replace(journal, entries=(*journal.entries, twin)), first.digest[:18])
