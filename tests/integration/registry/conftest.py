"""One open registry for the tests of the client; each test has repositories of its own in it."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.registries import RunningRegistry, client_of, running_registry

from warmbase.effects.registry.client import RegistryClient


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningRegistry]:
    """A registry that lets everybody do everything."""
    folder: Path = tmp_path_factory.mktemp("registry")
    with running_registry(folder) as running:
        yield running


@pytest.fixture
def client(registry: RunningRegistry) -> RegistryClient:
    """Our client of it."""
    return client_of(registry.host)


@pytest.fixture
def repository(request: pytest.FixtureRequest) -> str:
    """A repository that no other test uses."""
    return re.sub(r"[^a-z0-9]+", "-", request.node.name.lower()).strip("-")
