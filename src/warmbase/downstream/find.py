"""Finding the bases that have some packages. Pure.

A package counts that is in a base's venv; one in its cache alone counts too, as a build or a sync takes it from there,
and is said to be so. A base that was yanked is not found; one past its end of life is, after the others. The order of
what is found: packages in the venv before those in the cache, then the smaller base (roughly), the newer Python, the
foundation with the short tag, the smaller and the later one. What is nearest lacks least, and has the versions that are
least away from those asked for. A name that no base has makes none nearer: the names like it are told instead.
"""

from bisect import bisect
from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import dataclass
from datetime import date
from difflib import get_close_matches
from functools import lru_cache

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from warmbase.downstream.choose import NAMED, bar, moment_of, roughly
from warmbase.downstream.lifetimes import is_past
from warmbase.downstream.listing import Base
from warmbase.downstream.match import admits_version
from warmbase.downstream.projects.environment import admits, environment_of
from warmbase.downstream.pythons import admits_python
from warmbase.downstream.words import join_words
from warmbase.errors import SelectionError
from warmbase.publish.offer import OfferedPackage, OfferedPlatform

_NEAR = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """A package that is looked for: what admits its version ("" any), and where it is wanted at all (PEP 508)."""

    text: str
    name: str
    specifier: str = ""
    marker: str = ""
    extras: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """A base that has all that was asked for, on `platforms`, and the packages in the order of the requests, as the
    first of these has them. `is_old` where it is past its end of life."""

    base: Base
    platforms: tuple[OfferedPlatform, ...]
    packages: tuple[OfferedPackage, ...]
    is_old: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Lacking:
    """A base that has not, on a platform, and what stands in the way, in words that follow its name."""

    base: Base
    platform: str
    obstacles: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Nowhere:
    """The name of a package that no base has at any version, and the names like it that bases have."""

    name: str
    similar: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """What was found, the best first, and where nothing was, what is nearest, and what is in no base at all. `extras`
    are the requests with extras: whether a base has what these add is not known."""

    found: tuple[Found, ...]
    near: tuple[Lacking, ...] = ()
    nowhere: tuple[Nowhere, ...] = ()
    extras: tuple[str, ...] = ()


def parse_requests(texts: Iterable[str]) -> tuple[Request, ...]:
    """What is asked for on the command line: "pandas>=2.2,<3", "numpy". Raises SelectionError for what is none."""
    return tuple(_parse(text) for text in texts)


def _parse(text: str) -> Request:
    try:
        parsed = Requirement(text)
    except InvalidRequirement as error:
        why = str(error).splitlines()[0]
        raise SelectionError(
            f"{text!r} names no package: {why}", next_step="write it as in `warmbase find 'pandas>=2.2,<3'`"
        ) from None
    if parsed.url:
        raise SelectionError(
            f"{text!r} is no package of an index", next_step="leave the address away, and give a version"
        )
    return Request(
        text=text,
        name=str(canonicalize_name(parsed.name)),
        specifier=str(parsed.specifier),
        marker=str(parsed.marker or ""),
        extras=tuple(sorted(parsed.extras)),
    )


def find_bases(
    requests: Sequence[Request], bases: Sequence[Base], today: date, *, python: str = "", platform: str = ""
) -> Finding:
    """The bases that have all of `requests`, with a Python ("3.12", ">=3.12", "" any), for a platform ("" any)."""
    found: list[Found] = []
    lacking: list[tuple[Base, _Look, tuple[str, ...]]] = []
    for base in bases:
        there = [each for each in base.offer.platforms if platform in ("", each.platform)]
        looks = [_look(requests, offered, python) for offered in there or base.offer.platforms]
        complete = [look for look in looks if not (look.missing or look.differing or look.other_python)]
        against = tuple(_against(base, bool(there), today))
        if complete and not against:
            old, platforms = is_past(base, today), tuple(look.offered for look in complete)
            found.append(Found(base=base, platforms=platforms, packages=complete[0].has, is_old=old))
        elif not base.yanked or (
            complete and len(against) == 1
        ):  # a yank alone is worth saying, and nothing beside one
            lacking += [(base, look, against) for look in (complete or looks)[:1]]
    extras = tuple(request.text for request in requests if request.extras)
    if found:
        return Finding(found=tuple(sorted(found, key=_order)), extras=extras)
    nowhere = tuple(_nowhere(requests, bases))
    near = () if len(nowhere) == len({request.name for request in requests}) else _nearest(lacking, nowhere)
    return Finding(found=(), near=near, nowhere=nowhere, extras=extras)


