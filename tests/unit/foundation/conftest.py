"""Images written on the spot, seen as one tree."""

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.baseimages import Files, entries_of

from warmbase.layers.codec import Codec
from warmbase.layers.pack import pack_entries
from warmbase.layers.store import LayerStore
from warmbase.layers.tree import ImageTree, merge_layers
from warmbase.layers.unpack import UnpackedLayers

See = Callable[..., ImageTree]


@pytest.fixture
def see(tmp_path: Path) -> See:
    """Look at layers with these files, the lowest first."""
    store = LayerStore(tmp_path / "store")
    unpacked = UnpackedLayers(tmp_path / "unpacked", store)

    def look(*layers: Files) -> ImageTree:
        stored = []
        for number, files in enumerate(layers):
            with store.workspace() as work:
                stored.append(store.put(f"{number}", pack_entries(entries_of(files), Codec(), work)))
        return merge_layers(unpacked.listings(stored), unpacked.folders(stored))

    return look
