"""What time it is, also where the environment says so."""

from datetime import UTC, datetime, timedelta

import pytest

from warmbase.effects.clock import find_clock


def test_the_clock_stands_still_where_the_environment_says_so() -> None:
    clock = find_clock({"SOURCE_DATE_EPOCH": "1795262400"})
    assert clock() == clock() == datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.mark.parametrize("environment", [{}, {"SOURCE_DATE_EPOCH": ""}])
def test_else_it_is_the_machines(environment: dict[str, str]) -> None:
    before = datetime.now(UTC)
    assert timedelta() <= find_clock(environment)() - before < timedelta(minutes=5)


def test_a_time_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="yesterday"):
        find_clock({"SOURCE_DATE_EPOCH": "yesterday"})
