"""Words for people who choose: lists, ages, versions. Pure."""

import re
from collections.abc import Sequence
from datetime import datetime

_SIGNS = {">=": "≥ ", "<=": "≤ ", "!=": "≠ ", "==": "", "~=": "~= ", ">": "> ", "<": "< ", "===": ""}
_CLAUSE = re.compile(r"\s*(===|[><=!~]=|[><])\s*(.*?)\s*")


def join_words(words: Sequence[str], *, most: int = 0) -> str:
    """A list as people say it: "a, b and c"; with `most` the others are counted: "a, b and 3 more"."""
    if most and len(words) > most:
        return f"{', '.join(words[:most])} and {len(words) - most} more"
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def count(number: int, word: str) -> str:
    """A number of things: (1, "package") → "1 package", (2, "package") → "2 packages"."""
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


def spell_specifier(specifier: str) -> str:
    """A specifier of versions as people read it: ">=3.12,<3.14" → "≥ 3.12, < 3.14"; "==3.12.*" → "3.12"."""
    clauses = [_CLAUSE.fullmatch(clause) for clause in specifier.split(",") if clause.strip()]
    if not all(clauses):
        return specifier.strip()
    return ", ".join(f"{_SIGNS[found[1]]}{found[2].removesuffix('.*')}" for found in clauses if found)


def spell_age(time: str, now: datetime) -> str:
    """How long ago a time (RFC 3339) was: "today", "3 days ago", "2 months ago"; "" where it is none."""
    try:
        days = (now.date() - datetime.fromisoformat(time).date()).days
    except ValueError:
        return ""
    if days < 1:
        return "today"
    if days < 60:
        return "yesterday" if days == 1 else f"{days} days ago"
    return f"{days // 30} months ago" if days < 730 else f"{days // 365} years ago"


def in_columns(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows under their headings as lines; the last column may be as long as it likes."""
    table = [tuple(headings), *map(tuple, rows)]
    widths = [max(len(row[column]) for row in table) for column in range(len(headings))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in table]
