"""What moved between two images, or two locks: packages of Python and of the system, Python itself and uv. Pure.

The bill of materials says what is in an image (`image.bill`, CycloneDX 1.6), whoever reads it: it is in the image and
attested beside it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, Literal

from warmbase.lock.model import Lock
from warmbase.nightly.debversions import debian_key
from warmbase.nightly.model import Move

Bill = Mapping[str, Any]
"""A bill of materials as JSON."""

Kind = Literal["python", "debian", "alpine", "tool"]
Direction = Literal["up", "down", "added", "removed"]

KINDS: tuple[Kind, ...] = ("python", "debian", "alpine", "tool")

_PACKAGES: Mapping[str, Kind] = {"pypi": "python", "deb": "debian", "apk": "alpine"}
_FIRST_LINKS = ("release-notes", "vcs", "website", "documentation")
_LINKS = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class _Part:
    """A package of a bill."""

    version: str
    links: Mapping[str, str] = field(default_factory=dict, hash=False)


_Parts = Mapping[tuple[Kind, str], _Part]


def moves(old: Mapping[str, Bill], new: Mapping[str, Bill]) -> tuple[Move, ...]:
    """What moved from the bills `old` to `new`, both by platform; what moved alike on several platforms is said once.

    What did not is said with its platforms. A platform that only one of them has is left out. Python's packages come
    first, then the system's, then Python and uv, each by name. Links are those of the newer version, what is most worth
    reading first.
    """
    common = sorted(old.keys() & new.keys())
    alike: dict[tuple[Kind, str, str, str], list[tuple[str, Move]]] = {}
    for platform in common:
        for move in _compare(_parts(old[platform]), _parts(new[platform])):
            alike.setdefault((move.kind, move.name, move.old, move.new), []).append((platform, move))
    return _in_order(_joined(found, len(common)) for found in alike.values())


def lock_moves(old: Lock | None, new: Lock) -> tuple[Move, ...]:
    """What of Python's packages, and of uv, moved from one lock to another; all of them, where there was none."""
    return _in_order(_compare(_locked(old) if old else {}, _locked(new)))


def package_moves(old: Mapping[str, str], new: Mapping[str, str]) -> tuple[Move, ...]:
    """What of Python's packages moved, where all that is known are their versions by name."""
    return _in_order(_compare(_packages(old), _packages(new)))


def changed(moved: Sequence[Move]) -> tuple[str, ...]:
    """The names of Python's packages that are there before and after: what a bisection is about."""
    return tuple(move.name for move in moved if move.kind == "python" and move.old and move.new)


def direction(move: Move) -> Direction:
    """Where a package went. Versions are compared as their kind compares them."""
    if not move.old or not move.new:
        return "added" if move.new else "removed"
    return "up" if _is_newer(move.kind, move.old, move.new) else "down"


def _joined(found: Sequence[tuple[str, Move]], platforms: int) -> Move:
    """The same move of several platforms, said once."""
    _, move = found[-1]
    return move if len(found) == platforms else replace(move, platforms=tuple(platform for platform, _ in found))


def _parts(bill: Bill) -> _Parts:
    """The packages of a bill. Two architectures of one package at different versions have both of them."""
    versions: dict[tuple[Kind, str], dict[str, None]] = {}
    links: dict[tuple[Kind, str], Mapping[str, str]] = {}
    for part in bill.get("components", ()):
        kind = _kind(part)
        if kind:
            key = (kind, str(part["name"]))
            versions.setdefault(key, {})[str(part["version"])] = None
            links[key] = _links(part)
    return {key: _Part(version=", ".join(found), links=links[key]) for key, found in versions.items()}


def _kind(part: Bill) -> Kind | None:
    if part.get("type") == "library":
        return _PACKAGES.get(str(part.get("purl", "")).removeprefix("pkg:").partition("/")[0])
    return "tool" if part.get("type") in ("platform", "application") else None


def _links(part: Bill) -> Mapping[str, str]:
    found = [
        (_FIRST_LINKS.index(link["type"]), str(link.get("comment", link["type"])), str(link["url"]))
        for link in part.get("externalReferences", ())
        if link["type"] in _FIRST_LINKS
    ]
    return {label: address for _, label, address in sorted(found)[:_LINKS]}


def _locked(lock: Lock) -> _Parts:
    return {**_packages(lock.versions()), ("tool", "uv"): _Part(version=lock.uv.version)}


def _packages(versions: Mapping[str, str]) -> _Parts:
    return {("python", name): _Part(version=version) for name, version in versions.items()}


def _compare(old: _Parts, new: _Parts) -> Iterator[Move]:
    nothing = _Part(version="")
    for key in old.keys() | new.keys():
        before, after = old.get(key, nothing), new.get(key, nothing)
        if before.version != after.version:
            kind, name = key
            links = after.links or before.links
            yield Move(kind=kind, name=name, old=before.version, new=after.version, links=links)


def _in_order(found: Iterable[Move]) -> tuple[Move, ...]:
    return tuple(sorted(found, key=lambda move: (KINDS.index(move.kind), move.name, move.old, move.new)))


@lru_cache(maxsize=4096)  # hundreds of variants move alike
def _is_newer(kind: Kind, old: str, new: str) -> bool:
    from packaging.version import InvalidVersion, Version

    if kind in ("python", "tool"):
        try:
            return Version(new) > Version(old)
        except InvalidVersion:
            return new > old
    return debian_key(new) > debian_key(old)
