"""What every runner promises, as tests: a class for each runner inherits them and says how it is found."""

import contextlib
import os
import pickle
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from tests.workers import mounts_of

from warmbase.effects.runner import Bind, Blob, Root, Runner, RunnerChoice, Sandbox
from warmbase.errors import ProcessError, RunnerError
from warmbase.layers.codec import Codec
from warmbase.layers.pack import ModePolicy, pack_tree
from warmbase.oci.manifest import Descriptor

ENV = {"PATH": "/usr/bin:/bin"}
_SECONDS = f"3141.{os.getpid()}"
"""How long sleepers sleep, as none does that another process starts."""

POLICY = ModePolicy(exact=(("tmp", 0o1777),))


@dataclass(frozen=True, kw_only=True, slots=True)
class System:
    """A root and binds of something that runs."""

    root: Root
    binds: Sequence[Bind]

    def over(self, *folders: Path) -> Root:
        """The root with more layers on top."""
        return replace(
            self.root,
            folders=(*self.root.folders, *folders),
            blobs=(*self.root.blobs, *(pack(folder) for folder in folders)),
        )


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
    return System(root=Root(folders=(layer,), blobs=(pack(layer),)), binds=binds)


def pack(layer: Path) -> Blob:
    """A layer as engines take it; the blob lies beside it."""
    packed = pack_tree(layer, POLICY, Codec(), layer.parent)
    path = packed.blob.rename(layer.parent / packed.digest.partition(":")[2])
    descriptor = Descriptor(media_type=packed.media_type, digest=packed.digest, size=packed.size)
    return Blob(descriptor=descriptor, diff_id=packed.diff_id, path=path)


def shell(sandbox: Sandbox, script: str, **options: Any) -> str:
    """Run a script that must succeed; its output."""
    finished = sandbox.run(["sh", "-ec", script], env=ENV, **options)
    assert finished.code == 0, finished.stderr
    return finished.text


def python(sandbox: Sandbox, program: str) -> str:
    finished = sandbox.run(["python3", "-c", program], env=ENV)
    assert finished.code == 0, finished.stderr
    return finished.text.strip()


def sleepers(number: int) -> bool:
    """Whether, in the end, there are so many of the sleepers that a test starts."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        found = 0
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError):
                found += path.read_bytes() == f"/usr/bin/sleep\0{_SECONDS}\0".encode()
        if found == number:
            return True
        time.sleep(0.01)
    return False


def choice_of(runner: Runner) -> RunnerChoice:
    """How one asks for this runner."""
    return RunnerChoice.NONE if runner.name == "namespace" else RunnerChoice(runner.name)


def started(runner: Runner, system: System, scratch: Path, body: str) -> subprocess.Popen[bytes]:
    """A process of its own that opens a sandbox with such a runner and does `body`, which is indented."""
    saved = scratch.with_name("system.pickle")
    saved.write_bytes(pickle.dumps(system))
    program = f"""
