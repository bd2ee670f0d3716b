"""Reading pyproject.toml: PEP 621 and PEP 735, uv's settings, and `[tool.poetry]`.

What this module decides: the dependency groups are those that the project's own tool installs without being asked:
`dev`, or uv's `default-groups`; poetry's that are not optional. Extras are not. uv's overrides replace what they name,
its constraints bound it, and its sources say where a package comes from.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from packaging.utils import canonicalize_name

from warmbase.catalog.problems import quote
from warmbase.downstream.projects.document import Origin, Table, is_file, is_folder, name_around
from warmbase.downstream.projects.environment import MarkerError, check_marker
from warmbase.downstream.projects.model import Member, Need, Unknown
from warmbase.downstream.projects.poetryspec import poetry_dependencies, poetry_python
from warmbase.downstream.projects.wanted import (
    Wanted,
    WantedNeeds,
    at_address,
    index_at,
    parse_requirement,
    quote_requirement,
)

FILE = "pyproject.toml"

_LEGACY_BACKEND = ("setuptools>=40.8.0",)
"""PEP 518: what builds a package that does not say what builds it."""
_DEEPEST = 20  # groups that include each other


def open_pyproject(folder: Path, name: str = FILE) -> Table | None:
    """The document of the pyproject.toml in a folder; None where there is none. Raises ProjectError."""
    path = folder / name
    return _origin(path).read_toml() if is_file(path) else None


def names_dependencies(pyproject: Table) -> bool:
    """Whether it describes a project, and not just the settings of tools."""
    places = (("project",), ("dependency-groups",), ("tool", "poetry"), ("tool", "uv", "workspace"))
    return any(pyproject.table(*keys) for keys in places)


def is_package(pyproject: Table) -> bool:
    """Whether it describes a package of its own, and not just a workspace or groups."""
    return bool(pyproject.table("project") or pyproject.table("tool", "poetry"))


def project_name(pyproject: Table) -> str:
    """The name of its package, or of its folder."""
    named = pyproject.table("project").text("name") or pyproject.table("tool", "poetry").text("name")
    return canonicalize_name(named) if named else name_around(pyproject.origin.path)


def python_of(pyproject: Table) -> str:
    """The Python versions that it is made for, as a specifier; "" for any."""
    required = pyproject.table("project").text("requires-python")
    return required or poetry_python(pyproject.table("tool", "poetry", "dependencies"))


def build_requirements(pyproject: Table) -> tuple[str, ...]:
    """What builds its package; nothing where none is built, as uv and poetry see it."""
    if "build-system" in pyproject:
        packaged = pyproject.table("tool", "uv").data.get("package", True)
        mode = pyproject.table("tool", "poetry").data.get("package-mode", True)
        return pyproject.table("build-system").texts("requires") if packaged and mode else ()
    return _LEGACY_BACKEND if pyproject.table("tool", "uv").flag("package") else ()


def member_in(folder: Path, base: Path) -> Member | None:
    """The package that a folder holds, seen from the folder `base`; None where it holds none. Raises ProjectError."""
    if not is_folder(folder):
        return None
    pyproject = open_pyproject(folder)
    place = relative_folder(folder, base)
    if pyproject is not None and is_package(pyproject):
        return read_member(pyproject, project_name(pyproject), place)
    if is_file(folder / "setup.py") or is_file(folder / "setup.cfg"):
        return Member(name=canonicalize_name(folder.resolve().name), folder=place, backend=_LEGACY_BACKEND)
    return None


def read_member(pyproject: Table, name: str, place: str) -> Member:
    """The package of a pyproject.toml, by its name and the place of its folder."""
    project, poetry = pyproject.table("project"), pyproject.table("tool", "poetry")
    scripts = (project.table("scripts"), project.table("gui-scripts"), poetry.table("scripts"))
    return Member(
        name=name,
        folder=place,
        backend=build_requirements(pyproject),
        readme=_readme_size(pyproject.origin.path.parent, project.data.get("readme") or poetry.data.get("readme")),
        scripts=sum(len(table.data) for table in scripts),
    )


def _readme_size(folder: Path, readme: object) -> int:
    """The bytes of what `readme` names, a file or {file = "…"}; 0 where that is not there, or is something else."""
    file = readme.get("file") if isinstance(readme, Mapping) else readme
    if not isinstance(file, str) or "\0" in file:
        return 0
    try:
        path = folder / file
        return path.stat().st_size if is_file(path) else 0
    except OSError:
        return 0


def member_at(place: str, base: Path) -> Member | None:
    """The package in a folder within `base`, named from there; None where it is none, or lies elsewhere. Raises
    ProjectError."""
    folder = folder_within(place, base, base)
    return member_in(folder, base) if folder else None


def folder_within(place: str, start: Path, base: Path) -> Path | None:
    """The folder at a place seen from `start`; None where there is none, or it does not lie within `base`."""
    folder = start / place.removeprefix("file:").removeprefix("//")
    return folder.resolve() if is_folder(folder) and folder.resolve().is_relative_to(base.resolve()) else None


def relative_folder(folder: Path, base: Path) -> str:
    """A folder as a path from `base`, with slashes everywhere."""
    folder, base = folder.resolve(), base.resolve()
    return folder.relative_to(base).as_posix() if folder.is_relative_to(base) else folder.as_posix()


def default_groups(pyproject: Table, known: Iterable[str]) -> frozenset[str]:
    """Of the `known` dependency groups those that uv installs without being asked."""
    uv = pyproject.table("tool", "uv")
    names = frozenset(canonicalize_name(one) for one in known)
    if uv.data.get("default-groups") == "all":
        return names
    return names & {
        canonicalize_name(one) for one in (uv.texts("default-groups") if "default-groups" in uv else ["dev"])
    }


def workspace_folders(pyproject: Table) -> list[Path]:
    """The folders of the members of its uv workspace, beside its own."""
    workspace = pyproject.table("tool", "uv", "workspace")
    root = pyproject.origin.path.parent
    left_out = {path for pattern in workspace.texts("exclude") for path in _match(workspace, root, pattern)}
    found = {path for pattern in workspace.texts("members") for path in _match(workspace, root, pattern)}
    return sorted(path for path in found - left_out - {root} if is_file(path / FILE))


def main_dependencies(pyproject: Table, extras: Iterable[str] = ()) -> list[Wanted]:
    """What its package needs where it is installed, with some extras. Raises ProjectError."""
    project = pyproject.table("project")
    own = canonicalize_name(project.text("name"))
    named = [Wanted(need=Need(name=own, extras=tuple(canonicalize_name(one) for one in extras)))] if own else []
    named += requirement_list(project, "dependencies")
    if "dependencies" not in project:
        named += poetry_dependencies(pyproject.table("tool", "poetry", "dependencies"))
    return settle_requirements(named, pyproject)


def project_dependencies(pyproject: Table) -> list[Wanted]:
    """What a project needs directly: its package's dependencies, and its default groups. Raises ProjectError."""
    named: list[Wanted] = []
    for group in poetry_groups(pyproject.table("tool", "poetry")).values():
        named += poetry_dependencies(group)
    for name in default_groups(pyproject, pyproject.table("dependency-groups").data):
        named += group_requirements(pyproject, name)
    named += requirement_list(pyproject.table("tool", "uv"), "dev-dependencies")
    return [*main_dependencies(pyproject), *settle_requirements(named, pyproject)]


