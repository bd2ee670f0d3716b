"""What a project names itself, where its lock has all packages alike: read from the file that the lock was made from.

It decides only what is named first: where that file is not there, or is wrong, nothing is known, and nothing is said.
"""

from collections.abc import Iterator
from pathlib import Path

from packaging.utils import canonicalize_name

from warmbase.downstream.projects.document import Origin, is_file
from warmbase.downstream.projects.model import Project
from warmbase.downstream.projects.pyproject import open_pyproject, project_dependencies
from warmbase.downstream.projects.requirements import RequirementsReader
from warmbase.errors import ProjectError

_PIPFILE = "Pipfile"


def direct_names(project: Project) -> frozenset[str]:
    """The normalized names of the packages that a project names itself; none where that is not known."""
    if project.direct or not project.is_locked:
        return project.direct
    try:
        return frozenset(_named(project.path))
    except ProjectError:
        return frozenset()


def _named(lock: Path) -> Iterator[str]:
    pipfile = lock.with_name(_PIPFILE)
    if lock.name == f"{_PIPFILE}.lock" and is_file(pipfile):
        yield from map(canonicalize_name, Origin(path=pipfile, remedy="").read_toml().table("packages").data)
        return
    source = lock.with_suffix(".in")
    if lock.suffix == ".txt" and is_file(source):
        reader = RequirementsReader(lock.parent)
        reader.read(source, reader.wanted)
        yield from (each.need.name for each in reader.wanted)
        return
    pyproject = open_pyproject(lock.parent)
    if pyproject is not None:
        yield from (each.need.name for each in project_dependencies(pyproject))
