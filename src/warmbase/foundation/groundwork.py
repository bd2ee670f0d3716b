"""What foundations are made with, and how they lie in the layer store.

A foundation's record is that of its top layer, kept under the foundation's recipe; its notes describe the foundation
and name the records of the layers below.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from warmbase.catalog.model import Compression
from warmbase.effects.docker.builder import Builder, find_builder
from warmbase.effects.registry.model import Registries
from warmbase.effects.runner import Runner
from warmbase.effects.uv import Uv
from warmbase.foundation.baked import NOTHING_BAKED, Baked
from warmbase.foundation.model import Foundation, foundation_from_json, foundation_to_json
from warmbase.layers.codec import Codec
from warmbase.layers.layer import Layer
from warmbase.layers.store import LayerStore
from warmbase.layers.unpack import UnpackedLayers
from warmbase.oci.digests import Json


@dataclass(frozen=True, kw_only=True, slots=True)
class Groundwork:
    """Where foundations come from and go to: registries, the layer store, and what is unpacked of it.

    `registries` gives the clients, which only images from registries need; `codec` compresses what comes without
    compression. `advance` is told how many layers of how many are there. Managed Pythons are installed by `uv`, and
    compiled by `runner` in `jobs` processes. Dockerfiles are built by `builder`, and `baked` is what it built.
    """

    store: LayerStore
    unpacked: UnpackedLayers
    registries: Callable[[], Registries]
    codec: Codec
    uv: Callable[[], Uv]
    runner: Callable[[], Runner]
    builder: Callable[[], Builder] = find_builder
    jobs: int = 1
    baked: Baked = NOTHING_BAKED
    advance: Callable[[int, int], object] = lambda *_: None


@dataclass(frozen=True, kw_only=True, slots=True)
class FoundationLayers:
    """A foundation in the store, its layers the lowest first. `recipe` is the key of what is in it, also where that is
    not what was pinned."""

    foundation: Foundation
    layers: tuple[Layer, ...]
    recipe: str


def codec_of(compression: Compression) -> Codec:
    """The codec that the catalog means."""
    return Codec(name="gzip" if compression.codec == "gzip" else "zstd", level=compression.level)


def find_foundation(store: LayerStore, recipe: str) -> FoundationLayers | None:
    """What the pinned foundation with this recipe became on this machine, None if it was never made, or is not whole.

    Raises FoundationError for a damaged record.
    """
    top = store.get(recipe)
    if top is None:
        return None
    below = top.notes["below"]
    assert isinstance(below, list)
    layers = [*(store.get(str(key)) for key in below), top]
    return (
        FoundationLayers(
            foundation=foundation_from_json(str(top.notes["foundation"])),
            layers=tuple(layer for layer in layers if layer),
            recipe=str(top.notes["recipe"]),
        )
        if all(layers)
        else None
    )


def foundation_notes(foundation: Foundation, recipe: str, below: Sequence[Layer] = ()) -> dict[str, Json]:
    """The notes of a foundation's top layer; `recipe` is the key of what is really in it."""
    return {
        "foundation": foundation_to_json(foundation),
        "recipe": recipe,
        "below": [layer.recipe for layer in below],
    }
