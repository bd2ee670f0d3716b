"""Several processes that run tests together (pytest-xdist): which tests go to one of them, and what they share."""

import fcntl
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

_FIRST = ("tests/e2e", "tests/integration", "tests/unit")


def share_out(items: list[pytest.Item]) -> None:
    """Put the tests in groups that one worker each runs, the longest first.

    A module is a group, so that what its tests share is made once; all tests with containers are one, because two
    Docker engines would fight over the bridge. Groups are given away in this order.
    """
    items.sort(key=_place)
    for item in items:
        item.add_marker(pytest.mark.xdist_group(_group(item)))


def _group(item: pytest.Item) -> str:
    return "docker" if item.get_closest_marker("docker") else item.nodeid.partition("::")[0]


def _place(item: pytest.Item) -> int:
    if item.get_closest_marker("docker"):
        return -1
    return next(place for place, folder in enumerate((*_FIRST, "")) if item.nodeid.startswith(folder))


def folder_of_all(factory: pytest.TempPathFactory) -> Path:
    """The folder for temporary files that all workers of this run see; of the run itself, where there are none."""
    own = factory.getbasetemp()
    return own.parent if own.name == f"popen-{os.environ.get('PYTEST_XDIST_WORKER')}" else own


def make_once(folder: Path, make: Callable[[Path], None]) -> None:
    """Let whoever comes first make `folder`, an empty one, while the others wait; it is made anew if that failed."""
    done = folder.with_name(f"{folder.name}.done")
    with folder.with_name(f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            make(folder)
            done.touch()


def mounts_of(folder: Path) -> list[str]:
    """The mounts of this process that have to do with `folder`; others come and go with what runs beside it."""
    return [line for line in Path("/proc/self/mounts").read_text().splitlines() if str(folder) in line]
