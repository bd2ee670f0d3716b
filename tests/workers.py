"""Several processes that run tests together (pytest-xdist): which tests go to one of them, and what they share."""

import fcntl
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.bases import Bases

_WITH_ENGINES = ("tests/e2e/docker/", "tests/e2e/children/")
_ORDER = (*_WITH_ENGINES, "tests/e2e/", "tests/integration/", "")


def count_workers() -> int:
    """One more than the machine has processors: tests wait for disks, networks and engines half of their time."""
    return (os.cpu_count() or 1) + 1


def group_of(test: str) -> str:
    """The group of a test, which one worker runs: its module, so that what its tests share is made once.

    All tests of a folder whose Docker engine is started for the session are one group: that engine is started once.
    The one of tests/e2e/docker has the bridge and the packet filter, over which two would fight; the one of
    tests/e2e/children goes without.
    """
    with_engine = next((folder for folder in _WITH_ENGINES if test.startswith(folder)), "")
    return with_engine or test.partition("::")[0]


def place_of(test: str) -> int:
    """Where a test's group stands in the line: what takes long comes first, for all workers to end together."""
    return next(place for place, folder in enumerate(_ORDER) if test.startswith(folder))


def make_scheduler(config: pytest.Config, log: Any) -> object:
    """Give groups to workers, in the order of the tests (pytest-xdist's hook pytest_xdist_make_scheduler)."""
    from xdist.scheduler import LoadScopeScheduling

    scheduler: object = LoadScopeScheduling(config, log)
    vars(scheduler)["_split_scope"] = group_of
    return scheduler


def bases_of_all(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], None]) -> Bases:
    """Bases that the first worker to come makes, `make` in an empty folder, while the others wait.

    Each worker has files of its own: a test's copy of them is made of links, and a new link shows in a file's change
    time, by which a verification in another worker would take the file for one that a child has written.
    """
    own = factory.getbasetemp()
    if own.name != f"popen-{os.environ.get('PYTEST_XDIST_WORKER')}":
        root = factory.mktemp(name)
        make(root)
    else:
        _make_once(own.parent / name, make)
        root = own / name
        subprocess.run(["cp", "-a", own.parent / name, root], check=True)
    return Bases(folder=root / "bases", cache=root / "cache")


def folder_of_all(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], None]) -> Path:
    """A folder that the first worker to come fills, and that nobody changes."""
    own = factory.getbasetemp()
    shared = own.parent if own.name == f"popen-{os.environ.get('PYTEST_XDIST_WORKER')}" else own
    _make_once(shared / name, make)
    return shared / name


def _make_once(folder: Path, make: Callable[[Path], None]) -> None:
    done = folder.with_name(f"{folder.name}.done")
    with folder.with_name(f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            shutil.rmtree(folder, ignore_errors=True)  # of a worker that failed
            folder.mkdir()
            make(folder)
            done.touch()


def mounts_of(folder: Path) -> list[str]:
    """The mounts of this process that have to do with `folder`; others come and go with what runs beside it."""
    return [line for line in Path("/proc/self/mounts").read_text().splitlines() if str(folder) in line]
