"""A sandbox is a container in all that images notice, and leaves nothing behind."""

import contextlib
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.workers import mounts_of

from warmbase.effects.runner import Bind, Runner, Sandbox, find_runner
from warmbase.errors import ProcessError, RunnerError

ENV = {"PATH": "/usr/bin:/bin"}


@dataclass(frozen=True, kw_only=True, slots=True)
class System:
    """Layers and binds of something that runs."""

    layers: Sequence[Path]
    binds: Sequence[Bind]


def make_system(folder: Path) -> System:
    """Make a layer without programs, which come from the host's /usr, read-only."""
    layer = folder / "layer"
    layer.mkdir(mode=0o755)
    (layer / "etc").mkdir()
    (layer / "etc/passwd").write_text("root:x:0:0::/:/bin/sh\n")
    (layer / "tmp").mkdir()
    (layer / "tmp").chmod(0o1777)
    (layer / "data").mkdir()
    (layer / "data/file").write_text("from the image\n")
    binds = [Bind(source=Path("/usr"), target="/usr", read_only=True)]
    for name in ("bin", "sbin", "lib", "lib32", "lib64"):
        host = Path("/", name)
        if host.is_symlink():
            (layer / name).symlink_to(host.readlink())
        elif host.exists():
            binds.append(Bind(source=host, target=f"/{name}", read_only=True))
    return System(layers=[layer], binds=binds)


@pytest.fixture
def system(tmp_path: Path) -> System:
    return make_system(tmp_path)


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    return tmp_path / "scratch"


@pytest.fixture
def runner(scratch: Path) -> Runner:
    return find_runner(scratch)


@pytest.fixture
def sandbox(runner: Runner, system: System) -> Iterator[Sandbox]:
    with runner.open(system.layers, binds=system.binds) as opened:
        yield opened


def shell(sandbox: Sandbox, script: str, **options: Any) -> str:
    """Run a script that must succeed; its output."""
    finished = sandbox.run(["sh", "-ec", script], env=ENV, **options)
    assert finished.code == 0, finished.stderr
    return finished.text


def python(sandbox: Sandbox, program: str) -> str:
    finished = sandbox.run(["python3", "-c", program], env=ENV)
    assert finished.code == 0, finished.stderr
    return finished.text.strip()


def test_exit_codes_and_both_streams_come_through(sandbox: Sandbox) -> None:
    finished = sandbox.run(["sh", "-c", "echo out; echo err >&2; exit 42"], env=ENV)
    assert (finished.code, finished.stdout, finished.stderr) == (42, b"out\n", b"err\n")
    assert sandbox.run(["no-such-program"], env=ENV).code == 127


def test_a_command_reads_its_input(sandbox: Sandbox) -> None:
    assert sandbox.run(["tr", "a-z", "A-Z"], env=ENV, input=b"warm").stdout == b"WARM"


def test_commands_share_files_and_the_image_stays_as_it_was(sandbox: Sandbox, system: System) -> None:
    shell(sandbox, "echo changed > /data/file; rm /etc/passwd; echo new > /new")
    assert shell(sandbox, "cat /data/file /new; ls /etc") == "changed\nnew\nhostname\nhosts\n"
    layer = system.layers[0]
    assert (layer / "data/file").read_text() == "from the image\n"
    assert (layer / "etc/passwd").exists()
    assert not (layer / "new").exists()


def test_higher_layers_hide_lower_ones(runner: Runner, system: System, tmp_path: Path) -> None:
    layers = [*system.layers]
    for number in range(45):
        layer = tmp_path / f"a long name, with a comma: and a colon, of layer number {number}"
        (layer / "data").mkdir(parents=True)
        (layer / "data/file").write_text(f"{number}\n")
        (layer / f"data/{number}").touch()
        layers.append(layer)
    with runner.open(layers, binds=system.binds) as sandbox:
        assert shell(sandbox, "cat /data/file; ls /data | wc -l").split() == ["44", "46"]


