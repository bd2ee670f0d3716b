"""Running a root filesystem: what every runner can do, and choosing one.

A runner opens sandboxes. A sandbox is one throw-away, container-like session over read-only layers: its
commands share files and processes, and everything is gone when it closes. Verification and the compiling of
packages use this protocol alone, so they are the same with and without Docker.

A sandbox keeps accidents in. It is no defence against code that means harm.
"""

import platform
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import IO, Literal, Protocol

from warmbase.effects.process import Finished, kill_group, last_lines, mask_secrets, secrets_in
from warmbase.errors import ProcessError, RunnerError
from warmbase.oci.manifest import Descriptor

NO_HOSTS: Mapping[str, str] = MappingProxyType({})


class RunnerChoice(StrEnum):
    """Which runner to take: the first that works here, a container engine, or none of these, but namespaces."""

    AUTO = "auto"
    DOCKER = "docker"
    PODMAN = "podman"
    NONE = "none"

    @property
    def engines(self) -> tuple[Literal["docker", "podman"], ...]:
        """The engines that it admits, in order."""
        match self:
            case RunnerChoice.AUTO:
                return "docker", "podman"
            case RunnerChoice.DOCKER:
                return ("docker",)
            case RunnerChoice.PODMAN:
                return ("podman",)
        return ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Blob:
    """A packed layer: its descriptor, the digest of its uncompressed tar, and its file."""

    descriptor: Descriptor
    diff_id: str
    path: Path


@dataclass(frozen=True, kw_only=True, slots=True)
class Root:
    """A root filesystem as layers, lowest first, which stay unchanged.

    They come in two forms, and a runner takes the one that it can use: `folders` are unpacked trees as overlayfs has
    them, `blobs` the same layers packed. Where only namespaces will ever run it, there need be no blobs.
    """

    folders: tuple[Path, ...]
    blobs: tuple[Blob, ...] = ()


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

        The code is 128 + N where signal N ended the command, as shells and engines have it. `env` is the exact
        environment, `user` the numeric "uid:gid" without other groups, `timeout` in seconds. Raises ProcessError when
        the time is up, after killing every process in the sandbox.
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
        root: Root,
        *,
        binds: Sequence[Bind] = (),
        hosts: Mapping[str, str] = NO_HOSTS,
        network: bool = False,
        hostname: str = "warmbase",
    ) -> AbstractContextManager[Sandbox]:
        """Open a sandbox over `root`.

        `hosts` maps names to addresses for /etc/hosts. Without `network` only the loopback device exists.
        Raises RunnerError if this machine cannot do it.
        """
        ...


def find_runner(scratch: Path, choice: RunnerChoice = RunnerChoice.AUTO) -> Runner:
    """Return the runner of `choice`, proven to work on this machine; what it leaves behind for a while is in `scratch`.

    AUTO is namespaces, which cost least and need no daemon, or else Docker, or else Podman. Raises RunnerError that
    says why there is none, with the line to run.
    """
    from warmbase.effects.namespace_runner import find_namespace_runner

    if choice not in (RunnerChoice.AUTO, RunnerChoice.NONE):
        return _find_engine_runner(scratch, choice)
    try:
        return find_namespace_runner(scratch)
    except RunnerError as error:
        if choice == RunnerChoice.NONE or platform.system() != "Linux":
            raise
        try:
            return _find_engine_runner(scratch, choice)
        except RunnerError as other:
            raise RunnerError(f"{error.message}\n{other.message}", next_step=error.next_step) from None


def _find_engine_runner(scratch: Path, choice: RunnerChoice) -> Runner:
    from warmbase.effects.docker.engine import find_engine
    from warmbase.effects.docker.runner import EngineRunner

    return EngineRunner(find_engine(choice.engines), scratch)


def check_binds(binds: Sequence[Bind]) -> None:
    """Raise RunnerError for a bind that no runner could make."""
    for bind in binds:
        if not bind.source.exists():
            raise RunnerError(f"cannot open a sandbox: {bind.source} does not exist")
        if not bind.target.startswith("/"):
            raise RunnerError(f"cannot open a sandbox: the target {bind.target!r} of a bind is not absolute")


def numeric_ids(user: str) -> tuple[str, str]:
    """The user's and the group's id of "uid:gid". Raises RunnerError for names."""
    uid, _, gid = user.partition(":")
    if not (uid.isdecimal() and gid.isdecimal()):
        raise RunnerError(f"user {user!r} is not numeric", next_step='write "uid:gid" in numbers, e.g. "1000:0"')
    return uid, gid


def close_quietly(pipe: IO[bytes]) -> None:
    """Close a pipe to a process that may have ended without reading what was written."""
    with suppress(BrokenPipeError):
        pipe.close()


class CommandSandbox(ABC):
    """A sandbox whose commands are processes on this machine that enter it."""

    __slots__ = ()

    @abstractmethod
    def start(
        self, argv: Sequence[str], *, env: Mapping[str, str], user: str = "0:0", cwd: str = "/"
    ) -> subprocess.Popen[bytes]:
        """See `Sandbox.start`."""

    @abstractmethod
    def kill_everything(self) -> None:
        """Kill every process in the sandbox but its first."""

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
        """See `Sandbox.run`. Any interruption kills everything, too."""
        with self.start(argv, env=env, user=user, cwd=cwd) as process:
            try:
                stdout, stderr = process.communicate(input, timeout=timeout)
            except subprocess.TimeoutExpired:
                self.kill_everything()
                said = last_lines(process.communicate()[1])
                message = f"{argv[0]} in the sandbox did not end within {timeout:g} s\n{said}".rstrip()
                raise ProcessError(mask_secrets(message, secrets_in(env))) from None
            except BaseException:
                self.kill_everything()
                kill_group(process)
                raise
        code = process.returncode
        return Finished(code=code if code >= 0 else 128 - code, stdout=stdout, stderr=stderr)
