"""Markers of a lock's forks, joined for people."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.markers import Marker

from warmbase.downstream.markers import join_markers

FORKS = [
    "python_full_version >= '3.14' and sys_platform == 'win32'",
    "python_full_version >= '3.14' and sys_platform != 'win32'",
    "python_full_version >= '3.12' and python_full_version < '3.14' and sys_platform == 'win32'",
    "python_full_version >= '3.12' and python_full_version < '3.14' and sys_platform != 'win32'",
    "python_full_version < '3.12'",
]


@pytest.mark.parametrize(
    ("markers", "joined"),
    [
        ([], ""),
        (FORKS[:1], FORKS[0]),
        (FORKS[:4], "python_full_version >= '3.12'"),
        (FORKS[2:4], "python_full_version >= '3.12' and python_full_version < '3.14'"),
        (FORKS[2:], "python_full_version < '3.14'"),
        (FORKS[:3:2], f"({FORKS[0]}) or ({FORKS[2]})"),
        (["os_name == 'nt'", FORKS[4]], f"(os_name == 'nt') or ({FORKS[4]})"),
    ],
)
def test_forks_that_say_a_range_of_pythons_become_that_range(markers: list[str], joined: str) -> None:
    assert join_markers(markers) == joined


@given(st.lists(st.sampled_from(FORKS), min_size=1, max_size=5, unique=True))
def test_what_is_joined_holds_where_one_of_them_does(markers: list[str]) -> None:
    joined = Marker(join_markers(markers))
    for python in ("3.11.4", "3.12.0", "3.13.9", "3.14.0", "3.15.1"):
        for system in ("win32", "linux", "darwin"):
            there = {"python_full_version": python, "sys_platform": system}
            assert joined.evaluate(there) == any(Marker(each).evaluate(there) for each in markers)
