"""Reading Pipfile.lock: what `pipenv sync` installs without `--dev`. Its hashes are those of all files of a package,
without their names."""

from dataclasses import replace
from pathlib import Path

from warmbase.downstream.projects.document import Origin, Table, name_around
from warmbase.downstream.projects.environment import MarkerError, check_marker
from warmbase.downstream.projects.model import Need, NeededFile, Project
from warmbase.downstream.projects.wanted import Wanted, WantedNeeds, at_address, index_at, need_of


def read_pipfile_lock(path: Path) -> Project:
    """The project of a Pipfile.lock. Raises ProjectError."""
    lock = Origin(path=path, remedy="run `pipenv lock`, which writes it anew").read_json()
    meta = lock.table("_meta")
    indexes = {source.text("name"): index_at(source.text("url")) for source in meta.tables("sources")}
    default = next(iter(indexes.values()), "")
    return Project(
        path=path,
        kind="Pipfile.lock",
        name=name_around(path),
        needs=WantedNeeds(
            wanted=tuple(
                _read(name, package, indexes.get(package.text("index"), default))
                for name, package in lock.table("default").entries()
            )
        ),
        requires_python=_required_python(meta.table("requires")),
        is_locked=True,
    )


def _required_python(requires: Table) -> str:
    full, minor = requires.text("python_full_version"), requires.text("python_version")
    return f"=={full}" if full else f"=={minor}.*" if minor else ""


def _read(name: str, package: Table, index: str) -> Wanted:
    marker = package.text("markers")
    try:
        check_marker(marker)
        need = need_of(name, package.text("version"), extras=package.texts("extras"))
    except (ValueError, MarkerError) as error:
        package.refuse(f"{error}")
    hashes = (text.partition(":") for text in package.texts("hashes"))
    files = tuple(NeededFile(name="", sha256=digest) for algorithm, _, digest in hashes if algorithm == "sha256")
    return Wanted(need=replace(_place(need, package, index), files=files), marker=marker)


def _place(need: Need, package: Table, index: str) -> Need:
    if package.text("git"):
        return at_address(need, f"git+{package.text('git')}@{package.text('ref')}")
    address = package.text("file") or package.text("path")
    return at_address(need, address) if address else replace(need, index=index)
