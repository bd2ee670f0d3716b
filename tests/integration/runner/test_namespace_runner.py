"""A sandbox of namespaces is a container in all that images notice, and leaves nothing behind."""

import stat
import time
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

import pytest
from tests.runnercontract import ENV, RunnerContract, System, make_system, shell
from tests.workers import mounts_of

from warmbase.effects.runner import Root, Runner, Sandbox, find_runner
from warmbase.errors import ProcessError, RunnerError


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    return tmp_path / "scratch"


@pytest.fixture
def runner(scratch: Path) -> Runner:
    return find_runner(scratch)


@pytest.fixture
def left(scratch: Path) -> Callable[[], Collection[str]]:
    return lambda: [path.name for path in scratch.iterdir()] if scratch.exists() else []


@pytest.fixture
def system(tmp_path: Path) -> System:
    return make_system(tmp_path)


@pytest.fixture
def sandbox(runner: Runner, system: System) -> Iterator[Sandbox]:
    with runner.open(system.root, binds=system.binds) as opened:
        yield opened


class TestNamespaceRunner(RunnerContract):
    def test_it_is_what_is_taken_where_nothing_is_asked_for(self, runner: Runner) -> None:
        assert runner.name == "namespace"

    def test_a_sandbox_cannot_see_the_host(self, sandbox: Sandbox) -> None:
        assert shell(sandbox, "cd /; echo *").split() == sorted(
            {"bin", "data", "dev", "etc", "lib", "proc", "sbin", "sys", "tmp", "usr"}
            | {name for name in ("lib32", "lib64") if Path("/", name).exists()}
        )
        assert shell(sandbox, "ls /etc") == "hostname\nhosts\npasswd\n"
        assert int(shell(sandbox, "echo $$")) < 20

    def test_its_devices_are_those_that_programs_expect_and_no_others(self, sandbox: Sandbox) -> None:
        devices = "fd full null ptmx pts random shm stderr stdin stdout tty urandom zero"
        assert " ".join(shell(sandbox, "ls /dev", user="12345:0").split()) == devices

    def test_what_is_written_is_in_no_layer(self, sandbox: Sandbox, system: System) -> None:
        shell(sandbox, "echo changed > /data/file; rm /etc/passwd; echo new > /new")
        assert shell(sandbox, "ls /etc") == "hostname\nhosts\n"
        (layer,) = system.root.folders
        assert (layer / "data/file").read_text() == "from the image\n"
        assert (layer / "etc/passwd").exists()
        assert not (layer / "new").exists()

    def test_the_host_sees_no_mount_of_it_and_keeps_nothing(
        self, runner: Runner, system: System, scratch: Path
    ) -> None:
        with runner.open(system.root, binds=system.binds) as sandbox:
            shell(sandbox, "mkdir /a; touch /a/b; chmod 0 /a", user="0:0")
            assert mounts_of(scratch) == []
        assert mounts_of(scratch) == []
        assert list(scratch.iterdir()) == []

    def test_a_time_limit_leaves_no_process(self, sandbox: Sandbox) -> None:
        started = time.monotonic()
        with pytest.raises(ProcessError):
            sandbox.run(["sh", "-c", "(setsid sleep 300 &); sleep 300"], env=ENV, timeout=0.5)
        assert time.monotonic() - started < 5
        assert "sleep" not in shell(sandbox, "cat /proc/[0-9]*/comm")

    def test_the_network_s_names_are_the_host_s(self, runner: Runner, system: System) -> None:
        with runner.open(system.root, binds=system.binds, network=True) as sandbox:
            assert shell(sandbox, "cat /etc/resolv.conf") == Path("/etc/resolv.conf").read_text()

    def test_layers_may_be_many_with_any_name(self, runner: Runner, system: System, tmp_path: Path) -> None:
        layers = [*system.root.folders]
        for number in range(45):
            layer = tmp_path / f"a long name, with a comma: and a colon, of layer number {number}"
            (layer / "data").mkdir(parents=True)
            (layer / "data/file").write_text(f"{number}\n")
            (layer / f"data/{number}").touch()
            layers.append(layer)
        with runner.open(Root(folders=tuple(layers)), binds=system.binds) as sandbox:
            assert shell(sandbox, "cat /data/file; ls /data | wc -l").split() == ["44", "46"]

    def test_only_the_owner_reaches_what_sandboxes_write(self, runner: Runner, system: System, scratch: Path) -> None:
        scratch.chmod(0o755)
        with runner.open(system.root, binds=system.binds) as sandbox:
            assert stat.S_IMODE(scratch.stat().st_mode) == 0o700
            assert shell(sandbox, "cat /data/file", user="12345:0") == "from the image\n"

    def test_a_command_costs_milliseconds(self, sandbox: Sandbox) -> None:
        seconds = []
        for _ in range(20):
            started = time.monotonic()
            assert sandbox.run(["true"], env=ENV).code == 0
            seconds.append(time.monotonic() - started)
        assert min(seconds) < 0.05

    @pytest.mark.parametrize(
        ("folders", "message"),
        [
            ((), "a sandbox takes 1 to 120 layers, not 0"),
            ((Path("/no/such/layer"),), "/no/such/layer does not exist"),
        ],
    )
    def test_layers_that_cannot_be_opened_say_why(
        self, runner: Runner, folders: tuple[Path, ...], message: str
    ) -> None:
        with pytest.raises(RunnerError, match=message), runner.open(Root(folders=folders)):
            pass

    def test_a_mount_that_the_kernel_refuses_is_reported(self, runner: Runner, tmp_path: Path) -> None:
        no_folder = tmp_path / "file"
        no_folder.write_text("")
        root = Root(folders=(no_folder,))
        with pytest.raises(RunnerError, match="cannot open a sandbox: mount overlay on root"), runner.open(root):
            pass


def test_without_util_linux_the_line_to_run_is_named(
    scratch: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RunnerError) as caught:
        find_runner(scratch)
    assert "apt-get install util-linux" in caught.value.next_step
    assert "docker is not installed\npodman is not installed" in caught.value.message
