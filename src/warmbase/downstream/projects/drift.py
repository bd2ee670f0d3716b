"""Whether a uv.lock still says what a project's files ask for: what `uv lock --check` would refuse.

What is compared is what uv writes into a lock of the files themselves: requirements, groups, versions, constraints and
Pythons. Markers are not, for uv writes them anew, and bounds not where a package comes from elsewhere than an index,
for then the lock has none. So what is found is out of date; what is not found need not be in date.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from warmbase.downstream.projects.document import Origin, Table, is_file
from warmbase.downstream.projects.lockedfiles import read_cut
from warmbase.downstream.projects.model import Project
from warmbase.downstream.projects.pyproject import FILE, group_requirements, open_pyproject, requirement_list
from warmbase.downstream.projects.uvlock import folder_of
from warmbase.downstream.projects.wanted import Wanted, need_of
from warmbase.downstream.words import spell_specifier

_ELSEWHERE = frozenset({"git", "url", "path", "directory", "editable", "virtual"})
_SETTINGS: Mapping[str, str] = {
    "constraint-dependencies": "constraints",
    "override-dependencies": "overrides",
    "build-constraint-dependencies": "build-constraints",
}
_PYTHONS = tuple(f"3.{minor}.{patch}" for minor in range(7, 20) for patch in range(16))
"""What two ranges of Pythons are told apart by: uv writes a range in another form than people do."""
_Bounds = Mapping[str, frozenset[SpecifierSet]]
"""The bounds of packages by their names; none for one that is not compared."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Drift:
    """Something that a file says and the lock does not. `file` is seen from the lock's folder, `name` is the package or
    the key that it is about. What is "wanted" is not installed as it is asked for; the rest only makes uv lock anew."""

    file: str
    name: str
    why: str
    kind: Literal["wanted", "other"] = "other"


def find_drift(project: Project) -> tuple[Drift, ...]:
    """What a project's files say that its uv.lock does not; nothing for other kinds. Raises ProjectError."""
    if project.kind != "uv.lock" or not is_file(project.path):
        return ()
    lock = read_cut(Origin(path=project.path, remedy="run `uv lock`, which writes it anew")).lock
    return tuple(_drift(lock, project.folder))


def _drift(lock: Table, root: Path) -> Iterator[Drift]:
    members: list[Table] = []
    for package in lock.tables("package"):
        folder = folder_of(package)
        pyproject = open_pyproject(root / folder) if folder else None
        if pyproject is not None and "project" in pyproject:
            file = FILE if folder == "." else f"{folder}/{FILE}"
            yield from _of_member(package, pyproject, file)
            if "directory" not in package.table("source"):
                members.append(pyproject)
    top = open_pyproject(root)
    if top is None:
        return
    if "project" not in top:
        yield from _of_groups(lock.table("manifest", "dependency-groups"), top, FILE)
    if not is_file(root / "uv.toml"):  # uv would not look at these beside it
        yield from _of_settings(lock.table("manifest"), top.table("tool", "uv"))
    yield from _of_pythons(lock.text("requires-python"), members)


def _of_member(package: Table, pyproject: Table, file: str) -> Iterator[Drift]:
    project, metadata = pyproject.table("project"), package.table("metadata")
    dynamic = project.texts("dynamic")
    if "metadata" not in package and "dependencies" in package:
        return  # of a uv that did not write down what was asked for
    if not {"dependencies", "optional-dependencies"} & set(dynamic):
        optional = project.table("optional-dependencies")
        wanted = [*requirement_list(project, "dependencies")]
        wanted += [each for extra in optional.data for each in requirement_list(optional, extra)]
        own = package.text("name")
        yield from _compare(_asked(wanted, own), _locked(metadata.tables("requires-dist"), own), file)
    yield from _of_groups(metadata.table("requires-dev"), pyproject, file)
    old, new = package.text("version"), project.text("version")
    if old and new and "version" not in dynamic and not _is_same(old, new):
        yield Drift(file=file, name="version", why=f"{file} has version {new}, the lock {old}")


def _of_groups(locked: Table, pyproject: Table, file: str) -> Iterator[Drift]:
    named = {str(canonicalize_name(name)) for name in pyproject.table("dependency-groups").data}
    development = requirement_list(pyproject.table("tool", "uv"), "dev-dependencies")
    for group in sorted({*named, *locked.data, *(("dev",) if development else ())}):
        wanted = group_requirements(pyproject, group) if group in named else []
        wanted += development if group == "dev" else []
        yield from _compare(_asked(wanted), _locked(locked.tables(group)), file)


def _of_settings(manifest: Table, uv: Table) -> Iterator[Drift]:
    for key, place in _SETTINGS.items():
        for found in _compare(_asked(requirement_list(uv, key)), _locked(manifest.tables(place)), FILE):
            yield Drift(file=FILE, name=key, why=f"`{key}`: {found.why}")


def _of_pythons(locked: str, members: Iterable[Table]) -> Iterator[Drift]:
    """The range of all members together, where uv's way of writing it can be told from another range."""
    asked = ",".join(filter(None, (member.table("project").text("requires-python") for member in members)))
    if not asked or not locked or "!=" in asked:
        return
    try:
        ours, theirs = SpecifierSet(asked), SpecifierSet(locked)
    except InvalidSpecifier:
        return
    if any(ours.contains(python) != theirs.contains(python) for python in _PYTHONS):
        why = f"{FILE} is for Python {spell_specifier(asked)}, the lock for {spell_specifier(locked)}"
        yield Drift(file=FILE, name="requires-python", why=why)


def _asked(wanted: Iterable[Wanted], own: str = "") -> _Bounds:
    found: dict[str, frozenset[SpecifierSet]] = {}
    for need in (each.need for each in wanted if each.need.name != own):
        bounds = SpecifierSet(f"=={need.version}" if need.version else need.specifier)
        found[need.name] = found.get(need.name, frozenset()) | {bounds}
    return found


def _locked(entries: Iterable[Table], own: str = "") -> _Bounds:
    found: dict[str, frozenset[SpecifierSet]] = {}
    elsewhere = set()
    for entry in entries:
        name = entry.text("name")
        if name == own:
            continue
        if _ELSEWHERE & set(entry.data):
            elsewhere.add(name)
        try:
            need = need_of(name, entry.text("specifier"))
        except ValueError as error:
            entry.refuse(f"{error}", "specifier")
        bounds = SpecifierSet(f"=={need.version}" if need.version else need.specifier)
        found[name] = found.get(name, frozenset()) | {bounds}
    return found | dict.fromkeys(elsewhere, frozenset())


def _compare(asked: _Bounds, locked: _Bounds, file: str) -> Iterator[Drift]:
    for name in sorted({*asked, *locked}):
        if name not in locked:
            yield Drift(file=file, name=name, why=f"{file} asks for {name}, the lock does not", kind="wanted")
        elif name not in asked:
            yield Drift(file=file, name=name, why=f"the lock asks for {name}, {file} does not any more")
        elif locked[name] and asked[name] != locked[name]:
            words = f"{file} asks for {name} {_spell(asked[name])}, the lock for {_spell(locked[name])}"
            yield Drift(file=file, name=name, why=words, kind="wanted")


def _spell(bounds: Iterable[SpecifierSet]) -> str:
    return " or ".join(sorted(spell_specifier(str(each)) if str(each) else "at any version" for each in bounds))


def _is_same(old: str, new: str) -> bool:
    try:
        return Version(old) == Version(new)
    except InvalidVersion:
        return old == new
