"""Real foundations from a real Debian archive: the one that all tests share, and those that differ from it.

Each build takes 10 to 30 s. That another user in another place gets the same bytes is seen in test_reproducible.py.
"""

import contextlib
import http.server
import os
import re
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import pytest
from tests.bases import PLATFORM, Bases
from tests.images import opened
from tests.workers import mounts_of

from warmbase.catalog.model import DebianFoundation
from warmbase.effects.files import CacheFolders
from warmbase.effects.runner import Sandbox
from warmbase.errors import FoundationError
from warmbase.foundation.debian import build_debian, pin_debian
from warmbase.foundation.model import Drift, Foundation, foundation_from_json
from warmbase.foundation.pins import DebianPin, pins_from_json, pins_to_json
from warmbase.foundation.rootfs import DebianSystem, foundation_entries
from warmbase.layers.codec import decompress
from warmbase.layers.layer import Layer
from warmbase.layers.unpack import UnpackedLayers

TRIXIE = DebianFoundation(name="trixie", suite="trixie", python="3.13")
BOOKWORM = DebianFoundation(name="bookworm", suite="bookworm", python="3.11")
ENV = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND": "noninteractive"}


@pytest.fixture(scope="module")
def bases(foundation: Bases, tmp_path_factory: pytest.TempPathFactory) -> Bases:
    return foundation.copy(tmp_path_factory.mktemp("bases"))


@pytest.fixture(scope="module")
def pin(bases: Bases) -> DebianPin:
    (pin,) = pins_from_json((bases.folder / "bases/foundations/trixie.json").read_text(), source="a test").values()
    assert isinstance(pin, DebianPin)
    return pin


@pytest.fixture(scope="module")
def stored(bases: Bases) -> Layer:
    """The foundation as the store has it."""
    (layer,) = (stored.layer for stored in bases.store.list() if "foundation" in stored.layer.notes)
    return layer


@pytest.fixture(scope="module")
def facts(stored: Layer) -> Foundation:
    return foundation_from_json(str(stored.notes["foundation"]))


@pytest.fixture(scope="module")
def layer(bases: Bases, stored: Layer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The foundation's layer as a tar."""
    target = tmp_path_factory.mktemp("layer") / "layer.tar"
    with bases.store.blob_path(stored.digest).open("rb") as packed, target.open("wb") as file:
        file.writelines(decompress(packed, stored.media_type))
    return target


@pytest.fixture(scope="module")
def sandbox(bases: Bases, stored: Layer) -> Iterator[Sandbox]:
    with opened(bases, [stored], network=True) as sandbox:
        yield sandbox


def test_the_pin_is_exactly_what_a_build_then_has(pin: DebianPin, facts: Foundation) -> None:
    assert facts.drift == ()
    assert tuple((package.name, package.version) for package in facts.packages) == pin.packages


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


def test_facts_are_those_of_the_system(facts: Foundation, sandbox: Sandbox) -> None:
    program = "import platform; print(platform.python_version(), *platform.libc_ver())"
    said = sandbox.run([facts.interpreter, "-c", program], env=ENV).text.split()
    assert said == [facts.python, *facts.libc]
    assert dict(facts.os_release)["VERSION_CODENAME"] == "trixie"


def test_the_system_s_bytecode_is_fresh(facts: Foundation, sandbox: Sandbox) -> None:
    finished = sandbox.run([facts.interpreter, "-vc", "import json, asyncio, ctypes"], env=ENV)
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


@dataclass(frozen=True, kw_only=True, slots=True)
class Outdated:
    """What became of an old pin: `today` is what the archive has instead, `host` the mirror that was used."""

    built: DebianSystem
    pinned: Mapping[str, str]
    today: DebianPin
    host: str


@pytest.fixture(scope="module")
def outdated(stored: Layer, bases: Bases, tmp_path_factory: pytest.TempPathFactory) -> Outdated:
    """A build of bookworm from a mirror and a snapshot archive, neither of which has what its pin says."""
    (tree,) = UnpackedLayers(CacheFolders(root=bases.cache).unpacked, bases.store).folders([stored])
    sources = (tree / "etc/apt/sources.list.d/debian.sources").read_text()
    Redirector.archive = sources.split("URIs: ")[1].split()[0]
    today = pin_debian(BOOKWORM, PLATFORM)
    pinned = dict(today.packages) | {"libc6": "2.36-0", "gone-package": "1.0"}
    del pinned[added_since(pinned)]
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Redirector) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        host = f"http://127.0.0.1:{server.server_port}"
        wanted = replace(BOOKWORM, mirror=f"{host}/debian", snapshot=f"{host}/old/debian/{{timestamp}}")
        old_pin = replace(today, packages=tuple(sorted(pinned.items())))
        built = build_debian(wanted, old_pin, PLATFORM, tmp_path_factory.mktemp("outdated"))
        server.shutdown()
    return Outdated(built=built, pinned=pinned, today=today, host=host)


