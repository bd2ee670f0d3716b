"""A store, and foreign tars in it."""

import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.tars import put_bytes

from warmbase.layers.layer import Layer
from warmbase.layers.store import LayerStore


@pytest.fixture
def store(tmp_path: Path) -> LayerStore:
    return LayerStore(tmp_path / "store")


@pytest.fixture
def put_tar(store: LayerStore) -> Callable[..., Layer]:
    """Put a foreign, uncompressed tar into the store; its members are (TarInfo, content)."""

    def put(*members: tuple[tarfile.TarInfo, bytes], format: int = tarfile.PAX_FORMAT, diff_id: str = "") -> Layer:
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w", format=format) as tar:
            for info, content in members:
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
        return put_bytes(store, buffer.getvalue(), diff_id)

    return put
