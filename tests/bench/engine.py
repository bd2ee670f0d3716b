"""The container engine that builds the rivals: started for the run, or the one that runs already."""

import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from tests.bench.model import BenchError
from tests.bench.usage import Usage, run_measured
from tests.e2e.docker.engines import FOLDER, running_engine

_NO_ENGINE = "no container engine: `.ci/fetch-engines FOLDER` fetches one, then WARMBASE_TEST_DOCKER=FOLDER make bench"


@dataclass(frozen=True, kw_only=True, slots=True)
class Engine:
    """A running Docker Engine; `environment` points its clients at it."""

    environment: Mapping[str, str] = field(repr=False)

    def docker(self, *arguments: str | Path, cwd: Path | None = None) -> Usage:
        """Run `docker` to its end. Raises BenchError if it fails."""
        return run_measured(["docker", *arguments], env=self.environment, cwd=cwd or Path("/"))

    def version(self) -> str:
        """What the engine and Buildx say of themselves."""
        server = self.docker("version", "--format", "{{.Server.Version}}").output.strip()
        buildx = self.docker("buildx", "version").output.split()
        return f"{server}, buildx {buildx[1].lstrip('v')}"


@contextmanager
def open_engine(folder: Path) -> Iterator[Engine]:
    """The engine that WARMBASE_TEST_DOCKER fetched, with all it keeps in `folder`, or the user's. Raises BenchError."""
    if not FOLDER and not os.environ.get("WARMBASE_TEST_DOCKER_HOST"):
        if not _users_answers():
            raise BenchError(_NO_ENGINE)
        yield Engine(environment=dict(os.environ))
        return
    folder.mkdir()
    try:
        with running_engine("containerd", folder) as running:
            yield Engine(environment=running.environment)
    except pytest.fail.Exception as error:  # no failure of pytest's is an Exception
        raise BenchError(str(error)) from error


def _users_answers() -> bool:
    try:
        return subprocess.run(["docker", "version"], capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False
