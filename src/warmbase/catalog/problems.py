"""What is wrong with a catalog, said so that it can be mended: where, what, and what to do.

Every check of the catalog stage reports `Problem`s instead of raising, so that one `warmbase check` shows
all of them; the loader raises a single `CatalogError` at the end.
"""

import difflib
import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from warmbase.catalog.model import Position
from warmbase.errors import mask_userinfo

DocumentPath = tuple[str | int, ...]  # the way from the document's top to a value: keys and list indexes

_SIMPLE_KEY = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]*")
_LONGEST_QUOTE = 60
_LOGIN = re.compile(r"[^\s/:@]+:[^\s/@]+@")  # user:password@host, as people write a registry's address


@dataclass(frozen=True, kw_only=True, slots=True)
class Problem:
    """One thing that is wrong: its place in the file and in the document, and what to do about it."""

    position: Position
    path: DocumentPath = ()
    message: str
    advice: str = ""

    def __str__(self) -> str:
        where = f"{self.position}: {format_path(self.path)}: " if self.path else f"{self.position}: "
        return f"{where}{self.message}; {self.advice}" if self.advice else f"{where}{self.message}"


def format_path(path: DocumentPath) -> str:
    """Write a path the way people say it, e.g. `images.data.sets[1]` or `winners["tests/*"]`."""
    written = ""
    for part in path:
        if isinstance(part, int):
            written += f"[{part}]"
        elif _SIMPLE_KEY.fullmatch(part):
            written += f".{part}" if written else part
        else:
            written += f"[{json.dumps(_shorten(part), ensure_ascii=not part.isprintable())}]"
    return written


def quote(value: object) -> str:
    """Quote a value of the document for a message: on one line, never longer than a line."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return f"'{show(text)}'"


def show(text: str) -> str:
    """Return a text of the document for a message, without quotes: on one line, never longer than a line."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in _shorten(text))


def suggest_nearest(word: str, known: Iterable[str]) -> str:
    """Say which known words may have been meant, or which there are; empty if there are none."""
    names = sorted(set(known))
    near = difflib.get_close_matches(_shorten(word).lower(), names, n=1, cutoff=0.55)
    if near:
        return f"did you mean {quote(near[0])}?"
    return f"there {'is' if len(names) == 1 else 'are'} {list_words(names)}" if names else ""


def list_words(words: Iterable[str], *, conjunction: str = "and", most: int = 12) -> str:
    """Join words for a sentence, e.g. "'a', 'b' and 'c'"; a long list ends in how many more there are."""
    quoted = [quote(word) for word in words]
    if len(quoted) > most:
        quoted[most:] = [f"{len(quoted) - most} more"]
    if len(quoted) < 2:
        return "".join(quoted)
    return f"{', '.join(quoted[:-1])} {conjunction} {quoted[-1]}"


def _shorten(text: str) -> str:
    text = _LOGIN.sub("***@", mask_userinfo(text))
    return text if len(text) <= _LONGEST_QUOTE else f"{text[: _LONGEST_QUOTE - 1]}…"


class Report:
    """Collects problems; the same one at the same place counts once.

    `locate` gives the place of a value (or, asked so, of its key) for a path in the document.
    """

    def __init__(self, locate: Callable[[DocumentPath, bool], Position], problems: Iterable[Problem] = ()) -> None:
        self._locate = locate
        self._problems = dict.fromkeys(problems)

    def add(self, path: DocumentPath, message: str, advice: str = "", *, key: bool = False) -> None:
        """Add a problem of the value at `path`, or of its `key`."""
        position = self._locate(path, key)
        self._problems[Problem(position=position, path=path, message=message, advice=advice)] = None

    def position(self, path: DocumentPath) -> Position:
        """The place of the value at `path`."""
        return self._locate(path, False)

    @property
    def problems(self) -> tuple[Problem, ...]:
        """Everything found so far, in the order of the file."""
        return tuple(sorted(self._problems, key=lambda it: (it.position.line, it.position.column)))
