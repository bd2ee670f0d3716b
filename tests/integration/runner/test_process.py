"""Programs that warmbase starts: what comes back, and that they end when they must."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from warmbase.effects.process import run_process
from warmbase.errors import ProcessError


def test_input_output_and_exit_code_come_back(tmp_path: Path) -> None:
    finished = run_process(["sh", "-c", "pwd; cat; exit 3"], input=b"in", cwd=tmp_path, check=False)
    assert (finished.code, finished.text) == (3, f"{tmp_path}\nin")


def test_the_environment_is_exactly_what_was_given() -> None:
    assert run_process(["/usr/bin/env"], env={"A": "b"}).stdout == b"A=b\n"


def test_without_an_environment_it_is_warmbase_s_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WARMBASE_TEST", "yes")
    assert "WARMBASE_TEST=yes" in run_process(["env"]).text.splitlines()


def test_the_umask_does_not_depend_on_the_user_s() -> None:
    before = os.umask(0o077)
    try:
        assert run_process(["sh", "-c", "umask"]).text.strip() == "0022"
    finally:
        os.umask(before)


def test_a_failure_says_what_the_program_said_without_secrets() -> None:
    with pytest.raises(ProcessError) as caught:
        run_process(
            ["sh", "-c", "echo first; echo no access to https://me:pw@index.example $MY_TOKEN >&2; exit 7"],
            env={"MY_TOKEN": "hunter2", "PATH": os.environ["PATH"]},
        )
    assert "failed with exit code 7" in caught.value.message
    assert caught.value.message.endswith("\nno access to https://***@index.example ***")


def test_a_program_that_is_not_there_is_named() -> None:
    with pytest.raises(ProcessError, match="no-such-program: program not found"):
        run_process(["no-such-program"])
    with pytest.raises(ProcessError, match="/no/such/program: program not found"):
        run_process(["/no/such/program"])


def test_a_time_limit_ends_the_program_and_its_children(tmp_path: Path) -> None:
    with pytest.raises(ProcessError, match=r"did not end within 0.3 s"):
        run_process(["sh", "-c", f"sleep 300 & echo $! > {tmp_path}/pid; wait"], timeout=0.3)
    assert_gone(int((tmp_path / "pid").read_text()))


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_program_ends_when_warmbase_ends(tmp_path: Path, number: int) -> None:
    code = f"""
from warmbase.effects.process import run_process
run_process(["sh", "-c", "echo $$ > {tmp_path}/new; mv {tmp_path}/new {tmp_path}/pid; exec sleep 300"])
"""
    with subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 10
        while not (tmp_path / "pid").exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        process.send_signal(number)
    assert_gone(int((tmp_path / "pid").read_text()))


def assert_gone(pid: int) -> None:
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return
        if state == "Z":
            return
        time.sleep(0.01)
    pytest.fail(f"process {pid} is still there")
