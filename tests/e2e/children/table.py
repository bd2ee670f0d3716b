"""Write the README's table of ways to inherit from what the tests of this folder have measured.

python -m tests.e2e.children.table RESULTS README
"""

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

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


def size(count: float) -> str:
    """Bytes in the unit that suits them."""
    return f"{count / 1e6:.1f} MB" if count >= 1e6 else f"{count / 1e3:.1f} kB"


def write(results: Path, readme: Path) -> None:
    """Put the table between the two comments. Raises ValueError where the README does not have them."""
    rows = json.loads(results.read_bytes())
    text = readme.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    _, found, after = rest.partition(END)
    if not found:
        raise ValueError(f"{readme} has no {BEGIN} and {END}")
    nothing = rows[0]["nothing"]
    note = f"(A step that does nothing takes {nothing:.2f} s there. {len(rows)} ways, all built without a network.)"
    readme.write_text(f"{before}{BEGIN}\n{table(rows)}\n\n{note}\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]), Path(sys.argv[2]))
