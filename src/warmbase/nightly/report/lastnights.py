"""The last nights in numbers, a day each. Pure.

Several machines may share a night, and each has a summary of its own part: what was done is added up, and what all of
them saw (what is fresh, say) counts once. A day of which nothing is known has a summary without counts: a quiet night
on a machine that is gone since leaves no record, as it publishes nothing, and neither does a day without a night.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, time, timedelta

from warmbase.nightly.model import Night, NightSummary
from warmbase.nightly.report.reading import summarize
from warmbase.publish.journal import format_time, parse_time

NIGHTS = 30
"""How many nights the picture has."""

_DONE = ("refreshed", "failed", "left")
"""What a machine says of its own part alone."""
_SEEN = ("held", "waiting")


def last_nights(night: Night) -> tuple[NightSummary, ...]:
    """The nights of the picture up to this one, the oldest first; they begin with the first of which something is
    known."""
    runs: dict[str, list[NightSummary]] = {}
    for run in (*night.before, summarize(night)):
        runs.setdefault(run.began[:10], []).append(run)
    last = parse_time(night.began)
    days = [(last - timedelta(days=back)).date() for back in reversed(range(NIGHTS))]
    shown = [(day, runs.get(day.isoformat(), [])) for day in days]
    first = next(number for number, (_, own) in enumerate(shown) if own)
    return tuple(
        merge_runs(own) if own else NightSummary(began=format_time(datetime.combine(day, time(), UTC)))
        for day, own in shown[first:]
    )


def merge_runs(runs: Sequence[NightSummary]) -> NightSummary:
    """What the runs of one night come to together; at least one is given. It is as long as all of them worked."""
    counts = Counter({status: sum(run.counts.get(status, 0) for run in runs) for status in _DONE})
    counts.update({status: max(run.counts.get(status, 0) for run in runs) for status in _SEEN})
    total = max(run.variants or sum(run.counts.values()) for run in runs)
    counts["fresh"] = max(0, total - counts.total())
    return NightSummary(
        began=min(run.began for run in runs),
        counts=_there(counts.items()),
        sent=sum(run.sent for run in runs),
        seconds=sum(run.seconds for run in runs),
        variants=max(total, counts.total()),
    )


def _there(counts: Iterable[tuple[str, int]]) -> dict[str, int]:
    return {status: count for status, count in counts if count}
