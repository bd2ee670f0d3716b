"""Sandboxes as containers of Docker and of Podman keep what every runner promises."""

import subprocess
import tarfile
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path

import pytest
from tests.e2e.docker.engines import DockerEngine
from tests.runnercontract import RunnerContract, System, make_system

from warmbase.effects.docker.engine import find_engine
from warmbase.effects.docker.runner import EXPIRES, LABEL, REPOSITORY, EngineRunner
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
    folders = [path.name for path in scratch.with_name(f"scratch-{runner.name}").glob("*/*")]
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

    def test_an_image_of_a_machine_that_is_gone_is_removed_when_it_has_expired(
        self, runner: Runner, system: System, tmp_path: Path
    ) -> None:
        with tarfile.open(tmp_path / "root.tar", "w") as archive:
            archive.addfile(tarfile.TarInfo("file"))
        now = round(time.time())
        lost, young = (f"{REPOSITORY}:{name}-{now}" for name in ("lost", "young"))
        for image, expires in ((lost, now - 60), (young, now + 600)):
            ask(runner.name, "import", "--change", f"LABEL {EXPIRES}={expires}", str(tmp_path / "root.tar"), image)
        ask(runner.name, "create", "--label", f"{LABEL}={lost.rpartition(':')[2]}", lost, "/bin/cat")
        other = EngineRunner(find_engine(RunnerChoice(runner.name).engines), tmp_path / "scratch")
        with other.open(system.root, binds=system.binds):
            found = ask(runner.name, "image", "ls", "--format", "{{.Repository}}:{{.Tag}}")
            containers = ask(
                runner.name, "ps", "--all", "--quiet", "--filter", f"label={LABEL}={lost.rpartition(':')[2]}"
            )
        other.close()
        ask(runner.name, "image", "rm", young)
        assert young in found
        assert lost not in found
        assert containers == []
