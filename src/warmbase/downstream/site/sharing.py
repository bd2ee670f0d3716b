"""What bases have in common: layers that a machine pulls once for all of them. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from warmbase.downstream.listing import Base
from warmbase.downstream.site.model import main_platform


@dataclass(frozen=True, kw_only=True, slots=True)
class Shared:
    """Another base beside one: the bytes of layers that both have, and what a pull of the other costs then."""

    other: Base
    shared: int
    pull: int


def shared_layers(base: Base, bases: Sequence[Base]) -> tuple[Shared, ...]:
    """What a base shares with each other one on its main platform, the most first; nothing shared is left out."""
    own = main_platform(base)
    if not own:
        return ()
    sizes = {layer.digest: layer.size for layer in own.layers}
    found: list[Shared] = []
    for other in bases:
        there = other.offer.platform(own.platform) if other is not base else None
        common = sizes.keys() & {layer.digest for layer in there.layers} if there else ()
        if there and common:
            shared = sum(map(sizes.__getitem__, common))
            found.append(Shared(other=other, shared=shared, pull=there.size - shared))
    return tuple(sorted(found, key=lambda each: (-each.shared, each.other.variant)))
