"""The image that the tests of this folder share, and an engine with the store that engines had before."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from tests.bases import Bases
from tests.e2e.docker.engines import CATALOG, DockerEngine, podman_environment, running_engine


@pytest.fixture(scope="session")
def older_engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DockerEngine]:
    """An engine with the graph drivers' store, the default before Docker 29."""
    with running_engine("graphdriver", tmp_path_factory.mktemp("graphdriver")) as running:
        yield running


@pytest.fixture(scope="session")
def podman(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, str]]:
    """An environment in which Podman has nothing but what tests give it."""
    with podman_environment(tmp_path_factory.mktemp("podman")) as environment:
        yield environment


@pytest.fixture(scope="session")
def bases(foundation: Bases, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a catalog and its image built; the cache lies beside it."""
    made = foundation.copy(tmp_path_factory.mktemp("bases"))
    made.catalog.unlink()  # a link
    made.catalog.write_text(CATALOG, encoding="utf-8")
    # What is tested here is what an engine makes of the image; other tests verify images.
    made.run("build", "--no-verify")
    return made.folder
