"""What a case measures and what comes of it."""

import json
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

BUSY = 0.2
"""From this many cores used by other programs on, a result is marked."""


class BenchError(Exception):
    """A case could not be measured; the message says why."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One line of the result.

    `value` is the median of `n` measurements in `unit`, `rival` that of the program named `against`; `ratio` compares
    it with the rival, and may be `most`, or with the limit in `target`; `met` is None where nothing could be measured.
    `cpu` is the median of the CPU seconds, which drift less than wall time does on a busy machine. `note` says what was
    compared with what, and which caches were warm. `others` is how many cores other programs of the machine used
    meanwhile.
    """

    case: str
    target: str
    value: float | None = None
    unit: str = "s"
    rival: float | None = None
    against: str = ""
    ratio: float | None = None
    most: float | None = None
    met: bool | None = None
    n: int = 0
    cpu: float | None = None
    note: str = ""
    others: float = 0.0

    @property
    def measured(self) -> str:
        """The value as people read it."""
        return "-" if self.value is None else in_unit(self.value, self.unit)

    @property
    def rivals(self) -> str:
        """The rival's value as people read it."""
        return "-" if self.rival is None else in_unit(self.rival, self.unit)

    @property
    def compared(self) -> str:
        """The ratio as people read it: a small one with two digits that mean something, 0.0000216 → "0.000022"."""
        if not self.ratio:
            return "-" if self.ratio is None else "0"
        return f"{self.ratio:.{max(2, 1 - math.floor(math.log10(self.ratio)))}f}"

    @property
    def result(self) -> str:
        """What came of it, in a word."""
        if self.met is None and self.value is not None:
            return "no target"
        return {True: "met", False: "MISSED", None: "not measured"}[self.met]

    @property
    def is_busy(self) -> bool:
        """Whether others used so much of the machine that times are longer than they are on it alone."""
        return self.others >= BUSY

    @property
    def elsewhere(self) -> str:
        """The cores that others used, with a mark where they count."""
        return f"{self.others:.1f}{'!' if self.is_busy else ''}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Measured:
    """A run of the bench: its day (UTC, ISO 8601), what it ran on and with, and what it measured."""

    day: str
    machine: Mapping[str, str]
    rows: tuple[Row, ...]

    def to_json(self) -> str:
        """The run as a JSON document."""
        rows = [asdict(row) for row in self.rows]
        return json.dumps({"day": self.day, "machine": dict(self.machine), "rows": rows}, indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str) -> "Measured":
        """Read what `to_json` wrote. Raises ValueError for anything else."""
        try:
            document = json.loads(text)
            rows = tuple(Row(**row) for row in document["rows"])
            return cls(day=document["day"], machine=document["machine"], rows=rows)
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"no measurements of the bench: {error}") from error


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


def together(*took: Took) -> Took:
    """One after the other."""
    return Took(seconds=sum(each.seconds for each in took), cpu=sum(each.cpu for each in took))


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


def rival_row(case: str, took: Sequence[Took], rival: Sequence[Took], most: float, against: str, note: str) -> Row:
    """The row of something that may take at most `most` times what its rival takes."""
    ours, other = median_of(took), median_of(rival)
    return Row(
        case=case,
        target=f"≤ {most:g} ×",
        value=ours.seconds,
        rival=other.seconds,
        against=against,
        ratio=ours.seconds / other.seconds,
        most=most,
        met=ours.seconds <= most * other.seconds,
        n=len(took),
        cpu=ours.cpu,
        note=note,
    )


def rival_size_row(
    case: str, sizes: Sequence[float], rival: Sequence[float], most: float, against: str, note: str
) -> Row:
    """The row of something that may have at most `most` times the bytes of its rival."""
    ours, other = statistics.median(sizes), statistics.median(rival)
    return Row(
        case=case,
        target=f"≤ {most:g} ×",
        value=ours,
        unit="B",
        rival=other,
        against=against,
        ratio=ours / other,
        most=most,
        met=ours <= most * other,
        n=len(sizes),
        note=note,
    )
