"""Where the packages of an image are compiled that have no wheel: on the image's own foundation."""

from collections.abc import Callable
from pathlib import Path

from warmbase.effects.docker.builder import Builder
from warmbase.effects.uv import Uv
from warmbase.foundation.export import export_foundation
from warmbase.foundation.groundwork import FoundationLayers
from warmbase.layers.layer import Layer
from warmbase.layers.store import LayerStore
from warmbase.layers.tree import merge_layers
from warmbase.layers.unpack import UnpackedLayers
from warmbase.packages.agreement import Surroundings
from warmbase.packages.compiled import Yard
from warmbase.packages.stage import UV_PROGRAM
from warmbase.plan import BuildStep


def open_yard(
    step: BuildStep,
    foundation: FoundationLayers,
    folder: Path,
    *,
    builder: Callable[[], Builder],
    store: LayerStore,
    unpacked: UnpackedLayers,
    uv: tuple[Uv, Layer],
) -> Yard:
    """What compiles packages for `step` in `folder`; `uv` is this machine's, and the layer with the platform's own."""
    host, layer = uv
    tree = merge_layers(unpacked.listings(foundation.layers), unpacked.folders(foundation.layers))
    return Yard(
        builder=builder,
        foundation=export_foundation(foundation, folder / "foundation", store),
        interpreter=foundation.foundation.interpreter,
        libraries=frozenset(path.rpartition("/")[2] for path in tree.nodes if ".so" in path),
        place=Surroundings(
            platform=step.platform,
            minor=step.variant.python,
            python=foundation.foundation.python,
            locked={package.name: package.version for package in step.lock.installed(step.platform)},
        ),
        system=step.variant.build_packages,
        uv=host,
        tool=unpacked.folders([layer])[0] / UV_PROGRAM,
        folder=folder,
    )
