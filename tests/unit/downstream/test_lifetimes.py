"""A base ends when its Python or its system does, whichever is first."""

from datetime import date

import pytest
from tests.offered import base

from warmbase.downstream.lifetimes import end_of_life, ending, is_past, python_ends, system_ends


@pytest.mark.parametrize(
    ("python", "end"),
    [
        ("3.9", date(2025, 10, 31)),
        ("3.13", date(2029, 10, 31)),
        ("3.13.9", date(2029, 10, 31)),
        ("3.8", None),
        ("2.7", None),
        ("", None),
    ],
)
def test_a_python_is_looked_after_for_five_years(python: str, end: date | None) -> None:
    assert python_ends(python) == end


@pytest.mark.parametrize(
    ("system", "end"),
    [
        ("debian 12", date(2028, 6, 30)),
        ("alpine 3.22.1", date(2027, 5, 1)),
        ("alpine 3.2", None),
        ("debian", None),
        ("", None),
    ],
)
def test_a_system_is_known_by_its_name_and_version(system: str, end: date | None) -> None:
    assert system_ends(system) == end


def test_the_first_end_counts() -> None:
    assert end_of_life(base("data:py3.11-trixie")) == date(2027, 10, 31), "its Python's"
    assert end_of_life(base("data:py3.14-bookworm")) == date(2028, 6, 30), "its system's"
    assert end_of_life(base("data:py3.15-plan9")) == date(2031, 10, 31)


@pytest.mark.parametrize(
    ("today", "words"),
    [
        (date(2027, 4, 1), ""),
        (date(2027, 7, 31), "ends in 3 months (Python 3.11)"),
        (date(2027, 9, 1), "ends in 1 month (Python 3.11)"),
        (date(2027, 10, 11), "ends in 20 days (Python 3.11)"),
        (date(2027, 10, 30), "ends tomorrow (Python 3.11)"),
        (date(2027, 10, 31), "ends today (Python 3.11)"),
        (date(2027, 11, 1), "past its end of life since 2027-10-31 (Python 3.11)"),
    ],
)
def test_an_end_is_said_in_words_when_it_comes_near(today: date, words: str) -> None:
    old = base("data:py3.11-trixie")
    assert ending(old, today) == words
    assert is_past(old, today) == words.startswith("past")


def test_of_what_is_not_known_nothing_is_said() -> None:
    unknown = base("data:py2.7-plan9")
    assert end_of_life(unknown) is None
    assert (ending(unknown, date(2040, 1, 1)), is_past(unknown, date(2040, 1, 1))) == ("", False)
