"""What nights know: it is written and read as it is, and merging it converges."""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.pinned import IMAGE_PIN
from tests.publishing import DAY

from warmbase.foundation.pins import ArchiveState, DebianPin, ManagedPin
from warmbase.nightly.model import Broken, Failure, Held, NightSummary, VariantState
from warmbase.nightly.state import (
    MOST_DAYS,
    KnownPin,
    State,
    merge_states,
    state_from_json,
    state_to_json,
    time_after,
)
from warmbase.publish.journal import format_time, parse_time

DATA = "data:py3.13-trixie"
AMD64, ARM64 = "linux/amd64", "linux/arm64"

DEBIAN = DebianPin(
    suite="trixie",
    platform=AMD64,
    epoch=1793491200,
    archives=(ArchiveState(suite="trixie", date="2026-11-01T00:00:00Z", sha256="a" * 64),),
    packages=(("libc6", "2.41-12"), ("python3", "3.13.5-1")),
)
IMAGE = replace(IMAGE_PIN, platform=ARM64)
MANAGED = ManagedPin(base=DEBIAN, python="3.14.1", archive="cpython.tar.zst", sha256="c" * 64)

FULL = State(
    variants={
        DATA: VariantState(
            time="2026-11-21T02:00:00Z",
            digest=f"sha256:{'d' * 64}",
            entry="data-py3.13-trixie-20261121T020000Z-0123456789ab",
            facts="f",
            tool={"uv": "0.13.8"},
            packages="p",
            pins="q",
            taken={"packages": "2026-11-16T02:00:00Z"},
            broken=(Broken(package="numpy", version="2.5.6", why="smoke.py", since="2026-11-20T02:00:00Z"),),
            held=(Held(subject="numpy", current="2.5.5", offered="2.5.6", by="broken"),),
            failure=Failure(since="a", last="b", count=2, attempt="c", retry="d", message="e"),
            seconds=12.5,
        ),
        "web:py3.13-trixie": VariantState(time="2026-11-20T02:00:00Z"),
    },
    pins={
        ("trixie", AMD64, "3.13"): KnownPin(time="2026-11-21T02:00:00Z", pin=DEBIAN),
        ("slim", ARM64, "3.13"): KnownPin(time="2026-11-20T02:00:00Z", pin=IMAGE),
        ("managed", AMD64, "3.14"): KnownPin(time="2026-11-20T02:00:00Z", pin=MANAGED),
    },
    nights=(NightSummary(began="2026-11-21T02:00:00Z", counts={"fresh": 12}, sent=5, seconds=0.5),),
    records=frozenset(["state-20261120T020000Z-0123456789ab"]),
)


def test_a_state_is_read_back_as_it_was_written() -> None:
    document = json.loads(json.dumps(state_to_json(FULL)))
    assert state_from_json(document) == FULL


@pytest.mark.parametrize(
    "change",
    [{"format": 2}, {"variants": []}, {"variants": {DATA: {"place": "?"}}}, {"pins": {"x": {}}}, {"found": {}}],
)
def test_what_is_no_state_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"not what a night knows|format 2|unpack"):
        state_from_json({**state_to_json(FULL), **change})


def variant(time: str, digest: str) -> State:
    return State(variants={DATA: VariantState(time=f"2026-11-{time}T02:00:00Z", digest=digest)})


def pinned(time: str, epoch: int) -> State:
    known = KnownPin(time=f"2026-11-{time}T02:00:00Z", pin=replace(DEBIAN, epoch=epoch))
    return State(pins={("trixie", AMD64, "3.13"): known})


def night(day: str, sent: int = 0) -> State:
    return State(nights=(NightSummary(began=f"2026-11-{day}T02:00:00Z", sent=sent),), records=frozenset([day]))


SOME = [variant("20", "a"), variant("21", "b"), variant("21", "c"), pinned("20", 1), pinned("21", 2), pinned("21", 3),
        night("20"), night("21", 1), night("21", 2), FULL]  # fmt: skip


@given(st.permutations(SOME), st.integers(1, len(SOME) - 1))
def test_the_order_in_which_states_are_merged_does_not_matter(states: Sequence[State], split: int) -> None:
    expected = merge_states(*SOME)
    assert merge_states(*states) == expected
    assert merge_states(merge_states(*states[:split]), merge_states(*states[split:])) == expected
    assert merge_states(expected, *states) == expected, "what is known already changes nothing"


def test_what_was_true_last_counts() -> None:
    assert merge_states(variant("21", "b"), variant("20", "a")).variants[DATA].digest == "b"
    merged = merge_states(pinned("20", 9), pinned("21", 2))
    assert merged.pins["trixie", AMD64, "3.13"].pin == replace(DEBIAN, epoch=2)


def test_variants_that_several_machines_refreshed_are_all_known() -> None:
    web = State(variants={"web:py3.13": VariantState(time="2026-11-21T02:10:00Z", digest="w")})
    merged = merge_states(variant("21", "b"), web)
    assert {name: each.digest for name, each in merged.variants.items()} == {DATA: "b", "web:py3.13": "w"}


def test_the_nights_of_the_last_days_are_known_of_all_machines() -> None:
    def nights(machine: int) -> State:
        moments = [DAY + timedelta(days=day, minutes=machine) for day in range(40)]
        return State(nights=tuple(NightSummary(began=format_time(moment), sent=machine) for moment in moments))

    kept = merge_states(nights(0), nights(1), nights(2)).nights
    assert len(kept) == 3 * MOST_DAYS
    assert [each.sent for each in kept[:3]] == [0, 1, 2]
    assert kept[0].began == format_time(DAY + timedelta(days=10))


@given(st.integers(-(10**6), 10**6))
def test_what_is_found_out_now_is_newer_than_what_was_known_whatever_the_clock_says(seconds: int) -> None:
    before = format_time(DAY + timedelta(seconds=seconds))
    after = time_after(before, DAY)
    assert after > before
    assert parse_time(after) >= DAY
    old, new = VariantState(time=before, digest="old"), VariantState(time=after, digest="new")
    assert merge_states(State(variants={DATA: new}), State(variants={DATA: old})).variants[DATA] == new


def test_what_was_never_known_has_the_time_at_which_it_is_found_out() -> None:
    assert time_after("", DAY) == format_time(DAY)


def test_a_copy_with_news_that_are_in_no_record_says_so_and_so_does_what_is_merged_with_it() -> None:
    unsent = replace(FULL, unsent=True)
    assert state_from_json(state_to_json(unsent)) == unsent
    assert merge_states(State(), unsent, FULL).unsent
    assert "unsent" not in state_to_json(FULL)
