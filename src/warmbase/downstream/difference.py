"""How two published images differ, whichever they are: two bases, or two editions of one. Pure.

What moved is told as the nightly job tells it (`nightly.changes`); what a pull costs follows from the layers' digests.
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from warmbase.downstream.description import identify_base
from warmbase.downstream.listing import Base
from warmbase.nightly.changes import Bill, direction, moves
from warmbase.nightly.model import Move
from warmbase.publish.offer import Offer, OfferedPlatform

_PURL_TYPES = {"alpine": "apk"}  # of other systems it is Debian's


@dataclass(frozen=True, kw_only=True, slots=True)
class PlatformDifference:
    """The images of a platform: their bytes, how many layers and bytes they share, and what is pulled by whoever has
    the old one. `layers` is how many the new one has."""

    platform: str
    old_size: int
    new_size: int
    layers: int
    shared_layers: int
    shared: int
    pulled: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    """What is otherwise in `new` than in `old`: what moved, and for each platform that both have what the move costs.

    `only_old` and `only_new` are the platforms that one of them alone has; their packages are not compared.
    """

    old: Base
    new: Base
    moves: tuple[Move, ...]
    platforms: tuple[PlatformDifference, ...]
    only_old: tuple[str, ...] = ()
    only_new: tuple[str, ...] = ()


def compare_bases(old: Base, new: Base) -> Difference:
    """How two published images differ. What of one is not known, as of an earlier image in an index.json, is not
    compared."""
    before = {each.platform: each for each in old.offer.platforms}
    after = {each.platform: each for each in new.offer.platforms}
    common = sorted(before.keys() & after.keys())
    known = [name for name in common if before[name].layers and after[name].layers]
    return Difference(
        old=old,
        new=new,
        moves=moves(
            {name: _bill(old.offer, before[name], after[name]) for name in common},
            {name: _bill(new.offer, after[name], before[name]) for name in common},
        ),
        platforms=tuple(_compare(before[name], after[name]) for name in known),
        only_old=tuple(sorted(before.keys() - after.keys())),
        only_new=tuple(sorted(after.keys() - before.keys())),
    )


def difference_to_json(difference: Difference) -> dict[str, Any]:
    """The difference for programs."""
    return {
        "old": identify_base(difference.old),
        "new": identify_base(difference.new),
        "moves": [{**asdict(move), "direction": direction(move)} for move in difference.moves],
        "platforms": [asdict(each) for each in difference.platforms],
        "only_old": list(difference.only_old),
        "only_new": list(difference.only_new),
    }


def _compare(old: OfferedPlatform, new: OfferedPlatform) -> PlatformDifference:
    had = {layer.digest for layer in old.layers}
    sizes = {layer.digest: layer.size for layer in new.layers}
    shared = sum(size for digest, size in sizes.items() if digest in had)
    return PlatformDifference(
        platform=new.platform,
        old_size=old.size,
        new_size=new.size,
        layers=len(sizes),
        shared_layers=len(sizes.keys() & had),
        shared=shared,
        pulled=new.size - shared,
    )


def _bill(offer: Offer, own: OfferedPlatform, other: OfferedPlatform) -> Bill:
    """What a platform's image has, in the form in which things are compared; without what is not known of `other`."""
    return {"components": list(_parts(offer, own, other))}


def _parts(offer: Offer, own: OfferedPlatform, other: OfferedPlatform) -> Iterator[Mapping[str, str]]:
    for package in own.packages:
        yield _library("pypi", package.name, package.version)
    if own.system_packages and other.system_packages:
        kind = _PURL_TYPES.get(own.system.partition(" ")[0], "deb")
        for system in own.system_packages:
            yield _library(kind, system.name, system.version)
    if own.digest and other.digest:
        yield {"type": "platform", "name": "python", "version": own.python}
        yield {"type": "application", "name": "uv", "version": offer.uv}


def _library(kind: str, name: str, version: str) -> Mapping[str, str]:
    return {"type": "library", "purl": f"pkg:{kind}/{name}@{version}", "name": name, "version": version}
