"""Giving the layers of published variants to other machines, through the registry."""

from collections.abc import Callable, Iterable, Iterator

from warmbase.layers.layer import Layer
from warmbase.layers.remote import REPOSITORY, RegistryLayers
from warmbase.layers.store import LayerStore
from warmbase.publish.model import Place, PublishableVariant
from warmbase.publish.release import Clock


def layers_at(place: Place, warn: Callable[[str], object]) -> RegistryLayers:
    """The layers that are shared at a place; `warn` as for `RegistryLayers`."""
    return RegistryLayers(place.registry, place.repository(REPOSITORY), warn)


def share_layers(
    variant: PublishableVariant, place: Place, *, remote: RegistryLayers, store: LayerStore, clock: Clock
) -> int:
    """Give `remote` the layers of a variant whose blobs are at `place`; how many it did not have. Raises StoreError."""
    recipes = dict.fromkeys(recipe for step, _ in variant.images for recipe in step.shared)
    time = clock().strftime("%Y-%m-%dT%H:%M:%SZ")
    return remote.give(_own(recipes, store), store, mount_from=place.repository(variant.variant.image), time=time)


def _own(recipes: Iterable[str], store: LayerStore) -> Iterator[Layer]:
    """Those in the store, but for a foundation that is not what its pin says: that is how this machine found it."""
    for recipe in recipes:
        layer = store.get(recipe)
        if layer and layer.notes.get("recipe", recipe) == recipe:
            yield layer
