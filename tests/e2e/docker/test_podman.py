"""A built image in a real Podman, which reads Docker's archive format."""

import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from tests.e2e.docker.engines import BASE, IMPORTS, REGISTRY, run

pytestmark = pytest.mark.docker


@pytest.fixture
def podman(tmp_path: Path) -> Iterator[Mapping[str, str]]:
    """An environment in which Podman keeps everything in a folder of the test."""
    settings = tmp_path / "storage.conf"
    settings.write_text(
        f'[storage]\ndriver = "overlay"\nrunroot = "{tmp_path}/run"\ngraphroot = "{tmp_path}/images"\n',
        encoding="utf-8",
    )
    environment = os.environ | {"CONTAINERS_STORAGE_CONF": str(settings)}
    yield environment
    run("umount", tmp_path / "images" / "overlay", cwd=tmp_path, env=environment)  # Podman leaves a bind mount
    shutil.rmtree(tmp_path / "images")


def test_podman_loads_and_runs_the_image(podman: Mapping[str, str], bases: Path, tmp_path: Path) -> None:
    command = (sys.executable, "-m", "warmbase", "load", "tiny", "--engine", "podman")
    loaded = run(*command, cwd=bases, env=podman)
    assert loaded.returncode == 0, loaded.stderr
    assert f"loaded into podman as {REGISTRY}/tiny:py3.13-trixie, {BASE}" in loaded.stdout
    # Limits of its own: Podman's are above what a CI job may set.
    said = run(
        "podman", "--cgroup-manager=cgroupfs", "run", "--rm", "--network=none",
        "--ulimit=nofile=1024:1024", "--ulimit=nproc=1024:1024", BASE, "python", "-c", IMPORTS,
        cwd=tmp_path, env=podman,
    )  # fmt: skip
    assert said.returncode == 0, said.stderr
    assert said.stdout.startswith("/opt/venv ")
