"""Whether what was compiled says of itself what the lock says of it.

What a source needs may be found out by a part of its build, which for a lock ran on another machine than the wheel's
own: a setup.py may answer each Python otherwise (PEP 643, "Motivation").
"""

import zipfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from email.parser import HeaderParser
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from warmbase.errors import PackagesError
from warmbase.lock.markers import marker_environment
from warmbase.lock.model import LockedPackage


@dataclass(frozen=True, kw_only=True, slots=True)
class Surroundings:
    """Where packages are installed: the Python of a platform, `python` a full version and `minor` its beginning, and
    the versions of all packages that are `locked` for it, by name."""

    platform: str
    minor: str
    python: str
    locked: Mapping[str, str]


def check_agreement(wheel: Path, package: LockedPackage, place: Surroundings, *, complete: bool) -> None:
    """Raise PackagesError, which says how they differ, if a compiled wheel is not what the lock says.

    Without `complete` the lock does not say what the package needs: then that has to be in the lock, and no more.
    """
    try:
        differences = list(_differences(wheel, package, place, complete=complete))
    except (InvalidRequirement, InvalidSpecifier, InvalidVersion, KeyError, zipfile.BadZipFile) as error:
        differences = [f"its metadata cannot be read: {error}"]
    if differences:
        raise PackagesError(
            f"{package.name} {package.version}, compiled for {place.platform}, is not what was locked:"
            + "".join(f"\n  {difference}" for difference in differences),
            next_step="what a package needs may be up to the Python that asks: install the variant's where you lock"
            f" (`uv python install {place.minor}`) and run `warmbase lock --upgrade-package {package.name}`; or"
            " name what it needs under `requirements`, or require a version that has a wheel",
        )


def _differences(wheel: Path, package: LockedPackage, place: Surroundings, *, complete: bool) -> Iterator[str]:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [one for one in archive.namelist() if one.endswith(".dist-info/METADATA")] or [""]
        said = HeaderParser().parsestr(archive.read(name).decode("utf-8", "replace"))
    called, version = str(said["Name"]), str(said["Version"])
    if canonicalize_name(called) != package.name or Version(version) != Version(package.version):
        yield f"it is {called} {version}"
    wanted = SpecifierSet(said["Requires-Python"] or "")
    if not wanted.contains(place.python, prereleases=True):
        yield f"it is for Python {wanted}, and the image's is {place.python}"
    needed = [Requirement(text) for text in said.get_all("Requires-Dist", ())]
    for one in _applying(needed, [""], place):
        found = place.locked.get(canonicalize_name(one.name))
        if found is None or not one.specifier.contains(found, prereleases=True):
            yield f"it needs {one.name}{one.specifier}, and the lock has {found or 'none'}"
    if complete:
        extras = ["", *package.extras]
        ours = {
            canonicalize_name(one.name) for one in _applying(map(Requirement, package.requires_dist), extras, place)
        }
        own = {canonicalize_name(one.name) for one in _applying(needed, extras, place)}
        for other in sorted(ours - own - {package.name}):
            yield f"it does not need {other}, which the lock says that it does"
        for other in sorted(own - ours - {package.name}):
            yield f"it needs {other}, of which the lock does not say so"


def _applying(needed: Iterable[Requirement], extras: Iterable[str], place: Surroundings) -> Iterator[Requirement]:
    environment = marker_environment(place.minor, place.platform)
    environment["python_full_version"] = environment["implementation_version"] = place.python
    extras = tuple(extras)
    for one in needed:
        marker = one.marker
        if marker is None or any(marker.evaluate({**environment, "extra": extra}) for extra in extras):
            yield one
