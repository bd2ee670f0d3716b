"""When a variant that failed is tried again. Pure.

The same is tried the next night, then after 2, 4 and 7 days, and every 7 days from then on; something else (a new
release, a mended catalog, another foundation) is tried at once. Nights do not begin to the second, so a wait is a few
hours short of its days.
"""

from datetime import datetime, timedelta

from warmbase.nightly.model import Failure
from warmbase.publish.journal import format_time, parse_time

_DAYS = (1, 2, 4, 7)
_SLACK = timedelta(hours=4)


def record_failure(
    previous: Failure | None, *, attempt: str, message: str, now: datetime, next_step: str = ""
) -> Failure:
    """The failure of a variant that failed at `now`, and before that as `previous` says (None: it was well).

    `attempt` is the hash of what was tried, `message` what it failed with, `next_step` what to do about it.
    """
    count = previous.count + 1 if previous else 1
    days = _DAYS[min(count, len(_DAYS)) - 1]
    return Failure(
        since=previous.since if previous else format_time(now),
        last=format_time(now),
        count=count,
        attempt=attempt,
        retry=format_time(now + timedelta(days=days) - _SLACK),
        message=message,
        next_step=next_step,
    )


def is_waiting(failure: Failure | None, *, attempt: str, now: datetime) -> bool:
    """Whether `attempt` is what failed, and not to be tried again yet."""
    return failure is not None and failure.attempt == attempt and now < parse_time(failure.retry)
