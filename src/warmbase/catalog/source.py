"""Reading a catalog's bytes: YAML into plain data, with the place of every value.

What this module decides:
- Scalars follow the YAML 1.2 core schema (section 10.3.2), as editors' language servers do, not PyYAML's
  YAML 1.1: `no` is a text, `3.10` a number. Tags and merge keys are refused: `defaults` and `sets` are this
  catalog's way of not repeating oneself.
- The document is composed here from the parser's events and not by PyYAML, whose composer has no limits:
  it recurses as deep as the document does, silently takes the last of two equal keys and expands aliases
  without counting them.
- What is damaged but readable (a duplicate key, a tag) is reported and reading goes on.
"""

import contextlib
import re
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn, Protocol, TypeAlias

import yaml

from warmbase.catalog.model import Position
from warmbase.catalog.problems import DocumentPath, Problem, quote
from warmbase.errors import CatalogError

LARGEST_FILE = 1024 * 1024  # bytes; a catalog of a hundred images has some 20 kB
MOST_VALUES = 100_000  # with every alias expanded
DEEPEST_NESTING = 40

Scalar = str | int | float | bool | None
PlainData: TypeAlias = "Scalar | list[PlainData] | dict[str, PlainData]"
NodeValue: TypeAlias = "Scalar | tuple[Node, ...] | Mapping[str, tuple[Node, Node]]"

_NULL = re.compile(r"|~|null|Null|NULL")
_TRUE = re.compile(r"true|True|TRUE")
_FALSE = re.compile(r"false|False|FALSE")
_INTEGER = re.compile(r"[-+]?[0-9]{1,30}|0o[0-7]{1,30}|0x[0-9a-fA-F]{1,30}")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_INDENTING_TAB = re.compile(r"^ *(\t)[ \t]*[^\s#]", re.MULTILINE)