def test_a_layer_may_come_twice(runner: Runner, system: System, tmp_path: Path) -> None:
    empty, changed = tmp_path / "empty", tmp_path / "changed"
    empty.mkdir()
    (changed / "data").mkdir(parents=True)
    (changed / "data/file").write_text("changed\n")
    (changed / "data/more").touch()
    with runner.open([*system.layers, empty, changed, empty, *system.layers, empty], binds=system.binds) as sandbox:
        assert shell(sandbox, "cat /data/file; ls /data") == "from the image\nfile\nmore\n"


def test_only_the_owner_reaches_what_sandboxes_write(runner: Runner, system: System, scratch: Path) -> None:
    scratch.chmod(0o755)
    with runner.open(system.layers, binds=system.binds) as sandbox:
        assert stat.S_IMODE(scratch.stat().st_mode) == 0o700
        assert shell(sandbox, "cat /data/file", user="12345:0") == "from the image\n"


@pytest.mark.parametrize("user", ["0:0", "12345:0", "1000:1000"])
def test_a_command_is_the_user_asked_for_without_other_groups(sandbox: Sandbox, user: str) -> None:
    assert shell(sandbox, "echo $(id -u):$(id -g):$(id -G)", user=user).strip() == f"{user}:{user.split(':')[1]}"


def test_another_user_may_not_write_what_is_root_s(sandbox: Sandbox) -> None:
    assert sandbox.run(["touch", "/data/file"], env=ENV, user="12345:0").code == 1
    shell(sandbox, "umask; touch /tmp/mine", user="12345:0")


def test_a_user_by_name_is_refused(sandbox: Sandbox) -> None:
    with pytest.raises(RunnerError, match="user 'app' is not numeric"):
        sandbox.run(["true"], env=ENV, user="app")


def test_the_environment_is_exactly_what_was_given(sandbox: Sandbox) -> None:
    environment = ENV | {"LD_LIBRARY_PATH": "/opt/lib", "A": "b c"}
    lines = sandbox.run(["/usr/bin/env"], env=environment).text.splitlines()
    assert sorted(lines) == sorted(f"{name}={value}" for name, value in environment.items())


def test_a_command_starts_where_it_should(sandbox: Sandbox) -> None:
    assert shell(sandbox, "pwd", cwd="/data") == "/data\n"


def test_binds_show_host_files_and_read_only_ones_refuse_writes(runner: Runner, system: System, tmp_path: Path) -> None:
    shared, fixed = tmp_path / "shared", tmp_path / "fixed"
    shared.mkdir()
    fixed.write_text("fixed\n")
    binds = [
        Bind(source=shared, target="/somewhere/new/shared"),
        Bind(source=fixed, target="/etc/fixed", read_only=True),
    ]
    with runner.open(system.layers, binds=[*system.binds, *binds]) as sandbox:
        shell(sandbox, "cp /etc/fixed /somewhere/new/shared/copy")
        refused = sandbox.run(["sh", "-c", "echo x > /etc/fixed"], env=ENV)
        assert b"Read-only file system" in refused.stderr
        assert sandbox.run(["mkdir", "/usr/x"], env=ENV).code == 1
    assert (shared / "copy").read_text() == "fixed\n"


