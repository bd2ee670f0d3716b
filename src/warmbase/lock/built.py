"""What is compiled when an image is built: what has no wheel for a platform, what `no_binary` names, and what comes
from a repository or an address instead of an index.

Wheels go first: a version that has one for every platform before a newer one that would have to be compiled. Only where
that leads nowhere, and the catalog names the `build_packages` to compile with, is the newest version compiled that can
be. To learn what such a package needs, uv may have to run a part of its build on the machine that locks.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import unquote, urldefrag, urlsplit

from packaging.requirements import Requirement
from packaging.tags import Tag
from packaging.utils import canonicalize_name

from warmbase.catalog.model import CatalogRequirement, Variant
from warmbase.lock.model import Lock, LockedFile, LockedPackage
from warmbase.lock.project import Key, Record
from warmbase.lock.wheels import choose_wheels

Addresses = Mapping[str, str]
"""The address of each package that comes from no index, by its name: of a repository with its full commit."""


def is_from_index(record: Record) -> bool:
    """Whether a package of uv.lock comes from an index."""
    return "registry" in record["source"]


def named_to_compile(variant: Variant) -> frozenset[str]:
    """The packages that the catalog says are compiled: those of `no_binary`, and all whose source it names."""
    asked = ((one.requirement.name, one.requirement.url) for one in (*variant.requirements, *variant.warm))
    return frozenset(variant.no_binary) | {
        str(canonicalize_name(name)) for name, url in asked if url and not _file_name(url).endswith(".whl")
    }


def choose_files(
    package: str,
    names: Iterable[str],
    source: str,
    platforms: Iterable[str],
    tags: Mapping[str, Iterable[Tag]],
    variant: Variant,
) -> dict[str, str]:
    """What is installed of a package on each of `platforms`, or compiled there: the best wheel's file name, else the
    source's. `names` are those of its files, `source` is its address where it comes from no index.

    Those for which there is neither are left out.
    """
    never = package in variant.no_binary
    names, platforms = tuple(names), tuple(platforms)
    wheels = choose_wheels((name for name in names if name.endswith(".whl") and not never), platforms, tags)
    if not (never or source or variant.build_packages):
        return wheels
    made_of = next((name for name in names if not name.endswith(".whl")), "")
    if source.startswith("git+"):
        made_of = urldefrag(source)[0].rpartition("@")[2]
    return {platform: made_of for platform in platforms if made_of} | wheels


def pin_addresses(variant: Variant, addresses: Addresses) -> Variant:
    """The variant, asking for packages that come from no index by `addresses`."""

    def pin(asked: CatalogRequirement) -> CatalogRequirement:
        address = addresses.get(str(canonicalize_name(asked.requirement.name)))
        if not asked.requirement.url or not address:
            return asked
        requirement = Requirement(asked.text)
        requirement.url = address
        return replace(asked, requirement=requirement, text=str(requirement))

    return replace(variant, requirements=tuple(map(pin, variant.requirements)), warm=tuple(map(pin, variant.warm)))


def kept_addresses(variant: Variant, previous: Lock | None, moving: Iterable[str]) -> Addresses:
    """The commits that stay: those of packages for which the catalog still asks as it did when `previous` was made, but
    for the `moving` ones."""
    asked = _asked(variant)
    return {
        package.name: package.source
        for package in (previous.packages if previous else ())
        if package.source and package.asked == asked.get(package.name) and package.name not in moving
    }


def lock_origin(key: Key, record: Record, address: str, variant: Variant) -> LockedPackage:
    """A package that comes from no index, but from `address`."""
    name, version = key
    offered = (*record.get("wheels", ()), *filter(None, [record.get("sdist")]))
    return LockedPackage(
        name=name,
        version=version,
        use="index",
        requires_dist=tuple(requirements_of(record)),
        requires_python="",
        extras=tuple(sorted(record.get("optional-dependencies", {}))),
        files=tuple(_file(file, address) for file in offered),
        source=address,
        asked=_asked(variant).get(name, ""),
    )


def requirements_of(record: Record) -> Iterator[str]:
    """What a package needs, as PEP 508 text, by what uv.lock says: names and markers, and no versions."""
    for needed in record.get("dependencies", ()):
        yield _requirement(needed, "")
    for extra, dependencies in record.get("optional-dependencies", {}).items():
        for needed in dependencies:
            yield _requirement(needed, f"extra == '{extra}'")


def _requirement(needed: Mapping[str, Any], condition: str) -> str:
    extras = f"[{','.join(needed['extra'])}]" if needed.get("extra") else ""
    marker = needed.get("marker", "")
    both = f"({marker}) and {condition}" if marker and condition else marker or condition
    return f"{needed['name']}{extras}{f' ; {both}' if both else ''}"


def _asked(variant: Variant) -> Addresses:
    """The addresses in the catalog."""
    asked = ((one.requirement.name, one.requirement.url) for one in (*variant.requirements, *variant.warm))
    return {str(canonicalize_name(name)): url for name, url in asked if url}


def _file(file: Mapping[str, Any], address: str) -> LockedFile:
    sha256 = str(file.get("hash", "")).removeprefix("sha256:")
    return LockedFile(name=_file_name(address), sha256=sha256, path=urldefrag(address)[0], size=file.get("size", 0))


def _file_name(address: str) -> str:
    return unquote(urlsplit(address).path.rpartition("/")[2])
