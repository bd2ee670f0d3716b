"""What moved, as Markdown: for the report, a pull request and `warmbase changelog`. Pure.

What comes from metadata and messages of others is escaped: it is text, whatever it looks like.
"""

import re
from collections.abc import Iterable, Iterator, Sequence

from warmbase.nightly.changes import KINDS, Kind, direction
from warmbase.nightly.model import Move

KIND_WORDS: dict[Kind, str] = {
    "python": "Python packages",
    "debian": "Debian packages",
    "alpine": "Alpine packages",
    "tool": "Python and uv",
}

_SPECIAL = re.compile(r"([\\`*_\[\]<>#|~&])")
_DIRECTIONS = ("up", "down", "added", "removed")


def plain(text: str) -> str:
    """Text that Markdown shows as it is, on one line."""
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))


def code(text: str) -> str:
    """Text as code, on one line."""
    inner = " ".join(text.split()).replace("`", "'").replace("|", "\\|")
    return f"`{inner}`" if inner else ""


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """The lines of a table; cells are Markdown already."""
    yield f"| {' | '.join(headings)} |"
    yield f"|{' --- |' * len(headings)}"
    for row in rows:
        yield f"| {' | '.join(row)} |"


def moves_lines(moves: Sequence[Move], level: int = 2) -> Iterator[str]:
    """What moved, a table for each kind under a heading that counts."""
    for kind in KINDS:
        own = [move for move in moves if move.kind == kind]
        if own:
            yield from (f"{'#' * level} {KIND_WORDS[kind]}: {count_moves(own)}", "")
            yield from table(("package", "from", "to", "", "more"), (_row(move) for move in own))
            yield ""


def count_moves(moves: Sequence[Move]) -> str:
    """How many went where: "3 up, 1 added"."""
    counts = {where: sum(direction(move) == where for move in moves) for where in _DIRECTIONS}
    return ", ".join(f"{count} {where}" for where, count in counts.items() if count)


def _row(move: Move) -> tuple[str, ...]:
    links = " · ".join(f"[{plain(label)}](<{address}>)" for label, address in move.links.items() if is_web(address))
    name = f"{move.name} ({', '.join(move.platforms)})" if move.platforms else move.name
    return (plain(name), plain(move.old), plain(move.new), direction(move), links)


def is_web(address: str) -> bool:
    """Whether an address may be linked to: nothing that runs, and nothing that ends the link."""
    return bool(re.fullmatch(r"https?://[^\s<>\"'\\`|]+", address))
