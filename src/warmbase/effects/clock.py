"""What time it is."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime


def find_clock(environment: Mapping[str, str]) -> Callable[[], datetime]:
    """The machine's clock, or one that stands still at SOURCE_DATE_EPOCH (reproducible-builds.org) if that is set.

    Raises ValueError if the variable is no number of seconds.
    """
    fixed = environment.get("SOURCE_DATE_EPOCH", "")
    if fixed:
        moment = datetime.fromtimestamp(int(fixed), UTC)
        return lambda: moment
    return lambda: datetime.now(UTC)
