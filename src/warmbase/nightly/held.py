"""What a resolution left alone though an index has it, and why.

Of each package the newest stable release is looked at, by what the pages and the metadata say that uv read. Where
several things hold it back, the one that lasts longest is named. Where it is only too young, what is old enough and
newer than what was taken is looked at, too.

An answer is shared by variants and kept from night to night, so it says nothing in words of the catalog: those come in
with `place_held`.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from packaging.requirements import Requirement
from packaging.tags import Tag
from packaging.utils import canonicalize_name
from packaging.version import Version

from warmbase.catalog.model import Position, Variant
from warmbase.catalog.refresh import pin_ends
from warmbase.lock.markers import marker_environment
from warmbase.lock.restraint import Restraint
from warmbase.lock.wheels import choose_wheels
from warmbase.nightly.model import Held
from warmbase.nightly.offered import Release, Releases
from warmbase.publish.journal import format_time

Needs = Callable[[str, str], Sequence[Requirement]]
"""What a package (its name, a version) needs, as far as its metadata was read."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Resolved:
    """What a variant was resolved to: `versions`, and the `platforms` on which each package is needed.

    `releases` are those on the page that each package comes from. `cooldown` is how old a file must be for
    `restraint`, `base` the packages of the image that the variant is from: what is newer of those is that one's affair.
    """

    variant: Variant
    restraint: Restraint
    versions: Mapping[str, str]
    platforms: Mapping[str, Sequence[str]]
    releases: Callable[[str], Releases]
    needs: Needs
    tags: Mapping[str, Sequence[Tag]]
    cooldown: timedelta = timedelta()
    base: Mapping[str, str] = field(default_factory=dict)


def find_held(resolved: Resolved) -> tuple[Held, ...]:
    """What is newer than what was taken, by name of the package."""
    return tuple(held for name in sorted(resolved.versions.keys() - resolved.base) for held in _of(name, resolved))


def place_held(held: Held, variant: Variant) -> Held:
    """The same in words of the catalog: why a pin is there and until when, and where a requirement stands."""
    if held.by == "pin":
        pin = next((pin for pin in variant.pins if pin.package == held.subject), None)
        ends = pin_ends(pin) if pin else None
        last = format_time(ends - timedelta(seconds=1)) if ends else ""  # people read the day that they wrote
        return replace(held, detail=pin.reason, until=last) if pin else held
    if held.by == "conflict":
        places = {asked.text: _place(asked.position) for asked in (*variant.requirements, *variant.warm)}
        return replace(held, detail=f"{places[held.detail]}: {held.detail}") if held.detail in places else held
    return held


def _place(position: Position) -> str:
    return f"{position.file.name}:{position.line}"


def _of(name: str, resolved: Resolved) -> Iterator[Held]:
    current = Version(resolved.versions[name])
    newer = list(_newer(resolved.releases(name), current, resolved))
    if not newer:
        return
    newest = _why(name, newer[0], resolved)
    yield replace(newest, current=str(current))
    if newest.by == "cooldown":
        grown = next((one for one in newer if not _too_young(name, one, resolved)), None)
        if grown:
            yield replace(_why(name, grown, resolved), current=str(current))


def _newer(releases: Releases, current: Version, resolved: Resolved) -> Iterator[Release]:
    for release in releases:
        if release.version <= current:
            return
        stable = current.is_prerelease or not release.version.is_prerelease
        if stable and release.usable(resolved.variant.python):
            yield release


def _why(name: str, release: Release, resolved: Resolved) -> Held:
    """Why a release was not taken."""
    offered = str(release.version)
    held = Held(subject=name, current="", offered=offered, by="conflict")
    constraints = [Requirement(text) for text in resolved.restraint.constraints]
    excluding = [one for one in constraints if _excludes(one, name, release.version)]
    if any(str(one.specifier) == f"!={offered}" for one in excluding):
        return replace(held, by="broken")
    if excluding:
        return replace(held, by="pin", detail=str(excluding[0].specifier))
    variant = resolved.variant
    for asked in (*variant.requirements, *variant.warm):
        if _excludes(asked.requirement, name, release.version) and _applies(asked.requirement, name, resolved):
            return replace(held, detail=asked.text)
    lacking = _lacking_wheels(name, release, resolved)
    if lacking:
        return replace(held, by="wheels", detail=f"no wheel for {' and '.join(lacking)}")
    if said := next(_others(name, release, resolved), ""):
        return replace(held, detail=said)
    if _too_young(name, release, resolved):
        return replace(held, by="cooldown", until=_comes_of_age(release, resolved))
    return replace(held, detail=next(_own_needs(name, offered, resolved), "there is no solution with it"))


def _excludes(requirement: Requirement, name: str, version: Version) -> bool:
    return canonicalize_name(requirement.name) == name and not requirement.specifier.contains(version, prereleases=True)


def _applies(requirement: Requirement, name: str, resolved: Resolved, extras: Sequence[str] = ("",)) -> bool:
    """Whether a requirement counts on a platform on which what it asks for is needed."""
    if requirement.marker is None:
        return True
    environments = [marker_environment(resolved.variant.python, one) for one in resolved.platforms.get(name, ())]
    marker = requirement.marker
    return any(marker.evaluate({**one, "extra": extra}) for one in environments for extra in extras)


def _others(name: str, release: Release, resolved: Resolved) -> Iterator[str]:
    """What other packages want instead of a release."""
    for other, version in sorted(resolved.versions.items()):
        extras = ("", *_extras(other, resolved.variant))
        for needed in resolved.needs(other, version):
            if _excludes(needed, name, release.version) and _applies(needed, name, resolved, extras):
                yield f"{other} {version} wants {name}{needed.specifier}"


def _own_needs(name: str, offered: str, resolved: Resolved) -> Iterator[str]:
    """What a release wants that was not taken."""
    for needed in resolved.needs(name, offered):
        taken = resolved.versions.get(str(canonicalize_name(needed.name)))
        if taken and not needed.specifier.contains(taken, prereleases=True) and _applies(needed, name, resolved):
            yield f"{name} {offered} wants {needed.name}{needed.specifier}"


def _extras(name: str, variant: Variant) -> frozenset[str]:
    asked = (one.requirement for one in (*variant.requirements, *variant.warm))
    return frozenset(extra for one in asked if canonicalize_name(one.name) == name for extra in one.extras)


def _lacking_wheels(name: str, release: Release, resolved: Resolved) -> list[str]:
    """The platforms for which there is no wheel, where there has to be one."""
    variant, platforms = resolved.variant, resolved.platforms.get(name, ())
    names = [file.name for file in release.usable(variant.python)]
    if name in variant.no_binary or (variant.build_packages and not all(one.endswith(".whl") for one in names)):
        return []
    wheels = choose_wheels((one for one in names if one.endswith(".whl")), platforms, resolved.tags)
    return [platform for platform in platforms if platform not in wheels]


def _limit(name: str, resolved: Resolved) -> str:
    return resolved.restraint.own.get(name, resolved.restraint.newest)


def _too_young(name: str, release: Release, resolved: Resolved) -> bool:
    """Whether none of a release's files is old enough. Those of which no time is said are of any age."""
    limit = _limit(name, resolved)
    if not limit:
        return False
    until = datetime.fromisoformat(limit)
    files = release.usable(resolved.variant.python)
    return all(file.time and datetime.fromisoformat(file.time) >= until for file in files)


def _comes_of_age(release: Release, resolved: Resolved) -> str:
    times = [datetime.fromisoformat(file.time) for file in release.usable(resolved.variant.python)]
    return format_time(min(times) + resolved.cooldown)
