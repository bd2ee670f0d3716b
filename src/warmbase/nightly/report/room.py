"""Markdown in the room that there is: a comment or a description of GitHub's has at most 65 536 characters, a step
summary 1 MiB, and whoever writes more is cut in the middle of a table, or not shown at all. Pure.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

MOST_BYTES = 60_000

MORE = "Not everything has room here: report.json has all, and report.html what people want to read of it."


@dataclass(frozen=True, kw_only=True, slots=True)
class Block:
    """Lines that are there together or not at all; those with a higher `rank` go first where room is short."""

    lines: tuple[str, ...]
    rank: int = 0

    @property
    def size(self) -> int:
        """Its bytes, with line ends."""
        return sum(len(line.encode()) + 1 for line in self.lines)


def fit(blocks: Sequence[Block], most: int = MOST_BYTES) -> str:
    """The text of the blocks in their order, without those for which there is no room; then its last line says so."""
    kept: list[int] = []
    left = most - len(MORE.encode()) - 2
    for number in sorted(range(len(blocks)), key=lambda number: blocks[number].rank):
        if blocks[number].size <= left:
            kept.append(number)
            left -= blocks[number].size
    lines = [line for number in sorted(kept) for line in blocks[number].lines]
    return "\n".join([*lines, *([] if len(kept) == len(blocks) else [MORE])]).rstrip() + "\n"


def as_block(lines: Iterable[str], rank: int = 0) -> Block:
    """The lines as a block."""
    return Block(lines=tuple(lines), rank=rank)
