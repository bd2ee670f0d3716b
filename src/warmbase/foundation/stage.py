"""The foundation stage: a foundation is pinned, and a pinned foundation becomes layers in the store, once.

A Debian foundation is one layer, made here. Under a pin's recipe lies what the pin became on this machine; where the
archives no longer had the pinned versions, the layer's notes say so, and an image on it takes the recipe of what is
really in it. A foundation that is an image keeps that image's layers (see `image`). A managed Python is one more layer
on either (see `managed`).
"""

from pathlib import Path

from warmbase.catalog.model import CatalogFoundation, DebianFoundation, DockerfileFoundation
from warmbase.errors import FoundationError
from warmbase.foundation.debian import build_debian, foundation_recipe, pin_debian
from warmbase.foundation.dockerfile import REBUILD, dockerfile_recipe
from warmbase.foundation.groundwork import FoundationLayers, Groundwork, find_foundation, foundation_notes
from warmbase.foundation.image import image_recipe, make_image_foundation, pin_image
from warmbase.foundation.inputs import inputs_of
from warmbase.foundation.managed import make_managed, managed_recipe, minor_of, pin_managed, python_recipe
from warmbase.foundation.pins import DebianPin, DockerfilePin, FoundationPin, ImagePin, ManagedPin, SystemPin, system_of
from warmbase.foundation.rootfs import DebianSystem, foundation_entries
from warmbase.layers.codec import Codec
from warmbase.layers.pack import pack_entries
from warmbase.layers.recipe import recipe_key


def pin_fits(wanted: CatalogFoundation, pin: FoundationPin | None, python: str) -> bool:
    """Whether a pin was made from what the catalog asks for now."""
    if isinstance(pin, ManagedPin):
        return wanted.managed and minor_of(pin) == python and _system_fits(wanted, pin.base, python)
    return not wanted.managed and _system_fits(wanted, pin, python)


def _system_fits(wanted: CatalogFoundation, pin: SystemPin | None, python: str) -> bool:
    match wanted, pin:
        case DebianFoundation(), DebianPin():
            return pin.suite == wanted.suite and set(wanted.packages) <= {name for name, _ in pin.packages}
        case DockerfileFoundation(), DockerfilePin():
            return pin.inputs == inputs_of(wanted, python)
        case ((DebianFoundation() | DockerfileFoundation()), _):
            return False
        case _, ImagePin():
            return pin.reference == wanted.reference(python)
    return False


def pin_foundation(
    wanted: CatalogFoundation,
    platform: str,
    python: str,
    ground: Groundwork,
    *,
    previous: FoundationPin | None = None,
    sibling: FoundationPin | None = None,
) -> FoundationPin:
    """Pin what the foundation is now, `previous` itself if that is the same.

    Platforms of one image stay together: with `sibling`, another platform's pin, it is what the image was for that
    one, as long as that is there; so are the versions of a managed Python. Raises FoundationError, RegistryError.
    """
    if isinstance(previous, ManagedPin) != wanted.managed:
        previous = None  # it tells of the system's own Python, or does not
    old, other = (system_of(pin) if pin else None for pin in (previous, sibling))
    base = _pin_system(wanted, platform, python, ground, previous=old, sibling=other)
    if not wanted.managed:
        return base
    known, others = (pin if isinstance(pin, ManagedPin) else None for pin in (previous, sibling))
    return pin_managed(base, python, ground, previous=known, sibling=others)


def _pin_system(
    wanted: CatalogFoundation,
    platform: str,
    python: str,
    ground: Groundwork,
    *,
    previous: SystemPin | None,
    sibling: SystemPin | None,
) -> SystemPin:
    if isinstance(wanted, DebianFoundation):
        return pin_debian(wanted, platform, previous=previous if isinstance(previous, DebianPin) else None)
    if isinstance(wanted, DockerfileFoundation):
        return ground.baked.pin(wanted.name, platform, python)
    known = previous if isinstance(previous, ImagePin) else None
    index = sibling.index if isinstance(sibling, ImagePin) else ""
    return pin_image(wanted, platform, python, ground, previous=known, index=index)


def pinned_recipe(wanted: CatalogFoundation, pin: FoundationPin, platform: str, codec: Codec, uv: str) -> str:
    """The key under which a pinned foundation lies in the store; `uv` is the version that installs a managed Python."""
    if isinstance(pin, ManagedPin):
        return managed_recipe(system_recipe(wanted, pin.base, platform, codec), pin, codec, uv)
    return system_recipe(wanted, pin, platform, codec)


