"""Reading uv.lock: the graph of a project's packages, walked for each environment as `uv sync` walks it.

What this module decides:
- What is needed is what `uv sync` installs without being asked: the project (a workspace without a project at its root:
  all members) with its default dependency groups, and no extras but those that are asked for on the way.
- Packages and their edges are taken apart when they are first reached; each set of files once.
- Conflicting extras and groups stand in markers as `extra == 'extra-3-foo-cpu'`: those that the walk has met are true
  together. As they come to be met on the way, it is walked until nothing new is.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from warmbase.downstream.projects.document import Origin, Table, name_around
from warmbase.downstream.projects.environment import MarkerError, admits
from warmbase.downstream.projects.lockedfiles import CutLock, read_cut
from warmbase.downstream.projects.model import Environment, Member, Need, Project
from warmbase.downstream.projects.pyproject import (
    default_groups,
    open_pyproject,
    project_name,
    read_member,
)
from warmbase.downstream.projects.wanted import at_address, index_at

NEWEST_VERSION = 1
_HERE = ("editable", "virtual", "directory")
"""Sources whose address is a folder."""
_OUTSIDE = re.compile(r"\.\.(?:/|$)|/|[A-Za-z]:")
"""Folders that do not lie in the project's."""


class _Holds(Protocol):
    def __call__(self, marker: str, own: frozenset[str] = ...) -> bool: ...


@dataclass(frozen=True, slots=True)
class _Edge:
    """A dependency: the packages that it may mean, its marker and extras, and `own`, these as markers name them."""

    targets: tuple[int, ...]
    marker: str
    extras: tuple[str, ...]
    own: frozenset[str]


