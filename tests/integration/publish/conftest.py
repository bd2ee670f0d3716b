"""A real registry, and variants to publish to it; each test has a prefix of its own."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.integration.publish.attempts import Old, publish, write_as_older_versions
from tests.publishing import Shelf
from tests.registries import RunningRegistry, client_of, running_registry

from warmbase.publish.model import Place


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningRegistry]:
    folder: Path = tmp_path_factory.mktemp("registry")
    with running_registry(folder) as running:
        yield running


@pytest.fixture
def prefix(request: pytest.FixtureRequest) -> str:
    """A part of the registry that no other test uses."""
    return re.sub(r"[^a-z0-9]+", "-", request.node.name.lower()).strip("-")


@pytest.fixture
def place(registry: RunningRegistry, prefix: str) -> Place:
    return Place(registry=client_of(registry.host), prefix=prefix)


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(folder=tmp_path / "blobs")


@pytest.fixture(scope="session")
def old(registry: RunningRegistry, tmp_path_factory: pytest.TempPathFactory) -> Old:
    client, shelf = client_of(registry.host), Shelf(folder=tmp_path_factory.mktemp("blobs"))
    place = Place(registry=client, prefix="attempts/old")
    done = publish(place, shelf, "shared", "old")
    write_as_older_versions(place)
    return Old(registry=registry, client=client, prefix="attempts", shelf=shelf, publication=done)