def system_recipe(wanted: CatalogFoundation, pin: SystemPin, platform: str, codec: Codec) -> str:
    """The key under which the system of a foundation lies in the store, without a managed Python."""
    if isinstance(wanted, DebianFoundation) and isinstance(pin, DebianPin):
        facts = foundation_recipe(wanted, pin.packages, epoch=pin.epoch, platform=platform)
        return recipe_key("foundation", facts, codec)
    if isinstance(wanted, DockerfileFoundation) and isinstance(pin, DockerfilePin):
        return dockerfile_recipe(pin, codec)
    if isinstance(pin, ImagePin):
        return image_recipe(pin, codec)
    raise FoundationError(f"the pin of {wanted.name} is of another kind", next_step="run `warmbase lock`")


def shared_recipes(
    wanted: CatalogFoundation, pin: FoundationPin, platform: str, codec: Codec, uv: str
) -> tuple[str, ...]:
    """The keys of those of a foundation's layers that are made by warmbase, wherever it runs: Debian's system and a
    managed Python. An image's own are in its registry."""
    system = system_of(pin)
    made = (system_recipe(wanted, system, platform, codec),) if isinstance(system, DebianPin) else ()
    return (*made, python_recipe(pin, codec, uv)) if isinstance(pin, ManagedPin) else made


def make_foundation(
    wanted: CatalogFoundation,
    pin: FoundationPin,
    platform: str,
    ground: Groundwork,
    *,
    locked: bool,
    native: FoundationLayers | None = None,
) -> FoundationLayers:
    """Take the foundation from the store, or make it. Raises FoundationError, with `locked` for a drift too.

    `native` is one of this machine's own platform, which a managed Python for another one is compiled on.
    """
    if not isinstance(pin, ManagedPin):
        return _make_system(wanted, pin, platform, ground, locked=locked)
    key = pinned_recipe(wanted, pin, platform, ground.codec, ground.uv().version)
    known = find_foundation(ground.store, key)
    if known and not (known.foundation.drift and locked):
        return known
    base = _make_system(wanted, pin.base, platform, ground, locked=locked)
    return make_managed(wanted, pin, key, base, ground, native=native)


def _make_system(
    wanted: CatalogFoundation, pin: SystemPin, platform: str, ground: Groundwork, *, locked: bool
) -> FoundationLayers:
    key = system_recipe(wanted, pin, platform, ground.codec)
    known = find_foundation(ground.store, key)
    if known is None:
        if isinstance(wanted, DebianFoundation):
            assert isinstance(pin, DebianPin)  # or it had no recipe
            known = _make_debian(wanted, pin, platform, key, ground, locked=locked)
        elif isinstance(wanted, DockerfileFoundation):  # it is in the store after the bake, if it could be built
            raise ground.baked.failure(wanted.name, platform)
        else:
            assert isinstance(pin, ImagePin)
            known = make_image_foundation(wanted, pin, key, ground)
    if known.foundation.drift and locked:
        raise FoundationError(
            f"foundation {wanted.name} is not what its pin says:\n"
            + "\n".join(f"  {difference}" for difference in known.foundation.drift),
            next_step=f"{REBUILD}, and have each step make the same every time"
            if isinstance(wanted, DockerfileFoundation)
            else "run `warmbase lock --upgrade-foundation`, or name a snapshot archive in the catalog",
        )
    return known


def _make_debian(
    wanted: DebianFoundation, pin: DebianPin, platform: str, key: str, ground: Groundwork, *, locked: bool
) -> FoundationLayers:
    with ground.store.workspace() as work:
        system = build_debian(wanted, pin, platform, work, locked=locked)
        return _store_debian(wanted, pin, system, key, ground, work)


def _store_debian(
    wanted: DebianFoundation, pin: DebianPin, system: DebianSystem, key: str, ground: Groundwork, work: Path
) -> FoundationLayers:
    foundation = system.foundation
    packages = tuple(sorted((package.name, package.version) for package in foundation.packages))
    facts = foundation_recipe(wanted, packages, epoch=pin.epoch, platform=foundation.platform)
    recipe = recipe_key("foundation", facts, ground.codec) if foundation.drift else key
    packed = pack_entries(foundation_entries(system), ground.codec, work)
    layer = ground.store.put(key, packed, foundation_notes(foundation, recipe))
    return FoundationLayers(foundation=foundation, layers=(layer,), recipe=recipe)
