"""Sharing out a run's work: all machines come to the same parts, and each part costs about the same."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.publishing import describe_variant

from warmbase.catalog.model import Variant
from warmbase.errors import SelectionError
from warmbase.nightly.shards import (
    LONGEST,
    Shard,
    cut_offs,
    estimate_costs,
    find_shard,
    own_part,
    part_of_any,
    split_by_cost,
)


def variant(image: str, made_from: Variant | None = None) -> Variant:
    return replace(describe_variant(image), made_from=made_from)


def names(part: tuple[Variant, ...]) -> list[str]:
    return [variant.image for variant in part]


VARIANTS = tuple(variant(image) for image in "abcdefgh")
DATA = variant("data")
NOTEBOOK = variant("notebook", DATA)
LAB = variant("lab", NOTEBOOK)


def costs(**seconds: float) -> dict[str, float]:
    return {f"{image}:py3.13-trixie": cost for image, cost in seconds.items()}


@given(st.lists(st.floats(min_value=0, max_value=1e6), min_size=8, max_size=8), st.integers(1, 10))
def test_every_variant_is_in_exactly_one_part(seconds: list[float], count: int) -> None:
    parts = split_by_cost(VARIANTS, dict(zip((v.name for v in VARIANTS), seconds, strict=True)), count)
    assert len(parts) == count
    assert sorted(names(tuple(variant for part in parts for variant in part))) == list("abcdefgh")


def test_the_costliest_variants_are_spread_and_each_part_keeps_the_catalogs_order() -> None:
    seconds = costs(a=10, b=100, c=20, d=90, e=30, f=30, g=10, h=10)
    parts = split_by_cost(VARIANTS, seconds, 2)
    assert [sum(seconds[variant.name] for variant in part) for part in parts] == [150, 150]
    assert [names(part) for part in parts] == [["a", "b", "f", "g"], ["c", "d", "e", "h"]]


@given(st.permutations(VARIANTS))
def test_the_parts_do_not_depend_on_the_order_of_what_is_shared_out(variants: list[Variant]) -> None:
    seconds = costs(a=5, b=5, c=5, d=5, e=1, f=1, g=1, h=1)
    parts = [frozenset(names(part)) for part in split_by_cost(variants, seconds, 3)]
    assert parts == [frozenset(names(part)) for part in split_by_cost(VARIANTS, seconds, 3)]


def test_an_image_stays_with_all_that_it_is_made_from() -> None:
    seconds = costs(data=1, notebook=1, lab=1, a=3)
    parts = split_by_cost((DATA, VARIANTS[0], NOTEBOOK, LAB), seconds, 2)
    assert [names(part) for part in parts] == [["a"], ["data", "notebook", "lab"]]
    assert names(split_by_cost((LAB, NOTEBOOK), seconds, 2)[0]) == ["lab", "notebook"], "though data is not chosen"


def test_there_may_be_more_machines_than_work() -> None:
    parts = split_by_cost(VARIANTS[:2], costs(a=1, b=1), 4)
    assert [names(part) for part in parts] == [["a"], ["b"], [], []]


def test_a_part_is_the_same_for_whoever_asks() -> None:
    seconds = costs(a=5, b=4, c=3, d=2, e=1, f=1, g=1, h=1)
    parts = [own_part(VARIANTS, seconds, Shard(index=index, count=3)) for index in (1, 2, 3)]
    assert tuple(parts) == split_by_cost(VARIANTS, seconds, 3)


def test_what_was_never_built_is_expected_to_cost_what_others_do() -> None:
    sibling = replace(VARIANTS[0], python="3.12")
    known = {VARIANTS[0].name: 100.0, VARIANTS[1].name: 10.0, VARIANTS[2].name: 20.0}
    expected = estimate_costs((*VARIANTS[:4], sibling), known)
    assert expected[sibling.name] == 100, "as the same image on another Python"
    assert expected[VARIANTS[3].name] == 20, "as the catalog's images in the middle"
    assert set(estimate_costs(VARIANTS, {}).values()) == {1.0}


def test_a_build_of_no_time_is_not_known_to_be_free() -> None:
    assert estimate_costs(VARIANTS[:1], {VARIANTS[0].name: 0.0})[VARIANTS[0].name] > 0


EDGE = datetime(2026, 11, 21, 12, tzinfo=UTC)
HOURS = st.timedeltas(timedelta(), LONGEST - timedelta(seconds=1))
SECONDS = st.lists(st.integers(1, 99), min_size=16, max_size=16)


@given(HOURS, HOURS, SECONDS)
def test_whenever_the_machines_of_a_run_begin_nothing_is_in_nobodys_part(
    before: timedelta, later: timedelta, seconds: list[int]
) -> None:
    """The journal has other seconds for each week; the last machine may begin in another week than the first."""
    began = EDGE - before

    def part(index: int, when: datetime) -> tuple[Variant, ...]:
        weeks = [seconds[:8] if time <= began else seconds[8:] for time in cut_offs(when)]
        views = [dict(zip((v.name for v in VARIANTS), week, strict=True)) for week in weeks]
        return part_of_any(VARIANTS, views, Shard(index=index, count=2))

    both = {*names(part(1, began)), *names(part(2, began + later))}
    assert both == set("abcdefgh")


@given(st.datetimes(EDGE.replace(tzinfo=None), timezones=st.just(UTC)))
def test_on_most_days_all_machines_go_by_one_time(now: datetime) -> None:
    times = cut_offs(now)
    assert all(time <= now and (time.weekday(), time.hour) == (5, 12) for time in times)
    assert len(times) == (2 if now - times[0] < LONGEST else 1)
    assert cut_offs(times[0] - timedelta(seconds=1)) == (times[0] - timedelta(weeks=1),)


@pytest.mark.parametrize(
    ("text", "environment", "shard"),
    [
        ("2/5", {"CI_NODE_INDEX": "1", "CI_NODE_TOTAL": "2"}, "2/5"),
        ("", {"CI_NODE_INDEX": "3", "CI_NODE_TOTAL": "4"}, "3/4"),
        ("", {"JOB_COMPLETION_INDEX": "0", "WARMBASE_SHARDS": "4"}, "1/4"),
        ("", {"JOB_COMPLETION_INDEX": "3", "WARMBASE_SHARDS": "4"}, "4/4"),
        ("", {"CI_NODE_TOTAL": "1"}, "None"),
        ("", {"WARMBASE_SHARDS": "4"}, "None"),
    ],
)
def test_a_part_is_told_by_the_command_line_or_the_environment(
    text: str, environment: dict[str, str], shard: str
) -> None:
    assert str(find_shard(text, environment)) == shard


@pytest.mark.parametrize("text", ["0/5", "6/5", "1/0", "5", "a/b", "-1/5", "1/5/9", "1/999999"])
def test_what_is_no_part_is_refused_with_what_to_write(text: str) -> None:
    with pytest.raises(SelectionError) as refused:
        find_shard(text, {})
    assert refused.value.next_step


@pytest.mark.parametrize(
    "environment",
    [
        {"JOB_COMPLETION_INDEX": "1"},
        {"JOB_COMPLETION_INDEX": "x", "WARMBASE_SHARDS": "4"},
        {"JOB_COMPLETION_INDEX": "4", "WARMBASE_SHARDS": "4"},
    ],
)
def test_a_kubernetes_job_that_does_not_say_how_many_there_are_is_refused(environment: dict[str, str]) -> None:
    with pytest.raises(SelectionError):
        find_shard("", environment)
