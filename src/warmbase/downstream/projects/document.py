"""Reading people's files: bytes, texts and documents of tables, with a ProjectError that says where for all that is
wrong with them. A file may be anything: it is read up to a size, and nothing of it is trusted to have its type.
"""

import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import unquote

from packaging.utils import canonicalize_name

from warmbase.catalog.problems import DocumentPath, format_path, quote
from warmbase.errors import ProjectError

LARGEST_FILE = 64 * 1024 * 1024  # bytes; the lock of a thousand packages has some 3 MB

_BYTE_ORDER_MARKS = ((b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"), (b"", "utf-8-sig"))
_LINE = re.compile(r"\(at line (\d+), column (\d+)\)")
_END = re.compile(r"\(at end of document\)")
_NESTS_TOO_DEEP = "it nests too deep"


@dataclass(frozen=True, kw_only=True, slots=True)
class Origin:
    """A file that is read, and what to do when it cannot be."""

    path: Path
    remedy: str

    def refuse(self, message: str, *, line: int = 0, remedy: str = "") -> NoReturn:
        """Raise the ProjectError for something wrong in the file."""
        where = f"{self.path}:{line}" if line else f"{self.path}"
        raise ProjectError(f"{where}: {message}", next_step=remedy or self.remedy) from None

    def read_text(self) -> str:
        """The file's text; PowerShell's UTF-16 is read too. Raises ProjectError."""
        content = self._read_bytes()
        encoding = next(name for mark, name in _BYTE_ORDER_MARKS if content.startswith(mark))
        try:
            return content.decode(encoding)
        except UnicodeDecodeError as error:
            line = content[: error.start].count(b"\n") + 1
            self.refuse(f"byte 0x{content[error.start]:02x} is not {encoding[:5].upper()}", line=line, remedy=_SAVE)

    def read_toml(self) -> "Table":
        """The file as a TOML document. Raises ProjectError."""
        return self.parse_toml(self.read_text())

    def parse_toml(self, text: str, *, skipped: int = 0) -> "Table":
        """A text of the file, which begins after `skipped` lines, as a TOML document. Raises ProjectError."""
        try:
            return Table(origin=self, data=tomllib.loads(text))
        except RecursionError:
            self.refuse(_NESTS_TOO_DEEP)
        except ValueError as error:  # also numbers that Python refuses to read
            said = str(error)
            found = _LINE.search(said)
            line = int(found[1]) if found else len(text.splitlines()) if _END.search(said) else 0
            said = _END.sub("", _LINE.sub("", said)).strip()
            self.refuse(f"this is not TOML: {said}", line=line + skipped if line else 0)

    def read_json(self) -> "Table":
        """The file as a JSON document. Raises ProjectError."""
        try:
            data = json.loads(self.read_text())
        except RecursionError:
            self.refuse(_NESTS_TOO_DEEP)
        except json.JSONDecodeError as error:
            self.refuse(f"this is not JSON: {error.msg}", line=error.lineno)
        except ValueError as error:
            self.refuse(f"this is not JSON: {error}")
        if not isinstance(data, dict):
            self.refuse(f"this is {_kind(data)} and not an object")
        return Table(origin=self, data=data)

    def _read_bytes(self) -> bytes:
        try:
            with self.path.open("rb") as file:
                content = file.read(LARGEST_FILE + 1)
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            self.refuse(f"the file cannot be read: {reason}", remedy="give the path of a project's folder or file")
        if len(content) > LARGEST_FILE:
            self.refuse(f"the file has more than {LARGEST_FILE:,} bytes", remedy="see that this is a project's file")
        return content


_SAVE = "save the file as UTF-8"


@dataclass(frozen=True, kw_only=True, slots=True)
class Table:
    """A table of a document: what is asked of it has the type that it is asked as, or raises ProjectError.

    What is not there is empty.
    """

    origin: Origin
    data: Mapping[str, Any] = field(repr=False)
    place: DocumentPath = ()

    def __bool__(self) -> bool:
        return bool(self.data)

    def __contains__(self, key: str) -> bool:
        return key in self.data

    def text(self, key: str) -> str:
        """A text."""
        value = self.data.get(key, "")
        return value if isinstance(value, str) else self._refuse_type(key, "a text")

    def number(self, key: str) -> int:
        """A whole number that is not negative."""
        value = self.data.get(key, 0)
        if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
            return value
        return self._refuse_type(key, "a whole number")

    def flag(self, key: str) -> bool:
        """A boolean, false where it is not there."""
        value = self.data.get(key, False)
        return value if isinstance(value, bool) else self._refuse_type(key, "true or false")

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of texts."""
        value = self.data.get(key, [])
        if isinstance(value, list) and all(isinstance(one, str) for one in value):
            return tuple(value)
        return self._refuse_type(key, "a list of texts")

    def table(self, *keys: str) -> "Table":
        """The table at a path of keys."""
        found = self
        for key in keys:
            value = found.data.get(key, {})
            if not isinstance(value, dict):
                found._refuse_type(key, "a table")
            found = Table(origin=found.origin, data=value, place=(*found.place, key))
        return found

    def tables(self, key: str) -> "list[Table]":
        """A list of tables."""
        value = self.data.get(key, [])
        if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
            self._refuse_type(key, "a list of tables")
        return [
            Table(origin=self.origin, data=one, place=(*self.place, key, number)) for number, one in enumerate(value)
        ]

    def entries(self) -> "Iterator[tuple[str, Table]]":
        """The keys, each with its table."""
        return ((key, self.table(key)) for key in self.data)

    def refuse(self, message: str, key: str = "", *, remedy: str = "") -> NoReturn:
        """Raise the ProjectError for something wrong at a key of the table."""
        place = format_path((*self.place, key) if key else self.place)
        self.origin.refuse(f"{place}: {message}" if place else message, remedy=remedy)

    def _refuse_type(self, key: str, wanted: str) -> NoReturn:
        self.refuse(f"{_kind(self.data[key])} stands where {wanted} belongs", key)


def file_name(address: str) -> str:
    """The name of the file at an address or a path."""
    path = address.partition("#")[0].partition("?")[0] if "://" in address else address.replace("\\", "/")
    name = path.rpartition("/")[2]
    return unquote(name) if "%" in name else name


def is_file(path: Path) -> bool:
    """Whether there is a file that may be looked at; also of a path that no system has."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def is_folder(path: Path) -> bool:
    """Whether there is a folder that may be looked at; also of a path that no system has."""
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False


def is_there(path: Path) -> bool:
    """Whether there is anything at a path, of whatever kind."""
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


def name_around(path: Path) -> str:
    """The normalized name of the folder in which a file lies: that of a project whose file names none."""
    return canonicalize_name(path.resolve().parent.name)


def _kind(value: object) -> str:
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, list):
        return "a list" if value else "an empty list"
    return quote(value)
