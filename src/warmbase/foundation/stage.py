"""The foundation stage: a pinned foundation becomes a layer in the store, once.

Under a pin's recipe lies what the pin became on this machine. Where the archives no longer had the pinned versions,
the layer's notes say so, and an image on it takes the recipe of what is really in it.
"""

from dataclasses import dataclass, replace
from pathlib import Path

from warmbase.catalog.model import DebianFoundation
from warmbase.errors import FoundationError
from warmbase.foundation.debian import build_debian, foundation_recipe
from warmbase.foundation.model import Foundation, FoundationPin, foundation_from_json, foundation_to_json
from warmbase.foundation.rootfs import foundation_entries
from warmbase.layers.codec import Codec
from warmbase.layers.layer import Layer
from warmbase.layers.pack import pack_entries
from warmbase.layers.recipe import recipe_key
from warmbase.layers.store import LayerStore


@dataclass(frozen=True, kw_only=True, slots=True)
class FoundationLayer:
    """A foundation in the store. `recipe` is the key of what is in it, also where that is not what was pinned."""

    foundation: Foundation
    layer: Layer
    recipe: str


def pinned_recipe(foundation: DebianFoundation, pin: FoundationPin, platform: str, codec: Codec) -> str:
    """The key under which the layer of a pinned foundation lies in the store."""
    return recipe_key(
        "foundation", foundation_recipe(foundation, pin.packages, epoch=pin.epoch, platform=platform), codec
    )


def find_foundation(store: LayerStore, recipe: str) -> FoundationLayer | None:
    """What the pinned foundation with this recipe became on this machine, None if it was never made."""
    layer = store.get(recipe)
    if layer is None:
        return None
    notes = layer.notes
    foundation = foundation_from_json(str(notes["foundation"]), rootfs=store.blob_path(layer.digest))
    return FoundationLayer(foundation=foundation, layer=layer, recipe=str(notes["recipe"]))


def make_foundation(
    wanted: DebianFoundation,
    pin: FoundationPin,
    platform: str,
    *,
    store: LayerStore,
    codec: Codec,
    locked: bool,
) -> FoundationLayer:
    """Take the foundation from the store, or build it. Raises FoundationError, with `locked` for a drift too."""
    key = pinned_recipe(wanted, pin, platform, codec)
    known = find_foundation(store, key)
    if known is None:
        with store.workspace() as work:
            built = build_debian(wanted, pin, platform, work, locked=locked)
            known = _store_foundation(wanted, pin, built, key, store, codec, work)
    if known.foundation.drift and locked:
        raise FoundationError(
            f"foundation {wanted.name} is not what its pin says:\n"
            + "\n".join(f"  {difference}" for difference in known.foundation.drift),
            next_step="run `warmbase lock --upgrade-foundation`, or name a snapshot archive in the catalog",
        )
    return known


def _store_foundation(
    wanted: DebianFoundation,
    pin: FoundationPin,
    built: Foundation,
    key: str,
    store: LayerStore,
    codec: Codec,
    work: Path,
) -> FoundationLayer:
    packages = tuple(sorted((package.name, package.version) for package in built.packages))
    facts = foundation_recipe(wanted, packages, epoch=pin.epoch, platform=built.platform)
    recipe = recipe_key("foundation", facts, codec) if built.drift else key
    packed = pack_entries(foundation_entries(built), codec, work)
    layer = store.put(key, packed, {"foundation": foundation_to_json(built), "recipe": recipe})
    return FoundationLayer(foundation=replace(built, rootfs=store.blob_path(layer.digest)), layer=layer, recipe=recipe)
