"""Write the README's table of ways to inherit from what the tests of this folder have measured.

python -m tests.e2e.children.table RESULTS README

The results have to be those of all tests: the table is written as a whole.
"""

import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from tests.e2e.children.projects import PROJECTS

BEGIN, END = "<!-- children: written by `make children-table` -->", "<!-- end of children -->"


def table(rows: Iterable[dict[str, Any]]) -> str:
    """A Markdown table: the rows that need no change first, each group by its cost."""
    lines = [
        "| way to inherit | works | step | layer | sent | first start |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for row in sorted(rows, key=lambda row: (bool(row["change"]), row["bytes"], row["project"])):
        cells = (
            row["inherits"],
            f"once {row['change']}" if row["change"] else "as it stands",
            f"{row['seconds']:.2f} s",
            size(row["bytes"]),
            size(row["compressed"]) if row["compressed"] else "",
            f"{row['start']:.1f} s",
        )
        lines.append(f"| {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |")
    return "\n".join(lines)


def note(rows: Sequence[dict[str, Any]]) -> str:
    """What all rows have in common. While tests run, the machine gets slower and faster: so does doing nothing."""
    nothing = sorted(row["nothing"] for row in rows)
    offline = sum(project.offline for project in PROJECTS)
    return (
        f"({len(rows)} ways, all built without a network; in {offline} of them uv resolves, and would ask the index for"
        f" what it has: behind their FROM line stands `ENV UV_OFFLINE=1`. A step that does nothing took"
        f" {nothing[0]:.2f} to {nothing[-1]:.2f} s there.)"
    )


def size(count: float) -> str:
    """Bytes in the unit that suits them."""
    return f"{count / 1e6:.1f} MB" if count >= 1e6 else f"{count / 1e3:.1f} kB"


def write(results: Path, readme: Path) -> None:
    """Put the table between the two comments.

    Raises ValueError where the README does not have them, or the results do not have all projects.
    """
    rows = json.loads(results.read_bytes())
    if missing := {project.name for project in PROJECTS} - {row["project"] for row in rows}:
        raise ValueError(f"{results} has only a part of the table: {', '.join(sorted(missing))} was not measured")
    text = readme.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    _, found, after = rest.partition(END)
    if not found:
        raise ValueError(f"{readme} has no {BEGIN} and {END}")
    readme.write_text(f"{before}{BEGIN}\n{table(rows)}\n\n{note(rows)}\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    try:
        write(Path(sys.argv[1]), Path(sys.argv[2]))
    except ValueError as error:
        sys.exit(f"error: {error}")
