"""The files of uv.lock's packages, which are nine tenths of it: read apart from the rest, and only where needed.

uv writes each on a line of its own, in one form. Those lines are cut out before the rest is parsed as TOML, and read by
that form when their package is reached; whatever is written in another way is parsed as TOML is. So a lock of 300
packages is read in a fifth of the time. Files that no base can use, for macOS and Windows, are left out.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from warmbase.downstream.projects.document import Origin, Table, file_name
from warmbase.downstream.projects.model import NeededFile

_CUT = re.compile(r"^(wheels|sdist) = (\[\n(?:    \{[^\n]*\},\n)*\]|\{[^\n]*\})$", re.MULTILINE)
_FILE = re.compile(
    r'\{ (url|path|filename) = "([^"\\]*)"(?:, hash = "sha256:([0-9a-f]{64})")?(?:, size = (\d{1,15}))?'
    r'(?:, upload-time = "[^"\\]*")? \}'
)
_ELSEWHERE = re.compile(r"-(?:macosx|win32|win_|ios|android|pyodide|emscripten)[^-]*\.whl$")
_MARK = "cut out: "


@dataclass(frozen=True, kw_only=True, slots=True)
class CutLock:
    """A uv.lock whose packages' files were cut out, and these by their mark."""

    lock: Table
    cut: Mapping[str, str]

    def files_of(self, package: Table) -> Iterator[NeededFile]:
        """The files of a package that are not for other systems alone. Raises ProjectError."""
        for key in ("wheels", "sdist"):
            text = self.cut.get(str(package.data.get(key)))
            if text is None:
                yield from _read_tables(package, key)
                continue
            lines = text.splitlines()[1:-1] if key == "wheels" else [text]
            found = [_FILE.fullmatch(line.strip(" ,")) for line in lines]
            if all(found):
                yield from (_file_of(*one.groups()) for one in found if one and not _ELSEWHERE.search(one[2]))
            else:
                origin = package.origin
                yield from _read_tables(origin.parse_toml(f"{key} = {text}\n"), key)


def read_cut(origin: Origin) -> CutLock:
    """Read a uv.lock. Raises ProjectError."""
    text = origin.read_text()
    cut: dict[str, str] = {}

    def keep(found: re.Match[str]) -> str:
        mark = f"{_MARK}{len(cut)}"
        cut[mark] = found[2]
        return f'{found[1]} = "{mark}"' + "\n" * found[2].count("\n")

    if '"""' not in text and "'''" not in text:  # lines inside of texts could look the same
        text = _CUT.sub(keep, text)
    return CutLock(lock=origin.parse_toml(text), cut=cut)


def _read_tables(package: Table, key: str) -> Iterator[NeededFile]:
    files = package.tables(key) if key == "wheels" else [package.table(key)]
    for file in filter(None, files):
        kind = next((kind for kind in ("url", "path", "filename") if kind in file), "url")
        algorithm, _, digest = file.text("hash").partition(":")
        if not _ELSEWHERE.search(file.text(kind)):
            yield _file_of(kind, file.text(kind), digest if algorithm == "sha256" else "", file.number("size"))


def _file_of(kind: str, address: str, sha256: str | None, size: str | int | None) -> NeededFile:
    url = address if kind == "url" else ""
    return NeededFile(name=file_name(address), sha256=sha256 or "", size=int(size or 0), url=url)