def test_a_link_in_the_image_cannot_lead_a_bind_to_the_host(runner: Runner, system: System, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (system.layers[0] / "link").symlink_to(outside)
    source = tmp_path / "source"
    source.write_text("bound\n")
    with runner.open(system.layers, binds=[*system.binds, Bind(source=source, target="/link/file")]) as sandbox:
        assert shell(sandbox, "cat /link/file") == "bound\n"
    assert list(outside.iterdir()) == []


def test_the_devices_that_programs_expect_work(sandbox: Sandbox) -> None:
    script = """
        echo lost > /dev/null
        test "$(head -c 4 /dev/zero | wc -c)" = 4
        test "$(head -c 4 /dev/urandom | wc -c)" = 4
        ! (echo x > /dev/full) 2> /dev/null
        ls /dev
    """
    devices = "fd full null ptmx pts random shm stderr stdin stdout tty urandom zero"
    assert " ".join(shell(sandbox, script, user="12345:0").split()) == devices


def test_python_s_locks_and_terminals_work(sandbox: Sandbox) -> None:
    program = "import multiprocessing, os; multiprocessing.Lock().acquire(); print(os.isatty(os.openpty()[1]))"
    assert python(sandbox, program) == "True"


def test_a_root_process_cannot_change_the_kernel_s_settings(sandbox: Sandbox) -> None:
    refused = sandbox.run(["sh", "-c", "echo other > /proc/sys/kernel/hostname"], env=ENV)
    assert b"Read-only file system" in refused.stderr


def test_without_network_there_is_a_loopback_and_nothing_else(sandbox: Sandbox) -> None:
    program = """
import socket
server = socket.create_server(("127.0.0.1", 0))
socket.create_connection(server.getsockname()).close()
try:
    socket.create_connection(("192.0.2.1", 80), timeout=5)
except OSError as error:
    print(error.strerror)
"""
    assert python(sandbox, program) == "Network is unreachable"


def test_with_network_the_host_s_is_shared(runner: Runner, system: System) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with runner.open(system.layers, binds=system.binds, network=True) as sandbox:
            python(sandbox, f"import socket; socket.create_connection(('127.0.0.1', {port}), timeout=5)")
            resolver = Path("/etc/resolv.conf").read_text()
            assert shell(sandbox, "cat /etc/resolv.conf") == resolver


def test_names_are_resolved_as_given(runner: Runner, system: System) -> None:
    hosts = {"index.example": "127.0.0.9"}
    with runner.open(system.layers, binds=system.binds, hosts=hosts, hostname="child") as sandbox:
        assert shell(sandbox, "hostname; cat /etc/hostname; getent hosts index.example child | cut -c1-9") == (
            "child\nchild\n127.0.0.9\n127.0.0.1\n"
        )
    assert socket.gethostname() != "child"


def test_a_time_limit_ends_everything_inside(sandbox: Sandbox) -> None:
    started = time.monotonic()
    with pytest.raises(ProcessError, match=r"sh in the sandbox did not end within 0.5 s\nsaid before") as caught:
        sandbox.run(
            ["sh", "-c", "echo said before $API_TOKEN >&2; (setsid sleep 300 &); sleep 300"],
            env=ENV | {"API_TOKEN": "hunter2"},
            timeout=0.5,
        )
    assert time.monotonic() - started < 5
    assert "hunter2" not in caught.value.message
    assert "sleep" not in shell(sandbox, "cat /proc/[0-9]*/comm")


def test_a_started_command_talks_through_pipes_and_ends_with_the_sandbox(runner: Runner, system: System) -> None:
    with runner.open(system.layers, binds=system.binds) as sandbox:
        process = sandbox.start(["cat"], env=ENV)
        assert process.stdin
        assert process.stdout
        process.stdin.write(b"hello\n")
        process.stdin.flush()
        assert process.stdout.readline() == b"hello\n"
    with process:
        assert process.wait(timeout=5) != 0


def test_a_sandbox_cannot_see_the_host(sandbox: Sandbox) -> None:
    assert shell(sandbox, "cd /; echo *").split() == sorted(
        {"bin", "data", "dev", "etc", "lib", "proc", "sbin", "sys", "tmp", "usr"}
        | {name for name in ("lib32", "lib64") if Path("/", name).exists()}
    )
    assert int(shell(sandbox, "echo $$")) < 20


def test_a_command_costs_milliseconds(sandbox: Sandbox) -> None:
    seconds = []
    for _ in range(20):
        started = time.monotonic()
        assert sandbox.run(["true"], env=ENV).code == 0
        seconds.append(time.monotonic() - started)
    assert min(seconds) < 0.05


def test_nothing_stays_behind(runner: Runner, system: System, scratch: Path) -> None:
    with runner.open(system.layers, binds=system.binds) as sandbox:
        shell(sandbox, "mkdir /a; touch /a/b; chmod 0 /a", user="0:0")
        assert mounts_of(scratch) == []
    assert mounts_of(scratch) == []
    assert list(scratch.iterdir()) == []


def test_kill_9_leaves_no_process_and_no_mount_and_the_next_run_cleans_up(
    runner: Runner, system: System, scratch: Path
) -> None:
    seconds = f"3141.{os.getpid()}"
    program = f"""
from pathlib import Path
from warmbase.effects.runner import Bind, find_runner
with find_runner(Path({str(scratch)!r})).open(
    [Path({str(system.layers[0])!r})], binds=[Bind(source=Path("/usr"), target="/usr")]
) as sandbox:
    sandbox.start(["/usr/bin/sleep", "{seconds}"], env={{}})
    print("open", flush=True)
    import time; time.sleep(30)
"""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stdout.readline() == b"open\n"
        started = reaches(1, seconds)
        process.kill()
    assert started
    assert reaches(0, seconds)
    assert mounts_of(scratch) == []
    (abandoned,) = scratch.iterdir()
    with runner.open(system.layers, binds=system.binds):
        assert not abandoned.exists()


def reaches(number: int, seconds: str) -> bool:
    """Whether, in the end, there are so many sleepers for that time."""
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        found = 0
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError):
                found += path.read_bytes() == f"/usr/bin/sleep\0{seconds}\0".encode()
        if found == number:
            return True
        time.sleep(0.01)
    return False


