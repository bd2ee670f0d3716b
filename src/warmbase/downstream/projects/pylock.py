"""Reading pylock.toml (PEP 751), whoever wrote it: the packages whose markers hold, with the default groups and no
extras. A folder is a member of the project where it lies within, and else something that is needed from a path.
"""

from dataclasses import dataclass, replace
from pathlib import Path

from packaging.utils import canonicalize_name

from warmbase.downstream.projects.document import Origin, Table, name_around
from warmbase.downstream.projects.environment import MarkerError, admits
from warmbase.downstream.projects.lockedfiles import CutLock, locked_file, read_cut
from warmbase.downstream.projects.model import Environment, Need, Project
from warmbase.downstream.projects.pyproject import member_at
from warmbase.downstream.projects.wanted import at_address, index_at

_MAJOR = "1."


@dataclass(frozen=True, kw_only=True, slots=True)
class _Locked:
    """A package of the lock, under its marker ("" always)."""

    need: Need
    marker: str


@dataclass(frozen=True, kw_only=True, slots=True)
class PylockNeeds:
    """What a pylock.toml says is needed, with its default groups."""

    lock: Table
    packages: tuple[_Locked, ...]
    groups: frozenset[str]

    def __call__(self, environment: Environment) -> tuple[Need, ...]:
        """What is needed in an environment, by name. Raises ProjectError."""
        try:
            found = [one.need for one in self.packages if admits(one.marker, environment, groups=self.groups)]
        except MarkerError as error:
            self.lock.refuse(f"a marker cannot be asked: {error}")
        return tuple(sorted(found, key=lambda need: need.name))


def read_pylock(path: Path) -> Project:
    """The project of a pylock.toml. Raises ProjectError."""
    remedy = "write it anew, e.g. with `uv export --format pylock.toml -o pylock.toml`"
    cut = read_cut(Origin(path=path, remedy=remedy))
    lock = cut.lock
    if not lock.text("lock-version").startswith(_MAJOR):
        lock.refuse(f"the version '{lock.text('lock-version')}' of the format is not known, only 1.0", "lock-version")
    packages = [_Locked(need=_read_need(one, cut), marker=one.text("marker")) for one in lock.tables("packages")]
    local = (member_at(each.need.url, path.parent) for each in packages if each.need.source == "path")
    own = tuple(member for member in local if member)
    names = {member.name for member in own}
    return Project(
        path=path,
        kind="pylock.toml",
        name=next((member.name for member in own if member.folder == "."), name_around(path)),
        needs=PylockNeeds(
            lock=lock,
            packages=tuple(each for each in packages if each.need.name not in names),
            groups=frozenset(lock.texts("default-groups")),
        ),
        requires_python=lock.text("requires-python"),
        is_locked=True,
        members=own,
    )


def _read_need(package: Table, cut: CutLock) -> Need:
    name = canonicalize_name(package.text("name") or package.refuse("it has no name"))
    need = Need(name=name, version=package.text("version"), files=tuple(cut.files_of(package)))
    vcs, archive, folder = (package.table(key) for key in ("vcs", "archive", "directory"))
    if vcs:
        address = vcs.text("url") or vcs.text("path")
        return at_address(need, f"git+{address}@{vcs.text('commit-id')}")
    if archive:
        address = archive.text("url") or archive.text("path")
        return replace(at_address(need, address), files=(locked_file(archive),))
    if folder:
        return at_address(need, folder.text("path"))
    return replace(need, index=index_at(package.text("index")))
