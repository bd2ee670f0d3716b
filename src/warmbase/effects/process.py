"""The one place that starts programs and waits for them.

A program ends when warmbase ends. It leads a process group of its own, which is killed on a time limit and on
Ctrl-C; and where util-linux is installed, `setpriv --pdeathsig` makes the kernel kill it when warmbase is killed
outright (prctl(2), PR_SET_PDEATHSIG). That is set by a program rather than between fork and exec, where Python
is not safe with threads. A program that starts others which must go too is run under `unshare --kill-child`.
"""

import contextlib
import os
import re
import shlex
import shutil
import signal
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from warmbase.errors import ProcessError, mask_userinfo

_LAST_LINES = 20
_COMMAND_LENGTH = 100
_SECRET_NAME = re.compile(r"TOKEN|PASSWORD|SECRET", re.IGNORECASE)
_SHORTEST_SECRET = 4  # masking shorter values would only garble the message


@dataclass(frozen=True, kw_only=True, slots=True)
class Finished:
    """What a program left behind: its exit code (negative: the signal that ended it) and its output."""

    code: int
    stdout: bytes
    stderr: bytes

    @property
    def text(self) -> str:
        """Standard output as text; bytes that are not UTF-8 are replaced."""
        return self.stdout.decode("utf-8", "replace")


class Processes(Protocol):
    """Starts programs. `run_process` is the real one."""

    def __call__(
        self,
        argv: Sequence[str | Path],
        *,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        input: bytes = b"",
        timeout: float | None = None,
        check: bool = True,
    ) -> Finished:
        """Run `argv` to its end; see `run_process`."""
        ...


def run_process(
    argv: Sequence[str | Path],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    input: bytes = b"",
    timeout: float | None = None,
    check: bool = True,
) -> Finished:
    """Run `argv` to its end and return its exit code and output.

    `env` is the program's exact environment (None: warmbase's own), `timeout` is in seconds; the umask is
    always 022, so that what programs write does not depend on the user's. Raises ProcessError if the program
    is not found, takes too long, or, unless `check` is false, ends with anything but 0.
    """
    words = [str(word) for word in argv]
    environment = dict(os.environ if env is None else env)
    command = _leashed(_find_program(words[0], environment, cwd), words[1:])
    with subprocess.Popen(
        command,
        env=environment,
        cwd=cwd,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        process_group=0,
        umask=0o022,
    ) as process:
        try:
            stdout, stderr = process.communicate(input, timeout=timeout)
        except subprocess.TimeoutExpired:
            kill_group(process)
            said = process.communicate()[1]
            raise _failure(words, f"did not end within {timeout:g} s", said, environment) from None
        except BaseException:
            kill_group(process)
            raise
    if check and process.returncode:
        raise _failure(words, describe_exit(process.returncode), stderr, environment)
    return Finished(code=process.returncode, stdout=stdout, stderr=stderr)


def kill_group(process: subprocess.Popen[bytes]) -> None:
    """Kill `process`, which leads its process group, and the whole group. Harmless if it has ended."""
    if not hasattr(os, "killpg"):  # Windows
        process.kill()
        return
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def describe_exit(code: int) -> str:
    """Say in words how a program ended: "failed with exit code 2", "was ended by SIGKILL"."""
    if code >= 0:
        return f"failed with exit code {code}"
    try:
        return f"was ended by {signal.Signals(-code).name}"
    except ValueError:
        return f"was ended by signal {-code}"


def last_lines(output: bytes) -> str:
    """Return the last lines of a program's output, as text for a message."""
    return "\n".join(output.decode("utf-8", "replace").rstrip().splitlines()[-_LAST_LINES:])


def mask_secrets(text: str, secrets: Iterable[str]) -> str:
    """Return `text` without `secrets` and without the user information of URLs."""
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, "***")
    return mask_userinfo(text)


def secrets_in(environment: Mapping[str, str]) -> tuple[str, ...]:
    """Return the values of the variables whose names say that they are secret."""
    return tuple(
        value for name, value in environment.items() if _SECRET_NAME.search(name) and len(value) >= _SHORTEST_SECRET
    )


def _find_program(name: str, environment: Mapping[str, str], cwd: Path | None) -> str:
    if os.sep in name:
        found = name if os.access(Path(cwd or "", name), os.X_OK) else None
    else:
        found = shutil.which(name, path=environment.get("PATH", os.defpath))
    if found is None:
        raise ProcessError(f"{name}: program not found", next_step=f"install {name} and put it on PATH")
    return found


def _leashed(program: str, arguments: Sequence[str]) -> list[str]:
    setpriv = shutil.which("setpriv")
    leash = [setpriv, "--pdeathsig", "KILL", "--"] if setpriv else []
    return [*leash, program, *arguments]


def _failure(words: Sequence[str], happened: str, stderr: bytes, environment: Mapping[str, str]) -> ProcessError:
    command = shlex.join(words)
    if len(command) > _COMMAND_LENGTH:
        command = f"{command[:_COMMAND_LENGTH]} …"
    message = "\n".join(filter(None, (f"{command} {happened}", last_lines(stderr))))
    return ProcessError(mask_secrets(message, secrets_in(environment)))
