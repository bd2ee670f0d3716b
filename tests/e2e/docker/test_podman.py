"""A built image in a real Podman, which reads Docker's archive format."""

import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from tests.e2e.docker.engines import BASE, IMPORTS, REGISTRY, run

pytestmark = pytest.mark.docker


def test_podman_loads_and_runs_the_image(podman: Mapping[str, str], bases: Path, tmp_path: Path) -> None:
    command = (sys.executable, "-m", "warmbase", "load", "tiny", "--engine", "podman")
    loaded = run(*command, cwd=bases, env=podman)
    assert loaded.returncode == 0, loaded.stderr
    assert f"loaded into podman as {REGISTRY}/tiny:py3.13-trixie, {BASE}" in loaded.stdout
    inside = ("podman", "run", "--rm", "--network=none", BASE, "python", "-c", IMPORTS)
    said = run(*inside, cwd=tmp_path, env=podman)
    assert said.returncode == 0, said.stderr
    assert said.stdout.startswith("/opt/venv ")
