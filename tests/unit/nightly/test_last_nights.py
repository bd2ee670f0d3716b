"""The picture of the last thirty nights: every night is seen in it, by whoever looks and whoever listens."""

import re
from dataclasses import replace

import pytest
from tests.markup import read_page
from tests.reports import busy_night

from warmbase.nightly.model import NightSummary
from warmbase.nightly.report.lastnights import NIGHTS, last_nights, merge_runs
from warmbase.nightly.report.markdown import night_to_markdown
from warmbase.nightly.report.page import night_to_page
from warmbase.nightly.report.picture import band_heights


def test_the_picture_shows_one_failure_among_five_hundred() -> None:
    heights = band_heights({"failed": 1, "fresh": 499})
    assert heights["failed"] >= 4
    assert sum(heights.values()) == pytest.approx(sum(band_heights({"fresh": 500}).values()))


def test_the_picture_has_the_last_thirty_nights_with_this_one() -> None:
    night = busy_night()
    many = tuple(NightSummary(began=f"2026-10-{1 + number % 28:02}T02:00:00Z") for number in range(40))
    shown = last_nights(replace(night, before=many))
    assert len(shown) == NIGHTS
    assert shown[-1].counts == {"failed": 1, "refreshed": 3, "held": 1, "waiting": 1, "left": 1, "fresh": 1}
    page = read_page(night_to_page(replace(night, before=many)))
    assert page.elements["g"] == NIGHTS


def test_machines_that_shared_a_night_are_one_column_of_the_picture() -> None:
    def part(number: int, **counts: int) -> NightSummary:
        return NightSummary(began=f"2026-11-20T02:0{number}:00Z", counts=counts, sent=10, seconds=60, variants=500)

    parts = [part(number, fresh=400, held=4, refreshed=20 + number, failed=int(number == 3)) for number in range(4)]
    night = replace(busy_night(), before=tuple(parts))
    merged = {"refreshed": 86, "failed": 1, "held": 4, "fresh": 409}
    assert [(one.began, one.counts, one.sent, one.seconds) for one in last_nights(night)[:-1]] == [
        ("2026-11-20T02:00:00Z", merged, 40, 240)
    ]


def test_a_second_run_of_a_night_does_not_count_its_variants_twice() -> None:
    first = NightSummary(began="2026-11-20T02:00:00Z", counts={"refreshed": 3, "fresh": 9})
    again = NightSummary(began="2026-11-20T12:00:00Z", counts={"fresh": 12})
    assert merge_runs([first, again]).counts == {"refreshed": 3, "fresh": 9}


def test_the_picture_of_a_month_shared_by_many_machines_is_of_a_month() -> None:
    runs = tuple(
        NightSummary(began=f"2026-11-{day:02}T02:{machine:02}:00Z", counts={"fresh": 2})
        for day in range(1, 21)
        for machine in range(10)
    )
    assert [one.began[8:10] for one in last_nights(replace(busy_night(), before=runs))] == [
        f"{day:02}" for day in range(1, 22)
    ]


def test_a_night_of_which_nothing_is_recorded_keeps_its_place() -> None:
    before = (NightSummary(began="2026-11-18T02:00:00Z", counts={"refreshed": 1}),)
    night = replace(busy_night(), before=before)
    assert [(one.began[:10], bool(one.counts)) for one in last_nights(night)] == [
        ("2026-11-18", True),
        ("2026-11-19", False),
        ("2026-11-20", False),
        ("2026-11-21", True),
    ]
    assert '<th scope="row">2026-11-19' not in night_to_page(night)
    assert "2026-11-19: nothing is recorded" in read_page(night_to_page(night)).text("title")
    assert "🟦⬜⬜🟥" in night_to_markdown(night)


def test_whoever_cannot_see_the_picture_gets_a_table() -> None:
    text = night_to_page(busy_night())
    night = last_nights(busy_night())[-1]
    assert re.search(
        rf'<th scope="row">{night.began[:10]}</th><td>2</td><td>1</td><td>3</td><td>1</td><td>1</td>', text
    )


# Files and words
