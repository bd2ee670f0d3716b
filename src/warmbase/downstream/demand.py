"""What a project needs in one environment, made ready to be compared with many bases. Pure.

Two hundred bases have few environments: what is the same in one, such as which file of a package is downloaded there,
is worked out once.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, lru_cache
from typing import Literal

from warmbase.downstream.projects.environment import environment_of
from warmbase.downstream.projects.model import Need, NeededFile, Project
from warmbase.errors import LockError
from warmbase.lock.wheels import ARCHITECTURES, Libc, supported_tags
from warmbase.publish.offer import OfferedPlatform

Sizes = Mapping[str, Mapping[str, int]]
"""Package → version → bytes of its file, as bases have them: for what a lock does not say."""

NO_SIZES: Sizes = {}
Making = Literal["wheel", "build", "none"]
"""What becomes of a package that a base does not have: downloaded, built from source, or no file runs there."""

_NEWEST_GLIBC = ("glibc", "2.40")
_MUSL = ("musl", "1.2")


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """A need with the hashes of all files that its lock admits, and what getting it takes where it is missing: `size`
    is what is downloaded, 0 where that is not known."""

    need: Need
    hashes: frozenset[str] = field(repr=False)
    size: int
    making: Making


@dataclass(frozen=True, kw_only=True, slots=True)
class Demand:
    """What a project needs in an environment, by name, and the names of what no file of the lock is for there."""

    wanted: tuple[Wanted, ...]
    names: frozenset[str]
    impossible: frozenset[str]


class Demands:
    """What a project needs where the bases run. `sizes` helps where its lock has none."""

    def __init__(self, project: Project, sizes: Sizes = NO_SIZES) -> None:
        self._project = project
        self._sizes = sizes
        self._needs: dict[tuple[str, str], tuple[Need, ...]] = {}
        self._demands: dict[tuple[str, str, Libc], Demand] = {}

    def of(self, offered: OfferedPlatform) -> Demand:
        """What the project needs in an image."""
        python, platform, libc = offered.python, offered.platform, libc_of(offered)
        if (python, platform, libc) not in self._demands:
            if (python, platform) not in self._needs:
                self._needs[python, platform] = self._project.needs(environment_of(python, platform))
            ranks = _ranks(".".join(python.split(".")[:2]), platform, libc)
            wanted = tuple(self._want(need, ranks) for need in self._needs[python, platform])
            self._demands[python, platform, libc] = Demand(
                wanted=wanted,
                names=frozenset(each.need.name for each in wanted),
                impossible=frozenset(each.need.name for each in wanted if each.making == "none"),
            )
        return self._demands[python, platform, libc]

    def _want(self, need: Need, ranks: Mapping[str, int]) -> Wanted:
        file, making = choose_file(need.files, ranks)
        hashes = frozenset(file.sha256 for file in need.files if file.sha256)
        return Wanted(need=need, hashes=hashes, size=(file.size if file else 0) or self._known(need), making=making)

    def _known(self, need: Need) -> int:
        """What bases say of its size: of the same version, or else of the newest that they have."""
        known = self._sizes.get(need.name, {}) if need.source == "index" else {}
        return known.get(need.version, 0) or next(iter(known.values()), 0)


def libc_of(offered: OfferedPlatform) -> Libc:
    """The C library of an image, as its system's packages say; else the newest glibc that wheels are for."""
    for package in offered.system_packages:
        if package.name in ("libc6", "musl"):
            version = ".".join(package.version.partition("-")[0].partition("+")[0].split(".")[:2])
            return ("musl" if package.name == "musl" else "glibc", version)
    return _MUSL if offered.system.startswith("alpine") else _NEWEST_GLIBC


@cache
def _ranks(python: str, platform: str, libc: Libc) -> Mapping[str, int]:
    """The tags of wheels that fit, as their names have them, and the place of each, the best first; none where nothing
    is known of the platform."""
    if platform not in ARCHITECTURES:
        return {}
    try:
        tags = supported_tags(python, platform, libc)
    except (LockError, ValueError):
        return {}
    return {str(tag): place for place, tag in enumerate(tags)}


def choose_file(files: Sequence[NeededFile], ranks: Mapping[str, int]) -> tuple[NeededFile | None, Making]:
    """The file that uv takes of a lock's, and what becomes of it. `ranks` are the places of wheels' tags that fit, the
    best first. A lock without files, and a platform without known tags, are taken to be well."""
    if not ranks:
        return next(iter(files), None), "wheel"
    best: tuple[int, NeededFile] | None = None
    source: NeededFile | None = None
    for file in files:
        if not file.name.endswith(".whl"):
            source = source or (file if file.name else None)
            continue
        places = [ranks[tag] for tag in _tags(file.name) if tag in ranks]
        if places and (best is None or min(places) < best[0]):
            best = min(places), file
    if best:
        return best[1], "wheel"
    if source:
        return source, "build"
    return None, "none" if any(file.name for file in files) else "wheel"


@lru_cache(maxsize=65536)
def _tags(name: str) -> tuple[str, ...]:
    """The tags in a wheel's name (PEP 425). `packaging` takes ten times as long, and a lock has thousands of names."""
    *_, interpreters, abis, platforms = ("---" + name.removesuffix(".whl")).rsplit("-", 3)
    return tuple(
        f"{interpreter}-{abi}-{platform}"
        for interpreter in interpreters.split(".")
        for abi in abis.split(".")
        for platform in platforms.split(".")
    )