def poetry_groups(poetry: Table) -> Mapping[str, Table]:
    """The dependencies of each of `[tool.poetry]`'s groups that are installed without being asked for."""
    chosen = {name: group for name, group in poetry.table("group").entries() if not group.flag("optional")}
    found = {name: group.table("dependencies") for name, group in chosen.items()}
    legacy = poetry.table("dev-dependencies")
    return {"dev": legacy} | found if legacy else found


def installed_poetry_groups(pyproject: Table) -> frozenset[str]:
    """The names, as poetry.lock writes them, of the groups that poetry installs without being asked."""
    poetry = pyproject.table("tool", "poetry")
    optional = {canonicalize_name(name) for name, group in poetry.table("group").entries() if group.flag("optional")}
    named = {*poetry.table("group").data, *pyproject.table("dependency-groups").data, "main", "dev"}
    return frozenset(canonicalize_name(name) for name in named) - optional


def unknown_of(pyproject: Table) -> Iterator[Unknown]:
    """What it does not say itself."""
    if "dependencies" in pyproject.table("project").texts("dynamic"):
        yield Unknown(name="dependencies", why=f"{pyproject.origin.path.name} leaves them to the build backend")


def settle_requirements(named: list[Wanted], pyproject: Table) -> list[Wanted]:
    """What was named, each in its place, and the package's own extras in place of the package."""
    project = pyproject.table("project")
    found = _with_own_extras(named, canonicalize_name(project.text("name")), project.table("optional-dependencies"))
    return [placed for each in found for placed in _place(each, pyproject)]


