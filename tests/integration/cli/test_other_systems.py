"""What is for everybody runs where Unix is not: without its modules, and what `os` and `signal` have there alone.

One process runs all of the commands, as starting Python a dozen times takes longer than they do.
"""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from tests.listed import list_bases
from tests.offered import PLACE, base, edition
from tests.registries import client_of, running_registry
from tests.wheelhouse import serve_answers

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
for name, command in json.loads(sys.argv[1]).items():
    asked = {"_WARMBASE_COMPLETE": "complete_bash", "COMP_WORDS": " ".join(command), "COMP_CWORD": "2"}
    asked = asked if name.startswith("TAB") else {}
    os.environ.update(asked)
    sys.argv[:] = ["warmbase"] if asked else ["warmbase", *command]
    out, err, code = io.StringIO(), io.StringIO(), 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main()
        except SystemExit as ended:
            code = ended.code
        except Exception as error:
            traceback.print_exception(error, file=err)
            code = -1
    for variable in asked:
        del os.environ[variable]
    said[name] = [code, out.getvalue(), err.getvalue()]
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
    "doctor . --base data:py3.13",
    "doctor . --base data:py3.13 --ci",
    "site page",
    "list --index REGISTRY",
    "diff data:py3.13 web:py3.12 --index REGISTRY",
    "find numpy>=2 --index ADDRESS",
    "show data:py3.13 --index ADDRESS",
    "TAB show da",
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
def places(elsewhere: Path) -> Iterator[Mapping[str, str]]:
    """The same in a registry, and at an address."""
    content = (elsewhere / "published.json").read_bytes()
    with (
        running_registry(elsewhere / "registry") as registry,
        serve_answers(lambda _: ("application/json", content), lambda path, _: None) as port,
    ):
        list_bases(client_of(registry.host), [DATA, WEB])
        yield {"REGISTRY": f"{registry.host}/bases", "ADDRESS": f"http://127.0.0.1:{port}/site/"}


@pytest.fixture(scope="module")
def said(elsewhere: Path, places: Mapping[str, str]) -> Mapping[str, tuple[int, str, str]]:
    """What each command ended with, and what it said on standard output and error."""
    environment = {"WARMBASE_CACHE_DIR": str(elsewhere / "cache"), "COLUMNS": "120"}
    arguments = json.dumps({each: [places.get(word, word) for word in each.split()] for each in COMMANDS})
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


def test_a_pipe_gets_every_letter_whatever_the_system_thinks_of_it(elsewhere: Path) -> None:
    """On Windows pipes have an encoding without arrows."""
    command = (sys.executable, "-m", "warmbase", "diff", "data:py3.13", "web:py3.12")
    environment = {"WARMBASE_CACHE_DIR": str(elsewhere / "cache"), "PYTHONIOENCODING": "cp1252"}
    ended = subprocess.run(command, cwd=elsewhere, env=environment, capture_output=True, check=True)
    assert " → web:py3.12 (" in ended.stdout.decode()
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
        ("doctor . --base data:py3.13", "healthy, with warnings: 2 of 2 packages hit, 0 B to download"),
        ("site page", "index.html"),
        ("list --index REGISTRY", "web:py3.12"),
        ("diff data:py3.13 web:py3.12 --index REGISTRY", "fastapi"),
        ("find numpy>=2 --index ADDRESS", "data:py3.13"),
        ("show data:py3.13 --index ADDRESS", "pandas   2.2.3"),
        ("TAB show da", "data:py3.13"),
    ],
)
def test_what_reads_published_bases_runs_anywhere(
    said: Mapping[str, tuple[int, str, str]], command: str, words: str
) -> None:
    code, out, err = said[command]
    assert (code, "Traceback" in err) == (0, False), err
    assert words in out


def test_doctor_tells_a_pipeline_what_it_finds(said: Mapping[str, tuple[int, str, str]]) -> None:
    code, out, err = said["doctor . --base data:py3.13 --ci"]
    assert (code, err) == (3, "")
    assert "there is no lock" in out


def test_what_builds_images_says_that_it_needs_linux(said: Mapping[str, tuple[int, str, str]]) -> None:
    code, _, err = said["build"]
    assert code == 69
    assert err.startswith("error: `warmbase build` needs Linux")
    assert "choose" in err