def added_since(versions: Mapping[str, str]) -> str:
    """A package that the pin does not have yet."""
    return "tzdata" if "tzdata" in versions else "zlib1g"


def test_a_version_that_is_gone_becomes_today_s_and_is_reported(outdated: Outdated) -> None:
    versions, foundation = dict(outdated.today.packages), outdated.built.foundation
    added = added_since(versions)
    assert foundation.drift == (
        Drift(package="gone-package", pinned="1.0", got=""),
        Drift(package="libc6", pinned="2.36-0", got=versions["libc6"]),
        Drift(package=added, pinned="", got=versions[added]),
    )
    assert foundation.python.startswith("3.11.")
    assert foundation.libc == ("glibc", "2.36")


def test_without_a_snapshot_archive_today_s_version_is_taken_from_the_usual_one(pin: DebianPin, tmp_path: Path) -> None:
    old_pin = replace(pin, packages=tuple((n, "1" if n == "tzdata" else v) for n, v in pin.packages))
    foundation = build_debian(TRIXIE, old_pin, PLATFORM, tmp_path).foundation
    assert foundation.drift == (Drift(package="tzdata", pinned="1", got=dict(pin.packages)["tzdata"]),)
    assert (foundation.python, foundation.libc[0]) == (f"3.13.{foundation.python.split('.')[2]}", "glibc")


def test_a_mirror_and_a_snapshot_of_the_catalog_are_used(outdated: Outdated) -> None:
    stamp = outdated.today.created.replace("-", "").replace(":", "")
    assert {
        "/debian/dists/bookworm/InRelease",
        "/debian/dists/bookworm-updates/InRelease",
        "/debian-security/dists/bookworm-security/InRelease",
        f"/old/debian/{stamp}/dists/bookworm/InRelease",
        f"/old/debian-security/{stamp}/dists/bookworm-security/InRelease",
    } <= set(Redirector.seen)
    built, host = outdated.built, outdated.host
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


BUILD = """
import sys
from pathlib import Path
from warmbase.catalog.model import DebianFoundation
from warmbase.foundation.debian import build_debian
from warmbase.foundation.pins import pins_from_json
folder, platform = Path(sys.argv[1]), sys.argv[2]
pin = pins_from_json((folder / "pin.json").read_text(), source="pin.json")[platform, ""]
build_debian(DebianFoundation(name="trixie", suite="trixie", python="3.13"), pin, platform, folder / "build")
"""


def test_kill_9_of_a_build_leaves_no_process_and_no_mount(pin: DebianPin, tmp_path: Path) -> None:
    (tmp_path / "pin.json").write_text(pins_to_json({(PLATFORM, ""): pin}))
    with subprocess.Popen([sys.executable, "-c", BUILD, str(tmp_path), PLATFORM]) as process:
        unpacks = waited_for(lambda: any(tmp_path.glob("build/mmdebstrap-*/mmdebstrap.*/usr/bin/*")))
        during = processes_of(tmp_path)
        assert mounts_of(tmp_path) == []
        process.kill()
    assert unpacks
    assert during > 0
    assert waited_for(lambda: processes_of(tmp_path) == 0)
    assert mounts_of(tmp_path) == []
    assert not list(tmp_path.rglob("trixie-*.tar"))


def waited_for(happened: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 60
    while not happened() and time.monotonic() < deadline:
        time.sleep(0.05)
    return happened()


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
