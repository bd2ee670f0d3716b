"""What is for everybody runs where Unix is not: without its modules, and what `os` and `signal` have there alone.

One process runs all of the commands, as starting Python a dozen times takes longer than they do.
"""

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from tests.offered import PLACE, base, edition

from warmbase.downstream.index import index_to_json, render_index
from warmbase.downstream.listing import Listing

DATA = base("data:py3.13-trixie", {"numpy": "2.3.4", "pandas": "2.2.3"}, platforms=["linux/amd64", "linux/arm64"])
WEB = base("web:py3.12-bookworm", {"fastapi": "1.0"})

WITHOUT_UNIX = """
import contextlib, io, json, os, platform, signal, sys, traceback

platform.machine()  # known by other means elsewhere

class Missing:
    names = {"fcntl", "pwd", "grp", "resource", "termios", "tty", "pty", "syslog", "readline", "curses", "crypt"}

    def find_spec(self, name, path=None, target=None):
        if name in self.names:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

for name in Missing.names:
    sys.modules.pop(name, None)
sys.meta_path.insert(0, Missing())
words = "geteuid getegid getuid getgid setuid setgid fork forkpty chown lchown fchown chroot mkfifo mknod statvfs uname"
words += " getloadavg getpgid setsid killpg getpriority sched_getaffinity O_DIRECTORY O_NOFOLLOW getxattr setxattr"
for name in [*words.split(), *(name for name in dir(os) if name.startswith("EX_"))]:
    delattr(os, name)
for name in "SIGKILL SIGHUP SIGQUIT SIGUSR1 SIGUSR2 SIGCHLD SIGALRM SIGPIPE setitimer alarm pthread_sigmask".split():
    delattr(signal, name)

from warmbase.cli import main

said = {}
for command in json.loads(sys.argv[1]):
    sys.argv[1:] = command
    out, err, code = io.StringIO(), io.StringIO(), 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main()
        except SystemExit as ended:
            code = ended.code
        except Exception as error:
            traceback.print_exception(error, file=err)
            code = -1
    said[" ".join(command)] = [code, out.getvalue(), err.getvalue()]
print(json.dumps(said))
"""

COMMANDS = (
    "--help",
    "list",
    "show data:py3.13",
    "diff data:py3.13 web:py3.12",
    "find numpy>=2",
    "choose .",
    "adopt . --base data:py3.13 --diff --no-lock",
    "doctor .",
    "site page",
    "build",
)
PROJECT = (
    '[project]\nname = "report"\nversion = "1"\nrequires-python = ">=3.12"\ndependencies = ["numpy>=2", "pandas"]\n'
)


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a project, with an index that it names."""
    folder = tmp_path_factory.mktemp("elsewhere")
    listing = Listing(bases=(DATA, WEB), source=PLACE, time="2026-11-21T00:00:00Z")
    history = {each.variant: (edition(each), edition(each, days=1)) for each in listing.bases}
    (folder / "published.json").write_bytes(render_index(index_to_json(listing, history)))
    (folder / "pyproject.toml").write_text(PROJECT + '[tool.warmbase]\nindex = "./published.json"\n', newline="\n")
    return folder


@pytest.fixture(scope="module")
def said(elsewhere: Path) -> Mapping[str, tuple[int, str, str]]:
    """What each command ended with, and what it said on standard output and error."""
    environment = {"WARMBASE_CACHE_DIR": str(elsewhere / "cache"), "COLUMNS": "120"}
    arguments = json.dumps([command.split() for command in COMMANDS])
    ended = subprocess.run(
        [sys.executable, "-c", WITHOUT_UNIX, arguments],
        cwd=elsewhere,
        env=environment,
        capture_output=True,
        check=True,
        text=True,
    )
    found: Mapping[str, tuple[int, str, str]] = json.loads(ended.stdout)
    return found


def test_a_pipe_that_knows_few_letters_gets_those(elsewhere: Path) -> None:
    """As on Windows: there are no arrows in it."""
    command = (sys.executable, "-m", "warmbase", "diff", "data:py3.13", "web:py3.12")
    environment = {"WARMBASE_CACHE_DIR": str(elsewhere / "cache"), "PYTHONIOENCODING": "cp1252"}
    ended = subprocess.run(command, cwd=elsewhere, env=environment, capture_output=True, check=True)
    assert ended.stdout.decode("cp1252").startswith("data:py3.13 (")
    assert ended.stderr == b""


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("--help", "choose"),
        ("list", "data:py3.13"),
        ("show data:py3.13", f"FROM {DATA.reference}"),
        ("diff data:py3.13 web:py3.12", "fastapi"),
        ("find numpy>=2", "data:py3.13"),
        ("choose .", f"FROM {DATA.reference}"),
        ("adopt . --base data:py3.13 --diff --no-lock", f"+FROM {DATA.reference}"),
        ("site page", "index.html"),
    ],
)
def test_what_reads_published_bases_runs_anywhere(
    said: Mapping[str, tuple[int, str, str]], command: str, words: str
) -> None:
    code, out, err = said[command]
    assert (code, "Traceback" in err) == (0, False), err
    assert words in out


def test_doctor_runs_anywhere(said: Mapping[str, tuple[int, str, str]]) -> None:
    code, out, err = said["doctor ."]
    assert "Traceback" not in err
    assert out or code in (64, 65, 69), err


def test_what_builds_images_says_that_it_needs_linux(said: Mapping[str, tuple[int, str, str]]) -> None:
    code, _, err = said["build"]
    assert code == 69
    assert err.startswith("error: `warmbase build` needs Linux")
    assert "choose" in err
