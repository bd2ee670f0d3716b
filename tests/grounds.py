"""What foundations are made with in tests: everything real, and found when it is used."""

import os
from collections.abc import Mapping
from pathlib import Path

from warmbase.effects.docker.builder import find_builder
from warmbase.effects.files import CacheFolders
from warmbase.effects.registry.registries import open_registries
from warmbase.effects.runner import find_runner
from warmbase.effects.uv import find_uv
from warmbase.foundation.groundwork import Groundwork
from warmbase.layers.codec import Codec
from warmbase.layers.store import LayerStore
from warmbase.layers.unpack import UnpackedLayers

UV = "0.13.8"


def ground_at(cache: Path, **environment: str) -> Groundwork:
    """What a command has whose cache is at `cache` and whose variables are these and the test's own."""
    folders = CacheFolders(root=cache)
    variables: Mapping[str, str] = {**os.environ, **environment}
    store = LayerStore(folders.store)
    registries = open_registries(variables)
    return Groundwork(
        store=store,
        unpacked=UnpackedLayers(folders.unpacked, store),
        registries=lambda: registries,
        codec=Codec(),
        uv=lambda: find_uv(UV, cache=cache, environment=variables),
        runner=lambda: find_runner(folders.scratch),
        builder=find_builder,
        jobs=2,
    )
