"""`index.json`: its schema, and that what is published is read from it as it was written."""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.offered import NEWEST, PLACE, base, edition, fleet

from warmbase.downstream.index import (
    SCHEMA_PATH,
    editions_from_json,
    index_from_json,
    index_to_json,
    parse_index,
    render_index,
)
from warmbase.downstream.index_listing import IndexListing
from warmbase.downstream.listing import Edition, Listing
from warmbase.downstream.site.pages import render_site
from warmbase.errors import ListingError
from warmbase.publish.journal import format_time

BASES = fleet(variants=12, packages=9)
LISTING = Listing(bases=BASES, source=PLACE, time=format_time(NEWEST))
SCHEMA = json.loads(SCHEMA_PATH.read_text())


def written(listing: Listing = LISTING, editions: dict[str, list[Edition]] | None = None) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(render_index(index_to_json(listing, editions or {})))
    return document


def test_a_listing_is_read_back_as_it_was_written() -> None:
    assert index_from_json(parse_index(render_index(index_to_json(LISTING)), PLACE), PLACE) == LISTING


def test_the_same_listing_gives_the_same_bytes() -> None:
    assert render_index(index_to_json(LISTING)) == render_index(index_to_json(replace(LISTING)))


VERSIONS = st.dictionaries(st.sampled_from("abcdef"), st.sampled_from(["1", "2"]))


@given(st.lists(VERSIONS, max_size=5))
def test_earlier_images_are_read_back_with_their_versions(packages: list[dict[str, str]]) -> None:
    own = base()
    editions = [edition(own, days=days, packages=each) for days, each in enumerate(packages)]
    document = written(Listing(bases=(own,), source=PLACE), {own.variant: editions})
    assert editions_from_json(document, own.variant, PLACE) == tuple(editions)
    assert editions_from_json(document, "other:py3.13", PLACE) == ()


def test_an_earlier_image_is_written_as_what_was_different() -> None:
    own = base(packages={"numpy": "2.0", "pandas": "2.2"})
    before = edition(own, days=1, packages={"numpy": "1.9", "pandas": "2.2", "six": "1.0"})
    history = written(Listing(bases=(own,), source=PLACE), {own.variant: [edition(own), before]})["bases"][0]["history"]
    assert [each["packages"] for each in history] == [
        {"numpy": "2.0", "pandas": "2.2"},
        {"numpy": "1.9", "six": "1.0"},
    ]
    after = edition(own, days=2, packages={})
    history = written(Listing(bases=(own,), source=PLACE), {own.variant: [before, after]})["bases"][0]["history"]
    assert history[1]["packages"] == {"numpy": None, "pandas": None, "six": None}


def test_a_yank_of_an_earlier_image_is_read_back_and_costs_nothing_where_there_is_none() -> None:
    own = base()
    yanked = replace(edition(own, days=1), yanked="a broken numpy", instead="data:py3.14")
    document = written(Listing(bases=(own,), source=PLACE), {own.variant: [edition(own), yanked]})
    jsonschema.validate(document, SCHEMA)
    assert "yanked" not in document["bases"][0]["history"][0]
    assert editions_from_json(document, own.variant, PLACE) == (edition(own), yanked)
    earlier = IndexListing(PLACE, lambda: json.dumps(document).encode()).find(yanked.digest)
    assert (earlier.digest, earlier.yanked, earlier.instead) == (yanked.digest, "a broken numpy", "data:py3.14")


def test_an_index_is_what_its_schema_says() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    document = written(LISTING, {each.variant: [edition(each), edition(each, days=1, packages={})] for each in BASES})
    jsonschema.validate(document, SCHEMA)


@pytest.mark.parametrize(
    "damage",
    [
        {"format": 2},
        {"bases": {}},
        {"bases": [{"variant": "data:py3.13"}]},
        {"packages": [{"name": "numpy"}]},
        {"layers": [{"digest": "sha256:0"}]},
        {"time": None},
    ],
)
def test_the_schema_and_the_reader_refuse_the_same(damage: dict[str, Any]) -> None:
    document = {**written(), **damage}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document, SCHEMA)
    with pytest.raises(ListingError) as raised:
        index_from_json(parse_index(json.dumps(document).encode(), PLACE), PLACE)
    assert PLACE in raised.value.message
    assert raised.value.next_step


