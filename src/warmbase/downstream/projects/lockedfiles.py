"""The files of locked packages, which are nine tenths of a lock: read apart from the rest, and only where needed.

uv and poetry write each on a line of its own, in one form. Those lines are cut out before the rest is parsed as TOML,
and read by that form when their package is reached; whatever is written in another way is parsed as TOML is. So a lock
of 300 packages is read in a fifth of the time. Files that no base can use, for macOS and Windows, are left out.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from warmbase.downstream.projects.document import Origin, Table, file_name
from warmbase.downstream.projects.model import NeededFile

KEYS = ("wheels", "sdist", "files")
"""Where packages have their files."""

_CUT = re.compile(
    rf"^({'|'.join(KEYS)}) = (\[\n(?: +\{{[^\n]*\}},\n)*\]|\[?\{{[^\n]*\}}\]?)$",
    re.MULTILINE,
)
_ADDRESS = r'(?:url|path|filename|file) = "(?P<address>[^"\\]*)"'
_SHA256 = r"(?P<sha256>[0-9a-f]{64})"
_SIZE = r"size = (?P<size>\d{1,15})"
_FORMS = (
    re.compile(rf'\{{ {_ADDRESS}(?:, hash = "sha256:{_SHA256}")?(?:, {_SIZE})?(?:, upload-time = "[^"\\]*")? \}}'),
    re.compile(rf'\{{ {_ADDRESS}(?:, upload-time = [^,"]*)?(?:, {_SIZE})?, hashes = \{{ sha256 = "{_SHA256}" \}} \}}'),
    re.compile(rf'\{{{_ADDRESS}, hash = "sha256:{_SHA256}"\}}'),
)
"""The lines of uv.lock, of uv's pylock.toml, and of poetry.lock."""
_ELSEWHERE = re.compile(r"-(?:macosx|win32|win_|ios|android|pyodide|emscripten)[^-]*\.whl$")
_MARK = "cut out: "


@dataclass(frozen=True, kw_only=True, slots=True)
class CutLock:
    """A lock whose packages' files were cut out, and these by their mark."""

    lock: Table
    cut: Mapping[str, str]

    def files_of(self, package: Table) -> Iterator[NeededFile]:
        """The files of a package that are not for other systems alone. Raises ProjectError."""
        for key in KEYS:
            value = package.data.get(key)
            text = self.cut.get(value) if isinstance(value, str) else None
            if text is None:
                yield from _read_tables(package, key)
                continue
            lines = (line.strip(" ,[]") for line in text.splitlines())
            found = [_match(line) for line in lines if line]
            if all(found):
                yield from (_read_line(one) for one in found if one and not _ELSEWHERE.search(one["address"]))
            else:
                yield from _read_tables(package.origin.parse_toml(f"{key} = {text}\n"), key)


def read_cut(origin: Origin) -> CutLock:
    """Read a lock in TOML. Raises ProjectError."""
    text = origin.read_text()
    cut: dict[str, str] = {}

    def keep(found: re.Match[str]) -> str:
        mark = f"{_MARK}{len(cut)}"
        cut[mark] = found[2]
        return f'{found[1]} = "{mark}"' + "\n" * found[2].count("\n")

    if '"""' not in text and "'''" not in text:  # lines inside of texts could look the same
        text = _CUT.sub(keep, text)
    return CutLock(lock=origin.parse_toml(text), cut=cut)


def _match(line: str) -> re.Match[str] | None:
    return next(filter(None, (form.fullmatch(line) for form in _FORMS)), None)


def _read_line(found: re.Match[str]) -> NeededFile:
    parts = found.groupdict()
    address, size = parts["address"], parts.get("size")
    url = address if "://" in address else ""
    return NeededFile(name=file_name(address), sha256=parts["sha256"] or "", size=int(size or 0), url=url)


def locked_file(file: Table) -> NeededFile:
    """A file as a table describes it, in any lock's way. Raises ProjectError."""
    address = next(filter(None, (file.text(kind) for kind in ("url", "path", "filename", "file"))), "")
    algorithm, _, digest = file.text("hash").partition(":")
    return NeededFile(
        name=file.text("name") or file_name(address),
        sha256=file.table("hashes").text("sha256") or (digest if algorithm == "sha256" else ""),
        size=file.number("size"),
        url=address if "://" in address else "",
    )


def _read_tables(package: Table, key: str) -> Iterator[NeededFile]:
    tables = [package.table(key)] if isinstance(package.data.get(key), dict) else package.tables(key)
    return (file for file in map(locked_file, tables) if not _ELSEWHERE.search(file.name))
