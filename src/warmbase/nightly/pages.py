"""What is remembered of package indexes from night to night, so that uv is asked only where an answer can have changed.

A resolution is a function of the pages that uv reads for it and of the time, as far as a cooldown looks at it. So an
answer is remembered with the names of those pages and the hash of what they said; it holds as long as they say the same
and no file on them has come of age. Pages are compared by what a resolver reads of them, and not by addresses: a mirror
that says the same leads to the same answer. A page's validator spares reading it where it has not changed; it is good
for the address alone that gave it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from warmbase.nightly.model import Held

_KEPT = timedelta(days=30)

PageKey = tuple[str, str]
"""The catalog's name of an index ("" is uv's own), and a package's normalized name."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PageMemory:
    """A page as it was at the RFC 3339 time `seen`: `content` is the hash of what a resolver reads of it, "" where the
    index has no such package. `validator` is what the index at `source` (the hash of its address) wants back to say
    that the page is unchanged. `yanked` are the versions of which the index has yanked every file, and why."""

    seen: str
    content: str
    validator: str = ""
    source: str = ""
    yanked: Mapping[str, str] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What a resolution came to at the RFC 3339 time `asked`, from the pages `visited`, of which `content` is the hash.

    It holds before the time `until`, "" for ever. `fingerprint` and `versions` are as in `PackageNews`, `origins` are
    the indexes of packages that are not from uv's own. What is said in words of the catalog is not remembered: `held`
    lacks it (see `nightly.held`).
    """

    asked: str
    visited: tuple[PageKey, ...]
    content: str
    fingerprint: str
    versions: Mapping[str, str] = field(default_factory=dict, hash=False)
    origins: Mapping[str, str] = field(default_factory=dict, hash=False)
    held: tuple[Held, ...] = ()
    until: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class IndexMemory:
    """Pages, and answers by the hash of their question.

    The same memory comes from the same pages: nothing in it changes in a night in which no page did.
    """

    pages: Mapping[PageKey, PageMemory] = field(default_factory=dict, hash=False)
    answers: Mapping[str, Answer] = field(default_factory=dict, hash=False)

    def merge(self, other: "IndexMemory") -> "IndexMemory":
        """What both know; of what they say differently the later one's counts. The order does not matter."""
        raise NotImplementedError

    def to_json(self) -> dict[str, Any]:
        """The memory as a JSON object."""
        raise NotImplementedError

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "IndexMemory":
        """Read `to_json` back; what cannot be read is forgotten, as it can be asked for anew."""
        raise NotImplementedError
