"""Real foundations from a real Debian archive. Each build takes 10 to 30 s."""

import contextlib
import hashlib
import http.server
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import packaging
import pytest

import warmbase
from warmbase.catalog.model import DebianFoundation
from warmbase.effects.runner import Root, Sandbox, find_runner
from warmbase.errors import FoundationError
from warmbase.foundation.debian import build_debian, pin_debian
from warmbase.foundation.model import Drift, Foundation
from warmbase.foundation.pins import DebianPin, pins_to_json
from warmbase.foundation.rootfs import DebianSystem, foundation_entries
from warmbase.oci.tar import END_OF_ARCHIVE, TarWriter, arrange

PLATFORM = {"x86_64": "linux/amd64", "aarch64": "linux/arm64"}[os.uname().machine]
TRIXIE = DebianFoundation(name="trixie", suite="trixie", python="3.13")
BOOKWORM = DebianFoundation(name="bookworm", suite="bookworm", python="3.11")
ENV = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND": "noninteractive"}


def write_layer(system: DebianSystem, target: Path) -> str:
    """Write the foundation's layer as a tar; its SHA-256."""
    with target.open("wb") as file:
        writer = TarWriter(file.write)
        for group in arrange(foundation_entries(system)):
            for entry in group:
                writer.add(entry)
        writer.flush()
        file.write(END_OF_ARCHIVE)
    return hashlib.sha256(target.read_bytes()).hexdigest()


@pytest.fixture(scope="module")
def pin() -> DebianPin:
    return pin_debian(TRIXIE, PLATFORM)


@pytest.fixture(scope="module")
def system(pin: DebianPin, tmp_path_factory: pytest.TempPathFactory) -> DebianSystem:
    return build_debian(TRIXIE, pin, PLATFORM, tmp_path_factory.mktemp("build"))


@pytest.fixture(scope="module")
def foundation(system: DebianSystem) -> Foundation:
    return system.foundation


