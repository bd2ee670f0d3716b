"""The report: a table and a picture of what `report/measured.json` says (`python -m tests.bench.reporting`).

Nothing in it is written by hand: the same measurements give the same bytes. The project's README shows both between
two marks, and is brought up to date, too.
"""

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from tests.bench.bars import draw
from tests.bench.model import BUSY, Measured, Row

FOLDER = Path(__file__).parent / "report"
MEASURED = FOLDER / "measured.json"
PICTURE = "bars.svg"
MARKS = "<!-- bench: `make bench-report` writes this -->", "<!-- end of bench -->"
_QUALITY = ("n", "others")
_PROJECT = Path(__file__).parents[2]


def main() -> None:
    """Write the report."""
    measured = Measured.from_json(MEASURED.read_text(encoding="utf-8"))
    for path, text in write_report(measured).items():
        path.write_text(text, encoding="utf-8")
        sys.stdout.write(f"{path.relative_to(_PROJECT)}\n")


def write_report(measured: Measured) -> dict[Path, str]:
    """The files of the report with their texts; the project's README is one where it has the marks."""
    readme = _PROJECT / "README.md"
    before = readme.read_text(encoding="utf-8")
    files = {FOLDER / "README.md": write_page(measured), FOLDER / PICTURE: draw(measured)}
    shown = put_between_marks(before, write_summary(measured))
    return files if shown is None else files | {readme: shown}


def write_page(measured: Measured) -> str:
    """The whole report as Markdown."""
    compared, limited = _against_rivals(measured), [row for row in measured.rows if not row.against]
    machine = ", ".join(f"{name} {value}" for name, value in measured.machine.items())
    notes = [f"- **{row.case}**: {row.note}." for row in measured.rows if row.note]
    return "\n".join(
        [
            "# What the bench measured",
            "",
            "Written by `make bench-report` from [measured.json](measured.json), which `make bench` writes.",
            f"Measured in one run on {measured.day}: {machine}.",
            "",
            f"![Bars of warmbase against its rivals; the table has the same numbers]({PICTURE})",
            "",
            *_compared_table(compared),
            "",
            *_limits(limited),
            *_explanation(measured),
            "",
            "## What was compared with what",
            "",
            *notes,
            "",
        ]
    )


def write_summary(measured: Measured) -> str:
    """What the project's README shows: the picture and the table of rivals."""
    folder = FOLDER.relative_to(_PROJECT).as_posix()
    return "\n".join(
        [
            f"![Bars of warmbase against its rivals; the table has the same numbers]({folder}/{PICTURE})",
            "",
            *_compared_table(_against_rivals(measured)),
            "",
            *_explanation(measured),
            "",
            f"Measured in one run on {measured.day}; the [report]({folder}/README.md) says on which machine, and what",
            "was compared with what.",
        ]
    )


def put_between_marks(text: str, block: str) -> str | None:
    """The text with `block` between its marks, None where it does not have them."""
    head, begin, rest = text.partition(MARKS[0])
    _, end, tail = rest.partition(MARKS[1])
    return f"{head}{begin}\n\n{block}\n\n{end}{tail}" if begin and end else None


def _limits(rows: Iterable[Row]) -> Iterator[str]:
    """The cases that have a limit instead of a rival; nothing where none of them was measured."""
    lines = [(row.case, row.measured, row.compared, row.target, row.result, *_quality(row)) for row in rows]
    if lines:
        yield from ("## Limits", "")
        yield from _table(("case", "measured", "ratio", "target", "", *_QUALITY), lines)
        yield ""


def _against_rivals(measured: Measured) -> list[Row]:
    return [row for row in measured.rows if row.against]


def _compared_table(rows: Iterable[Row]) -> Iterator[str]:
    head = ("case", "warmbase", "rival", "", "ratio", "target", "", *_QUALITY)
    cells = (
        (row.case, row.measured, row.against, row.rivals, row.compared, row.target, row.result, *_quality(row))
        for row in rows
    )
    return _table(head, cells)


def _quality(row: Row) -> tuple[str, str]:
    """How well it is known: how often it was measured, how many cores others used."""
    return str(row.n), row.elsewhere


def _explanation(measured: Measured) -> Iterator[str]:
    yield "`n` is how often each side was measured, medians are shown; `others` is how many cores other programs"
    yield "of the machine used meanwhile, or in the second before where an engine, itself such a program, was measured."
    if any(row.is_busy for row in measured.rows):
        yield f"**!** marks {BUSY:g} cores and more: the machine was not quiet, and times are longer than on it alone."


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    for cells in (head, ("---",) * len(head), *rows):
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


if __name__ == "__main__":
    main()
