"""When a request is made again, and after how long: exponential backoff with jitter, and what Retry-After says.

A registry is never asked before the time it names. Where that is too far away, the run ends at once and says when.
"""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from warmbase.errors import RegistryError

_EPOCH = 1e9
"""A Retry-After above this is no number of seconds but a time since 1970, as some registries send it."""
_YEAR = 366 * 86400
"""No registry means to ask for so long a pause."""
_AGAIN = "run the command again when the registry is well; what it has already is not sent again"


class Interrupted(Exception):
    """A request failed in a way that may pass: the connection broke, or the answer was 429 or 5xx."""

    def __init__(self, reason: str, *, status: int = 0, retry_after: str = "", next_step: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.status = status
        self.retry_after = retry_after
        self.next_step = next_step


@dataclass(frozen=True, kw_only=True, slots=True)
class Backoff:
    """How often something is tried, and the seconds between: `first`, twice as many each time, never over `longest`.

    Where the registry asks for a pause, it gets that, as long as pauses like it come to no more than `patience` in all;
    otherwise the run ends. The effects can be replaced, so that tests wait for nothing.
    """

    attempts: int = 6
    first: float = 0.5
    longest: float = 60.0
    patience: float = 300.0
    sleep: Callable[[float], None] = time.sleep
    jitter: Callable[[float, float], float] = random.uniform
    now: Callable[[], float] = time.time

    def pause(self, failures: int, cause: Interrupted, doing: str) -> None:
        """Wait after so many `failures` in a row; raises RegistryError where there have been enough of them."""
        now = self.now()
        asked = read_retry_after(cause.retry_after, now)
        if asked is not None and asked * failures > self.patience:
            again = f"{datetime.fromtimestamp(now + asked + 60, UTC):%Y-%m-%d %H:%M} UTC"  # the minute is rounded up
            raise RegistryError(
                f"{doing}: {cause.reason} and asks for a pause of {asked:.0f} s",
                next_step=f"run the command again after {again}; what it has already is not sent again",
                status=cause.status,
            )
        if failures >= self.attempts:
            raise RegistryError(
                f"{doing}: {cause.reason}; tried {failures} times",
                next_step=cause.next_step or _AGAIN,
                status=cause.status,
            )
        if asked is None:
            delay = min(self.first * 2 ** (failures - 1), self.longest)
            self.sleep(self.jitter(delay / 2, delay))
        else:  # never earlier than asked, and not all waiting clients at one moment
            self.sleep(self.jitter(asked, asked + self.first))


def passes(status: int) -> bool:
    """Whether an HTTP status says that the same request may succeed later."""
    return status in (408, 429) or (status >= 500 and status not in (501, 505))


def read_retry_after(value: str, now: float) -> float | None:
    """The seconds to wait by a Retry-After header; None where it says nothing.

    It holds seconds or a date (RFC 9110, section 10.2.3), and in some registries a time since 1970.
    """
    try:
        number = float(value)
    except ValueError:
        try:
            return max(0.0, parsedate_to_datetime(value).timestamp() - now)
        except ValueError:
            return None
    seconds = number - now if number > _EPOCH else number
    return max(0.0, seconds) if seconds < _YEAR else None  # not NaN either
