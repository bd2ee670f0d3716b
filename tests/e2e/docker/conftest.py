"""The image that the tests of this folder share, and an engine with the store that engines had before."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from tests.baseimages import Blob, gzip_blob
from tests.bases import Bases
from tests.e2e.docker.dockerfiles import GEO, Dockerfiles, dockerfiles_at, push_base
from tests.e2e.docker.engines import CATALOG, WITHOUT_FILTER, DockerEngine, podman_environment, running_engine
from tests.registries import RunningRegistry, running_registry


@pytest.fixture(scope="session")
def older_engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DockerEngine]:
    """An engine with the graph drivers' store, the default before Docker 29."""
    with running_engine("graphdriver", tmp_path_factory.mktemp("graphdriver"), *WITHOUT_FILTER) as running:
        yield running


@pytest.fixture(scope="session", params=["engine", "older_engine"], ids=["containerd", "graphdriver"])
def every_engine(request: pytest.FixtureRequest) -> DockerEngine:
    """An engine with each kind of store."""
    running = request.getfixturevalue(request.param)
    assert isinstance(running, DockerEngine)
    return running


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


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningRegistry]:
    """A registry for the images that Dockerfiles stand on."""
    with running_registry(tmp_path_factory.mktemp("registry")) as running:
        yield running


@pytest.fixture(scope="session")
def system(foundation: Bases) -> Blob:
    """The Debian system that all tests stand on, as a layer like those in registries."""
    (layer,) = (stored.layer for stored in foundation.store.list() if "foundation" in stored.layer.notes)
    return gzip_blob(foundation.store, layer)


@pytest.fixture(scope="session")
def base(registry: RunningRegistry, system: Blob, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The name of an image in the registry: Debian with its Python."""
    return push_base(registry, system, tmp_path_factory.mktemp("base") / "image", "1")


@pytest.fixture(scope="session")
def empty(foundation: Bases, engine: DockerEngine, tmp_path_factory: pytest.TempPathFactory) -> Dockerfiles:
    """A folder of bases for Dockerfiles, in which nothing is written yet. Tests work on copies."""
    return dockerfiles_at(tmp_path_factory.mktemp("dockerfiles"), foundation, engine)


@pytest.fixture(scope="session")
def pinned(empty: Dockerfiles, base: str, tmp_path_factory: pytest.TempPathFactory) -> Dockerfiles:
    """Two foundations, pinned by one lock. Tests work on copies."""
    made = empty.copy(tmp_path_factory.mktemp("pinned"))
    made.write("geo", GEO.format(base=base), hello="#!/bin/sh\necho hello\n")
    made.write("now", f"FROM {base}\nRUN touch /srv/now\n")
    made.write_catalog({"geo": {"args": {"PYTHON": "{python}"}}, "now": {}})
    assert "geo, now: bake" in made.bases.run("lock").stderr
    return made
