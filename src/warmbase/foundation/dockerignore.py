"""Which files of a build context a `.dockerignore` leaves out.

The rules are moby/patternmatcher's, as Docker's manual has them ("Build context", ".dockerignore files"): the last
pattern that matches a path or a folder above it decides.
"""

import posixpath
import re
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class IgnorePattern:
    """One line: what matches `regex` is left out, or with `exception` kept after all."""

    regex: re.Pattern[str]
    exception: bool


def read_patterns(text: str) -> tuple[IgnorePattern, ...]:
    """The patterns of a `.dockerignore`. Raises ValueError for one that means nothing, as "a[" does."""
    patterns = []
    for line in text.removeprefix("\ufeff").splitlines():
        if line.startswith("#"):
            continue
        words = line.strip()
        exception = words.startswith("!")
        words = words[1:].strip() if exception else words
        if not words:
            continue
        path = posixpath.normpath(words).lstrip("/")
        try:
            patterns.append(IgnorePattern(regex=re.compile(_translate(path)), exception=exception))
        except re.error as error:
            raise ValueError(f"{words!r}: {error}") from error
    return tuple(patterns)


def is_ignored(path: str, patterns: Sequence[IgnorePattern]) -> bool:
    """Whether the patterns leave `path` out; it is relative to the context, with '/' between folders."""
    parts = path.split("/")
    paths = ["/".join(parts[:length]) for length in range(1, len(parts) + 1)]
    ignored = False
    for pattern in patterns:
        if pattern.exception == ignored and any(pattern.regex.fullmatch(one) for one in paths):
            ignored = not pattern.exception
    return ignored


def _translate(path: str) -> str:
    """A pattern as a regular expression: Go's filepath.Match, and `**` for any number of folders."""
    parts, rest = [], path
    while rest:
        if rest.startswith("**"):
            rest = rest[2:].removeprefix("/")
            parts.append("(.*/)?" if rest else ".*")
        elif rest[0] in "*?":
            parts.append({"*": "[^/]*", "?": "[^/]"}[rest[0]])
            rest = rest[1:]
        elif rest[0] == "[":
            parts.append(rest[0])
            rest = rest[1:]
        elif rest[0] == "\\" and len(rest) > 1:
            parts.append(re.escape(rest[1]))
            rest = rest[2:]
        else:
            parts.append(rest[0] if rest[0] in "]^-" else re.escape(rest[0]))
            rest = rest[1:]
    return "".join(parts)
