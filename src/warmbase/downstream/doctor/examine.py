"""The examination: a project's files, a base or a container in; a diagnosis out.

Files are read here, and what is published; what comes of it is decided by `packages`, `rules` and `standing`.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

from warmbase.downstream.adopt.adopted import images_of_bases
from warmbase.downstream.dockerfile import Dockerfile, Stage, read_dockerfile
from warmbase.downstream.doctor.building import read_building
from warmbase.downstream.doctor.containers import Survey, read_identity, seen_holdings, seen_surroundings
from warmbase.downstream.doctor.faults import find_faults, told_platform
from warmbase.downstream.doctor.holdings import offered_holdings
from warmbase.downstream.doctor.model import SEVERITIES, Diagnosis, Finding, Holdings, Option, Place, Surroundings
from warmbase.downstream.doctor.named import find_named
from warmbase.downstream.doctor.options import read_file, read_variables
from warmbase.downstream.doctor.packages import judge
from warmbase.downstream.doctor.rules import Case, find_all, judge_backends
from warmbase.downstream.doctor.situation import SYNCED, assess
from warmbase.downstream.doctor.standing import find_standing
from warmbase.downstream.listing import Base
from warmbase.downstream.projects.drift import Drift, find_drift
from warmbase.downstream.projects.environment import environment_of
from warmbase.downstream.projects.model import Environment, Need, Project
from warmbase.downstream.projects.read import read_project
from warmbase.downstream.published import Published
from warmbase.errors import ListingError, ProjectError
from warmbase.image.promises import ENVIRONMENT, VENV

DOCKERFILES = ("Dockerfile", "Containerfile")
_SETTINGS = ("uv.toml", "pyproject.toml")
"""Files of settings: uv does not look into a pyproject.toml's beside a uv.toml."""
_UNREADABLE = "it is no text"


@dataclass(frozen=True, kw_only=True, slots=True)
class Ground:
    """What a project's Dockerfile stands on: the base, the stages that do, in their order, and the FROM line."""

    base: Base
    dockerfile: Dockerfile
    stages: tuple[Stage, ...]
    is_pinned: bool
    place: Place


@dataclass(frozen=True, kw_only=True, slots=True)
class _Asked:
    """A project with what was read of its files, as `rules.Case` has it."""

    project: Project
    texts: Mapping[str, str]
    drift: tuple[Drift, ...]


def examine_project(
    project: Project, published: Published, *, wanted: str, dockerfile: Path | None, platform: str, today: date
) -> Diagnosis:
    """How a project fares on a base: the one that is `wanted`, or else the one of its Dockerfile.

    Raises ListingError and ProjectError, the latter where nothing says which base.
    """
    texts = read_texts(project)
    configuration = read_configuration(project, texts)
    bases = published.listing().bases
    ground = find_ground(dockerfile or _find_dockerfile(project.folder), project.folder, published, bases)
    if wanted:
        base = published.find(wanted)
        if ground and ground.base.variant != base.variant:
            ground = None
    elif ground:
        base = ground.base
    else:
        raise ProjectError(
            f"{dockerfile or project.folder}: nothing says which base the project is on",
            next_step="name it: warmbase doctor --base data:py3.13; `warmbase choose` finds one",
        )
    if ground:
        surroundings = replace(read_building(ground.dockerfile, ground.stages, configuration), base=base.reference)
        place, is_pinned = ground.place, ground.is_pinned
    else:
        promised = read_variables(ENVIRONMENT, Place(file="the base image"))
        surroundings, place, is_pinned = Surroundings(options=(*configuration, *promised)), Place(), True
    standing = list(find_standing(base, published, today, place=place, is_pinned=is_pinned))
    if ground:
        has, is_synced = "pyproject.toml" in texts, project.kind in SYNCED
        standing += find_faults(ground.dockerfile, ground.stages, has_project=has, is_synced=is_synced)
        told, faults = told_platform(ground.dockerfile, ground.stages, [each.platform for each in base.offer.platforms])
        platform, standing = told or platform, [*standing, *faults]
    holdings = offered_holdings(base, platform)
    case = _Asked(project=project, texts=texts, drift=find_drift(project))
    return _diagnose(case, holdings, surroundings, platform, base=base, standing=standing)


def examine_container(
    project: Project | None, survey: Survey, published: Published | None, *, today: date, is_image: bool = False
) -> Diagnosis:
    """How a project fares in a container as the probe has found it; without a project, how what the base itself has
    would. `published` says more of the base, where it can be asked. Raises ProjectError."""
    identity = read_identity(survey)
    base, notes = _look_up(identity.name, published)
    holdings = seen_holdings(survey, identity, base)
    drift = find_drift(project) if project else ()
    project = project or _own_project(holdings, identity.platform, base)
    texts = read_texts(project)
    surroundings = seen_surroundings(survey, read_configuration(project, texts), is_image=is_image)
    standing = list(notes)
    if base and published:
        is_newest = not identity.recipe or base.content.endswith(identity.recipe.rpartition(":")[2][:12])
        present = base if is_newest else _earlier(base, identity.recipe, published)
        standing += find_standing(present, published, today, place=Place(file="the container"))
    asked = _Asked(project=project, texts=texts, drift=drift)
    found = _diagnose(asked, holdings, surroundings, identity.platform, base=base, standing=standing)
    return found if base else replace(found, base=identity.name)


