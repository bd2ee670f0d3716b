"""The workshop that all projects share, and what was measured in it."""

import dataclasses
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.bases import Bases
from tests.e2e.children.workshop import Measured, Workshop, open_workshop
from tests.e2e.docker.engines import WITHOUT_BRIDGE, DockerEngine, running_engine
from tests.registries import running_registry

collect_ignore = ["projects"]  # their tests are theirs


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DockerEngine]:
    """An engine of their own, as no step of theirs has a network: it may run beside the one of other tests."""
    with running_engine("containerd", tmp_path_factory.mktemp("containerd"), *WITHOUT_BRIDGE) as running:
        yield running


@pytest.fixture(scope="session")
def workshop(engine: DockerEngine, foundation: Bases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workshop]:
    """An engine with published bases and a folder of projects."""
    folder = tmp_path_factory.mktemp("workshop")
    with running_registry(folder / "registry") as registry:
        yield open_workshop(engine, registry, foundation.copy(folder / "bases"), folder / "projects")


@pytest.fixture(scope="session")
def results() -> Iterator[list[Measured]]:
    """What was measured; written to the file that WARMBASE_CHILDREN_RESULTS names."""
    measured: list[Measured] = []
    yield measured
    if path := os.environ.get("WARMBASE_CHILDREN_RESULTS"):
        rows = [dataclasses.asdict(one) for one in measured]
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
