"""How long what a base stands on is looked after: its Python, and its system. Pure.

A base ends when the first of the two does: from then on nobody repairs what is found in it. Debian counts until the end
of its long term support (wiki.debian.org/LTS), which comes through the same archives; Ubuntu until the end of standard
support (distro-info-data); Alpine by alpinelinux.org/releases. Of what is not listed nobody knows.
"""

import calendar
from collections.abc import Mapping
from datetime import date

from warmbase.downstream.listing import Base

SYSTEMS: Mapping[str, date] = {
    "debian 10": date(2024, 6, 30),
    "debian 11": date(2026, 8, 31),
    "debian 12": date(2028, 6, 30),
    "debian 13": date(2030, 6, 30),
    "ubuntu 20.04": date(2025, 5, 29),
    "ubuntu 22.04": date(2027, 6, 1),
    "ubuntu 24.04": date(2029, 5, 31),
    "ubuntu 26.04": date(2031, 5, 29),
    "alpine 3.20": date(2026, 4, 1),
    "alpine 3.21": date(2026, 11, 1),
    "alpine 3.22": date(2027, 5, 1),
    "alpine 3.23": date(2027, 11, 1),
}
"""The last day of each system, by its ID and the beginning of its VERSION_ID (os-release(5))."""

_FIRST_YEARLY = 9  # 3.9 came in October 2020, and each minor version a year after the one before (PEP 602)
_LAST_YEAR_OF_3_9 = 2025  # five years later, at the end of October
_LONGEST_MINOR = 3  # more is no version that there will be
_SOON = 180  # days


def python_ends(python: str) -> date | None:
    """The last day of a version of Python, "3.13" or "3.13.9"; None where that is not known."""
    major, minor = [*python.split("."), ""][:2]
    if major != "3" or not minor.isdecimal() or len(minor) > _LONGEST_MINOR or int(minor) < _FIRST_YEARLY:
        return None
    return date(_LAST_YEAR_OF_3_9 + int(minor) - _FIRST_YEARLY, 10, 31)


def system_ends(system: str) -> date | None:
    """The last day of a system, "debian 13" or "alpine 3.22.1"; None where that is not known."""
    return next((end for name, end in SYSTEMS.items() if f"{system}.".startswith(f"{name}.")), None)


def end_of_life(base: Base) -> date | None:
    """The last day on which both the Python and the system of a base are looked after; None where it is not known."""
    ends = [python_ends(base.offer.python), *(system_ends(each.system) for each in base.offer.platforms)]
    return min((end for end in ends if end), default=None)


def is_past(base: Base, today: date) -> bool:
    """Whether a base is past its end of life."""
    end = end_of_life(base)
    return end is not None and end < today


def ending(base: Base, today: date) -> str:
    """What there is to say of a base's end: "past its end of life since 2025-10-31 (Python 3.9)", "ends in 3 months
    (debian 11)"; "" where it is far off, or not known."""
    end = end_of_life(base)
    if end is None or (end - today).days > _SOON:
        return ""
    if end < today:
        return f"past its end of life since {end} ({first_to_end(base)})"
    return f"ends {_how_soon(end, today)} ({first_to_end(base)})"


def first_to_end(base: Base) -> str:
    """What of a base ends with it: "Python 3.9", "debian 11"; "" where that is not known."""
    causes = {f"Python {base.offer.python}": python_ends(base.offer.python)}
    causes |= {each.system: system_ends(each.system) for each in base.offer.platforms}
    end = end_of_life(base)
    return next((name for name, last in causes.items() if end and last == end), "")


def _how_soon(end: date, today: date) -> str:
    months = (end.year - today.year) * 12 + end.month - today.month
    if end.day < today.day and end.day < calendar.monthrange(end.year, end.month)[1]:
        months -= 1
    if months >= 1:
        return f"in {months} month{'s' if months > 1 else ''}"
    days = (end - today).days
    return {0: "today", 1: "tomorrow"}.get(days, f"in {days} days")
