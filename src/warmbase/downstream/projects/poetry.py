"""Reading poetry.lock, of poetry 1 and 2.

What this module decides: what is needed is what `poetry install` installs without being asked: the main dependencies
and all groups that pyproject.toml does not call optional, and no extras. From format 2.1 on (poetry 2) each package has
its groups and markers; before, the graph is walked from what pyproject.toml names, and without one everything that is
not optional is needed.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from warmbase.downstream.projects.document import Origin, Table, name_around
from warmbase.downstream.projects.environment import MarkerError, admits
from warmbase.downstream.projects.lockedfiles import CutLock, read_cut
from warmbase.downstream.projects.model import Environment, Need, Project
from warmbase.downstream.projects.poetryspec import poetry_dependencies, poetry_python
from warmbase.downstream.projects.pyproject import (
    installed_poetry_groups,
    main_dependencies,
    member_at,
    member_in,
    open_pyproject,
    poetry_groups,
    project_dependencies,
    project_name,
)
from warmbase.downstream.projects.wanted import Wanted, at_address, index_at

_MAIN = "main"


@dataclass(frozen=True, kw_only=True, slots=True)
class _Locked:
    """A package of the lock. `markers` are those of its groups; empty in a lock that has none."""

    need: Need
    table: Table
    optional: bool
    markers: Mapping[str, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class PoetryNeeds:
    """What a poetry.lock says is needed. `groups` are those that are installed, None for all; `named` is what the
    project names, where the lock does not say the groups and pyproject.toml does; `own` are its members."""

    lock: Table
    packages: tuple[_Locked, ...]
    groups: frozenset[str] | None
    named: tuple[Wanted, ...] | None
    own: frozenset[str]

    def __call__(self, environment: Environment) -> tuple[Need, ...]:
        """What is needed in an environment, by name. Raises ProjectError."""
        try:
            found = list(self._by_group(environment) if self.named is None else self._by_walk(self.named, environment))
        except MarkerError as error:
            self.lock.refuse(f"a marker cannot be asked: {error}")
        return tuple(sorted((need for need in found if need.name not in self.own), key=lambda need: need.name))

    def _by_group(self, environment: Environment) -> Iterator[Need]:
        for each in self.packages:
            for group, marker in each.markers.items():
                chosen = self.groups is None or group in self.groups
                dormant = each.optional and group == _MAIN and "extra" not in marker
                if chosen and not dormant and admits(marker, environment):
                    yield each.need
                    break

    def _by_walk(self, named: Iterable[Wanted], environment: Environment) -> Iterator[Need]:
        reached: dict[int, set[str]] = {}
        bounds: dict[str, SpecifierSet] = {}
        pending = [each for each in named if admits(each.marker, environment)]
        while pending:
            wanted = pending.pop().need
            wish = SpecifierSet(f"=={wanted.version}" if wanted.version else wanted.specifier)
            bounds[wanted.name] = bounds.get(wanted.name, SpecifierSet()) & wish
            for number in self._within(wanted.name, wish):
                extras = {"", *wanted.extras}
                if extras <= reached.get(number, set()):
                    continue
                extras |= reached.get(number, set())
                reached[number] = extras
                pending += (each for each in self._edges(number, extras) if admits(each.marker, environment, extras))
        for name, admitted in bounds.items():
            for number in self._within(name, admitted):
                if number in reached:
                    yield replace(self.packages[number].need, extras=tuple(sorted(reached[number] - {""})))

    def _within(self, name: str, bounds: SpecifierSet) -> list[int]:
        """The packages of a name, and where there are several those within bounds: a version for each environment."""
        named = [number for number, each in enumerate(self.packages) if each.need.name == name]
        if len(named) < 2:
            return named
        return [number for number in named if bounds.contains(self.packages[number].need.version, prereleases=True)]

    def _edges(self, number: int, extras: set[str]) -> list[Wanted]:
        table = self.packages[number].table
        optional = table.table("extras")
        names = {
            canonicalize_name(text.split("(")[0].split("[")[0].split(";")[0].strip())
            for key in optional.data
            if canonicalize_name(key) in extras
            for text in optional.texts(key)
        }
        return poetry_dependencies(table.table("dependencies"), optional=names)


def read_poetry_lock(path: Path) -> Project:
    """The project of a poetry.lock. Raises ProjectError."""
    cut = read_cut(Origin(path=path, remedy="run `poetry lock`, which writes it anew"))
    metadata = cut.lock.table("metadata")
    packages = tuple(_read_package(one, metadata, cut) for one in cut.lock.tables("package"))
    pyproject = open_pyproject(path.parent)
    groups = installed_poetry_groups(pyproject) if pyproject else None
    grouped = any("groups" in one.table for one in packages)
    local = (member_at(each.need.url, path.parent) for each in packages if each.need.source == "path")
    own = tuple(member for member in (member_in(path.parent, path.parent), *local) if member)
    walks = pyproject is not None and not grouped
    needs = PoetryNeeds(
        lock=cut.lock,
        packages=packages,
        groups=groups,
        named=tuple(project_dependencies(pyproject)) if pyproject and walks else None,
        own=frozenset(member.name for member in own),
    )
    main = tuple(main_dependencies(pyproject)) if pyproject and walks else None
    return Project(
        path=path,
        kind="poetry.lock",
        name=project_name(pyproject) if pyproject else name_around(path),
        needs=needs,
        main_needs=replace(needs, groups=frozenset({_MAIN}), named=main) if grouped or pyproject else None,
        groups=_other_groups(pyproject) if pyproject else frozenset(),
        requires_python=poetry_python(metadata, "python-versions"),
        is_locked=True,
        members=own,
    )


def _other_groups(pyproject: Table) -> frozenset[str]:
    """The groups beside the main one that poetry installs without being asked, of those that there are."""
    named = {*poetry_groups(pyproject.table("tool", "poetry")), *pyproject.table("dependency-groups").data}
    return frozenset(canonicalize_name(name) for name in named) & installed_poetry_groups(pyproject) - {_MAIN}


def _read_package(package: Table, metadata: Table, cut: CutLock) -> _Locked:
    groups = package.texts("groups") or (_MAIN,)
    markers = package.data.get("markers", "")
    if isinstance(markers, dict):
        by_group = {group: package.table("markers").text(group) for group in groups}
    else:
        by_group = dict.fromkeys(groups, package.text("markers"))
    return _Locked(
        need=_read_need(package, metadata, cut), table=package, optional=package.flag("optional"), markers=by_group
    )


def _read_need(package: Table, metadata: Table, cut: CutLock) -> Need:
    name = package.text("name") or package.refuse("it has no name")
    files = (*cut.files_of(package), *cut.files_of(_files_of_old(name, metadata)))
    need = Need(name=canonicalize_name(name), version=package.text("version"), files=files)
    source = package.table("source")
    kind, url = source.text("type"), source.text("url")
    if kind == "git":
        return at_address(need, f"git+{url}@{source.text('resolved_reference')}")
    return at_address(need, url) if kind in ("url", "directory", "file") else replace(need, index=index_at(url))


def _files_of_old(name: str, metadata: Table) -> Table:
    """The files of a package in formats before 2.0, which have them in a table of their own, as a package has them."""
    files = metadata.table("files")
    return replace(files, data={"files": files.data[name]} if name in files else {})
