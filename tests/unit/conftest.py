"""Unit tests cannot touch the world: whoever opens a connection or starts a process fails at once."""

import sys
from collections.abc import Generator
from pathlib import Path

import pytest

_FORBIDDEN = {
    "socket.bind",
    "socket.connect",
    "socket.getaddrinfo",
    "socket.sendto",
    "os.exec",
    "os.fork",
    "os.forkpty",
    "os.posix_spawn",
    "os.system",
    "subprocess.Popen",
}
_FOLDER = Path(__file__).parent
_active = False


def _refuse(event: str, arguments: tuple[object, ...]) -> None:
    if _active and event in _FORBIDDEN:
        pytest.fail(f"a unit test reached out of its process: {event} {arguments!r}")


sys.addaudithook(_refuse)  # hooks cannot be removed, so this one is switched


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Guard a test of this folder with its fixtures; pytest calls this for every test of the session."""
    global _active  # noqa: PLW0603
    _active = item.path.is_relative_to(_FOLDER)
    try:
        return (yield)
    finally:
        _active = False


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_teardown() -> None:
    """Let fixtures of the session end: in a process that runs other tests too, a unit test may be its last."""
    global _active  # noqa: PLW0603
    _active = False
