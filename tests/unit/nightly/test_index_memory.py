"""What is remembered of indexes, and for how long it holds."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from warmbase.nightly.model import Held
from warmbase.nightly.pages import Answer, IndexMemory, PageMemory
from warmbase.publish.journal import format_time

NOW = datetime(2026, 3, 2, 3, tzinfo=UTC)
SIX = ("", "six")
LIB = ("company", "lib")
PAGES = {
    SIX: PageMemory(seen="2026-03-01T00:00:00Z", content="c1", validator='"e1"', source="a1", yanked={"1.0": "bad"}),
    LIB: PageMemory(seen="2026-03-01T00:00:00Z", content=""),
}
ANSWER = Answer(
    asked="2026-03-01T00:00:00Z",
    visited=(SIX, LIB),
    content=IndexMemory(pages=PAGES).content_of((SIX, LIB)),
    fingerprint="f1",
    versions={"six": "1.1"},
    origins={"lib": "company"},
    held=(Held(subject="six", current="1.1", offered="2.0", by="cooldown", until="2026-03-04T00:00:00Z"),),
    until="2026-03-04T00:00:00Z",
)
MEMORY = IndexMemory(pages=PAGES, answers={"q1": ANSWER})


def test_it_is_read_as_it_was_written() -> None:
    read = IndexMemory.from_json(json.loads(json.dumps(MEMORY.to_json())))
    assert read == MEMORY
    assert read.to_json() == MEMORY.to_json()
    assert IndexMemory.from_json(IndexMemory().to_json()) == IndexMemory()


@pytest.mark.parametrize("damage", [{}, {"pages": 7, "answers": {}}, {"pages": [], "answers": {"q": {"visited": [3]}}}])
def test_what_cannot_be_read_is_forgotten(damage: dict[str, object]) -> None:
    assert IndexMemory.from_json(damage) == IndexMemory()


def test_an_answer_holds_while_its_pages_say_the_same() -> None:
    assert MEMORY.find_answer("q1", NOW) == ANSWER
    other = replace(PAGES[SIX], validator='"e2"', seen="2026-03-02T00:00:00Z")
    assert replace(MEMORY, pages={**PAGES, SIX: other}).find_answer("q1", NOW) == ANSWER
    changed = replace(PAGES[SIX], content="c2")
    assert replace(MEMORY, pages={**PAGES, SIX: changed}).find_answer("q1", NOW) is None


def test_an_answer_does_not_hold_where_a_page_appeared_or_is_not_known() -> None:
    appeared = replace(PAGES[LIB], content="c3")
    assert replace(MEMORY, pages={**PAGES, LIB: appeared}).find_answer("q1", NOW) is None
    assert replace(MEMORY, pages={SIX: PAGES[SIX]}).find_answer("q1", NOW) is None
    assert MEMORY.find_answer("q2", NOW) is None


def test_an_answer_holds_until_a_file_comes_of_age() -> None:
    ends = datetime(2026, 3, 4, tzinfo=UTC)
    assert MEMORY.find_answer("q1", ends - timedelta(seconds=1))
    assert MEMORY.find_answer("q1", ends) is None


def test_merging_takes_the_later_one_of_each_whatever_the_order() -> None:
    page = replace(PAGES[SIX], seen="2026-03-02T00:00:00Z", content="c2")
    answer = replace(ANSWER, asked="2026-02-01T00:00:00Z", fingerprint="f0")
    other = IndexMemory(pages={SIX: page}, answers={"q1": answer, "q2": answer})
    merged = MEMORY.merge(other)
    assert merged.to_json() == other.merge(MEMORY).to_json()
    assert merged.pages == {SIX: page, LIB: PAGES[LIB]}
    assert merged.answers == {"q1": ANSWER, "q2": answer}
    assert merged.merge(other) == merged


def test_two_that_were_written_at_one_time_merge_to_the_same() -> None:
    other = IndexMemory(pages={SIX: replace(PAGES[SIX], content="c9")})
    assert MEMORY.merge(other).to_json() == other.merge(MEMORY).to_json()


def test_another_validator_alone_is_no_news_but_is_kept() -> None:
    renewed = {**PAGES, SIX: replace(PAGES[SIX], validator='"e2"', seen="2026-03-02T00:00:00Z")}
    merged = MEMORY.merge(IndexMemory(pages=renewed, answers=MEMORY.answers))
    assert merged == MEMORY
    assert merged.pages[SIX].validator == '"e2"'


def test_whoever_asks_about_a_part_forgets_nothing_of_the_rest() -> None:
    assert MEMORY.keep(set()) == MEMORY


def test_it_does_not_grow_for_ever() -> None:
    times = (NOW - timedelta(days=days) for days in range(2000))
    answers = {f"q{number}": replace(ANSWER, asked=format_time(time)) for number, time in enumerate(times)}
    kept = IndexMemory(pages=PAGES, answers=answers).keep({"q1999", "unheard of"})
    assert kept.answers.keys() == {*(f"q{number}" for number in range(1000)), "q1999"}


def test_pages_go_with_the_last_answer_that_read_them() -> None:
    alone = replace(ANSWER, visited=(SIX,))
    assert IndexMemory(pages=PAGES, answers={"q1": alone}).keep({"q1"}).pages == {SIX: PAGES[SIX]}


TIMES = st.sampled_from(["2026-03-01T00:00:00Z", "2026-03-02T00:00:00Z"])
WORDS = st.sampled_from(["", "a", "b"])
KEYS = st.tuples(st.sampled_from(["", "company"]), st.sampled_from(["six", "lib"]))
MEMORIES = st.builds(
    IndexMemory,
    pages=st.dictionaries(KEYS, st.builds(PageMemory, seen=TIMES, content=WORDS, validator=WORDS)),
    answers=st.dictionaries(
        WORDS, st.builds(Answer, asked=TIMES, visited=st.just((SIX,)), content=WORDS, fingerprint=WORDS)
    ),
)


@given(MEMORIES, MEMORIES, MEMORIES)
def test_machines_that_merge_in_any_order_know_the_same(one: IndexMemory, two: IndexMemory, three: IndexMemory) -> None:
    assert one.merge(two) == two.merge(one)
    assert one.merge(two).merge(three) == one.merge(two.merge(three))
    assert one.merge(one) == one
