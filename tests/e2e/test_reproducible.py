"""The same lock gives the same digest, whoever builds it, where and how; and a kill in between changes nothing."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from tests.bases import Bases
from tests.conftest import go_without

import warmbase

ANOTHER = 54321

# As a user with subordinate ids whom only a private mount namespace knows: the host's files stay as they are.
BECOME = """
mount --bind "$1/passwd" /etc/passwd
mount --bind "$1/ids" /etc/subuid
mount --bind "$1/ids" /etc/subgid
shift
umask 077
exec setpriv --reuid=54321 --regid=54321 --clear-groups "$@"
"""


def become_another(folder: Path) -> tuple[str, ...]:
    """A prefix of commands that runs them as a user without rights; nothing where that is not possible here."""
    if os.geteuid() != 0 or not shutil.which("newuidmap"):
        return ()
    (folder / "passwd").write_text(f"{Path('/etc/passwd').read_text()}warm:x:{ANOTHER}:{ANOTHER}::{folder}:/bin/sh\n")
    (folder / "ids").write_text("warm:200000:65536\n")
    for path in (folder / "passwd", folder / "ids"):
        path.chmod(0o644)
    return ("unshare", "--mount", "sh", "-ec", BECOME, "sh", str(folder))


def find_interpreter() -> str:
    """A Python that every user can reach and that runs this one's packages, "" where there is none."""
    for candidate in (sys.executable, "/usr/bin/python3"):
        if is_open(Path(candidate)) and is_open(Path(typer.__file__)) and is_open(Path(warmbase.__file__)):
            asked = subprocess.run(
                [candidate, "-c", "import sys; print(sys.version_info[:2])"], stdout=subprocess.PIPE, check=True
            )
            if asked.stdout.decode().strip() == str(sys.version_info[:2]):
                return candidate
    return ""


def is_open(path: Path) -> bool:
    """Whether everybody may read the file and pass through the folders above it."""
    real = path.resolve()
    return real.exists() and all(folder.stat().st_mode & 0o001 for folder in (*real.parents, *path.parents))


@pytest.fixture(scope="module")
def elsewhere(locked: Bases) -> Iterator[Bases]:
    """The small catalog, built a second time from nothing: another user, umask, time zone, locale, HOME, folder, cache
    and number of jobs. The first attempt was killed while it made the foundation."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        interpreter = find_interpreter()
        become = become_another(folder) if interpreter else ()
        own = folder / "own"
        own.mkdir()
        home = own / "another home, of someone else"
        home.mkdir()
        bases = Bases(
            folder=home / "bases",
            cache=own / "cache",
            environment={
                "TZ": "Pacific/Kiritimati",
                "LC_ALL": "C",
                "HOME": str(home),
                "PYTHONDONTWRITEBYTECODE": "1",
                "PYTHONPATH": f"{Path(warmbase.__file__).parents[1]}:{Path(typer.__file__).parents[1]}",
            },
            become=become or ("sh", "-c", 'umask 077; exec "$@"', "sh"),
            interpreter=interpreter or sys.executable,
        )
        shutil.copytree(locked.folder, bases.folder)
        if become:
            subprocess.run(["chown", "-R", f"{ANOTHER}:{ANOTHER}", own], check=True)
        with bases.start("build", "--no-verify") as process:
            time.sleep(6)
            process.send_signal(signal.SIGKILL)
            process.communicate()
        assert process.returncode == -signal.SIGKILL
        (row,) = bases.build("--jobs", "1")
        assert row["error"] == ""
        yield bases
        # Files of mapped users may be left that only root, or this user in a namespace, can remove.


def test_another_folder_cache_umask_zone_and_number_of_jobs_give_the_same_digest(
    built: Bases, elsewhere: Bases
) -> None:
    assert [layer.digest for layer in elsewhere.manifest("small:py3.13").layers] == [
        layer.digest for layer in built.manifest("small:py3.13").layers
    ]
    assert elsewhere.digests() == built.digests()


def test_another_user_gives_the_same_digest(built: Bases, elsewhere: Bases) -> None:
    if elsewhere.become[0] != "unshare":
        go_without("needs root, uidmap, and an interpreter that other users can reach")
    assert (elsewhere.output / "index.json").stat().st_uid == ANOTHER != os.geteuid()
    assert elsewhere.digests() == built.digests()


def test_a_build_killed_in_its_foundation_left_nothing(elsewhere: Bases) -> None:
    elsewhere.check_layout()
    elsewhere.check_left_nothing()
    assert elsewhere.store.verify() == ()


def test_the_clock_is_in_no_image(built: Bases) -> None:
    """The image is as old as its newest input."""
    layout = built.layout()
    config = json.loads(layout.read(built.manifest("small:py3.13").config))
    lock = json.loads((built.folder / "bases/small/py3.13-trixie.json").read_text())
    pin = json.loads((built.folder / "bases/foundations/trixie.json").read_text())
    times = [
        file.split()[2][:19] + "Z"
        for package in (*lock["packages"], lock["uv"])
        for file in package["files"]
        if file.split()[-1] in package["wheels"].values()
    ]
    times += [archive["date"] for platform in pin["platforms"].values() for archive in platform["archives"]]
    assert config["created"] == max(times)
