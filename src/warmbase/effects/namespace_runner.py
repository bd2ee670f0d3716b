"""The runner without Docker: Linux namespaces, an overlay mount and util-linux.

One process per sandbox, `namespace_init.py` under `unshare`, makes the mounts in namespaces of their own and
holds them; every command enters them with `nsenter`, which costs milliseconds. Nothing is ever mounted in the
host's namespace, so nothing can be left mounted, not even by kill -9. What may stay is a folder in `scratch`, which
the next sandbox opened there removes.

Without root the same happens in a user namespace with the user's subordinate ids (newuidmap(1)) and overlayfs
keeps its marks in `user.*` extended attributes (`userxattr`, Linux 5.11).
"""

import contextlib
import getpass
import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from warmbase.effects import namespace_init
from warmbase.effects.files import make_private
from warmbase.effects.process import Processes, kill_group, last_lines, run_process
from warmbase.effects.runner import (
    NO_HOSTS,
    Bind,
    CommandSandbox,
    Root,
    Runner,
    Sandbox,
    check_binds,
    close_quietly,
    numeric_ids,
)
from warmbase.effects.workspaces import Workspaces, remove_tree
from warmbase.errors import RunnerError

MOST_LAYERS = 120  # the kernel takes more, but the options of the mount must fit into one page
_USER_NAMESPACE = ("--map-root-user", "--map-auto")
_INSTALL = "install util-linux 2.38 or newer (Debian and Ubuntu: apt-get install util-linux)"


@dataclass(frozen=True, kw_only=True, slots=True)
class _NamespaceSandbox(CommandSandbox):
    """A sandbox by the host's process id of its first process."""

    pid: int
    rootless: bool
    network: bool
    nsenter: str

    def start(
        self, argv: Sequence[str], *, env: Mapping[str, str], user: str = "0:0", cwd: str = "/"
    ) -> subprocess.Popen[bytes]:
        """See `Sandbox.start`."""
        uid, gid = numeric_ids(user)
        # The dynamic linker's variables are for the program in the image, not for the host's nsenter.
        linker = [f"{name}={value}" for name, value in env.items() if name.startswith("LD_")]
        own_network = () if self.network else ("--net",)
        return subprocess.Popen(
            [
                *self._enter("--mount", "--root", "--ipc", "--uts", *own_network),
                *("--setgid", gid, "--setuid", uid, f"--wdns={cwd}", "--"),
                *(["env", *linker] if linker else []),
                *argv,
            ],
            env={name: value for name, value in env.items() if not name.startswith("LD_")},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            process_group=0,
            umask=0o022,
        )

    def _enter(self, *namespaces: str) -> list[str]:
        user = ["--user"] if self.rootless else []
        return [self.nsenter, f"--target={self.pid}", *user, "--pid", *namespaces]

    def kill_everything(self) -> None:
        """See `CommandSandbox.kill_everything`."""
        # kill(-1) reaches all processes of the caller's PID namespace but its first one, at one stroke.
        with contextlib.suppress(OSError):
            subprocess.run([*self._enter(), "--", "sh", "-c", "kill -KILL -1"], check=False, capture_output=True)


@dataclass(frozen=True, kw_only=True, slots=True)
class NamespaceRunner:
    """Opens sandboxes with namespaces.

    What they write goes into memory, which is fast and works where `scratch` itself lies on an overlay, as in most
    containers; where the kernel's tmpfs cannot hold it (`user.*` attributes, Linux 6.6), it goes to `scratch`.
    """

    scratch: Path
    rootless: bool
    unshare: str
    nsenter: str
    processes: Processes = run_process
    name: str = "namespace"

    @contextlib.contextmanager
    def open(
        self,
        root: Root,
        *,
        binds: Sequence[Bind] = (),
        hosts: Mapping[str, str] = NO_HOSTS,
        network: bool = False,
        hostname: str = "warmbase",
    ) -> Iterator[Sandbox]:
        """See `Runner.open`."""
        _check_layers(root.folders)
        check_binds(binds)
        layers = _distinct(root.folders)
        with self.new_folder() as folder:
            _prepare(folder, layers)
            files = _network_files(folder, hosts, hostname, network=network)
            plan = {
                "folder": str(folder.resolve()),
                "layers": len(layers),
                "binds": [[str(bind.source.resolve()), bind.target, bind.read_only] for bind in (*files, *binds)],
                "hostname": hostname,
                "network": network,
                "rootless": self.rootless,
            }
            with self._hold(plan) as pid:
                yield _NamespaceSandbox(pid=pid, rootless=self.rootless, network=network, nsenter=self.nsenter)

    @contextlib.contextmanager
    def _hold(self, plan: Mapping[str, object]) -> Iterator[int]:
        """Start the sandbox's first process, end it on leaving; gives its process id on the host."""
        command = [
            self.unshare,
            *(_USER_NAMESPACE if self.rootless else ()),
            *(() if plan["network"] else ("--net",)),
            *("--mount", "--pid", "--ipc", "--uts", "--fork", "--kill-child", "--"),
            *(sys.executable, "-I", "-S", namespace_init.__file__),
        ]
        with subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            process_group=0,
        ) as holder:
            assert holder.stdin and holder.stdout  # noqa: PT018 - pipes were asked for
            assert holder.stderr
            try:
                with contextlib.suppress(BrokenPipeError):
                    holder.stdin.write(json.dumps(plan).encode() + b"\n")
                    holder.stdin.flush()
                line = holder.stdout.readline()
                answer = json.loads(line) if line else {"error": last_lines(holder.stderr.read())}
                if "error" in answer:
                    raise RunnerError(f"cannot open a sandbox: {answer['error']}", next_step=_advice(self.rootless))
                yield int(answer["pid"])
            finally:
                kill_group(holder)
                close_quietly(holder.stdin)

    def new_folder(self) -> contextlib.AbstractContextManager[Path]:
        """A folder in `scratch` for as long as the context lasts; there may be programs in it that run as root."""
        make_private(self.scratch)
        return Workspaces(self.scratch, remove=self._remove).open()

    def _remove(self, folder: Path) -> None:
        if self.rootless:  # what subordinate ids own can only be removed as them
            remove = ("rm", "-rf", "--one-file-system", "--", str(folder))
            self.processes([self.unshare, *_USER_NAMESPACE, "--", *remove], check=False)
        else:
            remove_tree(folder)


