"""What a case measures and what comes of it."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass


class BenchError(Exception):
    """A case could not be measured; the message says why."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One line of the result.

    `value` is the median of `n` measurements in `unit`; `ratio` compares it with the rival or with the limit in
    `target`; `met` is None where nothing could be measured. `cpu` is the median of the CPU seconds, which drift less
    than wall time does on a busy machine. `note` says what was compared with what, and which caches were warm.
    `others` is how many cores other programs of the machine used meanwhile.
    """

    case: str
    target: str
    value: float | None = None
    unit: str = "s"
    ratio: float | None = None
    met: bool | None = None
    n: int = 0
    cpu: float | None = None
    note: str = ""
    others: float = 0.0

    @property
    def measured(self) -> str:
        """The value as people read it."""
        return "-" if self.value is None else f"{in_unit(self.value, self.unit)}"


def in_unit(value: float, unit: str) -> str:
    """A value with its unit, in three digits: (0.0263, "s") → "26 ms"."""
    if unit == "s":
        return f"{value * 1000:.0f} ms" if value < 1 else f"{value:.2f} s"
    if unit == "B":
        return f"{value / 1e6:.1f} MB" if value >= 1e6 else f"{value / 1e3:.1f} kB"
    return f"{value:.2f} {unit}".rstrip()


@dataclass(frozen=True, kw_only=True, slots=True)
class Took:
    """The wall and CPU seconds of something."""

    seconds: float
    cpu: float


def median_of(took: Sequence[Took]) -> Took:
    """The medians of both."""
    return Took(seconds=statistics.median(t.seconds for t in took), cpu=statistics.median(t.cpu for t in took))


def time_row(case: str, took: Sequence[Took], most: float, note: str = "") -> Row:
    """The row of something that may take at most `most` seconds."""
    median = median_of(took)
    return Row(
        case=case,
        target=f"≤ {in_unit(most, 's')}",
        value=median.seconds,
        ratio=median.seconds / most,
        met=median.seconds <= most,
        n=len(took),
        cpu=median.cpu,
        note=note,
    )


def size_row(case: str, sizes: Sequence[float], most: float, note: str = "") -> Row:
    """The row of something that may have at most `most` bytes."""
    size = statistics.median(sizes)
    return Row(
        case=case,
        target=f"≤ {in_unit(most, 'B')}",
        value=size,
        unit="B",
        ratio=size / most,
        met=size <= most,
        n=len(sizes),
        note=note,
    )


def rival_row(case: str, took: Sequence[Took], rival: Sequence[Took], most: float, rival_name: str, note: str) -> Row:
    """The row of something that may take at most `most` times what its rival takes."""
    ours, other = median_of(took), median_of(rival)
    return Row(
        case=case,
        target=f"≤ {most:g} × {rival_name}",
        value=ours.seconds,
        ratio=ours.seconds / other.seconds,
        met=ours.seconds <= most * other.seconds,
        n=len(took),
        cpu=ours.cpu,
        note=f"{rival_name}: {in_unit(other.seconds, 's')}, {other.cpu:.2f} CPU s; {note}",
    )
