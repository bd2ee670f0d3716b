"""The words that choosing and finding use."""

from datetime import UTC, datetime

import pytest

from warmbase.downstream.pythons import admits_python, is_python_request
from warmbase.downstream.words import count, in_columns, join_words, spell_age, spell_specifier

NOW = datetime(2026, 11, 22, 9, tzinfo=UTC)


@pytest.mark.parametrize(
    ("words", "most", "text"),
    [
        ([], 0, ""),
        (["a"], 0, "a"),
        (["a", "b"], 0, "a and b"),
        (["a", "b", "c"], 3, "a, b and c"),
        (["a", "b", "c", "d"], 2, "a, b and 2 more"),
    ],
)
def test_a_list_is_joined_as_people_say_it(words: list[str], most: int, text: str) -> None:
    assert join_words(words, most=most) == text


def test_things_are_counted_in_one_or_in_many() -> None:
    assert [count(number, "package") for number in (0, 1, 2)] == ["0 packages", "1 package", "2 packages"]


@pytest.mark.parametrize(
    ("specifier", "text"),
    [
        (">=3.12", "≥ 3.12"),
        (">=3.12,<3.14", "≥ 3.12, < 3.14"),
        ("==3.12.*", "3.12"),
        ("~=3.12.0, !=3.12.3", "~= 3.12.0, ≠ 3.12.3"),
        ("3.12", "3.12"),
        ("", ""),
    ],
)
def test_a_specifier_is_spelled_for_people(specifier: str, text: str) -> None:
    assert spell_specifier(specifier) == text


@pytest.mark.parametrize(
    ("time", "age"),
    [
        ("2026-11-22T02:00:00Z", "today"),
        ("2026-11-23T02:00:00Z", "today"),
        ("2026-11-21T23:00:00Z", "yesterday"),
        ("2026-11-19T02:00:00Z", "3 days ago"),
        ("2026-08-20T02:00:00Z", "3 months ago"),
        ("2023-11-20T02:00:00Z", "3 years ago"),
        ("once upon a time", ""),
    ],
)
def test_an_age_is_said_in_the_unit_that_fits(time: str, age: str) -> None:
    assert spell_age(time, NOW) == age


def test_columns_are_as_wide_as_what_is_in_them_and_no_line_ends_in_spaces() -> None:
    assert in_columns(("a", "long"), [("bcd", ""), ("e", "f")]) == ["a    long", "bcd", "e    f"]


@pytest.mark.parametrize(
    "request_text", ["", "3.13", "3.13.9", "cpython@3.13", "python3.13", ">=3.12,<3.14", "./python"]
)
def test_a_python_that_is_asked_for_is_admitted(request_text: str) -> None:
    assert admits_python(request_text, "3.13.9")


@pytest.mark.parametrize("request_text", ["3.12", "3.13.2", "3.1", "pypy@3.13", "3.13t", "3.13+freethreaded", "<3.13"])
def test_another_python_is_not(request_text: str) -> None:
    assert not admits_python(request_text, "3.13.9")


def test_what_is_no_request_for_a_python_is_known() -> None:
    assert [text for text in ("3.13", ">=3.12", "", "three", "3.x") if not is_python_request(text)] == ["three", "3.x"]