@pytest.fixture(scope="module")
def layer(system: DebianSystem, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("layer") / "layer.tar"
    write_layer(system, target)
    return target


@pytest.fixture(scope="module")
def sandbox(layer: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    tree = tmp_path_factory.mktemp("tree")
    subprocess.run(["tar", "-xpf", layer, "-C", tree], check=True)
    with find_runner(tmp_path_factory.mktemp("scratch")).open(Root(folders=(tree,)), network=True) as opened:
        yield opened


def test_the_pin_is_exactly_what_a_build_then_has(pin: DebianPin, foundation: Foundation) -> None:
    assert foundation.drift == ()
    assert tuple((package.name, package.version) for package in foundation.packages) == pin.packages


def test_the_pin_covers_updates_and_security(pin: DebianPin) -> None:
    assert [archive.suite for archive in pin.archives] == ["trixie", "trixie-security", "trixie-updates"]
    assert pin.created == max(archive.date for archive in pin.archives)


def test_a_pin_names_no_host(pin: DebianPin) -> None:
    text = pins_to_json({(PLATFORM, ""): pin})
    assert "://" not in text
    assert os.uname().nodename not in text.split('"')


def test_the_same_packages_keep_the_previous_pin(pin: DebianPin) -> None:
    previous = replace(pin, epoch=1)
    assert pin_debian(TRIXIE, PLATFORM, previous=previous) is previous


def test_facts_are_those_of_the_system(foundation: Foundation, sandbox: Sandbox) -> None:
    program = "import platform; print(platform.python_version(), *platform.libc_ver())"
    said = sandbox.run([foundation.interpreter, "-c", program], env=ENV).text.split()
    assert said == [foundation.python, *foundation.libc]
    assert dict(foundation.os_release)["VERSION_CODENAME"] == "trixie"


def test_the_system_s_bytecode_is_fresh(foundation: Foundation, sandbox: Sandbox) -> None:
    finished = sandbox.run([foundation.interpreter, "-vc", "import json, asyncio, ctypes"], env=ENV)
    said = finished.stderr.decode()
    assert "/__pycache__/" in said
    assert "bytecode is stale" not in said
    assert "# wrote" not in said


def test_apt_works_in_children_with_security_updates_installed(sandbox: Sandbox) -> None:
    assert sandbox.run(["apt-get", "update"], env=ENV).code == 0
    upgrade = sandbox.run(["apt-get", "--simulate", "dist-upgrade"], env=ENV)
    assert "0 upgraded, 0 newly installed, 0 to remove" in upgrade.text
    installed = sandbox.run(["apt-get", "install", "--yes", "--no-install-recommends", "hello"], env=ENV)
    assert installed.code == 0, installed.stderr
    assert sandbox.run(["hello"], env=ENV).text == "Hello, world!\n"
    assert sandbox.run(["ls", "/usr/share/doc/hello"], env=ENV).text == "copyright\n"
    assert sandbox.run(["dpkg", "--audit"], env=ENV).text == ""


def test_nothing_of_the_host_is_in_the_layer(layer: Path) -> None:
    with tarfile.open(layer) as tar:
        members = {member.name: member for member in tar}
        sources = tar.extractfile("etc/apt/sources.list.d/debian.sources")
        assert sources
        text = sources.read().decode()
    gone = {"etc/hostname", "etc/resolv.conf", "etc/machine-id", "etc/apt/sources.list", "dev/null"}
    assert not gone & members.keys()
    assert not [name for name in members if name.startswith(("var/lib/apt/lists/", "usr/share/man/")) and "." in name]
    assert [line for line in text.splitlines() if line.startswith("Suites:")] == [
        "Suites: trixie trixie-updates",
        "Suites: trixie-security",
    ]
    assert "usr/share/doc/apt/copyright" in members


def test_owners_and_set_id_bits_are_debian_s(layer: Path) -> None:
    with tarfile.open(layer) as tar:
        members = {member.name: member for member in tar}
    shadow, chage, passwd = members["etc/shadow"], members["usr/bin/chage"], members["usr/bin/passwd"]
    assert (shadow.uid, shadow.gid, shadow.mode) == (0, 42, 0o640)
    assert (chage.gid, chage.mode) == (42, 0o2755)
    assert (passwd.uid, passwd.mode) == (0, 0o4755)
    assert members["tmp"].mode == 0o1777
    assert not [name for name, member in members.items() if member.ischr() or member.isblk()]


ANOTHER_BUILD = """
import os, runpy, sys
from pathlib import Path
from warmbase.catalog.model import DebianFoundation
from warmbase.foundation.debian import build_debian
from warmbase.foundation.pins import pins_from_json
os.umask(0o077)
folder, tests, platform = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
pin = pins_from_json((folder / "pin.json").read_text(), source="pin.json")[platform, ""]
wanted = DebianFoundation(name="trixie", suite="trixie", python="3.13")
foundation = build_debian(wanted, pin, platform, folder / "quite another folder")
print(os.getuid(), runpy.run_path(tests)["write_layer"](foundation, folder / "layer.tar"))
"""

# As a user with subordinate ids whom only a private mount namespace knows: mmdebstrap then works without root.
BECOME = """
mount --bind "$1/passwd" /etc/passwd
mount --bind "$1/ids" /etc/subuid
mount --bind "$1/ids" /etc/subgid
shift
exec setpriv --reuid=54321 --regid=54321 --clear-groups "$@"
"""


def test_the_bytes_depend_on_no_user_folder_umask_or_time_zone(layer: Path, pin: DebianPin) -> None:
    """Built by another user (without root where the first build had it), with another umask, zone and folder."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "passwd").write_text(f"{Path('/etc/passwd').read_text()}warm:x:54321:54321::{name}:/bin/sh\n")
        (folder / "ids").write_text("warm:200000:65536\n")
        (folder / "own").mkdir()
        (folder / "own/pin.json").write_text(pins_to_json({(PLATFORM, ""): pin}))
        command = [sys.executable, "-c", ANOTHER_BUILD, f"{name}/own", __file__, PLATFORM]
        other = os.geteuid() == 0 and shutil.which("python3", path="/usr/bin") is not None
        if other:
            shutil.chown(folder / "own", 54321, 54321)
            for path in (folder, folder / "passwd", folder / "ids"):
                path.chmod(0o755)
            command[0] = "/usr/bin/python3"
            command = ["unshare", "--mount", "sh", "-ec", BECOME, "sh", name, *command]
        packages = {str(Path(module.__file__ or "").parents[1]) for module in (warmbase, packaging, pytest)}
        environment = {
            **{key: value for key, value in os.environ.items() if key.lower().endswith("_proxy")},
            "PATH": os.environ["PATH"],
            "HOME": name,
            "TZ": "Pacific/Kiritimati",
            "LC_ALL": "C",
            "PYTHONPATH": os.pathsep.join(sorted(packages)),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        finished = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert finished.returncode == 0, finished.stderr
        uid, digest = finished.stdout.split()
        assert int(uid) == (54321 if other else os.getuid())
        assert digest == hashlib.sha256(layer.read_bytes()).hexdigest()


def test_a_version_that_is_gone_becomes_today_s_and_is_reported(tmp_path: Path) -> None:
    today = pin_debian(BOOKWORM, PLATFORM)
    versions = dict(today.packages)
    yesterday = versions | {"libc6": "2.36-0", "gone-package": "1.0"}
    del yesterday["tzdata" if "tzdata" in yesterday else "zlib1g"]
    (added,) = versions.keys() - yesterday.keys()
    old_pin = replace(today, packages=tuple(sorted(yesterday.items())))
    foundation = build_debian(BOOKWORM, old_pin, PLATFORM, tmp_path).foundation
    assert foundation.drift == (
        Drift(package="gone-package", pinned="1.0", got=""),
        Drift(package="libc6", pinned="2.36-0", got=versions["libc6"]),
        Drift(package=added, pinned="", got=versions[added]),
    )
    assert foundation.python.startswith("3.11.")
    assert foundation.libc == ("glibc", "2.36")


class Redirector(http.server.BaseHTTPRequestHandler):
    """Stands for a company's mirror and for a snapshot archive: sends apt on to the real archive."""

    seen: ClassVar[list[str]] = []
    archive: ClassVar[str] = ""

    def do_GET(self) -> None:
        """Redirect "/debian…" and "/old/debian…/<time>" to the archive's "debian…"."""
        self.seen.append(self.path)
        kind, rest = re.fullmatch(r"(?:/old)?/debian(-security)?(?:/\d{8}T\d{6}Z)?(/.*)", self.path).groups()  # type: ignore[union-attr]
        self.send_response(302)
        self.send_header("Location", f"{self.archive}{kind or ''}{rest}")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Stay quiet."""


def test_a_mirror_and_a_snapshot_of_the_catalog_are_used(system: DebianSystem, pin: DebianPin, tmp_path: Path) -> None:
    Redirector.archive = system.sources.split("URIs: ")[1].split()[0]
    old_pin = replace(pin, packages=tuple((n, "1" if n == "tzdata" else v) for n, v in pin.packages))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Redirector) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        host = f"http://127.0.0.1:{server.server_port}"
        wanted = replace(TRIXIE, mirror=f"{host}/debian", snapshot=f"{host}/old/debian/{{timestamp}}")
        built = build_debian(wanted, old_pin, PLATFORM, tmp_path)
        server.shutdown()
    assert built.foundation.drift == (Drift(package="tzdata", pinned="1", got=dict(pin.packages)["tzdata"]),)
    stamp = pin.created.replace("-", "").replace(":", "")
    assert {
        "/debian/dists/trixie/InRelease",
        "/debian/dists/trixie-updates/InRelease",
        "/debian-security/dists/trixie-security/InRelease",
        f"/old/debian/{stamp}/dists/trixie/InRelease",
        f"/old/debian-security/{stamp}/dists/trixie-security/InRelease",
    } <= set(Redirector.seen)
    assert re.findall(r"^URIs: (.*)$", built.sources, re.MULTILINE) == [f"{host}/debian", f"{host}/debian-security"]
    with tarfile.open(built.rootfs) as tar:
        assert "./etc/apt/sources.list.d/snapshot.list" in tar.getnames()
    assert not [e for e in foundation_entries(built) if e.path.endswith(("snapshot.list", "preferences.d/warmbase"))]


def test_a_locked_build_refuses_to_drift_before_it_builds(pin: DebianPin, tmp_path: Path) -> None:
    old_pin = replace(pin, packages=tuple((n, "1" if n == "apt" else v) for n, v in pin.packages))
    with pytest.raises(FoundationError) as caught:
        build_debian(TRIXIE, old_pin, PLATFORM, tmp_path, locked=True)
    assert caught.value.message == (
        f"foundation trixie is no longer what its pin says:\n  apt: 1 -> {dict(pin.packages)['apt']}"
    )
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_package_is_named() -> None:
    with pytest.raises(FoundationError, match="no-such-package") as caught:
        pin_debian(replace(TRIXIE, packages=("no-such-package",)), PLATFORM)
    assert "packages that the catalog names" in caught.value.next_step
    assert caught.value.message.startswith("foundation trixie: mmdebstrap failed\nE: ")


def test_kill_9_of_a_build_leaves_no_process_and_no_mount(pin: DebianPin, tmp_path: Path) -> None:
    (tmp_path / "pin.json").write_text(pins_to_json({(PLATFORM, ""): pin}))
    mounts = Path("/proc/self/mounts").read_text()
    command = [sys.executable, "-c", ANOTHER_BUILD, str(tmp_path), __file__, PLATFORM]
    with subprocess.Popen(command) as process:
        time.sleep(6)  # the packages are being unpacked, /proc is mounted
        during = processes_of(tmp_path)
        assert Path("/proc/self/mounts").read_text() == mounts
        process.kill()
    deadline = time.monotonic() + 5
    while processes_of(tmp_path) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert during > 0
    assert processes_of(tmp_path) == 0
    assert not list(tmp_path.rglob("trixie-*.tar"))


def processes_of(folder: Path) -> int:
    """How many processes of mmdebstrap work for a build in a folder."""
    found = 0
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            words = path.read_bytes()
            found += str(folder).encode() in words and b"mmdebstrap" in words
    return found


def test_another_platform_is_pinned_without_an_emulator(pin: DebianPin) -> None:
    other = next(platform for platform in ("linux/arm64", "linux/amd64") if platform != PLATFORM)
    names = {name for name, _ in pin_debian(TRIXIE, other).packages}
    assert {"libc6", "python3.13-minimal", "apt"} <= names