ODD = "\x1b]0;owned\x07"
"""What gives a terminal's window another title."""


@pytest.mark.parametrize(
    "odd",
    [
        {"place": f"registry.example/{ODD}"},
        {"variant": f"{ODD}:py3.13"},
        {"tags": [f"py3.13{ODD}"]},
        {"tags": ["py3.13 && reboot"]},
        {"digest": ODD},
        {"digest": "latest"},
    ],
)
def test_a_base_that_makes_no_reference_is_refused(odd: dict[str, Any]) -> None:
    document = written(Listing(bases=(base(),), source=PLACE))
    document["bases"][0] |= odd
    with pytest.raises(ListingError, match="no index of published bases"):
        index_from_json(document, PLACE)


@pytest.mark.parametrize("time", ["", "x", "2026-13-01T00:00:00Z", "2026-11-20"])
def test_a_time_is_one(time: str) -> None:
    own = base()
    document = written(Listing(bases=(own,), source=PLACE), {own.variant: [edition(own)]})
    document["bases"][0]["history"][0]["time"] = time
    with pytest.raises(ListingError, match="no index of published bases"):
        editions_from_json(document, own.variant, PLACE)
    document["bases"][0]["time"] = time
    with pytest.raises(ListingError, match="no index of published bases"):
        index_from_json(document, PLACE)


def test_two_bases_of_one_variant_are_refused() -> None:
    document = written(Listing(bases=(base(), replace(base(), digest=f"sha256:{'0' * 64}")), source=PLACE))
    with pytest.raises(ListingError, match=r"several bases data:py3\.13-trixie"):
        index_from_json(document, PLACE)


def test_half_a_character_is_none() -> None:
    document = written()
    document["bases"][0]["yanked"] = "x\ud800"
    listing = index_from_json(parse_index(json.dumps(document).encode(), PLACE), PLACE)
    assert listing.bases[0].yanked == "x\ufffd"
    render_index(index_to_json(listing))


def test_texts_lose_what_a_terminal_obeys() -> None:
    own = base(packages={"numpy": f"2.0{ODD}"}, description=f"Data{ODD} über\u202e alles", yanked=f"broken{ODD}")
    document = written(Listing(bases=(own,), source=PLACE), {own.variant: [edition(own, changes=ODD)]})
    [read] = index_from_json(document, PLACE).bases
    [told] = editions_from_json(document, own.variant, PLACE)
    assert read.offer.description == "Data\ufffd]0;owned\ufffd über\ufffd alles"
    said = repr((read, told, *read.offer.platforms[0].system_packages)) + read.yanked + told.changes
    assert not [letter for letter in (*said, *told.packages["numpy"]) if not letter.isprintable()]


@pytest.mark.parametrize("content", [b"", b"<html>", b"\xff", b"[]", b"{}", b'{"format": 1}', b"[" * 100_000])
def test_what_is_no_index_is_an_error_that_names_its_source(content: bytes) -> None:
    with pytest.raises(ListingError, match=r"pages\.example"):
        parse_index(content, "https://pages.example/index.json")


TEXTS = st.text(st.characters(), max_size=4)
SCALARS: Any = st.none() | st.booleans() | st.integers() | TEXTS
VALUES = SCALARS | st.lists(SCALARS, max_size=2) | st.dictionaries(TEXTS, SCALARS, max_size=2)


def spots(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every place of a document, as what it is in and its key there."""
    for key in list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        yield value, key
        yield from spots(value[key])


@given(st.data())
def test_a_damaged_index_is_read_or_refused_and_nothing_else(data: st.DataObject) -> None:
    document = written(Listing(bases=(base(),), source=PLACE), {base().variant: [edition(base())]})
    container, key = data.draw(st.sampled_from(list(spots(document))))
    container[key] = data.draw(VALUES)
    try:
        listing = index_from_json(parse_index(json.dumps(document).encode(), PLACE), PLACE)
        editions = {base().variant: editions_from_json(document, base().variant, PLACE)}
    except ListingError:
        return
    assert render_site(listing, editions)["index.html"]
    assert all(each.name and each.reference for each in listing.bases)
