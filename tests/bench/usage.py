"""Running a program and knowing what it took: wall time, CPU time of its whole tree, the memory of each process."""

import contextlib
import os
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.bench.model import BenchError, Took

_PAUSE = 0.01


@dataclass(frozen=True, kw_only=True, slots=True)
class Usage(Took):
    """What a program took and said. `cpu` counts it and all that it waited for; `peak` is the largest of their resident
    sizes, in bytes, as the kernel kept them (getrusage(2)), so no short-lived process is missed."""

    peak: int
    output: str


def run_measured(command: Sequence[str | Path], *, env: Mapping[str, str], cwd: Path) -> Usage:
    """Run a command to its end. Raises BenchError with the end of its output if it fails."""
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        begun = time.perf_counter()
        process = subprocess.Popen(command, env=env, cwd=cwd, stdin=subprocess.DEVNULL, stdout=output, stderr=errors)
        try:
            _, status, used = os.wait4(process.pid, 0)
        except BaseException:
            process.terminate()
            process.wait()
            raise
        seconds = time.perf_counter() - begun
        process.returncode = os.waitstatus_to_exitcode(status)
        said = _text(output.fileno())
        if process.returncode:
            words = " ".join(map(str, command[1:]))
            raise BenchError(f"{words} ended with {process.returncode}: {_last_lines(_text(errors.fileno()) or said)}")
    return Usage(seconds=seconds, cpu=used.ru_utime + used.ru_stime, peak=used.ru_maxrss * 1024, output=said)


def _text(descriptor: int) -> str:
    return os.pread(descriptor, os.fstat(descriptor).st_size, 0).decode(errors="replace")


def _last_lines(text: str) -> str:
    return " | ".join(line.strip() for line in text.splitlines()[-6:] if line.strip())[-700:]


@contextlib.contextmanager
def sample_memory() -> Iterator[dict[str, int]]:
    """Watch all descendants of this process: what each program's largest process held at most (VmHWM), in bytes."""
    peaks: dict[str, int] = {}
    over = threading.Event()

    def watch() -> None:
        while not over.wait(_PAUSE):
            for pid in _descendants(os.getpid()):
                _sample(pid, peaks)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield peaks
    finally:
        over.set()
        thread.join()


def _descendants(pid: int) -> Iterator[int]:
    """proc_pid_task_children(5); a process may be gone at any moment."""
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in map(int, (task / "children").read_text().split()):
                yield child
                yield from _descendants(child)


def _sample(pid: int, peaks: dict[str, int]) -> None:
    with contextlib.suppress(OSError, StopIteration):
        words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        kilobytes = int(next(line for line in lines if line.startswith("VmHWM:")).split()[1])
        name = _program(words)
        peaks[name] = max(peaks.get(name, 0), kilobytes * 1024)


def _program(words: Sequence[str]) -> str:
    """A short name: the program, and its script, module or subcommand."""
    names = [Path(word).name for word in words if word and not word.startswith("-")]
    kept = 3 if names and names[0] in ("uv", "uvx") else 2
    return " ".join(names[:kept])[:40] or "?"


class Elsewhere:
    """How many cores other programs use: the machine's busy time (proc_stat(5)) less that of this process, of all
    that it waited for, and of its servers."""

    def __init__(self, servers: Sequence[int]) -> None:
        self._servers = servers
        self._begun = time.monotonic()
        self._busy, self._own = _machine_seconds(), self._own_seconds()

    def cores(self) -> float:
        """The mean since this was made."""
        passed = time.monotonic() - self._begun
        others = _machine_seconds() - self._busy - (self._own_seconds() - self._own)
        return max(others, 0.0) / passed if passed else 0.0

    def _own_seconds(self) -> float:
        return sum(os.times()[:4]) + sum(map(_process_seconds, self._servers))


def _machine_seconds() -> float:
    user, nice, system, _idle, _iowait, *rest = map(int, Path("/proc/stat").read_text().splitlines()[0].split()[1:9])
    return (user + nice + system + sum(rest)) / os.sysconf("SC_CLK_TCK")


def _process_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
