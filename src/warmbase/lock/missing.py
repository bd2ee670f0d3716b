"""Wheels that do not exist: which package lacks one, on which platform, and which of its versions have one.

uv explains a resolution that fails in terms of versions. That a version has no wheel for a platform is found by
resolving once more without asking for wheels, and the versions that have one by asking uv for that package alone.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from warmbase.catalog.model import CatalogRequirement, Variant
from warmbase.effects.uv import Uv
from warmbase.errors import LockError, ProcessError
from warmbase.lock.project import Key, Record
from warmbase.lock.wheels import ARCHITECTURES, Libc, uv_platform

_MOST = 3  # versions that are named


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class MissingWheel:
    """A package at a version that has no wheel for a platform, and the catalog's name of its index."""

    name: str
    version: str
    platform: str
    index: str = ""


def explain_missing(
    variant: Variant,
    missing: Iterable[MissingWheel],
    records: Mapping[Key, Record],
    uv: Uv,
    cache: Path,
    libc: Mapping[str, Libc],
) -> LockError:
    """What to tell about wheels that are missing; the index is asked which versions have one.

    `records` are those of the resolution, which say what in the catalog leads to a package that it does not name.
    """
    lines, remedies = [], []
    for one in sorted(missing):
        versions = versions_with_wheels(uv.for_index(one.index), cache, one, variant.python, libc[one.platform])
        having = f"versions that have one: {', '.join(versions)}" if versions else "and no other version has one"
        musl = libc[one.platform][0] == "musl"
        where = f"{one.platform}{' with musl' if musl else ''}"
        lines.append(
            f"{one.name} {one.version} has no wheel for Python {variant.python} on {where}; {having}"
            + "".join(f"\n  {words} {asked.position}: {asked.text}" for words, asked in _reasons(variant, one, records))
        )
        asking = list(dict.fromkeys(asked.requirement.name for _, asked in _reasons(variant, one, records)))
        named = [name for name in asking if canonicalize_name(name) == one.name]
        allowed = "" if named else f" too, if {' and '.join(asking)} can do with it"
        remedies += [f"require {one.name}=={versions[0]}{allowed}"] if versions and asking else []
        if records.get((one.name, one.version), {}).get("sdist"):
            remedies.append(f"name {one.name} under `no_binary`, so that it is compiled")
        remedies += ["choose a foundation with glibc, for which there are more wheels"] if musl else []
        marker = f"platform_machine != '{ARCHITECTURES[one.platform]}'"
        remedies += [f'leave {"it" if named else name} out there ("{name}; {marker}")' for name in asking]
        remedies.append(f"take {one.platform} out of the catalog's `platforms`")
    return LockError(
        f"{variant.name} cannot be resolved:\n" + "\n".join(lines), next_step=", or ".join(dict.fromkeys(remedies))
    )


def versions_with_wheels(uv: Uv, cache: Path, missing: MissingWheel, python: str, libc: Libc) -> tuple[str, ...]:
    """The newest versions of a package that have a wheel for the platform, the newest first; a few."""
    options = ["--quiet", "--no-deps", "--no-header", "--no-annotate", "--only-binary", ":all:"]
    target = ["--python-version", python, "--python-platform", uv_platform(missing.platform, libc)]
    found: list[str] = []
    wanted = missing.name
    while len(found) < _MOST:
        try:
            said = uv.run(["pip", "compile", "-", *options, *target], cache=cache, input=f"{wanted}\n".encode()).text
            version = next(iter(Requirement(said.strip()).specifier)).version
        except (ProcessError, ValueError, StopIteration):  # there is no such version, or none left
            break
        found.append(version)
        wanted = f"{missing.name}<{version}"
    return tuple(found)


def _reasons(
    variant: Variant, missing: MissingWheel, records: Mapping[Key, Record]
) -> Iterable[tuple[str, CatalogRequirement]]:
    """What in the catalog asks for a package, or for something that needs it, and which of the two."""
    asked = (*variant.requirements, *variant.warm)
    named = [one for one in asked if canonicalize_name(one.requirement.name) == missing.name]
    if named:
        return [("asked for at", one) for one in named]
    return [("needed by", one) for one in asked if missing.name in _needs(one.requirement, records)]


def _needs(requirement: Requirement, records: Mapping[Key, Record]) -> set[str]:
    """The names of all packages that a requirement leads to, by what uv.lock says of each and of its extras."""
    found: set[tuple[str, str]] = set()
    pending = {(str(canonicalize_name(requirement.name)), extra) for extra in ("", *requirement.extras)}
    while pending:
        name, extra = node = pending.pop()
        found.add(node)
        for record in (record for key, record in records.items() if key[0] == name):
            needed = record.get("optional-dependencies", {}).get(extra, ()) if extra else record.get("dependencies", ())
            pending |= {(one["name"], each) for one in needed for each in ("", *one.get("extra", ()))} - found
    return {name for name, _ in found}
