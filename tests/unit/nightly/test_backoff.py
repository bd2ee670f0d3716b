from datetime import UTC, datetime, timedelta

import pytest

from warmbase.nightly.backoff import is_waiting, record_failure
from warmbase.nightly.model import Failure

NIGHT = datetime(2026, 11, 21, 2, tzinfo=UTC)


def fail(times: int) -> Failure:
    """A variant that failed so often with the same, each time when it was tried again."""
    failure, now = None, NIGHT
    for _ in range(times):
        failure = record_failure(failure, attempt="same", message="no", now=now)
        now = datetime.fromisoformat(failure.retry)
    assert failure
    return failure


def nights_waited(failure: Failure) -> int:
    """How many nights pass without a try after the last one."""
    last = datetime.fromisoformat(failure.last)
    nights = (last + timedelta(days=day) for day in range(1, 30))
    return next(number for number, night in enumerate(nights) if not is_waiting(failure, attempt="same", now=night))


@pytest.mark.parametrize(("times", "waited"), [(1, 0), (2, 1), (3, 3), (4, 6), (5, 6), (12, 6)])
def test_the_same_is_tried_the_next_night_and_then_ever_more_seldom(times: int, waited: int) -> None:
    assert nights_waited(fail(times)) == waited


def test_something_else_is_tried_at_once() -> None:
    assert not is_waiting(fail(4), attempt="a new release", now=NIGHT)


def test_a_night_that_begins_an_hour_early_tries_too() -> None:
    assert not is_waiting(fail(1), attempt="same", now=NIGHT + timedelta(hours=23))


def test_a_failure_says_since_when_and_how_often() -> None:
    failure = fail(3)
    assert (failure.since, failure.count) == ("2026-11-21T02:00:00Z", 3)
    assert failure.last > failure.since


def test_what_to_do_about_it_is_kept_with_a_failure() -> None:
    failure = record_failure(None, attempt="same", message="no", now=NIGHT, next_step="loosen it")
    assert failure.next_step == "loosen it"


def test_another_failure_of_a_variant_that_never_was_well_between_counts_on() -> None:
    failure = record_failure(fail(2), attempt="other", message="no again", now=NIGHT + timedelta(days=5))
    assert (failure.since, failure.count, failure.attempt) == ("2026-11-21T02:00:00Z", 3, "other")


def test_who_never_failed_does_not_wait() -> None:
    assert not is_waiting(None, attempt="same", now=NIGHT)
