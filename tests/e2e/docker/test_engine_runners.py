"""Sandboxes as containers of Docker and of Podman keep what every runner promises."""

import subprocess
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path

import pytest
from tests.e2e.docker.engines import DockerEngine
from tests.runnercontract import RunnerContract, System, make_system

from warmbase.effects.docker.runner import LABEL, REPOSITORY, EngineRunner
from warmbase.effects.runner import Runner, RunnerChoice, Sandbox, find_runner

pytestmark = pytest.mark.docker


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("engine") / "scratch"


@pytest.fixture(scope="module", params=["docker", "podman"])
def runner(
    request: pytest.FixtureRequest, engine: DockerEngine, podman: Mapping[str, str], scratch: Path
) -> Iterator[Runner]:
    """One runner for all tests, so that a root is loaded once."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (engine.environment if request.param == "docker" else podman).items():
            patch.setenv(name, value)
        runner = find_runner(scratch, RunnerChoice(request.param))
        assert isinstance(runner, EngineRunner)
        yield runner
        runner.close()
        assert leftovers(runner, scratch) == []


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> System:
    return make_system(tmp_path_factory.mktemp("system"))


@pytest.fixture(scope="module")
def sandbox(runner: Runner, system: System) -> Iterator[Sandbox]:
    """One for all that a sandbox survives: what a new one costs is most of what these tests take."""
    with runner.open(system.root, binds=system.binds) as opened:
        yield opened


@pytest.fixture
def left(runner: Runner, scratch: Path) -> Callable[[], Collection[str]]:
    return lambda: leftovers(runner, scratch)


def leftovers(runner: Runner, scratch: Path) -> list[str]:
    """The folders of sandboxes, and what the engine has that is called like them."""
    folders = [path.name for path in scratch.with_name(f"scratch-{runner.name}").iterdir()]
    images = ask(
        runner.name, "image", "ls", "--format", "{{.Repository}}:{{.Tag}}", "--filter", f"reference={REPOSITORY}"
    )
    containers = ask(runner.name, "ps", "--all", "--quiet", "--filter", f"label={LABEL}")
    return [*folders, *images, *containers]


def ask(*command: str) -> list[str]:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()


class TestEngineRunner(RunnerContract):
    def test_it_is_called_as_the_engine(self, runner: Runner) -> None:
        assert runner.name in ("docker", "podman")
