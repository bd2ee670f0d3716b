"""Reading requirements files, in pip's format (its documentation, "Requirements File Format").

What this module decides:
- Files named by `-r` and `-c` are read with it; one at an address is not fetched, and is listed as unknown.
- `==` with a hash is a version with its files; without one a version alone. A file in which everything has both counts
  as locked, for that is what `pip-compile`, `pip freeze` and `uv export` write.
- A path or an address without a name is needed under the name that its file or `#egg=` gives. A folder is a member of
  the project where it is a package's.
- `${VARIABLE}` is left as it stands: it is where people keep secrets.
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from warmbase.catalog.problems import quote
from warmbase.downstream.projects.document import Origin, file_name, is_file, name_around
from warmbase.downstream.projects.model import Member, Need, NeededFile, Project, Unknown
from warmbase.downstream.projects.pyproject import main_dependencies, member_in, open_pyproject, python_of
from warmbase.downstream.projects.wanted import (
    Wanted,
    WantedNeeds,
    at_address,
    index_at,
    parse_requirement,
    quote_requirement,
)
from warmbase.errors import mask_userinfo
from warmbase.lock.wheels import package_of_file

REMEDY = "mend the line; `uv pip compile` or `pip freeze` write such files"

_COMMENT = re.compile(r"(?:^|\s)#.*$")
_HASH = re.compile(r"\s--hash(?:=|\s+)(\w+):([0-9a-fA-F]+)")
_OWN_OPTIONS = re.compile(r"\s--(?:hash|config-settings?|global-option|install-option)(?:=|\s).*$")
_OPTION = re.compile(r"(--[a-z0-9-]+|-[a-zA-Z])(?:\s*=\s*|\s*)(.*)")
_EGG = re.compile(r"[#&]egg=([A-Za-z0-9._-]+)(?:\[([^]]*)\])?")
_ADDRESS = re.compile(
    r"[a-z]+(?:\+[a-z]+)?:|\.{0,2}[/\\]|\.{1,2}(?:\[|$)|[A-Za-z]:[/\\]|\S+\.(?:whl|tar\.gz|zip)(?:\s|$)"
)
_NAMED = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:\[[^]]*\])?\s*@\s*\S")
_COMPILED = re.compile(r"^#\s+((?:uv pip compile|pip-compile) [^\n;&|`$<>]+)$", re.MULTILINE)
_INDEX = ("-i", "--index-url", "--default-index")
_REQUIREMENTS, _CONSTRAINTS, _EDITABLE = ("-r", "--requirement"), ("-c", "--constraint"), ("-e", "--editable")
_MOST_FILES = 100  # that name each other


def compiling_command(text: str) -> str:
    """The command that wrote a requirements file, as its head says, "" where none did; words alone for a shell."""
    found = _COMPILED.search(text)
    return found[1].strip() if found else ""


def read_requirements(path: Path) -> Project:
    """The project of a requirements file, with those that it names. Raises ProjectError."""
    reader = RequirementsReader(path.parent)
    reader.read(path, reader.wanted)
    pinned = {each.need.name for each in reader.wanted if each.need.source != "index" or _is_pinned(each.need)}
    names = {member.name for member in reader.members}
    wanted = [each for each in (*reader.wanted, *reader.inherited) if each.need.name not in names]
    return Project(
        path=path,
        kind="requirements.txt",
        name=reader.members[0].name if reader.members else name_around(path),
        needs=WantedNeeds(wanted=tuple(wanted), constraints=tuple(reader.constraints)),
        requires_python=reader.python,
        is_locked=bool(wanted) and all(each.need.name in pinned for each in wanted),
        unknown=tuple(reader.unknown),
        members=tuple(reader.members),
    )


class RequirementsReader:
    """Reads requirements, from files and line by line; what was found is in its lists. `folder` is the project's."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._seen: set[tuple[Path, bool]] = set()
        self._index = ""
        self.python = ""
        self.wanted: list[Wanted] = []
        self.inherited: list[Wanted] = []  # what members need
        self.constraints: list[Wanted] = []
        self.members: list[Member] = []
        self.unknown: list[Unknown] = []

    def read(self, path: Path, target: list[Wanted], origin: Origin | None = None, line: int = 0) -> None:
        """Read the file at `path`, named in a line of `origin`, into `target`. Raises ProjectError."""
        found = is_file(path)
        if origin and not found:
            origin.refuse(f"there is no file {quote(str(path))}", line=line)
        key = (path.resolve() if found else path, target is self.constraints)
        if key in self._seen:
            return
        self._seen.add(key)
        if origin and len(self._seen) > _MOST_FILES:
            origin.refuse("too many files name each other", line=line)
        own = Origin(path=path, remedy=REMEDY)
        for number, text in _logical_lines(own.read_text()):
            self.read_line(text, target, own, number)

    def read_line(self, text: str, target: list[Wanted], origin: Origin, line: int) -> None:
        """Read one line into `target`: a requirement or an option. Raises ProjectError."""
        option = _OPTION.match(text) if text.startswith("-") else None
        if option is None:
            self._read_requirement(text, target, origin, line)
            return
        name, value = option[1], option[2].strip().strip("'\"")
        if name in _INDEX:
            self._index = index_at(value)
        elif name in _EDITABLE:
            self._read_address(value, target, origin, line)
        elif name in (*_REQUIREMENTS, *_CONSTRAINTS):
            if "://" in value:
                self._list(mask_userinfo(value), "a file at an address is not read")
            else:
                self.read(
                    origin.path.parent / value, self.constraints if name in _CONSTRAINTS else target, origin, line
                )

    def _read_requirement(self, text: str, target: list[Wanted], origin: Origin, line: int) -> None:
        stated = _OWN_OPTIONS.sub("", text).strip()
        if _ADDRESS.match(stated):
            self._read_address(stated, target, origin, line)
            return
        try:
            wanted = parse_requirement(stated)
        except ValueError as error:
            origin.refuse(f"{quote_requirement(stated)} is not a requirement: {error}", line=line)
        hashes = [digest.lower() for algorithm, digest in _HASH.findall(text) if algorithm == "sha256"]
        files = tuple(NeededFile(name="", sha256=digest) for digest in hashes)
        index = self._index if wanted.need.source == "index" else ""
        target.append(replace(wanted, need=replace(wanted.need, files=files, index=index)))

    def _read_address(self, text: str, target: list[Wanted], origin: Origin, line: int) -> None:
        """Read what has no name before its address: a file, a repository, or a folder with a package."""
        address, _, marker = (part.strip() for part in text.partition(" ;"))
        found = _EGG.search(address) or _NAMED.match(address)
        name = found[1] if found else package_of_file(file_name(address))
        if not name and "://" not in address:
            self._read_folder(address, origin)
        elif not name:
            self._list(mask_userinfo(address), "its address does not say which package it is")
        else:
            try:
                wanted = parse_requirement(f"{name}{f' ; {marker}' if marker else ''}")
            except ValueError as error:
                origin.refuse(f"{quote_requirement(text)} is not a requirement: {error}", line=line)
            target.append(replace(wanted, need=at_address(wanted.need, address)))

    def _read_folder(self, text: str, origin: Origin) -> None:
        place, _, asked = text.removesuffix("]").partition("[")
        extras = [extra for extra in asked.split(",") if extra.strip()]
        folder = origin.path.parent / place.removeprefix("file:")
        member = member_in(folder, self._folder)
        if member is None:
            self._list(place, "there is no Python package in this folder")
            return
        self.members.append(member)
        pyproject = open_pyproject(folder)
        if pyproject is not None:
            self.python = self.python or python_of(pyproject)
            self.inherited += main_dependencies(pyproject, [extra.strip() for extra in extras])

    def _list(self, name: str, why: str) -> None:
        self.unknown.append(Unknown(name=name, why=why))


def _is_pinned(need: Need) -> bool:
    return bool(need.version and need.files)


def _logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """The lines that say something, each with the number of its first; a backslash at its end continues one."""
    kept, start = "", 0
    for number, line in enumerate(text.splitlines(), start=1):
        start = start if kept else number
        if line.endswith("\\") and not line.lstrip().startswith("#"):
            kept += line[:-1] + " "
            continue
        said = _COMMENT.sub("", kept + line).strip()
        kept = ""
        if said:
            yield start, said
    if kept.strip():
        yield start, _COMMENT.sub("", kept).strip()