def _with_own_extras(wanted: list[Wanted], own: str, optional: Table) -> Iterator[Wanted]:
    by_extra: dict[str, str] = {canonicalize_name(key): key for key in optional.data}
    pending, seen = list(reversed(wanted)), set[str]()
    while pending:
        each = pending.pop()
        if not own or each.need.name != own:
            yield each
            continue
        for extra in each.need.extras:
            if extra in by_extra and extra not in seen:
                seen.add(extra)
                pending += reversed(requirement_list(optional, by_extra[extra]))


def group_requirements(pyproject: Table, name: str) -> list[Wanted]:
    """What a group of PEP 735 wants, with the groups that it includes. Raises ProjectError."""
    return _group(pyproject.table("dependency-groups"), name, _DEEPEST)


def _group(groups: Table, name: str, depth: int) -> list[Wanted]:
    """What a group of PEP 735 wants, with the groups that it includes."""
    key = next((key for key in groups.data if canonicalize_name(key) == canonicalize_name(name)), "")
    if not key or not depth:
        groups.refuse(f"the group '{name}' includes itself" if key else f"there is no group '{name}'")
    entries = groups.data[key]
    if not isinstance(entries, list):
        groups.texts(key)
    found: list[Wanted] = []
    for number, entry in enumerate(entries):
        if isinstance(entry, dict):
            included = Table(origin=groups.origin, data=entry, place=(*groups.place, key, number))
            found += _group(groups, included.text("include-group"), depth - 1)
        else:
            found += requirement_list(Table(origin=groups.origin, data={key: [entry]}, place=groups.place), key)
    return found


def requirement_list(table: Table, key: str) -> list[Wanted]:
    """What a list of requirements in a table wants. Raises ProjectError."""
    found = []
    for text in table.texts(key):
        try:
            found.append(parse_requirement(text))
        except ValueError as error:
            table.refuse(f"{quote_requirement(text)} is not a requirement: {error}", key)
    return found


def within_settings(wanted: list[Wanted], pyproject: Table) -> WantedNeeds:
    """What is wanted, within what uv's settings say of it."""
    uv = pyproject.table("tool", "uv")
    return WantedNeeds(
        wanted=tuple(_override(wanted, requirement_list(uv, "override-dependencies"))),
        constraints=tuple(requirement_list(uv, "constraint-dependencies")),
    )


def _override(wanted: list[Wanted], overrides: list[Wanted]) -> Iterator[Wanted]:
    """What is wanted with uv's overrides in place of what they name."""
    by_name: dict[str, list[Wanted]] = {}
    for each in overrides:
        by_name.setdefault(each.need.name, []).append(each)
    for each in wanted:
        if each.need.name not in by_name:
            yield each
        for override in by_name.get(each.need.name, ()):
            yield replace(override, need=replace(override.need, extras=each.need.extras))


def _place(wanted: Wanted, pyproject: Table) -> Iterator[Wanted]:
    """What is wanted, at the places that `[tool.uv.sources]` gives it, which a marker may bound; not at those for
    extras, which nobody asked for."""
    uv = pyproject.table("tool", "uv")
    sources = uv.table("sources")
    key = next((key for key in sources.data if canonicalize_name(key) == wanted.need.name), "")
    several = sources.tables(key) if isinstance(sources.data.get(key), list) else [sources.table(key)]
    chosen = [source for source in several if source and "extra" not in source]
    if not chosen or any(source.text("marker") for source in chosen):
        yield wanted
    for source in chosen:
        both = " and ".join(f"({marker})" for marker in (wanted.marker, source.text("marker")) if marker)
        try:
            check_marker(both)
        except MarkerError as error:
            source.refuse(f"{error}", "marker")
        yield Wanted(need=_at_source(wanted.need, source, uv), marker=both)


def _at_source(need: Need, source: Table, uv: Table) -> Need:
    if source.text("index"):
        named = (one.text("url") for one in uv.tables("index") if one.text("name") == source.text("index"))
        return replace(need, index=index_at(next(named, "")))
    if source.text("git"):
        commit = next(filter(None, (source.text(key) for key in ("rev", "tag", "branch"))), "")
        return at_address(need, f"git+{source.text('git')}" + (f"@{commit}" if commit else ""))
    if source.flag("workspace"):
        return replace(need, source="path")
    address = source.text("url") or source.text("path")
    return at_address(need, address) if address else need


def _match(workspace: Table, root: Path, pattern: str) -> Iterator[Path]:
    try:
        yield from (path for path in root.glob(pattern) if is_folder(path))
    except (ValueError, NotImplementedError, OSError, RecursionError) as error:
        workspace.refuse(f"{quote(pattern)} is no pattern of folders: {error}")


def _origin(path: Path) -> Origin:
    return Origin(path=path, remedy=f"mend {path.name}; `uv lock` in its folder says whether it is right")
