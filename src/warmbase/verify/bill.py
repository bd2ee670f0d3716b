"""The bill of materials held against the layers: it names every package that is in them, and no other.

A Python package is known by the `.dist-info` folder of its unpacked wheel (binary distribution format), and in a cache
that warmbase made the name of the wheel's folder follows from the wheel's hash. The system's packages are those that
dpkg's status names.
"""

import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from warmbase.foundation.rootfs import parse_status
from warmbase.image.promises import CACHE, VENV
from warmbase.packages.uvcache import archive_id

STATUS = "var/lib/dpkg/status"
"""What dpkg keeps of the packages that are installed."""

_METADATA = re.compile(
    rf"(?:{CACHE}/archive-v\d+/(?P<id>[^/]+)|{VENV}/lib/python[^/]+/site-packages)"
    r"/(?P<name>[^/]+)-(?P<version>[^/-]+)\.dist-info/METADATA"
)


def check_bill(bill: bytes, paths: Iterable[str], status: bytes | None, *, reproducible: bool) -> Iterator[str]:
    """What is wrong with the text of a bill. `paths` are all files of the image, `status` is dpkg's, None without one;
    in the cache of an image that is `reproducible` folders are named by their wheels' hashes."""
    try:
        parts: list[Mapping[str, Any]] = json.loads(bill)["components"]
        named = {(part["name"], part["version"]): part for part in parts if _kind(part) == "pypi"}
        system = {(part["name"], part["version"]) for part in parts if _kind(part) == "deb"}
    except (ValueError, KeyError, TypeError) as error:
        yield f"the bill of materials cannot be read: {error!r}"
        return
    installed, folders = _unpacked(paths)
    yield from _differences(named.keys(), installed)
    for (name, version), part in named.items():
        for entry in part.get("hashes", ()) if reproducible else ():
            if (name, version) in installed and (name, archive_id(entry["content"])) not in folders:
                yield f"{name} {version} is not in the layers with the hash that the bill of materials has"
    if status is not None:
        packages = {(package.name, package.version) for package in parse_status(status.decode(errors="replace"))}
        yield from _differences(system, packages)


def _kind(part: Mapping[str, Any]) -> str:
    """The type in a package URL, but for uv itself, which is no package of the venv or the cache."""
    if part["type"] != "library":
        return ""
    return str(part.get("purl", "")).removeprefix("pkg:").partition("/")[0]


def _unpacked(paths: Iterable[str]) -> tuple[set[tuple[str, str]], set[tuple[str, str]]]:
    """The Python packages of an image: (name, version), and (name, folder in the cache)."""
    installed, folders = set(), set()
    for path in paths:
        found = _METADATA.fullmatch(path) if path.endswith("/METADATA") else None
        if found:
            name = str(canonicalize_name(found["name"]))
            installed.add((name, _normal(found["version"])))
            folders.add((name, found["id"] or ""))
    return installed, folders


def _normal(version: str) -> str:
    try:
        return str(Version(version.replace("_", "+")))  # how some tools write a local version's sign into a path
    except InvalidVersion:
        return version


def _differences(named: Collection[tuple[str, str]], found: Collection[tuple[str, str]]) -> Iterator[str]:
    for name, version in sorted(set(found) - set(named)):
        yield f"{name} {version} is in the layers, but not in the bill of materials"
    for name, version in sorted(set(named) - set(found)):
        yield f"{name} {version} is in the bill of materials, but not in the layers"
