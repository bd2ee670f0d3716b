"""How often what is newer is taken, how old it must be, and what is held back: `refresh`, `cooldown` and `pins`.

`weekly` is the first night on or after Monday, `monthly` the first one of a month, in UTC: something is due when it was
last taken before the period began that is now. So a night that did not run is made up for by the next.
"""

from datetime import UTC, datetime, time, timedelta

from warmbase.catalog.model import HowOften, PackagePin


def is_due(every: HowOften, *, taken: datetime | None, now: datetime) -> bool:
    """Whether what was last `taken` then (None: never) is to be taken now."""
    if every == "never":
        return False
    return every == "nightly" or taken is None or taken < _period(every, now)


def next_due(every: HowOften, now: datetime) -> datetime | None:
    """When the next period begins; None for `never`."""
    if every == "never":
        return None
    longest = {"nightly": 1, "weekly": 7, "monthly": 31}[every]
    return _period(every, _period(every, now) + timedelta(days=longest))


def pin_ends(pin: PackagePin) -> datetime | None:
    """The time from which on a pin does not count; None for one that has no end."""
    return None if pin.until is None else datetime.combine(pin.until + timedelta(days=1), time(), UTC)


def pin_counts(pin: PackagePin, now: datetime) -> bool:
    """Whether a pin counts at the time `now`."""
    ends = pin_ends(pin)
    return ends is None or now < ends


def _period(every: HowOften, now: datetime) -> datetime:
    """When the period began that is now."""
    today = now.astimezone(UTC).date()
    if every == "weekly":
        today -= timedelta(days=today.weekday())
    elif every == "monthly":
        today = today.replace(day=1)
    return datetime.combine(today, time(), UTC)