def find_namespace_runner(scratch: Path, *, processes: Processes = run_process) -> Runner:
    """Return a runner that works on this machine, proven by opening a sandbox in `scratch`.

    Raises RunnerError with the reason and the line to run.
    """
    if sys.platform != "linux":
        raise RunnerError(
            f"images run on Linux only, this is {platform.system()}",
            next_step="run warmbase in a Linux machine or container",
        )
    unshare, nsenter = shutil.which("unshare"), shutil.which("nsenter")
    if not unshare or not nsenter:
        raise RunnerError("unshare and nsenter of util-linux are not installed", next_step=_INSTALL)
    if "--wdns" not in processes([nsenter, "--help"]).text:
        raise RunnerError("nsenter is too old: it has no --wdns", next_step=_INSTALL)
    runner = NamespaceRunner(
        scratch=scratch, rootless=os.geteuid() != 0, unshare=unshare, nsenter=nsenter, processes=processes
    )
    with runner.new_folder() as folder:
        (folder / "empty").mkdir()
        with runner.open(Root(folders=(folder / "empty",))):
            return runner


def _check_layers(layers: Sequence[Path]) -> None:
    if not 0 < len(layers) <= MOST_LAYERS:
        raise RunnerError(f"a sandbox takes 1 to {MOST_LAYERS} layers, not {len(layers)}")
    for path in layers:
        if not path.exists():
            raise RunnerError(f"cannot open a sandbox: {path} does not exist")


def _distinct(layers: Sequence[Path]) -> Sequence[Path]:
    """The layers without those that come again above, since an overlay takes none twice.

    Nothing of the lower one shows: whatever it has, hides or ends has, hides or ends the upper one just as well.
    """
    from_above = dict.fromkeys(layer.resolve() for layer in reversed(layers))
    return tuple(from_above)[::-1]


def _prepare(folder: Path, layers: Sequence[Path]) -> None:
    folder.chmod(0o755)  # the upper folder below becomes the root, which every user must reach
    for name in ("l", "writes", "root"):
        (folder / name).mkdir(mode=0o755)
        (folder / name).chmod(0o755)
    for number, layer in enumerate(layers):
        (folder / "l" / str(number)).symlink_to(layer)


def _network_files(folder: Path, hosts: Mapping[str, str], hostname: str, *, network: bool) -> tuple[Bind, ...]:
    names = {"localhost": "127.0.0.1", hostname: "127.0.0.1", **hosts}
    contents = {
        "hosts": "".join(f"{address}\t{name}\n" for name, address in names.items()),
        "hostname": f"{hostname}\n",
    }
    if network:
        contents["resolv.conf"] = Path("/etc/resolv.conf").read_text()
    for name, content in contents.items():
        (folder / name).write_text(content)
        (folder / name).chmod(0o644)
    return tuple(Bind(source=folder / name, target=f"/etc/{name}") for name in contents)


def _advice(rootless: bool) -> str:
    """Return the likeliest remedy, from what this machine allows."""
    if not rootless:
        return "run warmbase on a machine or in a container that may mount (--privileged)"
    if not shutil.which("newuidmap"):
        return "apt-get install uidmap"
    user = getpass.getuser()
    for path in (Path("/etc/subuid"), Path("/etc/subgid")):
        owners = {line.partition(":")[0] for line in path.read_text().splitlines()} if path.exists() else set()
        if not owners & {user, str(os.getuid())}:
            return f"usermod --add-subuids 100000-165535 --add-subgids 100000-165535 {user}"
    for setting, wanted in (
        ("kernel/apparmor_restrict_unprivileged_userns", "0"),
        ("kernel/unprivileged_userns_clone", "1"),
        ("user/max_user_namespaces", "15000"),
    ):
        path = Path("/proc/sys", setting)
        if path.exists() and (int(path.read_text()) == 0) != (wanted == "0"):
            return f"sysctl -w {setting.replace('/', '.')}={wanted}"
    return "run warmbase as root, or on a machine that allows user namespaces"
