"""A registry in memory, and variants to publish to it."""

from pathlib import Path

import pytest
from tests.publishing import Shelf
from tests.unit.publish.memory import MemoryRegistry

from warmbase.publish.model import Place


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(folder=tmp_path / "blobs")


@pytest.fixture
def registry() -> MemoryRegistry:
    return MemoryRegistry()


@pytest.fixture
def place(registry: MemoryRegistry) -> Place:
    return Place(registry=registry, prefix="bases")
