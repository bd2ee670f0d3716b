"""What bases have in common: layers that a machine pulls once for all of them. Pure."""

from dataclasses import dataclass

from warmbase.downstream.listing import Base
from warmbase.downstream.site.model import Shelf, main_platform


@dataclass(frozen=True, kw_only=True, slots=True)
class Shared:
    """Another base beside one: the bytes of layers that both have, and what a pull of the other costs then."""

    other: Base
    shared: int
    pull: int


def shared_layers(shelf: Shelf, base: Base) -> tuple[Shared, ...]:
    """What a base shares with each other one on its main platform, the most first; nothing shared is left out."""
    own = main_platform(base)
    if not own:
        return ()
    sizes = {layer.digest: layer.size for layer in own.layers}
    found: list[Shared] = []
    for other, there in shelf.layers[own.platform]:
        common = there.keys() & sizes.keys() if other is not base else ()
        if common:
            shared = sum(map(sizes.__getitem__, common))
            found.append(Shared(other=other, shared=shared, pull=sum(there.values()) - shared))
    return tuple(sorted(found, key=lambda each: (-each.shared, each.other.variant)))
