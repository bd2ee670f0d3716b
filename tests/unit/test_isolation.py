"""The guard in conftest.py works."""

import os
import socket
import subprocess
import sys
from collections.abc import Callable

import pytest


def start_process() -> None:
    subprocess.run([sys.executable, "-c", ""], check=True)


def connect() -> None:
    with socket.socket() as connection:
        connection.connect(("127.0.0.1", 9))


def resolve() -> None:
    socket.getaddrinfo("index.example", 443)


def start_shell() -> None:
    os.system("true")


@pytest.mark.parametrize("reach_out", [start_process, connect, resolve, start_shell])
def test_a_unit_test_cannot_reach_out_of_its_process(reach_out: Callable[[], None]) -> None:
    with pytest.raises(pytest.fail.Exception, match="reached out of its process"):
        reach_out()
