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

from warmbase.downstream.projects.document import Origin, Table
from warmbase.downstream.projects.environment import MarkerError, admits
from warmbase.downstream.projects.lockedfiles import CutLock, read_cut
from warmbase.downstream.projects.model import Environment, Need, Project
from warmbase.downstream.projects.poetryspec import poetry_dependencies, poetry_python
from warmbase.downstream.projects.pyproject import (
    installed_poetry_groups,
    member_in,
    open_pyproject,
    project_dependencies,
    project_name,
)
from warmbase.downstream.projects.wanted import Wanted

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
    project names, where the lock does not say the groups and pyproject.toml does."""

    lock: Table
    packages: tuple[_Locked, ...]
    groups: frozenset[str] | None
    named: tuple[Wanted, ...] | None

    def __call__(self, environment: Environment) -> tuple[Need, ...]:
        """What is needed in an environment, by name. Raises ProjectError."""
        try:
            found = list(self._by_group(environment) if self.named is None else self._by_walk(self.named, environment))
        except MarkerError as error:
            self.lock.refuse(f"a marker cannot be asked: {error}")
        return tuple(sorted(found, key=lambda need: need.name))

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
        pending = [each for each in named if admits(each.marker, environment)]
        while pending:
            wanted = pending.pop().need
            for number in self._meant(wanted):
                extras = {"", *wanted.extras}
                if extras <= reached.get(number, set()):
                    continue
                extras |= reached.get(number, set())
                reached[number] = extras
                pending += (each for each in self._edges(number, extras) if admits(each.marker, environment, extras))
        for number, extras in reached.items():
            yield replace(self.packages[number].need, extras=tuple(sorted(extras - {""})))

    def _meant(self, wanted: Need) -> Iterator[int]:
        """The packages that a dependency may mean: those of its name, and of several those within its bounds."""
        named = [number for number, each in enumerate(self.packages) if each.need.name == wanted.name]
        bounds = SpecifierSet(f"=={wanted.version}" if wanted.version else wanted.specifier)
        fitting = [n for n in named if bounds.contains(self.packages[n].need.version, prereleases=True)]
        yield from fitting if len(named) > 1 else named

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
    own = member_in(path.parent, path.parent)
    return Project(
        path=path,
        kind="poetry.lock",
        name=project_name(pyproject) if pyproject else canonicalize_name(path.resolve().parent.name),
        needs=PoetryNeeds(
            lock=cut.lock,
            packages=packages,
            groups=groups,
            named=tuple(project_dependencies(pyproject)) if pyproject and not grouped else None,
        ),
        requires_python=poetry_python(metadata, "python-versions"),
        is_locked=True,
        members=(own,) if own else (),
    )


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
        return replace(need, source="git", url=f"git+{url}@{source.text('resolved_reference')}")
    if kind == "url":
        return replace(need, source="url", url=url)
    if kind in ("directory", "file"):
        return replace(need, source="path", url=url)
    return replace(need, index=url)


def _files_of_old(name: str, metadata: Table) -> Table:
    """The files of a package in formats before 2.0, which have them in a table of their own, as a package has them."""
    files = metadata.table("files")
    return replace(files, data={"files": files.data[name]} if name in files else {})
