"""Keeping a base's versions: what a project's `uv lock` starts from, and the constraints that say the same for good.

uv prefers the versions of the lock that it finds, and reads of it no more than name, version, source and the markers
of a fork: a lock that names the base's versions and nothing else (a seed) makes it keep them wherever the project
admits them, and is never in the way of what the project asks for. What the seed says of the Pythons and, for packages
of no index of their own, of the index does not matter; but uv ignores a lock of other `resolution` settings, so that
the project's own lock lends the seed its head.

A constraint is hard. `numpy==2.5.5` for all that a project admits fails where that numpy needs a newer Python than the
project does, or where the project's own bounds exclude it. So constraints are made of what a lock has kept, with the
markers that it has kept it for, and cannot contradict it.
"""

import json
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from warmbase.downstream.markers import join_markers
from warmbase.downstream.projects.environment import MarkerError, admits
from warmbase.downstream.projects.model import Environment
from warmbase.errors import ProjectError
from warmbase.lock.stub import package_stub
from warmbase.publish.offer import Offer, OfferedPackage

_HEAD = 'version = 1\nrequires-python = ">=3.8"\n'
_FIRST_PACKAGE = "\n[[package]]"
_SOME_INDEX = "https://index.invalid/simple"  # for a package whose index the offer does not name
_LOCKED_SETTINGS = {"resolution": "resolution-mode", "prerelease": "prerelease-mode", "fork-strategy": "fork-strategy"}

_Record = Mapping[str, Any]


def base_packages(offer: Offer, platform: str) -> dict[str, OfferedPackage]:
    """The packages that a base has from an index, in its venv or in its cache alone, by name."""
    found = offer.platform(platform)
    return {package.name: package for package in found.packages if not package.source} if found else {}


def seed_lock(lock: str, offer: Offer, environment: Environment, *, settings: Mapping[str, str] | None = None) -> str:
    """A uv.lock for `uv lock` to start from: it prefers the versions of a base, and for all else those of `lock`.

    `lock` is the project's own; where that is "", `settings` are those of its `[tool.uv]`. Where `lock` has several
    versions of a package, the one for `environment` becomes the base's. Raises ProjectError for a lock that cannot be
    read.
    """
    base = base_packages(offer, environment.platform)
    head = lock.partition(_FIRST_PACKAGE)[0] + "\n" if lock else _HEAD + _options(settings or {})
    forks: dict[tuple[str, str, str, str], list[Iterable[str]]] = {}
    for record in _records(lock):
        name, source = _name(record), record["source"]
        if "git" in source:  # the commit is kept
            kind, version = "git", str(record.get("version", ""))
        elif "registry" in source:
            kind, package = "registry", base.get(name)
            version = package.version if package and _is_for(record, environment) else str(record["version"])
        else:
            continue
        forks.setdefault((name, version, kind, str(source[kind])), []).append(record.get("resolution-markers", ()))
    stubs = [package_stub(*fork, markers[0] if len(markers) == 1 else ()) for fork, markers in forks.items()]
    locked = {fork[0] for fork in forks}
    for name, package in base.items():
        if name not in locked:
            address = next(iter(offer.indexes.get(package.index, ())), _SOME_INDEX)
            stubs.append(package_stub(name, package.version, "registry", address))
    return head + "".join(stubs)


def kept_constraints(lock: str, offer: Offer, environment: Environment) -> tuple[str, ...]:
    """Requirements that hold what a uv.lock has at a base's versions: "pandas==2.2.3", by name.

    Where the lock has other versions too, for other Pythons or platforms, the requirement has a marker. Raises
    ProjectError for a lock that cannot be read.
    """
    base = base_packages(offer, environment.platform)
    by_name: dict[str, list[_Record]] = {}
    for record in _records(lock):
        if "registry" in record["source"]:
            by_name.setdefault(_name(record), []).append(record)
    return tuple(
        requirement
        for name, records in sorted(by_name.items())
        if name in base
        for requirement in _constraints(name, base[name].version, records)
    )


def _constraints(name: str, version: str, records: Iterable[_Record]) -> Iterator[str]:
    records = list(records)
    for record in records:
        if _same(str(record["version"]), version):
            markers = record.get("resolution-markers", ()) if len(records) > 1 else ()
            marker = join_markers(markers)
            yield f"{name}=={record['version']}" + (f" ; {marker}" if marker else "")


def _records(lock: str) -> Iterator[_Record]:
    """The packages of a uv.lock that have a source. Raises ProjectError."""
    try:
        packages = tomllib.loads(lock).get("package", [])
        for package in packages:
            if isinstance(package["source"], dict) and ("registry" not in package["source"] or package["version"]):
                yield package
    except (tomllib.TOMLDecodeError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ProjectError(f"uv.lock: it cannot be read: {error}", next_step="write it anew with `uv lock`") from None


def _name(record: _Record) -> str:
    return str(canonicalize_name(str(record["name"])))


def _is_for(record: _Record, environment: Environment) -> bool:
    """Whether a fork of the lock is the one for an environment."""
    markers = record.get("resolution-markers", ())
    try:
        return not markers or any(admits(str(marker), environment) for marker in markers)
    except MarkerError:
        return False


def _same(one: str, other: str) -> bool:
    try:
        return Version(one) == Version(other)
    except InvalidVersion:
        return one == other


def _options(settings: Mapping[str, str]) -> str:
    lines = [
        f"{_LOCKED_SETTINGS[name]} = {json.dumps(value)}"
        for name, value in settings.items()
        if name in _LOCKED_SETTINGS
    ]
    return "".join(f"{line}\n" for line in ["\n[options]", *lines]) if lines else ""