def test_an_open_sandbox_is_not_taken_for_an_abandoned_one(runner: Runner, system: System) -> None:
    with runner.open(system.layers, binds=system.binds) as first:
        with runner.open(system.layers, binds=system.binds) as second:
            shell(second, "true")
        shell(first, "touch /still-here")


def test_an_interrupt_ends_the_command_and_the_sandbox(system: System, scratch: Path) -> None:
    program = f"""
from pathlib import Path
from warmbase.effects.runner import Bind, find_runner
with find_runner(Path({str(scratch)!r})).open(
    [Path({str(system.layers[0])!r})], binds=[Bind(source=Path("/usr"), target="/usr")]
) as sandbox:
    print("open", flush=True)
    sandbox.run(["/usr/bin/sleep", "30"], env={{}})
"""
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == b"open\n"
        time.sleep(0.2)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=20) == -signal.SIGINT
    assert list(scratch.iterdir()) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"layers": []}, "a sandbox takes 1 to 120 layers, not 0"),
        ({"layers": [Path("/no/such/layer")]}, "/no/such/layer does not exist"),
        ({"binds": [Bind(source=Path("/usr"), target="usr")]}, "the target 'usr' of a bind is not absolute"),
    ],
)
def test_what_cannot_be_opened_says_why(
    runner: Runner, system: System, change: Mapping[str, Any], message: str
) -> None:
    arguments: dict[str, Any] = {"layers": system.layers, "binds": system.binds} | dict(change)
    with pytest.raises(RunnerError, match=message), runner.open(**arguments):
        pass


def test_a_mount_that_the_kernel_refuses_is_reported(runner: Runner, tmp_path: Path) -> None:
    no_folder = tmp_path / "file"
    no_folder.write_text("")
    with pytest.raises(RunnerError, match="cannot open a sandbox: mount overlay on root"), runner.open([no_folder]):
        pass


def test_without_util_linux_the_line_to_run_is_named(
    scratch: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RunnerError) as caught:
        find_runner(scratch)
    assert "apt-get install util-linux" in caught.value.next_step