import pickle, sys
sys.path[:0] = {sys.path!r}
system = pickle.load(open({str(saved)!r}, "rb"))
from pathlib import Path
from warmbase.effects.runner import RunnerChoice, find_runner
runner = find_runner(Path({str(scratch)!r}), RunnerChoice({choice_of(runner).value!r}))
with runner.open(system.root, binds=system.binds) as sandbox:
{body.replace("SECONDS", _SECONDS)}
"""
    return subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)


class RunnerContract:
    """The tests. A module that has a subclass has the fixtures `runner`, its `scratch` folder, `left`, which says what
    lies around because of its sandboxes, a `system`, and a `sandbox` over it, which several tests may share."""

    def test_exit_codes_and_both_streams_come_through(self, sandbox: Sandbox) -> None:
        finished = sandbox.run(["sh", "-c", "echo out; echo err >&2; exit 42"], env=ENV)
        assert (finished.code, finished.stdout, finished.stderr) == (42, b"out\n", b"err\n")
        assert sandbox.run(["no-such-program"], env=ENV).code == 127
        assert sandbox.run(["sh", "-c", "kill -KILL $$"], env=ENV).code == 128 + signal.SIGKILL

    def test_input_and_output_are_bytes_and_may_be_many(self, sandbox: Sandbox) -> None:
        content = bytes(range(256)) * 40_000
        finished = sandbox.run(["sh", "-c", "tee /dev/stderr"], env=ENV, input=content)
        assert finished.stdout == finished.stderr == content
        assert sandbox.run(["cat"], env=ENV).stdout == b""

    def test_commands_share_files_and_the_image_stays_as_it_was(
        self, runner: Runner, sandbox: Sandbox, system: System
    ) -> None:
        shell(sandbox, "echo changed > /data/file; rm /etc/passwd; echo new > /new")
        assert shell(sandbox, "cat /data/file /new; ls /etc/passwd 2>&1 || true").startswith("changed\nnew\nls: ")
        with runner.open(system.root, binds=system.binds) as another:
            assert shell(another, "cat /data/file; test -e /etc/passwd; ls /data") == "from the image\nfile\n"

    def test_higher_layers_hide_lower_ones_and_one_may_come_twice(
        self, runner: Runner, system: System, tmp_path: Path
    ) -> None:
        empty, changed = tmp_path / "empty", tmp_path / "changed"
        empty.mkdir()
        (changed / "data").mkdir(parents=True)
        (changed / "data/file").write_text("changed\n")
        (changed / "data/more").touch()
        with runner.open(system.over(empty, changed, empty), binds=system.binds) as sandbox:
            assert shell(sandbox, "cat /data/file; ls /data") == "changed\nfile\nmore\n"
        with runner.open(system.over(changed, *system.root.folders), binds=system.binds) as sandbox:
            assert shell(sandbox, "cat /data/file; ls /data") == "from the image\nfile\nmore\n"

    @pytest.mark.parametrize("user", ["0:0", "12345:0", "1000:1000"])
    def test_a_command_is_the_user_asked_for_without_other_groups(self, sandbox: Sandbox, user: str) -> None:
        assert shell(sandbox, "echo $(id -u):$(id -g):$(id -G)", user=user).strip() == f"{user}:{user.split(':')[1]}"
        shell(sandbox, "test $(umask) = 0022; touch /tmp/$(id -u)", user=user)

    def test_another_user_may_not_write_what_is_root_s(self, sandbox: Sandbox) -> None:
        assert sandbox.run(["touch", "/data/file"], env=ENV, user="12345:0").code == 1

    def test_a_user_by_name_is_refused(self, sandbox: Sandbox) -> None:
        with pytest.raises(RunnerError, match="user 'app' is not numeric"):
            sandbox.run(["true"], env=ENV, user="app")

    @pytest.mark.parametrize(
        "environment",
        [ENV | {"LD_LIBRARY_PATH": "/opt/lib", "A": " b  c=#", "LINES": "1\n2", "HOME": "/nowhere"}, {}],
        ids=["some", "none"],
    )
    def test_the_environment_is_exactly_what_was_given(self, sandbox: Sandbox, environment: Mapping[str, str]) -> None:
        found = sandbox.run(["/usr/bin/env", "--null"], env=environment).text.split("\0")[:-1]
        assert sorted(found) == sorted(f"{name}={value}" for name, value in environment.items())

    def test_a_command_starts_where_it_should(self, sandbox: Sandbox) -> None:
        assert shell(sandbox, "pwd", cwd="/data") == "/data\n"

    def test_binds_show_host_files_and_read_only_ones_refuse_writes(
        self, runner: Runner, system: System, tmp_path: Path
    ) -> None:
        shared, fixed = tmp_path / "shared, by all", tmp_path / "fixed"
        shared.mkdir()
        fixed.write_text("fixed\n")
        binds = [
            Bind(source=shared, target="/somewhere/new/shared"),
            Bind(source=fixed, target="/etc/fixed", read_only=True),
        ]
        with runner.open(system.root, binds=[*system.binds, *binds]) as sandbox:
            shell(sandbox, "cp /etc/fixed /somewhere/new/shared/copy")
            refused = sandbox.run(["sh", "-c", "echo x > /etc/fixed"], env=ENV)
            assert b"Read-only file system" in refused.stderr
            assert sandbox.run(["mkdir", "/usr/x"], env=ENV).code == 1
        assert [path.name for path in shared.iterdir()] == ["copy"]
        assert (shared / "copy").read_text() == "fixed\n"
        (shared / "copy").unlink()

    def test_a_link_in_the_image_cannot_lead_a_bind_to_the_host(
        self, runner: Runner, system: System, tmp_path: Path
    ) -> None:
        outside, layer, source = tmp_path / "outside", tmp_path / "linked", tmp_path / "source"
        outside.mkdir()
        layer.mkdir()
        (layer / "link").symlink_to(outside)
        source.write_text("bound\n")
        binds = [*system.binds, Bind(source=source, target="/link/file")]
        with runner.open(system.over(layer), binds=binds) as sandbox:
            assert shell(sandbox, "cat /link/file") == "bound\n"
        assert list(outside.iterdir()) == []

    def test_the_devices_that_programs_expect_work(self, sandbox: Sandbox) -> None:
        script = """
            echo lost > /dev/null
            test "$(head -c 4 /dev/zero | wc -c)" = 4
            test "$(head -c 4 /dev/urandom | wc -c)" = 4
            ! (echo x > /dev/full) 2> /dev/null
            ls /dev
        """
        devices = "fd full null ptmx pts random shm stderr stdin stdout tty urandom zero"
        assert set(devices.split()) <= set(shell(sandbox, script, user="12345:0").split())

    def test_python_s_locks_and_terminals_work(self, sandbox: Sandbox) -> None:
        program = "import multiprocessing, os; multiprocessing.Lock().acquire(); print(os.isatty(os.openpty()[1]))"
        assert python(sandbox, program) == "True"

    def test_a_root_process_cannot_change_the_kernel_s_settings(self, sandbox: Sandbox) -> None:
        refused = sandbox.run(["sh", "-c", "echo other > /proc/sys/kernel/hostname"], env=ENV)
        assert b"Read-only file system" in refused.stderr

    def test_without_network_there_is_a_loopback_and_nothing_else(self, sandbox: Sandbox) -> None:
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

    def test_with_network_the_host_s_is_shared(self, runner: Runner, system: System) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
            with runner.open(system.root, binds=system.binds, network=True) as sandbox:
                python(sandbox, f"import socket; socket.create_connection(('127.0.0.1', {port}), timeout=5)")

    def test_names_are_resolved_as_given(self, runner: Runner, system: System) -> None:
        hosts = {"index.example": "127.0.0.9"}
        with runner.open(system.root, binds=system.binds, hosts=hosts, hostname="child") as sandbox:
            names = shell(sandbox, "hostname; echo $(cat /etc/hostname)")
            addresses = shell(sandbox, "getent hosts index.example child | cut -c1-9")
        assert (names, addresses) == ("child\nchild\n", "127.0.0.9\n127.0.0.1\n")
        assert socket.gethostname() != "child"

    def test_a_time_limit_ends_everything_inside_but_the_sandbox(self, sandbox: Sandbox) -> None:
        started = time.monotonic()
        with pytest.raises(ProcessError, match=r"sh in the sandbox did not end within 0.5 s\nsaid before") as caught:
            sandbox.run(
                ["sh", "-c", "echo said before $API_TOKEN >&2; (setsid sleep 300 &); sleep 300"],
                env=ENV | {"API_TOKEN": "hunter2"},
                timeout=0.5,
            )
        assert time.monotonic() - started < 100
        assert "hunter2" not in caught.value.message
        assert "S (sleep)" not in shell(sandbox, "sed 's/.*(\\(.*\\)) \\(.\\).*/\\2 (\\1)/' /proc/[0-9]*/stat")

    def test_no_value_of_a_variable_is_seen_by_others(self, sandbox: Sandbox) -> None:
        secrets = {"API_TOKEN": "hunter2-in-the-environment", "KEY": "of several lines\nhunter2-in-the-environment\n"}
        process = sandbox.start(["cat"], env=ENV | secrets)
        with process:
            found = []
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                with contextlib.suppress(OSError):
                    found.append(path.read_bytes())
            process.communicate(b"")
        assert len(found) > 1
        assert not [line for line in found if b"hunter2-in-the-environment" in line]

    def test_a_started_command_talks_through_pipes_and_ends_with_the_sandbox(
        self, runner: Runner, system: System
    ) -> None:
        with runner.open(system.root, binds=system.binds) as sandbox:
            process = sandbox.start(["cat"], env=ENV)
            assert process.stdin
            assert process.stdout
            process.stdin.write(b"hello\n")
            process.stdin.flush()
            assert process.stdout.readline() == b"hello\n"
        with process:
            assert process.wait(timeout=60) != 0

    def test_nothing_stays_behind(
        self, runner: Runner, system: System, scratch: Path, left: Callable[[], Collection[str]]
    ) -> None:
        with runner.open(system.root, binds=system.binds):
            pass
        before = set(left())
        with runner.open(system.root, binds=system.binds) as sandbox:
            shell(sandbox, "mkdir /a; touch /a/b; chmod 0 /a", user="0:0")
        assert set(left()) <= before
        assert mounts_of(scratch) == []

    def test_an_open_sandbox_is_not_taken_for_an_abandoned_one(
        self, runner: Runner, system: System, tmp_path: Path
    ) -> None:
        more = tmp_path / "more"
        more.mkdir()
        with runner.open(system.root, binds=system.binds) as first:
            with runner.open(system.over(more), binds=system.binds) as second:
                shell(second, "true")
            shell(first, "touch /still-here")

    def test_kill_9_leaves_no_process_and_the_next_run_cleans_up(
        self, runner: Runner, system: System, scratch: Path, left: Callable[[], Collection[str]]
    ) -> None:
        before = set(left())
        body = """
    sandbox.start(["/usr/bin/sleep", "SECONDS"], env={})
    print("open", flush=True)
    import time; time.sleep(30)
