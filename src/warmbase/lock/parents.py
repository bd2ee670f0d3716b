"""The lock of an image that is `from` another: all that the parent's lock has, and what the child adds.

A child's image begins with its parent's layers, so it has the parent's packages at the parent's versions, from the
same files. uv is told so by constraints, and what it says of those packages is then replaced by what the parent's lock
says. A child's lock fits one lock of its parent, whose fingerprint is among its inputs: when the parent moves the child
is locked again.
"""

from collections.abc import Iterator
from dataclasses import replace

from packaging.utils import canonicalize_name

from warmbase.catalog.model import CatalogRequirement, Variant
from warmbase.catalog.parents import lineage
from warmbase.errors import LockError
from warmbase.lock.built import pin_addresses
from warmbase.lock.fingerprint import fingerprint_of_lock
from warmbase.lock.groups import packages_behind
from warmbase.lock.markers import marker_environment
from warmbase.lock.model import Lock, LockedPackage, hash_inputs
from warmbase.lock.resolve import variant_inputs
from warmbase.lock.restraint import Restraint


def lock_inputs(variant: Variant, uv_version: str, parent: Lock | None) -> str:
    """The hash of everything that decides a variant's lock; `parent` is the lock of what it is made from, if it is."""
    own = variant_inputs(variant, uv_version)
    return hash_inputs({"own": own, "from": [variant.parent, fingerprint_of_lock(parent)]}) if parent else own


def parent_constraints(parent: Lock) -> tuple[str, ...]:
    """The requirements (PEP 508) that admit of the parent's packages no other versions, but for those of no index."""
    return tuple(f"{package.name}=={package.version}" for package in _packages(parent) if not package.source)


def hold_to_parent(restraint: Restraint, parent: Lock) -> Restraint:
    """What a child's resolution must leave alone: the same, and the parent's versions, which may be of any age."""
    held = restraint.without_limit(parent.versions()) if restraint.newest else restraint
    return replace(held, constraints=tuple(dict.fromkeys((*held.constraints, *parent_constraints(parent)))))


def ask_as_parent(variant: Variant, parent: Lock) -> Variant:
    """The child, asking for what comes from no index by the addresses that its parent's lock has.

    Raises LockError where what it adds cannot be had beside the parent's packages.
    """
    said = [*_conflicting_requirements(variant, parent), *_conflicting_builds(variant, parent)]
    if said:
        raise LockError(
            f"{variant.name} cannot be locked: it is from {variant.parent}, whose packages it has as they are\n"
            + "\n".join(said),
            next_step=f"ask for something that {variant.parent} admits, or change what that asks for, or take `from`"
            f" out of {variant.image}",
        )
    return pin_addresses(variant, {package.name: package.source for package in _packages(parent) if package.source})


def describe_parent(said: str, variant: Variant, parent: Lock) -> str:
    """Lines on those of the parent's packages that uv's explanation `said` names: where their versions come from."""
    named = [package for package in _packages(parent) if f"{package.name}=={package.version}" in said]
    return "".join(f"\n  {_of_parent(package, variant, parent)}" for package in named)


def adopt_packages(lock: Lock, parent: Lock, inputs: str) -> Lock:
    """The lock of a child, with what its parent's lock says of the packages that it has too; `inputs` is its own.

    One that the parent has in the cache alone, and the child in its venv, keeps the child's use and group: it gets a
    layer of the child's own. Raises LockError where a package is not the parent's.
    """
    check_parent(lock, parent)
    theirs = {package.name: package for package in _packages(parent)}
    packages = tuple(
        _adopt(package, theirs[package.name]) if package.name in theirs else package for package in lock.packages
    )
    return replace(lock, inputs=inputs, packages=packages, uv=parent.uv)


def check_parent(lock: Lock, parent: Lock) -> None:
    """Raise LockError if a child's lock has another version of a package than its parent's, or lacks it."""
    own = {package.name: (package.version, package.source) for package in _packages(lock)}
    for package in _packages(parent):
        found = own.get(package.name, ("nothing", ""))
        if found != (package.version, package.source):
            raise LockError(
                f"{lock.variant}: {package.name} is {found[0]}, and {package.version} in {parent.variant}, which it is"
                " from",
                next_step=f"run `warmbase lock {lock.variant}`",
            )


def _adopt(package: LockedPackage, inherited: LockedPackage) -> LockedPackage:
    wheels = {**dict(package.wheels), **dict(inherited.wheels)}
    known = {file.name for file in inherited.files}
    more = tuple(file for file in package.files if file.name in wheels.values() and file.name not in known)
    group = inherited.group if package.use == inherited.use else package.group
    return replace(
        inherited,
        use=package.use,
        group=group,
        wheels=tuple(sorted(wheels.items())),
        files=(*inherited.files, *more),
    )


def _packages(lock: Lock) -> Iterator[LockedPackage]:
    return (package for package in lock.packages if package.use != "index")


def _own_requirements(variant: Variant) -> Iterator[CatalogRequirement]:
    """What the child asks for, and its parent does not."""
    inherited = {one.text for one in _asked(variant.made_from)} if variant.made_from else set()
    return (one for one in _asked(variant) if one.text not in inherited)


def _asked(variant: Variant) -> tuple[CatalogRequirement, ...]:
    return (*variant.requirements, *variant.warm)


def _conflicting_requirements(variant: Variant, parent: Lock) -> Iterator[str]:
    known = {package.name: package for package in _packages(parent)}
    environments = [marker_environment(variant.python, platform) for platform in variant.platforms]
    for asked in _own_requirements(variant):
        requirement = asked.requirement
        package = known.get(str(canonicalize_name(requirement.name)))
        applies = requirement.marker is None or any(map(requirement.marker.evaluate, environments))
        if package is None or not applies:
            continue
        other = requirement.url is not None and requirement.url != package.asked
        if other or not requirement.specifier.contains(package.version, prereleases=True):
            yield f"  {asked.position}: {asked.text}\n  {_of_parent(package, variant, parent)}"


def _conflicting_builds(variant: Variant, parent: Lock) -> Iterator[str]:
    """What the child wants compiled, and its parent has a wheel of."""
    inherited = variant.made_from.no_binary if variant.made_from else ()
    known = {package.name: package for package in _packages(parent) if package.name not in inherited}
    for name, position in variant.no_binary_at:
        package = known.get(name)
        if package and any(package.wheel(platform) for platform in variant.platforms):
            yield f"  {position}: {name} under `no_binary`\n  {_of_parent(package, variant, parent)}"


def _of_parent(package: LockedPackage, variant: Variant, parent: Lock) -> str:
    """That the parent has a package, and what in the catalog asks for it, or for something that needs it."""
    known = {one.name: one for one in _packages(parent)}
    above = lineage(variant)[:-1]
    asked = [one for ancestor in above for one in _asked(ancestor)]
    environments = [marker_environment(variant.python, platform) for platform in variant.platforms]
    direct = [one for one in asked if canonicalize_name(one.requirement.name) == package.name]
    leading = direct or [one for one in asked if package.name in packages_behind(one.requirement, known, environments)]
    has = f"{parent.variant} has {package.name} {package.version}"
    return f"{leading[0].position}: {leading[0].text} ({has})" if leading else has
