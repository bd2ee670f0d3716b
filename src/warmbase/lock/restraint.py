"""What a resolution must leave alone: releases that are too young, pins of the catalog, and versions that broke.

uv is told by `exclude-newer`, `exclude-newer-package` and constraints; the catalog's cooldown counts instead of what
uv's configuration files say of that. A cooldown is about what is new to a lock and never takes back what a lock has: a
package whose locked files are younger than the cooldown admits has a limit of its own, just after them. Where nobody
knows how old they are there is no limit: the lock does not say it (indexes forget to at times), or the index never
does, and then uv would take none of its files.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from packaging.utils import canonicalize_name

from warmbase.catalog.model import Variant
from warmbase.catalog.refresh import pin_counts
from warmbase.lock.model import Lock, LockedPackage


@dataclass(frozen=True, kw_only=True, slots=True)
class Restraint:
    """`newest` is the RFC 3339 time from which on files do not count, "" for no limit; `own` has the limit of each
    package that has another one, by normalized name. `constraints` are requirements (PEP 508) that hold for packages
    which are needed anyway."""

    newest: str = ""
    own: Mapping[str, str] = field(default_factory=dict, hash=False)
    constraints: tuple[str, ...] = ()

    def without_limit(self, packages: Iterable[str]) -> "Restraint":
        """The same, but that `packages` may be of any age."""
        return replace(self, own={**self.own, **dict.fromkeys(packages, "")})

    def admitting(self, lock: Lock) -> "Restraint":
        """The same, but that every file which `lock` installs is old enough."""
        if not self.newest:
            return self
        own = dict(self.own)
        for package in lock.packages:
            limit = own.get(package.name, self.newest)
            if not limit or package.use == "index" or package.source:
                continue
            time = _uploaded(package)
            if time is None:
                own[package.name] = ""
            elif time >= datetime.fromisoformat(limit):
                own[package.name] = _format(time + timedelta(seconds=1))
        return replace(self, own=own)

    def settings(self) -> list[str]:
        """What it is in a table of uv's settings, and of its uv.lock (TOML), but for the constraints."""
        if not self.newest:
            return []
        own = [f"{name} = {json.dumps(limit) if limit else 'false'}" for name, limit in sorted(self.own.items())]
        packages = [f"exclude-newer-package = {{ {', '.join(own)} }}"] if own else []
        return [f"exclude-newer = {json.dumps(self.newest)}", *packages]


FREE = Restraint()
"""Nothing is left alone."""


def restrain(
    variant: Variant, now: datetime, baseline: Lock | None, broken: Sequence[tuple[str, str]] = ()
) -> Restraint:
    """What holds for locking `variant` at the time `now`, when its lock was `baseline`; `broken` are names and versions
    that must not be taken. What comes from an address instead of an index is not held back."""
    cooldown = variant.cooldown
    direct = {
        str(canonicalize_name(asked.requirement.name))
        for asked in (*variant.requirements, *variant.warm)
        if asked.requirement.url
    }
    pins = {f"{pin.package}{pin.version}" for pin in variant.pins if pin_counts(pin, now) and pin.package not in direct}
    not_taken = {f"{name}!={version}" for name, version in broken if name not in direct}
    restraint = Restraint(constraints=tuple(sorted(pins | not_taken)))
    if not cooldown.time:
        return restraint
    restraint = replace(restraint, newest=_format(now - cooldown.time), own=dict.fromkeys(cooldown.exempt, ""))
    return restraint.admitting(baseline) if baseline else restraint


def undated_packages(lock: Lock) -> frozenset[str]:
    """The packages in the image of which nobody knows how old they are, and which no cooldown holds back."""
    from_index = (package for package in lock.packages if package.use != "index" and package.wheels)
    return frozenset(package.name for package in from_index if not package.source and _uploaded(package) is None)


def _uploaded(package: LockedPackage) -> datetime | None:
    """When the newest file was uploaded that is installed of a package; None where its index does not say."""
    names = {name for _, name in package.wheels}
    times = [file.time for file in package.files if file.name in names]
    return max(map(datetime.fromisoformat, times)) if times and all(times) else None


def _format(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
