"""The picture of the last nights: a column for each, with what became of the variants, and the bytes sent below it.

It is an SVG within the page, and takes its colours from the page's style. Whoever cannot see it gets a table.
"""

from collections.abc import Iterator, Mapping, Sequence

from warmbase.nightly.model import NightSummary
from warmbase.nightly.report.lastnights import NIGHTS
from warmbase.nightly.report.markup import Markup, join, tag
from warmbase.nightly.report.reading import in_time
from warmbase.oci.sizes import in_bytes

# What a column is made of, from the bottom: class in the style, words, the statuses.
BANDS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("failed", "failed or failing", ("failed", "waiting")),
    ("left", "left for later", ("left",)),
    ("refreshed", "refreshed", ("refreshed",)),
    ("held", "held back", ("held",)),
    ("fresh", "fresh", ("fresh",)),
)

_STEP, _BAR = 24, 18
_HEIGHT, _GAP, _SENT = 88, 8, 20
_CROWDED = 60
_LEAST = 4  # what there is can be seen, however small its part


def draw_nights(nights: Sequence[NightSummary]) -> Markup:
    """The picture, its legend and its table; the newest night stands on the right."""
    shown = nights[-NIGHTS:]
    first = NIGHTS - len(shown)
    most = max((night.sent for night in shown), default=0)
    empty = (_rect(number * _STEP, 0, _HEIGHT - 1, "band-none") for number in range(first))
    columns = (_column(night, (first + number) * _STEP, most) for number, night in enumerate(shown))
    svg = tag(
        "svg",
        tag("title", f"The last {len(shown)} nights", id="picture-title"),
        tag("desc", "For each night what became of the variants, and below it how much was sent.", id="picture-desc"),
        *empty,
        *columns,
        viewBox=f"0 0 {NIGHTS * _STEP - _STEP + _BAR} {_HEIGHT + _GAP + _SENT}",
        preserveAspectRatio="none",
        role="img",
        aria_labelledby="picture-title picture-desc",
        class_="picture",
    )
    return join([svg, _dates(shown), _legend(shown), _table(shown)])


def band_heights(counts: Mapping[str, int]) -> dict[str, float]:
    """How high each band of a night's column is; together they fill it."""
    parts = {name: sum(counts.get(status, 0) for status in statuses) for name, _, statuses in BANDS}
    there = {name: count for name, count in parts.items() if count}
    total = sum(there.values())
    if not total:
        return {}
    room = _HEIGHT - _LEAST * len(there)
    return {name: _LEAST + room * count / total for name, count in there.items()}


def _column(night: NightSummary, x: int, most: int) -> Markup:
    none = [] if night.counts else [_rect(x, 0, _HEIGHT - 1, "band-none")]
    return tag("g", tag("title", _words(night)), *none, *_bars(night, x, most))


def _bars(night: NightSummary, x: int, most: int) -> Iterator[Markup]:
    bottom: float = _HEIGHT
    for name, height in band_heights(night.counts).items():
        bottom -= height
        yield _rect(x, bottom, height - 1, f"band-{name}")
    if night.sent and most:
        height = max(2.0, _SENT * night.sent / most)
        yield _rect(x, _HEIGHT + _GAP, height, "band-sent")


def _rect(x: float, y: float, height: float, kind: str) -> Markup:
    return tag("rect", x=f"{x:g}", y=f"{y:.1f}", width=f"{_BAR}", height=f"{height:.1f}", rx="2", class_=kind)


def _legend(nights: Sequence[NightSummary]) -> Markup:
    there = {status for night in nights for status, count in night.counts.items() if count}
    items = [
        tag("li", tag("span", class_=f"swatch band-{name}"), words)
        for name, words, statuses in BANDS
        if there & set(statuses)
    ]
    sent = [tag("li", tag("span", class_="swatch band-sent"), "bytes sent")] if any(n.sent for n in nights) else []
    return tag("ul", *items, *sent, class_="legend")


def _table(nights: Sequence[NightSummary]) -> Markup:
    words = [words for _, words, _ in BANDS]
    head = tag("tr", *(tag("th", text, scope="col") for text in ("night", *words, "sent", "took")))
    rows = [
        tag(
            "tr",
            tag("th", night.began[:10], scope="row"),
            *(tag("td", str(sum(night.counts.get(status, 0) for status in statuses))) for _, _, statuses in BANDS),
            tag("td", in_bytes(night.sent)),
            tag("td", in_time(night.seconds)),
        )
        for night in reversed(nights)
        if night.counts
    ]
    table = tag("div", tag("table", tag("thead", head), tag("tbody", *rows), class_="numbers"), class_="wide")
    return tag("details", tag("summary", "The same as a table"), table)


def _words(night: NightSummary) -> str:
    counts = [
        f"{count} {words}"
        for _, words, statuses in BANDS
        if (count := sum(night.counts.get(status, 0) for status in statuses))
    ]
    if not counts:
        return f"{night.began[:10]}: nothing is recorded"
    return f"{night.began[:10]}: {', '.join(counts)}; {in_bytes(night.sent)} in {in_time(night.seconds)}"


def _dates(nights: Sequence[NightSummary]) -> Markup:
    """The first and the last date, below their columns; one where there is no room for two."""
    start = 100 * (NIGHTS - len(nights)) / NIGHTS
    shown = [nights[0], nights[-1]] if start < _CROWDED else list(nights[-1:])
    left = f"padding-left: {start:.0f}%" if len(shown) > 1 else ""
    return tag("p", *(tag("span", night.began[:10]) for night in shown), class_="dates", style=left)
