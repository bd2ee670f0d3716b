"""A picture of bars: each rival's as long as 1, ours as long as our ratio to it, a line where the target is.

SVG 1.1 with a title and a description for screen readers; colours follow the reader's light or dark mode.
"""

from collections.abc import Iterator, Sequence
from xml.etree import ElementTree

from tests.bench.model import Measured, Row

_WIDTH, _EDGE = 860, 16
_HEAD, _PITCH, _BAR = 56, 46, 7
_STYLE = """
text { font: 13px system-ui, -apple-system, "Segoe UI", Helvetica, Arial, sans-serif; fill: #1f2328 }
.heading { font-size: 15px; font-weight: 600 }
.case { font-weight: 600 }
.quiet { fill: #59636e }
.ours { fill: #0969da }
.rival { fill: #d1d9e0 }
.target { stroke: #bc4c00; stroke-width: 2 }
@media (prefers-color-scheme: dark) {
  text { fill: #f0f6fc }
  .quiet { fill: #9198a1 }
  .ours { fill: #4493f8 }
  .rival { fill: #3d444d }
  .target { stroke: #f0883e }
}
"""


def draw(measured: Measured) -> str:
    """The picture of the rows that have a rival; what could not be measured has a line without bars."""
    rows = [row for row in measured.rows if row.against]
    height = _HEAD + _PITCH * len(rows) + _EDGE
    picture = ElementTree.Element(
        "svg",
        {
            "xmlns": "http://www.w3.org/2000/svg",
            "viewBox": f"0 0 {_WIDTH} {height}",
            "width": str(_WIDTH),
            "height": str(height),
            "role": "img",
            "aria-labelledby": "title description",
        },
    )
    heading = "warmbase against its rivals, less is better"
    ElementTree.SubElement(picture, "title", {"id": "title"}).text = heading
    ElementTree.SubElement(picture, "desc", {"id": "description"}).text = " ".join(map(_sentence, rows))
    ElementTree.SubElement(picture, "style").text = _STYLE
    _text(picture, _EDGE, 24, heading, "heading")
    _text(picture, _EDGE, 42, "a grey bar is what the rival takes, the blue one ours, the line our target", "quiet")
    for number, row in enumerate(rows):
        _draw_row(picture, row, _HEAD + _PITCH * number, _longest(rows))
    ElementTree.indent(picture)
    return ElementTree.tostring(picture, encoding="unicode") + "\n"


def _draw_row(picture: ElementTree.Element, row: Row, top: int, longest: float) -> None:
    label = _text(picture, _EDGE, top + 16, f"{row.case} ", "case")
    against = ElementTree.SubElement(label, "tspan", {"class": "quiet", "font-weight": "400"})
    against.text = f"against {row.against}"
    said = _text(picture, _WIDTH - _EDGE, top + 16, _numbers(row), "quiet")
    said.set("text-anchor", "end")
    if row.ratio is None or row.most is None:
        return

    def length(ratio: float) -> str:
        return f"{ratio / longest * (_WIDTH - 2 * _EDGE):.1f}"

    for number, (kind, ratio) in enumerate((("ours", row.ratio), ("rival", 1.0))):
        width = max(float(length(ratio)), 1.5)
        place = {"x": str(_EDGE), "y": str(top + 22 + number * _BAR), "width": str(width), "height": str(_BAR)}
        ElementTree.SubElement(picture, "rect", {**place, "class": kind})
    x = f"{_EDGE + float(length(row.most)):.1f}"
    ends = {"x1": x, "x2": x, "y1": str(top + 20), "y2": str(top + 24 + 2 * _BAR)}
    ElementTree.SubElement(picture, "line", {**ends, "class": "target"})


def _text(picture: ElementTree.Element, x: int, y: int, text: str, kind: str) -> ElementTree.Element:
    element = ElementTree.SubElement(picture, "text", {"x": str(x), "y": str(y), "class": kind})
    element.text = text
    return element


def _longest(rows: Sequence[Row]) -> float:
    """What fills the width: the largest ratio of any bar or target."""

    def ratios() -> Iterator[float]:
        for row in rows:
            yield from (ratio for ratio in (row.ratio, row.most) if ratio is not None)

    return max(1.0, *ratios())


def _numbers(row: Row) -> str:
    if row.ratio is None:
        return row.result
    return f"{row.measured} : {row.rivals} = {row.compared}, {row.result}"


def _sentence(row: Row) -> str:
    if row.ratio is None:
        return f"{row.case}, against {row.against}: {row.result}."
    return f"{row.case}: {row.measured} against {row.rivals} of {row.against}, ratio {row.compared}, {row.result}."
