"""Everything that the runner promises holds without root too."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
from tests.conftest import go_without

import warmbase

TESTS = Path(__file__).with_name("test_namespace_runner.py")

# As a user with subordinate ids whom only a private mount namespace knows: the host's files stay as they are.
BECOME = """
mount --bind "$1/passwd" /etc/passwd
mount --bind "$1/ids" /etc/subuid
mount --bind "$1/ids" /etc/subgid
shift
exec setpriv --reuid=54321 --regid=54321 --clear-groups "$@"
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="the runner's own tests ran without root already")
def test_the_runner_s_tests_pass_without_root() -> None:
    interpreter = shutil.which("python3", path="/usr/bin")
    if not interpreter or not shutil.which("newuidmap"):
        go_without("needs /usr/bin/python3 and uidmap: another user need not reach this interpreter")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "passwd").write_text(f"{Path('/etc/passwd').read_text()}warm:x:54321:54321::{name}:/bin/sh\n")
        (folder / "ids").write_text("warm:200000:65536\n")
        (folder / "own").mkdir()
        shutil.chown(folder / "own", 54321, 54321)
        for path in (folder, folder / "passwd", folder / "ids"):
            path.chmod(0o755)
        packages = [str(Path(module.__file__ or "").parents[1]) for module in (warmbase, pytest)]
        finished = subprocess.run(
            [
                *("unshare", "--mount", "sh", "-ec", BECOME, "sh", name),
                *(interpreter, "-m", "pytest", "-q", "-p", "no:cacheprovider"),
                *(f"--basetemp={folder}/own/tests", str(TESTS)),
            ],
            env={
                "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
                "HOME": name,
                "PYTHONPATH": os.pathsep.join(packages),
                "PYTHONDONTWRITEBYTECODE": "1",
            },
            cwd=Path(warmbase.__file__).parents[2],
            capture_output=True,
            text=True,
            check=False,
        )
        assert finished.returncode == 0, finished.stdout[-4000:] + finished.stderr
        assert " passed" in finished.stdout
        assert "skipped" not in finished.stdout
