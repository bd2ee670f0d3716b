"""Wheels that do not exist: which package lacks one, on which platform, and which of its versions have one.

uv explains a resolution that fails in terms of versions. That a version has no wheel for a platform is found by
resolving once more without asking for wheels, and the versions that have one by asking uv for that package alone.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from warmbase.catalog.model import Variant
from warmbase.effects.uv import Uv
from warmbase.errors import LockError, ProcessError
from warmbase.lock.wheels import ARCHITECTURES, Libc, uv_platform

_MOST = 3  # versions that are named


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class MissingWheel:
    """A package at a version that has no wheel for a platform."""

    name: str
    version: str
    platform: str


def explain_missing(
    variant: Variant, missing: Iterable[MissingWheel], uv: Uv, cache: Path, libc: Mapping[str, Libc]
) -> LockError:
    """What to tell about wheels that are missing; the index is asked which versions have one."""
    lines, remedies = [], []
    for one in sorted(missing):
        versions = versions_with_wheels(uv, cache, one, variant.python, libc[one.platform])
        having = f"versions that have one: {', '.join(versions)}" if versions else "and no other version has one"
        lines.append(
            f"{one.name} {one.version} has no wheel for Python {variant.python} on {one.platform}; {having}"
            + "".join(f"\n  asked for at {place}" for place in _places(variant, one.name))
        )
        marker = f"platform_machine != '{ARCHITECTURES[one.platform]}'"
        remedies += [f"require {one.name}=={versions[0]}"] if versions else []
        remedies.append(f'leave it out there ("{one.name}; {marker}")')
        remedies.append(f"take {one.platform} out of the image's `platforms`")
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


def _places(variant: Variant, name: str) -> Iterable[str]:
    for asked in (*variant.requirements, *variant.warm):
        if canonicalize_name(asked.requirement.name) == name:
            yield f"{asked.position}: {asked.text}"
