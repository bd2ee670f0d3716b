"""Which package set brings a locked package.

Wheels of one set share a pool, and images that share the set share the pool. It is worked out when a variant is locked,
because reading a thousand requirements takes longer than a plan may.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from warmbase.catalog.model import CatalogRequirement, Variant
from warmbase.lock.markers import marker_environment
from warmbase.lock.model import LockedPackage

_Wanted = tuple[str, frozenset[str]]
"""A package's name and the extras of it that are asked for."""


def group_packages(packages: Iterable[LockedPackage], variant: Variant) -> tuple[LockedPackage, ...]:
    """The packages with their `group`: the first set, in the catalog's order, that leads to each on any platform.

    "" stands for the image's own requirements.
    """
    known = {package.name: package for package in packages if package.use != "index"}
    environments = [marker_environment(variant.python, platform) for platform in variant.platforms]
    groups: dict[str, str] = {}
    ordered = sorted(variant.requirements, key=lambda requirement: _rank(variant, requirement))
    for asked in (*ordered, *variant.warm):
        for name in packages_behind(asked.requirement, known, environments):
            groups.setdefault(name, asked.group)
    return tuple(replace(package, group=groups.get(package.name, "")) for package in packages)


def packages_behind(
    asked: Requirement, known: Mapping[str, LockedPackage], environments: Iterable[Mapping[str, str]]
) -> frozenset[str]:
    """The names of the `known` packages that a requirement leads to in any of `environments`, itself among them."""
    pending = [_wanted(asked)]
    seen: set[_Wanted] = set()
    while pending:
        wanted = pending.pop()
        name, extras = wanted
        if wanted in seen or name not in known:
            continue
        seen.add(wanted)
        pending += _dependencies(known[name], extras, environments)
    return frozenset(name for name, _ in seen)


def _rank(variant: Variant, requirement: CatalogRequirement) -> int:
    return variant.sets.index(requirement.group) if requirement.group in variant.sets else len(variant.sets)


def _wanted(requirement: Requirement) -> _Wanted:
    return str(canonicalize_name(requirement.name)), frozenset(requirement.extras)


def _dependencies(
    package: LockedPackage, extras: frozenset[str], environments: Iterable[Mapping[str, str]]
) -> list[_Wanted]:
    values = [{**environment, "extra": extra} for environment in environments for extra in (*extras, "")]
    requirements = map(Requirement, package.requires_dist)
    return [_wanted(r) for r in requirements if r.marker is None or any(map(r.marker.evaluate, values))]
