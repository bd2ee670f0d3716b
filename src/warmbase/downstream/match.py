"""How well a base serves a project. Values and a pure comparison.

What counts is what uv looks at in the base's own venv, into which a child is synced: a package is there at the version
that the project needs, or it is downloaded. uv does not ask an installed package for its hash, so the same version
serves as well as the very file; which of both it is is kept, for who makes a venv of their own from the cache gets only
the very file from there. That is also all that a package serves that is in the cache alone.

Of a project without a lock only what it names is compared: what that needs in its turn is among what is not needed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from packaging.specifiers import SpecifierSet
from packaging.version import InvalidVersion, Version

from warmbase.downstream.demand import NO_SIZES, Demand, Demands, Sizes, Wanted
from warmbase.downstream.listing import Base
from warmbase.downstream.projects.model import Need, Project
from warmbase.downstream.pythons import describe_mismatch
from warmbase.downstream.words import join_words
from warmbase.publish.offer import OfferedPackage, OfferedPlatform

Fit = Literal["file", "version", "constraint"]
"""How a package of the base serves: the very file that the lock has, the same version, or one that is admitted."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Hit:
    """A need that a base serves."""

    need: Need
    package: OfferedPackage
    fit: Fit


@dataclass(frozen=True, kw_only=True, slots=True)
class Miss:
    """A need that a base does not serve. `has` is the version that it has instead ("" none), `why` says it in words,
    `size` is what will be downloaded (0 where that is not known)."""

    need: Need
    why: str
    has: str = ""
    size: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Match:
    """A base against a project on a platform. `obstacle` says why it cannot be used at all ("" where it can): its
    Python, its platform. `unneeded` is in the base's venv and not in the project. `saved` and `left` are bytes of files
    that are, and are not, downloaded; `layer` the predicted bytes of what the child adds, uncompressed."""

    base: Base
    platform: str
    obstacle: str = ""
    hits: tuple[Hit, ...] = ()
    misses: tuple[Miss, ...] = ()
    unneeded: tuple[OfferedPackage, ...] = ()
    saved: int = 0
    left: int = 0
    layer: int = 0


def match(project: Project, base: Base, platform: str) -> Match:
    """Compare a base with what a project needs on an OCI platform. `layer` stays 0: `prediction` says it. A base
    that is not there for that platform is compared as it is elsewhere, and has an obstacle.

    Yanks and ends of life are the choice's to judge. Who compares many bases uses one `Matcher`.
    """
    return Matcher(project).match(base, platform)


class Matcher:
    """Compares a project with many bases. `sizes` helps where its lock has none.

    Bases have many packages in common, as the same objects: how one serves a need is worked out once.
    """

    def __init__(self, project: Project, sizes: Sizes = NO_SIZES) -> None:
        self._project = project
        self._demands = Demands(project, sizes)
        self._known: dict[tuple[int, int], tuple[Wanted, OfferedPackage | None, Hit | Miss]] = {}

    def match(self, base: Base, platform: str) -> Match:
        """See the function of this name."""
        offered = nearest_image(base, platform)
        if offered is None:
            return Match(base=base, platform=platform, obstacle="is there for no platform")
        demand = self._demands.of(offered)
        packages = {package.name: package for package in offered.packages}
        known = self._known
        hits: list[Hit] = []
        misses: list[Miss] = []
        for wanted in demand.wanted:  # for each need in each base: sixty thousand times where many choose
            package = packages.get(wanted.need.name)
            key = id(wanted), id(package)  # both live as long as they are kept here
            outcome = known.get(key)
            if outcome is None:
                outcome = known[key] = wanted, package, _compare(wanted, package)
            found = outcome[2]
            if isinstance(found, Hit):
                hits.append(found)
            else:
                misses.append(found)
        names = demand.names
        there = join_words([each.platform for each in base.offer.platforms])
        elsewhere = f"is there for {there} alone" if offered.platform != platform else ""
        mismatch = describe_mismatch(self._project, offered.python)
        return Match(
            base=base,
            platform=platform,
            obstacle=" and ".join(filter(None, (elsewhere, mismatch))) or _describe_no_file(demand, misses, offered),
            hits=tuple(hits),
            misses=tuple(misses),
            unneeded=tuple([each for each in offered.packages if each.use == "venv" and each.name not in names]),
            saved=sum([hit.package.size for hit in hits]),
            left=sum([miss.size for miss in misses]),
        )


def nearest_image(base: Base, platform: str) -> OfferedPlatform | None:
    """A base's image for a platform, or for another one where it has none for it."""
    return base.offer.platform(platform) or next(iter(base.offer.platforms), None)


def _compare(wanted: Wanted, package: OfferedPackage | None) -> Hit | Miss:
    need = wanted.need
    has = package.version if package else ""
    if package is None:
        why = "is not in it" if need.source == "index" else f"comes from {need.whence}"
    elif need.source != "index":
        if need.url and package.source == need.url:
            return Hit(need=need, package=package, fit="file")
        why = f"comes from {need.whence}"
    elif package.source:
        why = "is in it from elsewhere than an index"
    elif fit := _fit(need, wanted.hashes, package):
        return Hit(need=need, package=package, fit=fit)
    elif serves_need(need, has):
        why = "is in its cache alone, from another file"
    else:
        why = f"is in it at {has}"
    if wanted.making == "build":
        why += ", and is built from source"
    return Miss(need=need, why=why, has=has, size=wanted.size)


def _fit(need: Need, hashes: frozenset[str], package: OfferedPackage) -> Fit | None:
    if not serves_need(need, package.version):
        return None
    if package.sha256 in hashes:
        return "file"
    if package.use != "venv" and hashes:
        return None
    return "version" if need.version and is_same_version(need.version, package.version) else "constraint"


def serves_need(need: Need, version: str) -> bool:
    """Whether an installed version is what a package is needed at, as uv sees it: to a version without a local label
    one with a label is the same (PEP 440), "2.5.1+cpu" to "2.5.1", in a lock too."""
    if not need.version:
        return admits_version(need.specifier, version)
    return is_same_version(need.version, version if "+" in need.version else version.partition("+")[0])


@lru_cache(maxsize=65536)
def is_same_version(one: str, other: str) -> bool:
    """Whether two texts are the same version (PEP 440: "1.0" is "1.0.0")."""
    if one == other:
        return True
    try:
        return Version(one) == Version(other)
    except InvalidVersion:
        return False


@lru_cache(maxsize=65536)
def admits_version(specifier: str, version: str) -> bool:
    """Whether a specifier ("" any) admits a version; one before a release only if the specifier names such (PEP 440).

    `packaging` itself would admit it where nothing else is there to choose.
    """
    parsed = SpecifierSet(specifier)
    try:
        return parsed.contains(version, prereleases=bool(parsed.prereleases))
    except InvalidVersion:
        return False


def _describe_no_file(demand: Demand, misses: Sequence[Miss], offered: OfferedPlatform) -> str:
    need = (
        next((miss.need for miss in misses if miss.need.name in demand.impossible), None) if demand.impossible else None
    )
    if need is None:
        return ""
    minor = ".".join(offered.python.split(".")[:2])
    return f"has Python {minor} on {offered.platform}, for which the lock has no file of {need.name} {need.version}"
