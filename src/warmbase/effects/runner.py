"""Running a root filesystem: what every runner can do, and choosing one.

A runner opens sandboxes. A sandbox is one throw-away, container-like session over read-only layers: its
commands share files and processes, and everything is gone when it closes. Verification and the compiling of
packages use this protocol alone, so they are the same with and without Docker.

A sandbox keeps accidents in. It is no defence against code that means harm.
"""

import subprocess
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Protocol

from warmbase.effects.process import Finished

NO_HOSTS: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, kw_only=True, slots=True)
class Bind:
    """A file or folder of the host shown at `target`, an absolute path, in a sandbox."""

    source: Path
    target: str
    read_only: bool = False


class Sandbox(Protocol):
    """An open session: its commands share one root filesystem and see each other's processes."""

    def run(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str],
        user: str = "0:0",
        cwd: str = "/",
        input: bytes = b"",
        timeout: float = 600,
    ) -> Finished:
        """Run a command to its end and return its exit code and output, whatever the code is.

        `env` is the exact environment, `user` the numeric "uid:gid" without other groups, `timeout` in
        seconds. Raises ProcessError when the time is up, after killing every process in the sandbox.
        """
        ...

    def start(
        self, argv: Sequence[str], *, env: Mapping[str, str], user: str = "0:0", cwd: str = "/"
    ) -> subprocess.Popen[bytes]:
        """Start a long-lived command with pipes for its three streams.

        It ends by itself, or with the sandbox: a signal to the returned process stays outside.
        """
        ...


class Runner(Protocol):
    """Opens sandboxes in one particular way."""

    @property
    def name(self) -> str:
        """What the runner is called in messages and reports, e.g. "namespace"."""
        ...

    def open(
        self,
        layers: Sequence[Path],
        *,
        binds: Sequence[Bind] = (),
        hosts: Mapping[str, str] = NO_HOSTS,
        network: bool = False,
        hostname: str = "warmbase",
    ) -> AbstractContextManager[Sandbox]:
        """Open a sandbox over `layers`, unpacked trees, lowest first, which stay unchanged.

        `hosts` maps names to addresses for /etc/hosts. Without `network` only the loopback device exists.
        Raises RunnerError if this machine cannot do it.
        """
        ...


def find_runner(scratch: Path) -> Runner:
    """Return a runner that works on this machine, proven by opening a sandbox; its writes go to `scratch`.

    Raises RunnerError that says why there is none, with the line to run.
    """
    from warmbase.effects.namespace_runner import find_namespace_runner

    return find_namespace_runner(scratch)