"""
        with started(runner, system, scratch, body) as process:
            assert process.stdout
            assert process.stdout.readline() == b"open\n"
            all_started = sleepers(1)
            process.kill()
        assert all_started
        assert sleepers(0)
        assert mounts_of(scratch) == []
        assert set(left()) - before
        with started(runner, system, scratch, "    pass") as process:
            assert process.wait() == 0
        assert set(left()) <= before

    def test_an_interrupt_ends_the_command_and_the_sandbox(
        self, runner: Runner, system: System, scratch: Path, left: Callable[[], Collection[str]]
    ) -> None:
        before = set(left())
        body = """
    print("open", flush=True)
    sandbox.run(["/usr/bin/sleep", "SECONDS"], env={})
"""
        with started(runner, system, scratch, body) as process:
            assert process.stdout
            assert process.stdout.readline() == b"open\n"
            assert sleepers(1)
            process.send_signal(signal.SIGINT)
            assert process.wait(timeout=60) == -signal.SIGINT
        assert sleepers(0)
        assert set(left()) <= before

    @pytest.mark.parametrize(
        ("bind", "message"),
        [
            (Bind(source=Path("/usr"), target="usr"), "the target 'usr' of a bind is not absolute"),
            (Bind(source=Path("/no/such"), target="/mnt"), "/no/such does not exist"),
        ],
    )
    def test_what_cannot_be_bound_says_why(self, runner: Runner, system: System, bind: Bind, message: str) -> None:
        with pytest.raises(RunnerError, match=message), runner.open(system.root, binds=[*system.binds, bind]):
            pass
