"""The engines and the image that the tests of this folder share.

Without an engine, or without root, the tests are deselected, and the run says so; with WARMBASE_TEST_DOCKER they
always run.
"""

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.e2e.docker.engines import CATALOG, FOLDER, PATH, DockerEngine, run, running_engine


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "docker: needs container engines, and root to start them")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    chosen = [item for item in items if item.get_closest_marker("docker")]
    if FOLDER or not chosen or (shutil.which("dockerd", path=PATH) and os.geteuid() == 0):
        return
    items[:] = [item for item in items if item not in chosen]
    config.hook.pytest_deselected(items=chosen)
    if reporter := config.pluginmanager.get_plugin("terminalreporter"):
        reporter.write_line(
            f"{len(chosen)} docker tests are left out: they need root and an engine; "
            "`.ci/fetch-engines FOLDER` fetches one, then: WARMBASE_TEST_DOCKER=FOLDER make test"
        )


@pytest.fixture(scope="session", params=["containerd", "graphdriver"])
def engine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DockerEngine]:
    """An engine with each kind of store, one after the other."""
    with running_engine(request.param, tmp_path_factory.mktemp(request.param)) as running:
        yield running


@pytest.fixture(scope="session")
def bases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a catalog and its image built, with caches of the tests' own."""
    folder = tmp_path_factory.mktemp("bases")
    (folder / "images.yaml").write_text(CATALOG, encoding="utf-8")
    # What is tested here is what an engine makes of the image; other tests verify images.
    command = (sys.executable, "-m", "warmbase", "build", "--no-verify")
    done = run(*command, cwd=folder, env=os.environ | {"WARMBASE_CACHE_DIR": str(folder / "cache")})
    assert done.returncode == 0, done.stderr
    return folder
