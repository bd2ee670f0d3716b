"""Folders for temporary files, which a killed process cannot leave behind for good.

Each is locked (flock(2)) by the process that uses it; whoever opens the next one removes those that nobody holds.
Ctrl-C and SIGTERM, which Python handles in the main thread at any point, wait while a folder is made or removed.
Trees of thousands of small files that live for seconds go into memory where there is plenty: on a disk, making and
removing them takes longer than what is done with them.
"""

import fcntl
import os
import shutil
import signal
import stat
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path

SHARED_MEMORY = Path("/dev/shm")  # noqa: S108  a tmpfs on every Linux
LARGEST_SHARE = 3
"""A folder in memory takes at most one part in so many of what is free."""

_CGROUP = Path("/sys/fs/cgroup")


def remove_tree(folder: Path) -> None:
    """Remove `folder` and what is in it, as far as this user may."""
    shutil.rmtree(folder, ignore_errors=True)


class Workspaces:
    """The folders below `root`, which is made if it is missing. Its methods raise OSError.

    `remove` removes one of them, where more than this user's own files are in it.
    """

    def __init__(self, root: Path, *, remove: Callable[[Path], None] = remove_tree) -> None:
        self.root = root
        self._remove = remove

    @contextmanager
    def open(self) -> Iterator[Path]:
        """A new folder, removed at the end."""
        self.root.mkdir(parents=True, exist_ok=True)
        held: tuple[Path, int] | None = None
        try:
            with _uninterrupted():
                held = folder, _ = self._make()
            yield folder
        finally:
            with _uninterrupted():
                if held:
                    self._remove(held[0])
                    os.close(held[1])

    def sweep(self) -> None:
        """Remove the folders that dead processes left."""
        with self._changing():
            self._sweep()

    def _make(self) -> tuple[Path, int]:
        with self._changing():
            self._sweep()
            folder = Path(tempfile.mkdtemp(prefix=f"{os.getpid()}-", dir=self.root))
            lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
            fcntl.flock(lock, fcntl.LOCK_EX)
        return folder, lock

    def _sweep(self) -> None:
        for path in self.root.iterdir():
            try:
                lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
            except (FileNotFoundError, NotADirectoryError):  # its owner is done with it, or it is none of ours
                continue
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                self._remove(path)
            except BlockingIOError:
                pass
            finally:
                os.close(lock)

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """Held while a folder is made or removed, so that none is swept between its making and its lock."""
        lock = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Hold Ctrl-C and SIGTERM back until the end. Python handles them in the main thread alone: in others this does
    nothing."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    held: list[int] = []
    signals = (signal.SIGINT, signal.SIGTERM)
    usual = {number: signal.signal(number, lambda number, _: held.append(number)) for number in signals}
    try:
        yield
    finally:
        for number, handler in usual.items():
            signal.signal(number, handler)
        if held:
            signal.raise_signal(held[0])


def open_workspace(needed: int, on_disk: AbstractContextManager[Path]) -> AbstractContextManager[Path]:
    """A folder for `needed` bytes: in memory, if that is a small part of what is free, else `on_disk`."""
    own = memory_root()
    if needed * LARGEST_SHARE > free_memory() or not _is_ours(own):
        return on_disk
    return Workspaces(own).open()


def memory_root() -> Path:
    """Where this user's folders in memory lie."""
    return SHARED_MEMORY / f"warmbase-{os.geteuid()}"


def _is_ours(folder: Path) -> bool:
    """Make `folder` for this user alone; false where somebody else made it first: everybody may write beside it."""
    try:
        with suppress(FileExistsError):
            folder.mkdir(mode=0o700)
        status = folder.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid() and not status.st_mode & 0o022


def free_memory() -> int:
    """How many bytes may be put into shared memory: what the machine, its tmpfs and a container's limit leave."""
    try:
        shared = os.statvfs(SHARED_MEMORY)
        meminfo = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines())
        available = int(meminfo["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError, ValueError):
        return 0
    if not os.access(SHARED_MEMORY, os.W_OK | os.X_OK):
        return 0
    return min(shared.f_bavail * shared.f_frsize, available, _left_in_cgroup())


def _left_in_cgroup() -> int:
    """What a container's memory limit leaves (Linux, cgroup-v2.rst, "Memory Interface Files"), and v1's likewise."""
    for limit, used in (
        ("memory.max", "memory.current"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"),
    ):
        try:
            return int((_CGROUP / limit).read_text()) - int((_CGROUP / used).read_text())
        except (OSError, ValueError):  # no such file, or "max"
            continue
    return 1 << 62
