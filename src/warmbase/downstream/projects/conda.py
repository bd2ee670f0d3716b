"""Reading conda's environment.yml: its packages under their names in a Python index, and those of its pip section.

What this module decides:
- `python` is what the project asks of Python, by its minor version: `conda env export` writes the patch level too,
  which nobody means.
- `=1.2` admits 1.2 and what begins so, `==1.2` and a version with a build are exact, as in conda's match specification.
- Channels and builds say nothing about a Python index. pip itself is not looked for.
- What is no Python package, or has no version of Python's kind, is listed as unknown with the reason.
"""

import re
from pathlib import Path

from packaging.utils import canonicalize_name

from warmbase.catalog.problems import Problem, quote
from warmbase.catalog.source import PlainData, Source, parse_source
from warmbase.downstream.projects.condanames import python_name, why_not_python
from warmbase.downstream.projects.document import Origin, name_around
from warmbase.downstream.projects.model import Project, Unknown
from warmbase.downstream.projects.poetryspec import to_specifier
from warmbase.downstream.projects.requirements import RequirementsReader
from warmbase.downstream.projects.wanted import Wanted, WantedNeeds, need_within
from warmbase.errors import CatalogError

_SPEC = re.compile(r"(?:\S+::)?([A-Za-z0-9_][A-Za-z0-9_.-]*)\s*(\[.*\])?\s*(.*)", re.DOTALL)
_BRACKETS = re.compile(r"version\s*=\s*(?:'([^']*)'|\"([^\"]*)\"|([^,\]]*))")
_WITH_BUILD = re.compile(r"=*\s*([^=<>!~,|\s]+)\s*(?:=|\s)\s*[^=<>!~,|\s]+")
_FUZZY = re.compile(r"=?([^=<>!~*]+?)(\.?\*)?")
_PYTHON_PATCH = re.compile(r"==(\d+\.\d+)\.\d+(?:\.\*)?")
_REMEDY = "mend the line; `conda env export --from-history` writes such a file"


def read_conda(path: Path) -> Project:
    """The project of an environment.yml. Raises ProjectError."""
    origin = Origin(path=path, remedy=_REMEDY)
    source = _parse(path, origin)
    document = source.data
    if not isinstance(document, dict) or not isinstance(document.get("dependencies"), list):
        origin.refuse("this is not the file of a conda environment: no list `dependencies` stands in it")
    reader = _Reader(source, origin)
    entries = document["dependencies"]
    for number, entry in enumerate(entries if isinstance(entries, list) else []):
        reader.read(number, entry)
    name = document.get("name")
    found = reader.pip
    return Project(
        path=path,
        kind="environment.yml",
        name=canonicalize_name(name) if isinstance(name, str) and name else name_around(path),
        needs=WantedNeeds(
            wanted=(*reader.wanted, *found.wanted, *found.inherited), constraints=tuple(found.constraints)
        ),
        requires_python=reader.python or found.python,
        unknown=(*reader.unknown, *found.unknown),
        members=tuple(found.members),
    )


class _Reader:
    """Reads the entries of the list; what was found is in its fields."""

    def __init__(self, source: Source, origin: Origin) -> None:
        self._source = source
        self._origin = origin
        self.python = ""
        self.wanted: list[Wanted] = []
        self.unknown: list[Unknown] = []
        self.pip = RequirementsReader(origin.path.parent)

    def read(self, number: int, entry: PlainData) -> None:
        """Read the entry at a place of the list. Raises ProjectError."""
        line = self._source.find(("dependencies", number)).line
        if isinstance(entry, str):
            self._read_spec(entry.partition(" #")[0].strip(), line)
            return
        if not isinstance(entry, dict):
            self._origin.refuse(f"{quote(entry)} is not the name of a package", line=line)
        for key, lines in entry.items():
            if key != "pip":
                self.unknown.append(Unknown(name=key, why="only a section named pip is read"))
                continue
            for place, text in enumerate(lines if isinstance(lines, list) else [lines]):
                where = self._source.find(("dependencies", number, "pip", place)).line
                if not isinstance(text, str):
                    self._origin.refuse(f"{quote(text)} is not a requirement", line=where)
                self.pip.read_line(text.strip(), self.pip.wanted, self._origin, where)

    def _read_spec(self, text: str, line: int) -> None:
        found = _SPEC.fullmatch(text)
        if found is None:
            self._origin.refuse(f"{quote(text)} is not the name of a package", line=line)
        name = canonicalize_name(found[1])
        brackets = _BRACKETS.search(found[2] or "")
        version = next(filter(None, brackets.groups()), "") if brackets else found[3].strip()
        why = why_not_python(name)
        if name == "pip" or why:
            self.unknown += [Unknown(name=found[1], why=why)] if why else []
            return
        try:
            specifier = to_specifier("|".join(",".join(map(_translate, one.split(","))) for one in version.split("|")))
        except ValueError:
            self.unknown.append(Unknown(name=found[1], why=f"{quote(version)} is not a version of a Python package"))
            return
        if name == "python":
            self.python = _PYTHON_PATCH.sub(r"==\1.*", str(specifier))
        else:
            self.wanted.append(Wanted(need=need_within(python_name(name), specifier)))


def _translate(version: str) -> str:
    """One of conda's bounds in the words that poetry and PEP 440 share."""
    version = version.strip()
    exact = _WITH_BUILD.fullmatch(version)
    if exact:
        return f"=={exact[1]}"
    fuzzy = _FUZZY.fullmatch(version)
    if fuzzy and (version.startswith("=") or fuzzy[2]):
        return f"{fuzzy[1]}.*"
    return version


def _parse(path: Path, origin: Origin) -> Source:
    try:
        source = parse_source(path, origin.read_text())
    except CatalogError as error:
        _refuse(error.problems[0], origin)
    for problem in source.problems:
        _refuse(problem, origin)
    return source


def _refuse(problem: object, origin: Origin) -> None:
    if isinstance(problem, Problem):
        origin.refuse(problem.message, line=problem.position.line)
    origin.refuse(str(problem))
