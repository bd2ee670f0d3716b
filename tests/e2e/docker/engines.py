"""Container engines for tests: Docker engines that are started from nothing and stopped again, and the image for all.

`dockerd` is found in the folder that WARMBASE_TEST_DOCKER names (made by `.ci/fetch-engines`), or on PATH. An engine
with the containerd store that runs already serves as well: WARMBASE_TEST_DOCKER_HOST names its socket.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from tests.workers import mounts_of

FOLDER = os.path.abspath(given) if (given := os.environ.get("WARMBASE_TEST_DOCKER")) else ""  # noqa: PTH100  a text
PATH = os.pathsep.join(filter(None, (*(f"{FOLDER}/usr/{name}" for name in ("bin", "sbin") if FOLDER),
                                     os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin")))  # fmt: skip
REGISTRY = "registry.example:5000/bases"
BASE = f"{REGISTRY}/tiny:py3.13"
CATALOG = f"""
registry: {REGISTRY}
uv: 0.13.8
platforms: [linux/amd64]
foundations:
  trixie: {{debian: trixie}}
images:
  tiny:
    description: A small base.
    foundations: [trixie]
    requirements: [httpx, numpy]
"""
PROJECT = """
[project]
name = "child"
version = "1"
requires-python = ">=3.13"
dependencies = ["httpx", "numpy"]
"""
"""A child that asks for what the image has."""
IMPORTS = "import httpx, numpy, sys; print(sys.prefix, httpx.__file__, numpy.arange(3).sum())"
WITHOUT_FILTER = ("--iptables=false", "--ip6tables=false")
"""For an engine that runs beside another: it leaves the packet filter alone, and its containers have no network."""
WITHOUT_BRIDGE = (*WITHOUT_FILTER, "--bridge=none", "--default-address-pool=base=10.213.0.0/16,size=24")
"""For one whose containers have none unless they ask for one, which then has addresses of its own."""
_UP = 60  # seconds that an engine has to come up
_DOWN = 30


@dataclass(frozen=True, kw_only=True, slots=True)
class DockerEngine:
    """A running engine: `store` is "containerd" or "graphdriver", `environment` what points its clients at it."""

    store: str
    environment: Mapping[str, str] = field(repr=False)

    def docker(self, *arguments: str | Path, check: bool = True) -> str:
        """Run `docker` to its end; its standard output."""
        done = run("docker", *arguments, cwd=Path.cwd(), env=self.environment)
        assert done.returncode == 0 or not check, f"docker {arguments}: {done.stderr}"
        return done.stdout.strip()

    def warmbase(self, *arguments: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
        """Run `warmbase` with this engine as the local one, whatever its exit code is."""
        return run(sys.executable, "-m", "warmbase", *arguments, cwd=cwd, env=self.environment)


def run(*command: str | Path, cwd: Path, env: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Run a program to its end, whatever its exit code is."""
    return subprocess.run(
        command, cwd=cwd, env=env, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )


def can_run_engines() -> bool:
    """Whether tests with engines run: where somebody asked for it, and where there is one that may be started."""
    return bool(FOLDER) or (shutil.which("dockerd", path=PATH) is not None and os.geteuid() == 0)


@contextmanager
def running_engine(store: str, folder: Path, *options: str) -> Iterator[DockerEngine]:
    """Start `dockerd` with everything it keeps in `folder`, and stop it; or take the one that runs already.

    One of several that run at once has the packet filter and the bridge; others get options to leave them alone.
    """
    running_already = os.environ.get("WARMBASE_TEST_DOCKER_HOST", "") if store == "containerd" else ""
    socket = running_already or f"unix://{folder}/docker.sock"
    client = folder / "client"
    client.mkdir()
    (client / "config.json").write_text(
        json.dumps({"cliPluginsExtraDirs": [f"{FOLDER}/usr/libexec/docker/cli-plugins"]}), encoding="utf-8"
    )
    environment = os.environ | {"PATH": PATH, "DOCKER_HOST": socket, "DOCKER_CONFIG": str(client)}
    if running_already:
        yield DockerEngine(store=store, environment=environment)
        return
    config = folder / "daemon.json"
    config.write_text(json.dumps({"features": {"containerd-snapshotter": store == "containerd"}}), encoding="utf-8")
    log = folder / "dockerd.log"
    command: Sequence[str | Path] = [
        "dockerd", "--config-file", config, "--host", socket, "--data-root", folder / "data",
        "--exec-root", folder / "run", "--pidfile", folder / "pid",
        *options,
    ]  # fmt: skip
    with log.open("wb") as output, subprocess.Popen(
        command, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output, process_group=0
    ) as process:  # fmt: skip
        try:
            running = DockerEngine(store=store, environment=environment)
            _wait_until_up(running, process, log)
            yield running
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(_DOWN)
            finally:
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGKILL)
                _unmount_below(folder)
                shutil.rmtree(folder / "data", ignore_errors=True)


def _unmount_below(folder: Path) -> None:
    """Take away what an engine leaves mounted (its network's namespace, its data), the latest first."""
    for line in reversed(mounts_of(folder)):
        run("umount", line.split()[1], cwd=folder, env=os.environ)


@contextmanager
def podman_environment(folder: Path) -> Iterator[Mapping[str, str]]:
    """An environment in which Podman keeps everything in `folder`.

    It has limits of its own: Podman's are above what a CI job may set.
    """
    (folder / "storage.conf").write_text(
        f'[storage]\ndriver = "overlay"\nrunroot = "{folder}/run"\ngraphroot = "{folder}/images"\n',
        encoding="utf-8",
    )
    (folder / "containers.conf").write_text(
        '[containers]\ndefault_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]\n'
        '[engine]\ncgroup_manager = "cgroupfs"\nevents_logger = "file"\n',
        encoding="utf-8",
    )
    settings = {"CONTAINERS_STORAGE_CONF": "storage.conf", "CONTAINERS_CONF": "containers.conf"}
    environment = os.environ | {name: str(folder / file) for name, file in settings.items()}
    yield environment
    _unmount_below(folder)  # Podman leaves a bind mount
    shutil.rmtree(folder / "images", ignore_errors=True)


def _wait_until_up(engine: DockerEngine, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + _UP
    while "ID" not in engine.docker("info", "--format", "ID {{.ID}}", check=False):
        if process.poll() is not None or time.monotonic() > end:
            pytest.fail(f"the Docker engine did not come up:\n{log.read_text(errors='replace')[-4000:]}")
        time.sleep(0.2)
