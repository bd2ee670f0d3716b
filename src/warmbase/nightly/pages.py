"""What is remembered of package indexes from night to night, so that uv is asked only where an answer can have changed.

A resolution is a function of the pages that uv reads for it and of the time, as far as a cooldown looks at it. So an
answer is remembered with the names of those pages and the hash of what they said; it holds as long as they say the same
and no file on them has come of age. Pages are compared by what a resolver reads of them, and not by addresses: a mirror
that says the same leads to the same answer. A page's validator spares reading it where it has not changed; it is good
for the address alone that gave it.
"""

import hashlib
import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime
from typing import Any, TypeVar

from warmbase.nightly.model import Held

K = TypeVar("K")
V = TypeVar("V")

_MOST_OTHERS = 1000
"""Answers of catalogs as they were, or of other parts of one."""

PageKey = tuple[str, str]
"""The catalog's name of an index ("" is uv's own), and a package's normalized name."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PageMemory:
    """A page as it was at the RFC 3339 time `seen`: `content` is the hash of what a resolver reads of it, "" where the
    index has no such package. `validator` is what the index at `source` (the hash of its address) wants back to say
    that the page is unchanged. `yanked` are the versions of which the index has yanked every file, and why.

    Pages that say the same are equal: another validator alone is no news to tell other machines.
    """

    seen: str = field(compare=False)
    content: str
    validator: str = field(default="", compare=False)
    source: str = field(default="", compare=False)
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

    A night in which no page changed leaves an equal memory; one in which all validators were good, the same.
    """

    pages: Mapping[PageKey, PageMemory] = field(default_factory=dict, hash=False)
    answers: Mapping[str, Answer] = field(default_factory=dict, hash=False)

    def merge(self, other: "IndexMemory") -> "IndexMemory":
        """What both know; of what they say differently the later one's counts. The order does not matter."""
        return IndexMemory(
            pages=_merge(self.pages, other.pages, lambda page: page.seen),
            answers=_merge(self.answers, other.answers, lambda answer: answer.asked),
        )

    def content_of(self, visited: Iterable[PageKey]) -> str:
        """The hash of what pages say, "" where one of them is not known."""
        contents = []
        for key in sorted(visited):
            page = self.pages.get(key)
            if page is None:
                return ""
            contents.append((*key, page.content))
        return hash_of(contents)

    def find_answer(self, question: str, now: datetime) -> Answer | None:
        """The answer to a question, by its hash, that still holds; None where uv has to be asked."""
        answer = self.answers.get(question)
        if answer is None or (answer.until and datetime.fromisoformat(answer.until) <= now):
            return None
        return answer if answer.content == self.content_of(answer.visited) else None

    def keep(self, asked: Collection[str]) -> "IndexMemory":
        """The memory with the answers to the questions `asked`, and of others the latest ones: whoever asks about a
        part of a catalog forgets nothing of the rest. Pages that no answer needs any more are dropped."""
        others = sorted(self.answers.keys() - set(asked), key=lambda key: (self.answers[key].asked, key), reverse=True)
        forgotten = set(others[_MOST_OTHERS:])
        answers = {key: answer for key, answer in self.answers.items() if key not in forgotten}
        needed = {page for answer in answers.values() for page in answer.visited}
        return IndexMemory(pages={key: page for key, page in self.pages.items() if key in needed}, answers=answers)

    def to_json(self) -> dict[str, Any]:
        """The memory as a JSON object; pages are named by their numbers in it."""
        keys = sorted(self.pages)
        numbers = {key: number for number, key in enumerate(keys)}
        answers = {}
        for question, answer in sorted(self.answers.items()):
            if answer.visited and all(key in numbers for key in answer.visited):
                answers[question] = _answer_to_json(answer) | {"visited": [numbers[key] for key in answer.visited]}
        return {"pages": [[*key, _page_to_json(self.pages[key])] for key in keys], "answers": answers}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "IndexMemory":
        """Read `to_json` back; what cannot be read is forgotten, as it can be asked for anew."""
        try:
            listed = [((str(index), str(package)), page) for index, package, page in document["pages"]]
            keys = [key for key, _ in listed]
            pages = {key: PageMemory(**page) for key, page in listed}
            answers = {question: _answer_from_json(answer, keys) for question, answer in document["answers"].items()}
        except (KeyError, TypeError, ValueError, IndexError, AttributeError):
            return cls()
        return cls(pages=pages, answers=answers)


def hash_of(value: object) -> str:
    """The hash of any JSON value, short enough for hundreds of them in one document."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:32]


def _merge(one: Mapping[K, V], other: Mapping[K, V], time: Callable[[V], str]) -> dict[K, V]:
    """The later entry of each key; of two that say differently at the same time always the same one."""
    merged = dict(one)
    for key, entry in other.items():
        known = merged.get(key)
        if known is None or time(entry) > time(known):
            merged[key] = entry
        elif time(entry) == time(known) and entry != known:
            merged[key] = max(entry, known, key=repr)
    return merged


def _page_to_json(page: PageMemory) -> dict[str, Any]:
    """Without what is empty."""
    return {"content": page.content, **_said(page)}


def _answer_to_json(answer: Answer) -> dict[str, Any]:
    held = [asdict(one) for one in answer.held]
    return {**_said(answer), **({"held": held} if held else {})}


def _said(facts: PageMemory | Answer) -> dict[str, Any]:
    """All that is not empty; `asdict` would copy hundreds of versions."""
    values = ((one.name, getattr(facts, one.name)) for one in fields(facts))
    return {name: value for name, value in values if value}


def _answer_from_json(document: Mapping[str, Any], keys: Sequence[PageKey]) -> Answer:
    facts = dict(document)
    visited = tuple(keys[number] for number in facts.pop("visited"))
    held = tuple(Held(**one) for one in facts.pop("held", ()))
    return Answer(**facts, visited=visited, held=held)
