"""The packages and layers stages: the wheels that no image has had yet become wheel layers in the store.

While the foundation's interpreter compiles one wheel, the one before it is packed; both are bounded by `jobs`.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from pathlib import Path

from warmbase.image.promises import CACHE
from warmbase.layers.codec import Codec
from warmbase.layers.layer import Layer
from warmbase.layers.pack import ModePolicy, pack_tree
from warmbase.layers.store import LayerStore
from warmbase.lock.model import LockedPackage
from warmbase.oci.digests import Json
from warmbase.packages.installed import read_installed
from warmbase.packages.licence import read_declared
from warmbase.packages.links import read_links
from warmbase.packages.uvcache import ARCHIVES
from warmbase.packages.wheels import NO_WHEELS, WHEEL_POLICY, Workshop
from warmbase.plan import BuildStep, WheelStep

LICENCE = "licence"
"""The note in which a layer keeps what its wheel says of its licence."""

LINKS = "links"
"""The note in which a layer keeps where its wheel says that more is to be read."""

UV_PROGRAM = "usr/local/bin/uv"
"""Where uv lies in its layer."""

COMPILED = "compiled"
"""The note in which the layer of a package without a wheel keeps the name of the one that was made."""

Progress = Callable[[str], None]
"""Is told the name of each package whose layer is in the store."""


def find_wheel_layers(store: LayerStore, wheels: Sequence[WheelStep]) -> dict[str, Layer]:
    """The wheel layers that the store has already, by recipe."""
    found = {wheel.recipe: store.get(wheel.recipe) for wheel in wheels}
    return {recipe: layer for recipe, layer in found.items() if layer}


def make_wheel_layers(
    wheels: Sequence[WheelStep],
    workshop: Workshop,
    *,
    store: LayerStore,
    codec: Codec,
    progress: Progress,
    compiled: Mapping[str, Path] = NO_WHEELS,
) -> Mapping[str, Layer]:
    """Make the layers of `wheels`, by recipe; `compiled` are the files, by name, of those that no index has.

    Raises PackagesError; the layers made until then stay in the store.
    """
    by_name = {wheel.package.name: wheel for wheel in wheels}
    futures: list[Future[Layer]] = []
    with store.workspace() as work, ThreadPoolExecutor(workshop.jobs, thread_name_prefix="pack") as pool:

        def pack(wheel: WheelStep, tree: Path) -> Layer:
            (archive,) = (tree / CACHE / ARCHIVES).iterdir()
            notes: dict[str, Json] = {
                "package": wheel.package.name,
                "files": dict(read_installed(tree)),
                LICENCE: read_declared(archive),
                LINKS: read_links(archive),
            }
            if wheel.package.name in compiled:
                notes[COMPILED] = compiled[wheel.package.name].name
            layer = store.put(wheel.recipe, pack_tree(tree, WHEEL_POLICY, codec, work), notes)
            progress(wheel.package.name)
            return layer

        def take(package: LockedPackage, tree: Path) -> None:
            futures.append(pool.submit(pack, by_name[package.name], tree))

        workshop.build_trees([wheel.package for wheel in wheels], take, compiled)
        return {layer.recipe: layer for layer in (future.result() for future in as_completed(futures))}


def make_uv_layer(step: BuildStep, workshop: Workshop, *, store: LayerStore) -> Layer:
    """The layer that holds uv and uvx, from uv's own wheel for the platform."""
    known = store.get(step.uv)
    if known:
        return known
    cache, target = workshop.folder / "uv-wheel" / CACHE, workshop.folder / "uv-target"
    cache.mkdir(parents=True)
    workshop.fetcher.sync([step.lock.uv], cache, target, link_mode="copy")
    tree = workshop.folder / "uv-tree"
    (tree / "usr/local/bin").mkdir(parents=True)
    for name in ("uv", "uvx"):
        (target / "bin" / name).rename(tree / "usr/local/bin" / name)
    policy = ModePolicy(exact=(("usr/local/bin/uv", 0o755), ("usr/local/bin/uvx", 0o755)))
    with store.workspace() as work:
        notes: dict[str, Json] = {
            "version": step.lock.uv.version,
            LICENCE: read_declared(target),
            LINKS: read_links(target),
        }
        return store.put(step.uv, pack_tree(tree, policy, step.codec, work), notes)