def _nowhere(requests: Sequence[Request], bases: Sequence[Base]) -> Iterator[Nowhere]:
    known = {package.name for base in bases for offered in base.offer.platforms for package in offered.packages}
    for name in dict.fromkeys(request.name for request in requests):
        if name not in known:
            yield Nowhere(name=name, similar=tuple(get_close_matches(name, sorted(known), n=_NEAR)))


@dataclass(frozen=True, kw_only=True, slots=True)
class _Look:
    """What a platform's image has of what is asked for, what it lacks, and what it has at another version, also of
    Python."""

    offered: OfferedPlatform
    has: tuple[OfferedPackage, ...]
    missing: tuple[str, ...]
    differing: tuple[tuple[Request, str], ...]
    other_python: bool


def _look(requests: Sequence[Request], offered: OfferedPlatform, python: str) -> _Look:
    has: dict[str, OfferedPackage] = {}
    missing: list[str] = []
    differing: list[tuple[Request, str]] = []
    packages = {package.name: package for package in offered.packages}
    for request in requests:
        if request.marker and not admits(request.marker, environment_of(offered.python, offered.platform)):
            continue
        package = packages.get(request.name)
        if package is None:
            missing.append(request.name)
        elif admits_version(request.specifier, package.version):
            has[package.name] = package
        else:
            differing.append((request, package.version))
    return _Look(
        offered=offered,
        has=tuple(has.values()),
        missing=tuple(dict.fromkeys(missing)),
        differing=tuple(differing),
        other_python=not admits_python(python, offered.python),
    )


def _against(base: Base, is_there: bool, today: date) -> Iterator[str]:
    """What else stands in the way, beside what a base has."""
    if not is_there:
        yield f"is there for {join_words([each.platform for each in base.offer.platforms]) or 'no platform'} alone"
    if base.yanked:
        yield bar(base, today)


def _order(found: Found) -> tuple[object, ...]:
    first = found.platforms[0]
    cached = sum(package.use != "venv" for package in found.packages)
    return found.is_old, cached, roughly(first.size), *_tie(found.base, first)


def _tie(base: Base, offered: OfferedPlatform) -> tuple[object, ...]:
    newest = [-int(part) for part in base.offer.python.split(".") if part.isdecimal()]
    return newest, -len(base.tags), offered.size, -moment_of(base), base.variant


def _nearest(lacking: Sequence[tuple[Base, _Look, tuple[str, ...]]], nowhere: Sequence[Nowhere]) -> tuple[Lacking, ...]:
    """The nearest few, each with an obstacle of its own, beside what is in no base."""
    nobody = {each.name for each in nowhere}
    versions: dict[str, list[Version]] = {}
    for _, look, _ in lacking:
        for request, has in look.differing:
            versions.setdefault(request.name, []).append(_version(has))
    known = {name: sorted(set(each)) for name, each in versions.items()}

    def distance(each: tuple[Base, _Look, tuple[str, ...]]) -> tuple[object, ...]:
        base, look, against = each
        steps = sum(_steps(request.specifier, has, known[request.name]) for request, has in look.differing)
        return (
            len(look.missing),
            len(look.differing) + look.other_python + len(against),
            steps,
            *_tie(base, look.offered),
        )

    chosen: dict[tuple[str, ...], Lacking] = {}
    for base, look, against in sorted(lacking, key=distance):
        obstacles = (*_lacks(base, look, nobody), *against) or ("has all else",)
        chosen.setdefault(obstacles, Lacking(base=base, platform=look.offered.platform, obstacles=obstacles))
    return tuple(chosen.values())[:_NEAR]


def _lacks(base: Base, look: _Look, nobody: Set[str]) -> Iterator[str]:
    if missing := [name for name in look.missing if name not in nobody]:
        yield f"lacks {join_words(missing, most=NAMED)}"
    differing = [f"{request.name} {has}" for request, has in look.differing]
    differing += [f"Python {base.offer.python}"] if look.other_python else []
    if differing:
        yield f"has {join_words(differing, most=NAMED)}"


def _steps(specifier: str, has: str, known: Sequence[Version]) -> int:
    """How many of the known versions lie between one and the nearest bound of a specifier that does not admit it."""
    place = bisect(known, _version(has))
    bounds = [_version(clause.version.removesuffix(".*")) for clause in SpecifierSet(specifier)]
    return min((abs(bisect(known, bound) - place) for bound in bounds), default=0)


@lru_cache(maxsize=4096)
def _version(text: str) -> Version:
    try:
        return Version(text)
    except InvalidVersion:
        return Version("0")
