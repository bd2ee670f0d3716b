"""Reading a project from pyproject.toml alone, with the packages that lie in its folder: a uv workspace's members, and
those that it names by a path. What these need is needed where the project needs them, as `uv sync` sees it; a workspace
without a package at its root has all of its members installed.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from warmbase.downstream.projects.document import Table
from warmbase.downstream.projects.model import Member, Project
from warmbase.downstream.projects.pyproject import (
    folder_within,
    is_package,
    main_dependencies,
    member_in,
    names_dependencies,
    open_pyproject,
    project_dependencies,
    project_name,
    python_of,
    unknown_of,
    within_settings,
    workspace_folders,
)
from warmbase.downstream.projects.wanted import Wanted
from warmbase.errors import ProjectError


def read_pyproject(path: Path) -> Project:
    """The project of a pyproject.toml. Raises ProjectError."""
    pyproject = open_pyproject(path.parent)
    if pyproject is None or not names_dependencies(pyproject):
        message = "no [project], [dependency-groups] or [tool.poetry] is in it" if pyproject else "no such file"
        remedy = "name what the project needs: `uv init --bare`, then `uv add PACKAGE`"
        raise ProjectError(f"{path}: {message}", next_step=remedy)
    members = {member.name: member for member in _find_members(pyproject)}
    wanted = list(_follow(_roots(pyproject, members.values()), members, path.parent))
    return Project(
        path=path,
        kind="pyproject.toml",
        name=project_name(pyproject),
        needs=within_settings(wanted, pyproject),
        requires_python=python_of(pyproject),
        unknown=tuple(unknown_of(pyproject)),
        members=tuple(members.values()),
    )


def _find_members(pyproject: Table) -> Iterator[Member]:
    """The packages in the project's folder: its own, the workspace's, and those at the paths that these name."""
    root = pyproject.origin.path.parent
    pending = [root, *workspace_folders(pyproject)]
    seen = set()
    while pending:
        folder = pending.pop(0).resolve()
        member = None if folder in seen else member_in(folder, root)
        seen.add(folder)
        if member is None:
            continue
        yield member
        own = open_pyproject(folder)
        places = [one.need.url for one in project_dependencies(own) if one.need.source == "path"] if own else []
        pending += filter(None, (folder_within(place, folder, root) for place in places))


def _roots(pyproject: Table, members: Iterable[Member]) -> Iterator[Wanted]:
    yield from project_dependencies(pyproject)
    if not is_package(pyproject):
        for member in members:
            own = open_pyproject(pyproject.origin.path.parent / member.folder)
            yield from project_dependencies(own) if own else ()


def _follow(roots: Iterable[Wanted], members: dict[str, Member], root: Path) -> Iterator[Wanted]:
    """What is wanted, and in place of a member what that wants."""
    pending, seen = list(roots), set()
    while pending:
        each = pending.pop()
        member = members.get(each.need.name)
        if member is None:
            yield each
        elif (each.need.name, each.need.extras) not in seen:
            seen.add((each.need.name, each.need.extras))
            own = open_pyproject(root / member.folder)
            for inner in main_dependencies(own, each.need.extras) if own else ():
                both = " and ".join(f"({marker})" for marker in (each.marker, inner.marker) if marker)
                pending.append(replace(inner, marker=both))