_SYNTAX_ADVICE = (
    ("mapping values are not allowed", "put a text that contains ': ' in quotes, or mend the indentation"),
    ("could not find expected ':'", "a key is followed by ': '; look at the line before, too"),
    ("did not find expected ',' or", "close the bracket, or put a comma between the entries"),
    ("cannot start any token", "put a text that begins with this character in quotes"),
    ("unexpected end of stream", "close the quote"),
    ("did not find expected key", "mend the indentation: keys of one mapping stand in one column"),
    ("did not find expected '-'", "mend the indentation: entries of one list stand in one column"),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Node:
    """A value of the document and where it is written; `line` and `column` count from 1."""

    line: int
    column: int
    value: NodeValue  # a mapping: key → (key, value)
    written: str = ""  # a scalar as it stands in the file
    size: int = 1  # values in it, aliases expanded
    height: int = 0  # how deep it nests


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """A catalog file that was read: plain data (as JSON would have it) and the place of each value."""

    file: Path
    root: Node
    data: PlainData = field(repr=False)
    problems: tuple[Problem, ...]

    def find(self, path: DocumentPath, *, key: bool = False) -> Node:
        """Return the value at `path`, or its key; where there is none, the nearest value around it."""
        node = label = self.root
        for part in path:
            children = node.value
            if isinstance(part, str) and isinstance(children, Mapping) and part in children:
                label, node = children[part]
            elif isinstance(part, int) and isinstance(children, tuple) and part < len(children):
                label = node = children[part]
            else:
                return node
        return label if key else node

    def position(self, path: DocumentPath, *, key: bool = False) -> Position:
        """Return the place of the value at `path`, or of its key."""
        node = self.find(path, key=key)
        return Position(file=self.file, line=node.line, column=node.column)


def read_source(path: Path) -> Source:
    """Read the YAML file `path`. Raises `CatalogError` where nothing can be made of it.

    Problems that leave the rest readable are in the result's `problems`.
    """
    return parse_source(path, _decode(path, _read_bytes(path)))


def parse_source(path: Path, text: str) -> Source:
    """Read YAML that stands in the file `path`. Raises `CatalogError` as `read_source` does."""
    composer = _Composer(path)
    try:
        root = composer.compose(text)
    except _UnreadableError as unreadable:
        raise CatalogError((*composer.problems, *unreadable.problems)) from None
    except yaml.YAMLError as error:
        raise CatalogError((*composer.problems, *_explain_syntax_error(path, text, error))) from None
    return Source(file=path, root=root, data=_plain(root), problems=tuple(composer.problems))


class _UnreadableError(Exception):
    def __init__(self, *problems: Problem) -> None:
        super().__init__(*problems)
        self.problems = problems


def _read_bytes(path: Path) -> bytes:
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise CatalogError([_at(path, 1, 1, "this is not a file", "give the path of an images.yaml")])
        with path.open("rb") as file:
            content = file.read(LARGEST_FILE + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        advice = "run warmbase in the folder of an images.yaml, or give its path"
        raise CatalogError([_at(path, 1, 1, f"the catalog cannot be read: {reason}", advice)]) from None
    if len(content) > LARGEST_FILE:
        size = max(status.st_size, len(content))
        message = f"the file has {size:,} bytes, a catalog at most {LARGEST_FILE:,}"
        advice = "check that this is a catalog; move what repeats to `defaults` and `sets`"
        raise CatalogError([_at(path, 1, 1, message, advice)])
    return content


def _decode(path: Path, content: bytes) -> str:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line, column = _locate(content[: error.start].decode("utf-8", "replace"), None)
        message = f"byte 0x{content[error.start]:02x} is not UTF-8"
        raise CatalogError([_at(path, line, column, message, "save the file as UTF-8")]) from None
    problems = []
    for found in _UNPRINTABLE.finditer(text):
        line, column = _locate(text, found.start())
        message = f"the control character U+{ord(found.group()):04X} is not allowed in YAML"
        problems.append(_at(path, line, column, message, "delete it"))
        if len(problems) == 10:  # a binary file has thousands, which says nothing more
            break
    if problems:
        raise CatalogError(problems)
    return text


def _locate(text: str, offset: int | None) -> tuple[int, int]:
    before = text[:offset]
    return before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1


def _at(path: Path, line: int, column: int, message: str, advice: str) -> Problem:
    return Problem(position=Position(file=path, line=line, column=column), message=message, advice=advice)


def _explain_syntax_error(path: Path, text: str, error: yaml.YAMLError) -> Iterator[Problem]:
    """Say what the parser stumbled over, and every tab in the indentation, which may be why."""
    tab_lines = set()
    for tab in _INDENTING_TAB.finditer(text):
        line, column = _locate(text, tab.start(1))
        tab_lines.add(line)
        yield _at(path, line, column, "a tab in the indentation", "indent with spaces, as YAML demands")
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    last_line, last_column = _locate(text.rstrip("\n"), None)
    if line > last_line:  # libyaml counts the end of the file as a line
        line, column = last_line, last_column
    if line in tab_lines:
        return
    said = str(getattr(error, "problem", None) or "the file is not YAML")
    context = getattr(error, "context", None)
    advice = next((advice for words, advice in _SYNTAX_ADVICE if words in said), "look at the line before, too")
    if mark and "cannot start any token" in said:
        lines = text.splitlines()
        character = lines[mark.line][mark.column : mark.column + 1] if mark.line < len(lines) else ""
        name = "a tab" if character == "\t" else quote(character)
        said = f"{name} cannot stand here"
        context = None
        advice = "use spaces" if character == "\t" else advice
    yield _at(path, line, column, f"YAML syntax error: {f'{context}, ' if context else ''}{said}", advice)


class _Mark(Protocol):
    line: int
    column: int


class _Event(Protocol):
    """What this module reads of PyYAML's events; a kind of event has only some of it."""

    start_mark: _Mark
    anchor: str
    tag: str | None
    value: str
    implicit: tuple[bool, bool]


def _is(event: object, kind: type[yaml.Event]) -> bool:
    return isinstance(event, kind)


class _Composer:
    """Builds nodes from the parser's events, counting and reporting on the way."""

    def __init__(self, path: Path) -> None:
        self.problems: list[Problem] = []
        self._path = path
        self._anchors: dict[str, Node] = {}
        self._open_anchors: set[str] = set()
        self._values = 0

    def compose(self, text: str) -> Node:
        """Return the document's top. Raises `_UnreadableError`, and what PyYAML raises."""
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        self._events: Iterator[Any] = iter(yaml.parse(text, Loader=loader))
        next(self._events)  # the stream's start
        if isinstance(next(self._events), yaml.StreamEndEvent):
            message, advice = "the catalog is empty", "name `uv`, `foundations` and `images`; see the schema"
            raise _UnreadableError(_at(self._path, 1, 1, message, advice))
        root = self._node(next(self._events), 0)
        next(self._events)  # the document's end
        more = next(self._events)
        if not isinstance(more, yaml.StreamEndEvent):
            self._report(more, "a second YAML document begins here", "keep one document in a catalog")
        return root

    def _node(self, event: _Event, depth: int) -> Node:
        self._values += 1
        if _is(event, yaml.AliasEvent):
            return self._alias(event, depth)
        if depth > DEEPEST_NESTING:
            self._refuse(event, f"more than {DEEPEST_NESTING} levels of nesting", "write it flat")
        if event.tag is not None and event.tag not in ("!", "tag:yaml.org,2002:str"):
            self._report(
                event,
                f"the tag {quote(event.tag.replace('tag:yaml.org,2002:', '!!'))} has no meaning in a catalog",
                "delete it",
            )
        with self._anchor(event) as anchor:
            if _is(event, yaml.ScalarEvent):
                node = self._scalar(event)
            elif _is(event, yaml.SequenceStartEvent):
                node = self._sequence(event, depth)
            else:
                node = self._mapping(event, depth)
        if anchor:
            self._anchors[anchor] = node
        return node

    @contextlib.contextmanager
    def _anchor(self, event: _Event) -> Iterator[str | None]:
        if event.anchor:
            self._open_anchors.add(event.anchor)
        yield event.anchor
        self._open_anchors.discard(event.anchor)

    def _scalar(self, event: _Event) -> Node:
        plain = event.implicit[0] and event.tag is None
        value = resolve_plain_scalar(event.value) if plain else event.value
        return Node(
            line=event.start_mark.line + 1,
            column=event.start_mark.column + 1,
            value=value,
            written=event.value,
        )

    def _sequence(self, start: _Event, depth: int) -> Node:
        items = []
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            items.append(self._node(event, depth + 1))
        return self._collection(start, tuple(items), items)

    def _mapping(self, start: _Event, depth: int) -> Node:
        entries: dict[str, tuple[Node, Node]] = {}
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            key = self._node(event, depth + 1)
            value = self._node(next(self._events), depth + 1)
            if isinstance(key.value, tuple | Mapping):
                self._report(event, "a list or a mapping cannot be a key here", "write the key as a text")
            elif key.written == "<<":
                advice = "use `defaults`, `sets` and `overrides` instead of YAML's merge keys"
                self._report(event, "merge keys are not read", advice)
            elif key.written in entries:
                first = entries[key.written][0].line
                message = f"the key {quote(key.written)} stands twice; the first is in line {first}"
                self._report(event, message, "keep one of the two")
            else:
                entries[key.written] = (key, value)
        return self._collection(start, entries, [node for entry in entries.values() for node in entry])

    def _collection(self, start: _Event, value: NodeValue, children: list[Node]) -> Node:
        return Node(
            line=start.start_mark.line + 1,
            column=start.start_mark.column + 1,
            value=value,
            size=1 + sum(child.size for child in children),
            height=1 + max((child.height for child in children), default=0),
        )

    def _alias(self, event: _Event, depth: int) -> Node:
        target = self._anchors.get(event.anchor)
        if event.anchor in self._open_anchors:
            self._refuse(event, f"the anchor '&{event.anchor}' contains itself", "write the value out")
        if target is None:
            self._refuse(event, f"there is no anchor '&{event.anchor}' above", "write the value out")
        self._values += target.size
        if self._values > MOST_VALUES:
            message = f"with its anchors expanded, the document has more than {MOST_VALUES:,} values"
            self._refuse(event, message, "use `sets` and `defaults` instead of anchors")
        if depth + target.height > DEEPEST_NESTING:
            message = f"with its anchors expanded, there are more than {DEEPEST_NESTING} levels of nesting"
            self._refuse(event, message, "write it flat")
        here = {"line": event.start_mark.line + 1, "column": event.start_mark.column + 1}
        return Node(**here, value=target.value, written=target.written, size=target.size, height=target.height)

    def _problem(self, event: _Event, message: str, advice: str) -> Problem:
        mark = event.start_mark
        return _at(self._path, mark.line + 1, mark.column + 1, message, advice)

    def _report(self, event: _Event, message: str, advice: str) -> None:
        self.problems.append(self._problem(event, message, advice))

    def _refuse(self, event: _Event, message: str, advice: str) -> NoReturn:
        raise _UnreadableError(self._problem(event, message, advice))


def resolve_plain_scalar(text: str) -> Scalar:
    """Return the value of an unquoted scalar by the YAML 1.2 core schema (section 10.3.2)."""
    if _NULL.fullmatch(text):
        return None
    if _TRUE.fullmatch(text):
        return True
    if _FALSE.fullmatch(text):
        return False
    if _INTEGER.fullmatch(text):
        base = {"0o": 8, "0x": 16}.get(text[:2], 10)
        return int(text[2:] if base != 10 else text, base)
    if _FLOAT.fullmatch(text):
        return float(text.replace(".i", "i").replace(".I", "I").replace(".n", "n").replace(".N", "N"))
    return text


def _plain(node: Node) -> PlainData:
    if isinstance(node.value, tuple):
        return [_plain(item) for item in node.value]
    if isinstance(node.value, Mapping):
        return {key: _plain(value) for key, (_, value) in node.value.items()}
    return node.value