def _diagnose(
    asked: _Asked,
    holdings: Holdings,
    surroundings: Surroundings,
    platform: str,
    *,
    base: Base | None,
    standing: Iterable[Finding],
) -> Diagnosis:
    project = asked.project
    situation = assess(holdings, surroundings, project.kind)
    environment = environment_of(holdings.python, platform)
    verdicts = tuple(judge(need, situation) for need in project.needs(environment))

    def read(name: str) -> tuple[Need, ...]:
        return _needs_of(name, project, environment)

    named = list(find_named(surroundings.requests, situation, verdicts, read))
    case = Case(
        project=project, situation=situation, base=base.name if base else "", texts=asked.texts, drift=asked.drift
    )
    findings = [*standing, *find_all(case, verdicts), *(finding for _, finding in named)]
    findings.sort(key=lambda finding: SEVERITIES.index(finding.severity))
    return Diagnosis(
        project=project.name,
        base=base.reference if base else "",
        platform=platform,
        verdicts=(*verdicts, *judge_backends(case, verdicts), *(verdict for verdict, _ in named)),
        findings=tuple(findings),
    )


def _needs_of(name: str, project: Project, environment: Environment) -> tuple[Need, ...]:
    """What a file of requirements beside the project's own needs; nothing where it is not there, or not to be read."""
    path = project.folder / name
    inside = not path.is_absolute() or project.folder in path.parents
    if path == project.path or ".." in path.parts or not inside or not path.is_file():
        return ()
    try:
        return read_project(path).needs(environment)
    except ProjectError:
        return ()


def find_ground(path: Path | None, folder: Path, published: Published, bases: Iterable[Base]) -> Ground | None:
    """The base of a Dockerfile's last stage that stands on a published one, and all its stages that stand on that
    image; None where there is no such stage, or no file. It is named as it is seen from `folder`.

    Raises ProjectError for what is no Dockerfile, ListingError for a tag of a base that is not there.
    """
    if path is None:
        return None
    name = (path.relative_to(folder) if path.is_relative_to(folder) else path).as_posix()
    dockerfile = read_dockerfile(_read(path), name)
    names = images_of_bases(dockerfile, bases)
    lowest = next((dockerfile.ancestry(dockerfile.stages[number])[0] for number in reversed(list(names))), None)
    if lowest is None:
        return None
    return Ground(
        base=published.find(lowest.image),
        dockerfile=dockerfile,
        stages=tuple(dockerfile.stages[number] for number, name in names.items() if name == names[lowest.number]),
        is_pinned="@sha256:" in lowest.image,
        place=Place(file=name, line=lowest.start.line),
    )


def read_texts(project: Project) -> dict[str, str]:
    """The texts of the project's files, by their names, to find settings and lines in."""
    names = {project.path.name, *_SETTINGS, ".python-version"}
    names |= {f"{member.folder}/pyproject.toml" for member in project.members if member.folder != "."}
    paths = {name: project.folder / name for name in sorted(names)}
    return {name: _read(path) for name, path in paths.items() if path.is_file()}


def read_configuration(project: Project, texts: Mapping[str, str]) -> tuple[Option, ...]:
    """What the project's files tell uv. Raises ProjectError."""
    name = next((name for name in _SETTINGS if name in texts), "")
    return tuple(read_file(texts[name], name, for_pip=project.kind not in SYNCED)) if name else ()


def _find_dockerfile(folder: Path) -> Path | None:
    return next((folder / name for name in DOCKERFILES if (folder / name).is_file()), None)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise ProjectError(f"{path}: {_UNREADABLE}", next_step="save it as UTF-8") from None
    except OSError as error:
        raise ProjectError(f"{path}: {error.strerror}", next_step="name a file that can be read") from None


def _look_up(name: str, published: Published | None) -> tuple[Base | None, Iterator[Finding]]:
    """The published base of a name, or a note that it could not be asked for."""
    why = "nothing says where it is published"
    if published:
        try:
            return published.find(name), iter(())
        except ListingError as error:
            why = error.message
    message = f"whether {name} is the newest, or was yanked, is not known: {why}"
    fix = "name the place with --index or WARMBASE_INDEX"
    return None, iter((Finding(code="not-looked-up", severity="note", message=message, fix=fix),))


def _earlier(base: Base, recipe: str, published: Published | None) -> Base:
    """The base as it was when it was made by another recipe."""
    digits = recipe.rpartition(":")[2][:12]
    editions = published.editions(base.variant) if published else ()
    found = next((edition for edition in editions if edition.content.endswith(digits)), None)
    if published and found:
        try:
            return published.find(found.digest)
        except ListingError:
            return replace(base, digest=found.digest, time=found.time)
    return replace(base, digest="", time="an unknown day", yanked="")


def _own_project(holdings: Holdings, platform: str, base: Base | None) -> Project:
    """A project that needs all that the base itself has; what is only kept warm in the cache, only where that is not
    whole any more. Where the base is not known, that is all that is not installed."""
    offered = base.offer.platform(platform) if base else None
    installed = holdings.venvs.get(f"/{VENV}", {})
    warm = (
        {one.name for one in offered.packages if one.use == "warm"} if offered else holdings.cached.keys() - installed
    )
    cached = [
        Need(name=name, version=wheels[0].version)
        for name, wheels in sorted(holdings.cached.items())
        if wheels and not (name in warm and name not in installed and all(wheel.is_whole for wheel in wheels))
    ]
    known = {need.name for need in cached}
    more = [
        Need(name=one.name, version=one.version)
        for venv in holdings.venvs.values()
        for one in venv.values()
        if one.name not in known and not one.origin
    ]

    def needs(environment: Environment) -> tuple[Need, ...]:
        return (*cached, *more) if environment.platform == platform else ()

    return Project(path=Path("uv.lock"), kind="uv.lock", name="the base itself", needs=needs, is_locked=True)