@dataclass(slots=True)
class _Graph:
    """The packages of a lock by number, and what was taken apart of them."""

    cut: CutLock
    packages: Sequence[Table]
    by_name: Mapping[str, tuple[int, ...]]
    edges: dict[tuple[int, str], tuple[_Edge, ...]] = field(default_factory=dict)
    needs: dict[tuple[int, tuple[str, ...]], Need] = field(default_factory=dict)

    @property
    def lock(self) -> Table:
        """The whole document."""
        return self.cut.lock

    def edges_of(self, number: int, extra: str) -> tuple[_Edge, ...]:
        """What a package depends on, or with an extra ("" without)."""
        if (number, extra) not in self.edges:
            package = self.packages[number]
            entries = package.table("optional-dependencies").tables(extra) if extra else package.tables("dependencies")
            self.edges[number, extra] = self.read_edges(entries)
        return self.edges[number, extra]

    def read_edges(self, entries: Iterable[Table]) -> tuple[_Edge, ...]:
        """The edges that a list in the lock has."""
        return tuple(map(self._read_edge, entries))

    def need(self, number: int, extras: tuple[str, ...]) -> Need:
        """A package as a need."""
        if (number, extras) not in self.needs:
            self.needs[number, extras] = _read_need(self.packages[number], extras, self.cut)
        return self.needs[number, extras]

    def _read_edge(self, entry: Table) -> _Edge:
        name, extras = entry.text("name"), entry.texts("extra" if "extra" in entry else "extras")
        return _Edge(
            targets=self._targets(entry),
            marker=entry.text("marker"),
            extras=extras,
            own=frozenset(_name_in_markers(name, extra) for extra in extras),
        )

    def _targets(self, entry: Table) -> tuple[int, ...]:
        named = self.by_name.get(entry.text("name"), ())
        if not named:
            entry.refuse(f"there is no package '{entry.text('name')}'")
        version, source = entry.text("version"), entry.table("source").data
        return tuple(
            number
            for number in named
            if (not version or self.packages[number].data.get("version") == version)
            and (not source or self.packages[number].data.get("source") == source)
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class _Roots:
    """Where the walk begins: packages, and edges of groups with the names by which markers speak of them."""

    packages: tuple[int, ...]
    edges: tuple[_Edge, ...]
    active: frozenset[str]
    own: frozenset[int]


@dataclass(frozen=True, kw_only=True, slots=True)
class LockNeeds:
    """What a uv.lock says is needed."""

    graph: _Graph
    roots: _Roots

    def __call__(self, environment: Environment) -> tuple[Need, ...]:
        """What is needed in an environment, by name. Raises ProjectError."""
        active = self.roots.active
        try:
            reached, met = self._walk(environment, active)
            while self.graph.lock.data.get("conflicts") and not met <= active:
                active |= met
                reached, met = self._walk(environment, active)
        except MarkerError as error:
            self.graph.lock.refuse(f"a marker cannot be asked: {error}")
        found = (
            self.graph.need(number, tuple(sorted(extras - {""})))
            for number, extras in reached.items()
            if number not in self.roots.own
        )
        return tuple(sorted(found, key=lambda need: need.name))

    def _walk(self, environment: Environment, active: frozenset[str]) -> tuple[dict[int, set[str]], set[str]]:
        """The packages that are reached, each with its extras ("" itself), and the names of those extras in markers."""
        reached: dict[int, set[str]] = {}
        met: set[str] = set()
        asked: dict[str, bool] = {"": True}  # most markers stand often

        def holds(marker: str, own: frozenset[str] = frozenset()) -> bool:
            if own and "extra" in marker:
                return admits(marker, environment, active | own)
            if marker not in asked:
                asked[marker] = admits(marker, environment, active)
            return asked[marker]

        pending: list[tuple[int, str]] = [(number, "") for number in self.roots.packages]
        pending += self._follow(self.roots.edges, holds)
        while pending:
            number, extra = pending.pop()
            extras = reached.setdefault(number, set())
            if extra in extras:
                continue
            extras.add(extra)
            if extra:
                met.add(_name_in_markers(self.graph.packages[number].text("name"), extra))
            pending += self._follow(self.graph.edges_of(number, extra), holds)
        return reached, met

    def _follow(self, edges: Iterable[_Edge], holds: _Holds) -> Iterator[tuple[int, str]]:
        """Where edges lead; of the packages that one may mean, to those that are locked for the environment."""
        for edge in edges:
            if holds(edge.marker, edge.own):
                for number in edge.targets:
                    if len(edge.targets) == 1 or self._is_here(number, holds):
                        yield number, ""
                        for extra in edge.extras:
                            yield number, extra

    def _is_here(self, number: int, holds: _Holds) -> bool:
        markers = self.graph.packages[number].texts("resolution-markers")
        return not markers or any(holds(marker) for marker in markers)


def read_uv_lock(path: Path) -> Project:
    """The project of a uv.lock, seen from where that lies. Raises ProjectError."""
    graph = _open_graph(path, "uv lock")
    pyproject = open_pyproject(path.parent)
    return _project(graph, path, pyproject, _find_roots(graph, pyproject))


def read_as_member(path: Path, member: str) -> Project | None:
    """The project of a uv.lock, seen from a member of its workspace; None where it has no such member. Raises
    ProjectError."""
    graph = _open_graph(path, "uv lock")
    numbers = [number for number in _own(graph) if graph.packages[number].text("name") == member]
    if not numbers:
        return None
    settings = open_pyproject(path.parent / folder_of(graph.packages[numbers[0]]))
    roots = _find_roots(graph, settings, member)
    return replace(_project(graph, path, settings, roots), name=member)


def read_script_lock(path: Path, script: Path) -> Project:
    """The project of a script, from the lock beside it. Raises ProjectError."""
    graph = _open_graph(path, f"uv lock --script {script.name}")
    return replace(_project(graph, script, None, _find_roots(graph, None)), kind="script", name=script.stem)


def _project(graph: _Graph, path: Path, pyproject: Table | None, roots: _Roots) -> Project:
    return Project(
        path=path,
        kind="uv.lock",
        name=_name_of(graph, roots, pyproject, path),
        needs=LockNeeds(graph=graph, roots=roots),
        requires_python=graph.lock.text("requires-python"),
        is_locked=True,
        direct=frozenset(_direct(graph, roots)),
        members=tuple(_read_member(graph.packages[number], path.parent) for number in sorted(roots.own)),
    )


def _open_graph(path: Path, command: str) -> _Graph:
    return _read_graph(read_cut(Origin(path=path, remedy=f"run `{command}`, which writes it anew")))


def _read_graph(cut: CutLock) -> _Graph:
    lock = cut.lock
    remedy = "see that it is a uv.lock; if it is, write it with the uv of today (`uv lock`)"
    if "version" not in lock:
        lock.refuse("it does not say in which version of the format it is written", remedy=remedy)
    if lock.number("version") != NEWEST_VERSION:
        lock.refuse(
            f"version {lock.number('version')} of the format is not known, only {NEWEST_VERSION}", remedy=remedy
        )
    packages = lock.tables("package")
    by_name: dict[str, list[int]] = {}
    for number, package in enumerate(packages):
        by_name.setdefault(package.text("name"), []).append(number)
    return _Graph(cut, packages, {name: tuple(numbers) for name, numbers in by_name.items()})


def _own(graph: _Graph) -> frozenset[int]:
    """The packages that are built from the project's own folders."""
    folders = ((number, folder_of(package)) for number, package in enumerate(graph.packages))
    return frozenset(number for number, folder in folders if folder and not _OUTSIDE.match(folder))


def _find_roots(graph: _Graph, pyproject: Table | None, member: str = "") -> _Roots:
    own = _own(graph)
    at_root = {number for number in own if folder_of(graph.packages[number]) == "."}
    manifest = graph.lock.table("manifest")
    named = [member] if member else manifest.texts("members")
    members = {number for name in named for number in graph.by_name.get(name, ()) if number in own}
    packages = members if member else at_root or members
    edges = [*graph.read_edges(manifest.tables("requirements"))]
    active = set()
    groups = [("", manifest.table("dependency-groups"))]
    for number in sorted(packages):
        package = graph.packages[number]
        name = package.text("name")
        groups.append((name, package.table("dev-dependencies")))
        active.add(f"project-{len(name)}-{name}")
    for name, table in groups:
        settings = pyproject or Table(origin=graph.lock.origin, data={})
        for group in default_groups(settings, table.data):
            edges += graph.read_edges(table.tables(group))
            active.add(f"group-{len(name)}-{name}-{group}")
    return _Roots(packages=tuple(sorted(packages)), edges=tuple(edges), active=frozenset(active), own=own)


def _direct(graph: _Graph, roots: _Roots) -> Iterator[str]:
    """The names of what the project and its members name."""
    edges = [edge for number in roots.own for edge in graph.edges_of(number, "")]
    for edge in (*roots.edges, *edges):
        yield from (graph.packages[number].text("name") for number in edge.targets if number not in roots.own)


def _name_in_markers(package: str, extra: str) -> str:
    return f"extra-{len(package)}-{package}-{extra}"


def folder_of(package: Table) -> str:
    """The folder that a package is built from; "" where it is not built from one."""
    source = package.table("source")
    return next(filter(None, (source.text(key) for key in _HERE)), "")


def _read_member(package: Table, root: Path) -> Member:
    folder = folder_of(package)
    virtual = "virtual" in package.table("source")
    pyproject = None if virtual else open_pyproject(root / folder)
    name, place = package.text("name"), folder or "."
    return read_member(pyproject, name, place) if pyproject else Member(name=name, folder=place)


def _name_of(graph: _Graph, roots: _Roots, pyproject: Table | None, path: Path) -> str:
    if len(roots.packages) == 1:
        return graph.packages[roots.packages[0]].text("name")
    return project_name(pyproject) if pyproject else name_around(path)


def _read_need(package: Table, extras: tuple[str, ...], cut: CutLock) -> Need:
    source = package.table("source")
    need = Need(
        name=package.text("name"), version=package.text("version"), extras=extras, files=tuple(cut.files_of(package))
    )
    if "registry" in source:
        return replace(need, index=index_at(source.text("registry")))
    address = f"git+{source.text('git')}" if "git" in source else source.text("url") or source.text("path")
    return at_address(need, address or folder_of(package))
