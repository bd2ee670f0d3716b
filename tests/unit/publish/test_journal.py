"""The journal: any number of writers, one history."""

import itertools
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.publishing import DAY

from warmbase.oci.records import parse_document
from warmbase.publish.journal import (
    Entry,
    Journal,
    PublishedPlatform,
    entry_from_json,
    entry_to_json,
    format_time,
    is_entry_of,
    merge,
    record_entry,
)


def entry(digest: str, minute: int = 0, **more: object) -> Entry:
    fields = {
        "variant": "data:py3.13-trixie",
        "action": "publish",
        "time": f"2026-11-21T12:{minute:02}:00Z",
        "digest": f"sha256:{digest * 64}",
        "rolling": ("py3.13-trixie", "py3.13"),
        "content": f"py3.13-trixie-{digest * 12}",
        "dated": "",
        "id": f"{minute:02}{digest}",
    }
    return Entry(**{**fields, **more})  # type: ignore[arg-type]


FULL = entry(
    "a",
    dated="py3.13-trixie-20261121",
    previous=f"sha256:{'b' * 64}",
    platforms={
        "linux/amd64": PublishedPlatform(digest="d", verified="run", recipe="r", foundation="f", attestation="a")
    },
    lock="l",
    foundation="trixie",
    packages={"numpy": "2.5.5"},
    layers=("x", "y"),
    tool="0.1.0",
    source="staging.example/data@sha256:…",
)


def test_an_entry_is_read_back_as_it_was_written() -> None:
    record, tag = record_entry(FULL)
    assert entry_from_json(parse_document(record.blobs[1][1]), tag) == FULL
    assert entry_to_json(FULL)["tags"] == {
        "rolling": ["py3.13-trixie", "py3.13"],
        "dated": "py3.13-trixie-20261121",
        "content": "py3.13-trixie-aaaaaaaaaaaa",
    }


@pytest.mark.parametrize(
    ("change", "message"),
    [({"format": 2}, "format 2 instead of 1"), ({"action": "guess"}, "'guess'"), ({"tags": []}, "not a journal entry")],
)
def test_what_is_no_entry_is_refused_with_the_reason(change: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        entry_from_json({**entry_to_json(FULL), **change})


def test_the_tag_of_an_entry_says_whose_it_is_and_when_it_was_made() -> None:
    record, tag = record_entry(replace(FULL, variant="team/data:py3.13-trixie"))
    assert tag == f"team_data-py3.13-trixie-20261121T120000Z-{record.digest[7:19]}"
    assert is_entry_of(tag, "team/data:py3.13-trixie")
    assert not is_entry_of(tag, "data:py3.13-trixie")
    assert not is_entry_of(tag, "team/data:py3.13")


def test_the_tag_of_an_entry_is_never_too_long_for_a_registry() -> None:
    longest = f"{'x' * 200}:py3.13-trixie"
    _, tag = record_entry(replace(FULL, variant=longest))
    assert len(tag) <= 128
    assert is_entry_of(tag, longest)
    assert not is_entry_of(tag, f"{longest}x")


@given(st.permutations([entry("a", 1), entry("b", 2), entry("c", 2), entry("a", 3, action="rollback")]))
def test_entries_come_in_one_order_however_they_are_listed(entries: Sequence[Entry]) -> None:
    assert [e.digest[-1] for e in merge(entries).entries] == ["a", "b", "c", "a"]


def test_a_publication_that_two_wrote_down_at_once_counts_once() -> None:
    journal = merge([entry("a", 1), entry("b", 2), entry("b", 3)])
    assert [e.time for e in journal.entries] == ["2026-11-21T12:01:00Z", "2026-11-21T12:02:00Z"]


@given(st.permutations("abc"))
def test_a_dated_tag_that_several_gave_away_belongs_to_the_oldest(digits: Sequence[str]) -> None:
    entries = [entry(digest, dated="py3.13-20261121", minute=ord(digest) - 90) for digest in digits]
    dated = {e.digest[-1]: e.dated for e in merge(entries).entries}
    assert dated == {"a": "py3.13-20261121", "b": "py3.13-20261121.2", "c": "py3.13-20261121.3"}


def test_the_next_entry_is_the_newest_though_clocks_differ() -> None:
    journal = merge([replace(FULL, time="2026-11-21T13:00:00Z")])
    assert journal.next_time(DAY) == "2026-11-21T13:00:01Z"
    assert Journal().next_time(DAY) == format_time(DAY) == "2026-11-21T12:00:00Z"


def test_what_was_before_a_digest_is_what_was_published_before_it() -> None:
    journal = merge([entry("a", 1), entry("b", 2), entry("c", 3), entry("b", 4, action="rollback")])
    before = [[e.digest[-1] for e in journal.before(f"sha256:{digest * 64}")] for digest in "abc"]
    assert before == [[], ["a"], ["b", "a"]]
    assert all(journal.find(e.digest) for e in itertools.chain(journal.entries))
