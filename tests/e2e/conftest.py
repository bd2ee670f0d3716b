"""A small catalog of real packages, locked and built once for the run, and the engines that run images."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.bases import Bases
from tests.e2e.docker.engines import DockerEngine, running_engine
from tests.workers import bases_of_all

SMALL = ["requests", "pytest", "packaging", "markupsafe"]


@pytest.fixture(scope="session")
def locked(foundation: Bases, tmp_path_factory: pytest.TempPathFactory) -> Bases:
    """The small catalog with its lock and a foundation, but nothing built. Tests work on copies."""

    def make(root: Path) -> None:
        bases = foundation.copy(root)
        bases.write_catalog({"small": {"requirements": SMALL, "backends": ["setuptools"]}})
        bases.run("lock")

    return bases_of_all(tmp_path_factory, "locked", make)


@pytest.fixture(scope="session")
def built(locked: Bases, tmp_path_factory: pytest.TempPathFactory) -> Bases:
    """The small catalog, built. Tests that change anything work on copies."""

    def make(root: Path) -> None:
        (row,) = locked.copy(root).build()
        assert row["error"] == ""

    return bases_of_all(tmp_path_factory, "built", make)


@pytest.fixture
def fresh(locked: Bases, tmp_path: Path) -> Bases:
    """A copy of the locked catalog for one test."""
    return locked.copy(tmp_path)


@pytest.fixture
def copied(built: Bases, tmp_path: Path) -> Bases:
    """A copy of the built catalog for one test."""
    return built.copy(tmp_path)


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DockerEngine]:
    """A Docker engine as it comes today, with the containerd store."""
    with running_engine("containerd", tmp_path_factory.mktemp("containerd")) as running:
        yield running
