"""The image stage: wheel layers, pools, the last layer, and the documents that name them.

From the lowest: the foundation's layer, uv, the wheels (large ones alone, small ones in pools), the contract.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

from warmbase.catalog.model import DEFAULT_INDEX
from warmbase.errors import StoreError
from warmbase.foundation.groundwork import FoundationLayers
from warmbase.image.assemble import BuiltImage, Provenance, assemble_image
from warmbase.image.bill import Said, image_parts, write_bill
from warmbase.image.contract import Identity, contract_entries
from warmbase.image.promises import VENV
from warmbase.layers.codec import Codec
from warmbase.layers.compose import compose_pool
from warmbase.layers.layer import Layer
from warmbase.layers.pack import pack_entries
from warmbase.layers.plan import CHILD_BUDGET, LAYER_BUDGET, SizedWheel, layer_budget, plan_layers
from warmbase.layers.recipe import pool_recipe, recipe_key
from warmbase.layers.store import LayerStore
from warmbase.lock.index import used_indexes
from warmbase.lock.model import Lock, hash_inputs, lock_to_json
from warmbase.oci.tar import Entry
from warmbase.packages.asking import Asking
from warmbase.packages.index import ServedIndex, served_indexes
from warmbase.packages.installed import InstalledWheel, order_wheels
from warmbase.packages.licence import licences_of
from warmbase.packages.links import links_of
from warmbase.packages.raw import pack_raw
from warmbase.packages.sources import compiled_links
from warmbase.packages.stage import COMPILED, LICENCE, LINKS
from warmbase.packages.uvcache import index_bucket
from warmbase.packages.warm import warm_cache
from warmbase.packages.wheels import Workshop
from warmbase.plan import BuildStep, image_recipe


def make_contract_layer(
    step: BuildStep,
    recipe: str,
    foundation: FoundationLayers,
    workshop: Workshop,
    *,
    wheels: Callable[[], Mapping[str, Layer]],
    store: LayerStore,
) -> Layer:
    """The last layer of the image with the recipe `recipe`.

    `wheels` is asked when all else is there; it waits for the layers of uv and the wheels, and gives them by recipe.
    """
    key = recipe_key("contract", {"contract": step.contract, "image": recipe}, step.codec)
    known = store.get(key)
    if known:
        return known
    requirements, extra = (
        [requirement.text for requirement in asked] for asked in (step.variant.requirements, step.variant.warm)
    )
    asking = Asking(lock=step.lock, requirements=requirements, warm=extra)
    warm = warm_cache(workshop, asking, _indexes(step, workshop))
    identity = _identity(step, recipe, foundation, workshop, reproducible=True)
    bill = _write_bill(step, recipe, foundation, wheels())
    venv, stdlib = workshop.folder / VENV, foundation.foundation.stdlib
    warm = replace(warm, entries=(*warm.entries, *_compiled_links(step, workshop, wheels())))
    entries = contract_entries(step.lock, identity, warm, venv, stdlib, bill)
    with store.workspace() as work:
        return store.put(key, pack_entries(entries, step.codec, work))


def make_raw_layers(
    step: BuildStep,
    recipe: str,
    foundation: FoundationLayers,
    workshop: Workshop,
    *,
    uv: Layer,
    store: LayerStore,
) -> tuple[Layer, Layer]:
    """The packages' one layer and the last layer of an image whose uv's cache is not known (see `raw`)."""
    facts = {"contract": step.contract, "image": recipe}
    keys = [recipe_key(kind, facts, step.codec) for kind in ("raw", "raw contract")]
    known = [store.get(key) for key in keys]
    if known[0] and known[1]:
        return known[0], known[1]
    with store.workspace() as work:
        packed, warm = pack_raw(step.variant, step.lock, workshop, step.codec, work)
        raw = store.put(keys[0], packed)
        identity = _identity(step, recipe, foundation, workshop, reproducible=False)
        skeleton = workshop.folder / "skeleton"
        skeleton.mkdir()
        bill = _write_bill(step, recipe, foundation, {step.uv: uv})
        entries = contract_entries(step.lock, identity, warm, skeleton, foundation.foundation.stdlib, bill)
        return raw, store.put(keys[1], pack_entries(entries, step.codec, work))


def _write_bill(step: BuildStep, recipe: str, foundation: FoundationLayers, layers: Mapping[str, Layer]) -> str:
    """The bill of materials, with the licences and links that the notes of `layers` tell; they are by recipe."""
    recipes = {made.package.identity(step.platform): made.recipe for made in step.wheels}
    uv = step.lock.uv.wheel(step.platform)
    if uv:
        recipes[uv.sha256] = step.uv
    notes = {sha256: layers[key].notes for sha256, key in recipes.items() if key in layers}
    said = {
        sha256: Said(licences=licences_of(one.get(LICENCE)), links=links_of(one.get(LINKS)))
        for sha256, one in notes.items()
    }
    parts = image_parts(step.lock, step.platform, foundation.foundation, said, step.variant.index_addresses)
    return write_bill(step.variant.name, recipe, created(step.lock, foundation.foundation.created), parts)


def _indexes(step: BuildStep, workshop: Workshop) -> tuple[ServedIndex, ...]:
    used = used_indexes(step.variant.indexes, step.lock)
    return served_indexes(used, workshop.uv.default_index())


def _identity(
    step: BuildStep, recipe: str, foundation: FoundationLayers, workshop: Workshop, *, reproducible: bool
) -> Identity:
    return Identity(
        name=step.variant.name,
        python=foundation.foundation.python,
        uv=step.lock.uv.version,
        platform=step.platform,
        index=workshop.uv.default_index() if reproducible else workshop.uv.serving_index(),
        recipe=recipe,
        reproducible=reproducible,
        indexes={index.name or DEFAULT_INDEX: index.addresses for index in _indexes(step, workshop)}
        if reproducible and used_indexes(step.variant.indexes, step.lock)
        else {},
    )


def _compiled_links(step: BuildStep, workshop: Workshop, layers: Mapping[str, Layer]) -> Iterator[Entry]:
    """What leads from the sources in the cache to what was compiled of them."""
    default = workshop.uv.default_index()
    served = _indexes(step, workshop)
    buckets = [(one.name, index_bucket(address, default)) for one in served for address in one.addresses]
    wheels = {wheel.package.name: str(layers[wheel.recipe].notes[COMPILED]) for wheel in step.compiled}
    return compiled_links(step.lock, step.platform, buckets, wheels)


def stack_wheels(
    step: BuildStep, layers: Mapping[str, Layer], below: int, *, store: LayerStore
) -> list[tuple[Layer, str]]:
    """The wheels' layers in their order, pools composed, each with the names of its packages.

    `below` is how many layers the foundation has; where it has very many, the wheels get fewer. What the image is from
    has its layers first, planned as for itself: only what is added is planned here.
    Raises OverlapError where wheels disagree about a path and the catalog names no winner.
    """
    inherited = stack_wheels(step.parent, layers, below, store=store) if step.parent else []
    by_name = {wheel.package.name: wheel for wheel in step.wheels}
    own = {wheel.package.name for wheel in step.own}
    installed = [
        InstalledWheel(name=name, files=_files(layers[wheel.recipe])) for name, wheel in sorted(by_name.items())
    ]
    files = {wheel.name: frozenset(wheel.files) for wheel in installed}
    sized = [
        SizedWheel(
            recipe=by_name[name].recipe,
            group=by_name[name].group,
            size=layers[by_name[name].recipe].size,
            paths=files[name],
        )
        for name in order_wheels(installed, step.variant.winners, step.variant.name, by_name.keys() - own)
    ]
    names = {wheel.recipe: f"{wheel.package.name} {wheel.package.version}" for wheel in step.wheels}
    stack = []
    budget = layer_budget(below + len(inherited), CHILD_BUDGET if step.parent else LAYER_BUDGET)
    for planned in plan_layers(sized, budget=budget):
        members = [layers[recipe] for recipe in planned.members]
        words = ", ".join(names[recipe] for recipe in planned.members)
        stack.append((_layer_of(members, store, step.codec), words))
    return [*inherited, *stack]


def make_image(
    step: BuildStep,
    foundation: FoundationLayers,
    uv: Layer,
    packages: Sequence[tuple[Layer, str]],
    contract: Layer,
) -> BuiltImage:
    """Put an image together from its layers."""
    below, archive = f"foundation {step.variant.foundation.name}", foundation.foundation.archive
    stack = [
        *((layer, below) for layer in (foundation.layers[:-1] if archive else foundation.layers)),
        *((layer, f"managed Python {archive.name}") for layer in foundation.layers[-1:] if archive),
        (uv, f"uv {step.lock.uv.version}"),
        *packages,
        (contract, "contract"),
    ]
    base = foundation.foundation.base
    provenance = Provenance(
        recipe=image_recipe(step, foundation.recipe),
        lock=hash_inputs({"lock": lock_to_json(step.lock)}),
        created=created(step.lock, foundation.foundation.created),
        python=foundation.foundation.python,
        uv=step.lock.uv.version,
        foundation=(base.name if base else "") or step.variant.foundation.name,
        base_digest=base.digest if base else "",
        archive=archive.name if archive else "",
    )
    return assemble_image(step.variant, step.platform, stack, provenance, foundation.foundation)


def created(lock: Lock, foundation: str) -> str:
    """The time of the newest input as RFC 3339 text in UTC, to the second."""
    return max(lock.newest()[:19] + "Z" if lock.newest() else "", foundation)


def _layer_of(members: Sequence[Layer], store: LayerStore, codec: Codec) -> Layer:
    if len(members) == 1:
        return members[0]
    recipe = pool_recipe(members, codec)
    return store.get(recipe) or compose_pool(store, members, recipe, codec)


def _files(layer: Layer) -> Mapping[str, str]:
    files = layer.notes["files"]
    if not isinstance(files, Mapping):
        raise StoreError(
            f"the notes of the layer {layer.recipe} are not a wheel's", next_step="run `warmbase store verify`"
        )
    return {path: str(recorded) for path, recorded in files.items()}
