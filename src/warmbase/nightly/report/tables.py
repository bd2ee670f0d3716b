"""What moved, as Markdown: for the report, a pull request and `warmbase changelog`. Pure.

What comes from metadata and messages of others is escaped: it is text, whatever it looks like.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from warmbase.nightly.changes import KINDS, Direction, Kind, direction
from warmbase.nightly.model import Move

KIND_WORDS: dict[Kind, str] = {
    "python": "Python packages",
    "debian": "Debian packages",
    "alpine": "Alpine packages",
    "tool": "Python and uv",
}

_SPECIAL = re.compile(r"([\\`*_\[\]<>#|~&])")
_LINKING = re.compile(r"((?<!\w)@|://|\bwww\.|#)(?=\w)")  # GitHub Flavored Markdown, section 6.9; mentions; references
_NOTHING = "\u200b"  # zero width
_DIRECTIONS: tuple[Direction, ...] = ("up", "down", "added", "removed")


def plain(text: str) -> str:
    """Text that Markdown shows as it is, on one line. It links to nothing and calls nobody."""
    return _SPECIAL.sub(r"\\\1", unlinked(" ".join(text.split())))


def unlinked(text: str) -> str:
    """Text in which nobody's name, no address and no number becomes a link, wherever it is shown."""
    return _LINKING.sub(rf"\1{_NOTHING}", text)


def fenced(lines: Sequence[str]) -> Iterator[str]:
    """Lines as they are: the fence is longer than any that is in them."""
    longest = max((len(run) for line in lines for run in re.findall("`+", line)), default=0)
    fence = "`" * max(3, longest + 1)
    yield from (fence, *lines, fence)


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
            yield from (*moves_table(own), "")


def moves_table(moves: Sequence[Move]) -> Iterator[str]:
    """What moved, as a table."""
    return table(("package", "from", "to", "", "more"), (_row(move) for move in moves))


def count_moves(moves: Sequence[Move]) -> str:
    """How many went where: "3 up, 1 added"."""
    counts = Counter(map(direction, moves))
    return ", ".join(f"{counts[where]} {where}" for where in _DIRECTIONS if counts[where])


def _row(move: Move) -> tuple[str, ...]:
    links = " · ".join(f"[{plain(label)}](<{address}>)" for label, address in move.links.items() if is_web(address))
    name = f"{move.name} ({', '.join(move.platforms)})" if move.platforms else move.name
    return (plain(name), plain(move.old), plain(move.new), direction(move), links)


def is_web(address: str) -> bool:
    """Whether an address may be linked to: nothing that runs, and nothing that ends the link."""
    return bool(re.fullmatch(r"https?://[^\s<>\"'\\`|]+", address))
