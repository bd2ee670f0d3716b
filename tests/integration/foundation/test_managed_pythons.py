"""Pinning managed Pythons with a real uv, from archives on this machine: what moves, what stays, what is refused."""

import json
import subprocess
from pathlib import Path

import pytest
from tests.baseimages import Blob, elf, entry, link_entry, system_blob, tar_blob, write_image, write_index
from tests.bases import FOREIGN, PLATFORM
from tests.grounds import UV, ground_at
from tests.managedpythons import PythonMirror, tiny_python

from warmbase.catalog.model import LayoutFoundation
from warmbase.effects.platforms import MACHINES
from warmbase.effects.pythons import PythonDownload, hash_file, install_python, list_pythons
from warmbase.effects.uv import Uv, find_uv
from warmbase.errors import FoundationError, ProcessError
from warmbase.foundation.groundwork import Groundwork
from warmbase.foundation.pins import FoundationPin, ImagePin, ManagedPin, pins_from_json, pins_to_json
from warmbase.foundation.stage import make_foundation, pin_foundation

HOME = "/usr/local/cpython-3.13"


@pytest.fixture
def mirror(tmp_path: Path) -> PythonMirror:
    """A mirror that has one version for two platforms, and for each C library."""
    made = PythonMirror(tmp_path / "mirror")
    for platform in (PLATFORM, FOREIGN):
        for libc in ("gnu", "musl"):
            made.offer(tiny_python(platform), platform, libc=libc)
    return made


@pytest.fixture
def wanted(tmp_path: Path) -> LayoutFoundation:
    """A system for two platforms; that for this one has a Python of its own."""
    shell = tar_blob([entry("usr/bin/sh", elf(PLATFORM, "/lib64/ld-linux.so.2"))])
    native = write_image(tmp_path / "native", [system_blob(), shell])
    foreign = write_image(tmp_path / "foreign", [musl_blob(FOREIGN)], platform=FOREIGN)
    write_index(tmp_path / "base", native, foreign)
    return LayoutFoundation(name="base", oci="base", folder=tmp_path, pythons=("3.13",), managed=True)


def musl_blob(platform: str) -> Blob:
    """A system that has musl, a shell and nothing else."""
    loader = f"lib/ld-musl-{MACHINES[platform]}.so.1"
    return tar_blob(
        [
            entry(loader, elf(platform) + b"\x001.2.5\0"),
            entry("bin/busybox", elf(platform, f"/{loader}")),
            link_entry("bin/sh", "busybox"),
        ]
    )


def pin(
    wanted: LayoutFoundation, ground: Groundwork, platform: str = PLATFORM, previous: FoundationPin | None = None
) -> ManagedPin:
    made = pin_foundation(wanted, platform, "3.13", ground, previous=previous)
    assert isinstance(made, ManagedPin)
    return made


def test_the_system_s_own_python_does_not_count(wanted: LayoutFoundation, mirror: PythonMirror, tmp_path: Path) -> None:
    made = pin(wanted, ground_at(tmp_path / "cache", **mirror.environment))
    assert isinstance(made.base, ImagePin)
    assert (made.base.python, made.base.interpreter) == ("", "")
    assert (made.python, made.libc, made.archive.split("+")[0]) == ("3.13.5", ("glibc", "2.41"), "cpython-3.13.5")
    pins = {(PLATFORM, "3.13"): made}
    assert pins_from_json(pins_to_json(pins), source="pins") == pins


def test_a_system_with_musl_gets_a_python_for_musl(
    wanted: LayoutFoundation, mirror: PythonMirror, tmp_path: Path
) -> None:
    made = pin(wanted, ground_at(tmp_path / "cache", **mirror.environment), FOREIGN)
    assert made.libc == ("musl", "1.2.5")
    assert f"-{MACHINES[FOREIGN]}-unknown-linux-musl-" in made.archive


def test_a_pin_stays_until_a_newer_patch_release_is_asked_for(
    wanted: LayoutFoundation, mirror: PythonMirror, tmp_path: Path
) -> None:
    ground = ground_at(tmp_path / "cache", **mirror.environment)
    first = pin(wanted, ground)
    assert pin(wanted, ground, previous=first) == first
    mirror.offer(tiny_python(PLATFORM, "3.13.6"), PLATFORM, version="3.13.6")
    second = pin(wanted, ground, previous=first)
    assert (second.python, second.base) == ("3.13.6", first.base)
    assert second.sha256 != first.sha256
    foreign = pin_foundation(wanted, FOREIGN, "3.13", ground, sibling=first)
    assert isinstance(foreign, ManagedPin)
    assert foreign.python == "3.13.5"


def test_archives_are_kept_and_nothing_that_is_kept_is_asked_for_again(
    wanted: LayoutFoundation, mirror: PythonMirror, tmp_path: Path
) -> None:
    own = {"UV_PYTHON_CACHE_DIR": str(tmp_path / "kept")}
    archive = mirror.offer(tiny_python(PLATFORM), PLATFORM)
    first = pin(wanted, ground_at(tmp_path / "cache", **mirror.environment, **own))
    archive.unlink()
    assert pin(wanted, ground_at(tmp_path / "other", **mirror.environment, **own)) == first
    (kept,) = (tmp_path / "kept").iterdir()
    assert kept.read_bytes()
    assert not (tmp_path / "cache" / "pythons").exists()


def test_the_pinned_archive_is_taken_whatever_it_is_called_and_wherever_uv_would_look(
    mirror: PythonMirror, tmp_path: Path
) -> None:
    """Somebody put it there by hand; the settings name a mirror that is not there."""
    archive = mirror.offer(tiny_python(PLATFORM), PLATFORM)
    digest = hash_file(archive)
    settings = tmp_path / "uv.toml"
    settings.write_text('python-install-mirror = "file:///nowhere"\n')
    (tmp_path / "kept").mkdir()
    archive.rename(tmp_path / "kept" / archive.name)
    environment = {"PATH": "/usr/bin", "UV_PYTHON_CACHE_DIR": str(tmp_path / "kept"), "UV_CONFIG_FILE": str(settings)}
    uv = find_uv(UV, cache=tmp_path / "cache", environment=environment)
    python = PythonDownload.named("3.13.5", MACHINES[PLATFORM], "gnu", archive.name)
    assert install_python(uv, python, tmp_path / "installed", HOME, sha256=digest) == digest
    assert (tmp_path / "installed/bin/python3.13").is_file()
    with pytest.raises(ProcessError, match="`/nowhere/"):
        install_python(uv, newest(uv), tmp_path / "other", HOME, sha256="0" * 64)


def newest(uv: Uv) -> PythonDownload:
    """The newest patch release of 3.13 that uv itself knows."""
    known = [one for one in list_pythons(uv) if one.key.endswith(f"-{MACHINES[PLATFORM]}-gnu")]
    return max(
        (one for one in known if one.version.startswith("3.13.") and one.version[5:].isdigit()),
        key=lambda one: int(one.version[5:]),
    )


def test_what_cannot_be_reached_is_said_with_where_to_put_it(
    wanted: LayoutFoundation, mirror: PythonMirror, tmp_path: Path
) -> None:
    mirror.offer(tiny_python(PLATFORM), PLATFORM).unlink()
    with pytest.raises(FoundationError) as caught:
        pin(wanted, ground_at(tmp_path / "cache", **mirror.environment))
    assert caught.value.message.startswith(f"cpython-3.13.5-linux-{MACHINES[PLATFORM]}-gnu cannot be installed\n")
    assert "UV_PYTHON_INSTALL_MIRROR" in caught.value.next_step
    assert str(tmp_path / "cache/pythons") in caught.value.next_step


def test_a_version_that_uv_does_not_know_is_said_with_those_that_it_does(
    wanted: LayoutFoundation, mirror: PythonMirror, tmp_path: Path
) -> None:
    ground = ground_at(tmp_path / "cache", **mirror.environment)
    with pytest.raises(FoundationError) as caught:
        pin_foundation(wanted, PLATFORM, "3.14", ground)
    assert caught.value.message == f"uv {UV} has no CPython 3.14 for {PLATFORM} with glibc; it has 3.13"
    only = PythonMirror(tmp_path / "only")
    only.offer(tiny_python(FOREIGN), FOREIGN, libc="musl")
    with pytest.raises(FoundationError) as caught:
        pin(wanted, ground_at(tmp_path / "cache", **only.environment))
    assert caught.value.message.endswith(f" with glibc; it has it for {MACHINES[FOREIGN]}-musl")


def test_another_archive_with_the_same_name_is_refused(
    wanted: LayoutFoundation, mirror: PythonMirror, tmp_path: Path
) -> None:
    pinned = pin(wanted, ground_at(tmp_path / "cache", **mirror.environment))
    mirror.offer({**tiny_python(PLATFORM), "lib/more.py": b""}, PLATFORM)
    with pytest.raises(FoundationError) as caught:
        make_foundation(wanted, pinned, PLATFORM, ground_at(tmp_path / "other", **mirror.environment), locked=False)
    assert f"{pinned.archive} had the SHA-256 {pinned.sha256}" in caught.value.message
    assert "lock --upgrade-foundation" in caught.value.next_step


def test_a_mirror_whose_archive_is_not_what_uv_expects_is_refused(wanted: LayoutFoundation, tmp_path: Path) -> None:
    """Without a list of its own, uv knows the hash of every archive."""
    environment = {"UV_PYTHON_INSTALL_MIRROR": (tmp_path / "archives").as_uri()}
    command = ["uv", "python", "list", "--only-downloads", "--show-urls", "--output-format", "json"]
    key = f"cpython-3.13-linux-{MACHINES[PLATFORM]}-gnu"
    ground = ground_at(tmp_path / "cache", **environment)
    uv = ground.uv()
    said = subprocess.run([uv.binary, *command[1:], key], env=dict(uv.environment), check=True, stdout=subprocess.PIPE)
    (download,) = json.loads(said.stdout)
    wrong = PythonMirror(tmp_path / "wrong").offer(tiny_python(PLATFORM), PLATFORM)
    place = tmp_path / "archives" / download["url"].removeprefix(environment["UV_PYTHON_INSTALL_MIRROR"]).lstrip("/")
    place = Path(str(place).replace("%2B", "+"))
    place.parent.mkdir(parents=True)
    wrong.rename(place)
    with pytest.raises(FoundationError, match="Hash mismatch"):
        pin(wanted, ground)
    assert list((tmp_path / "cache" / "pythons").iterdir()) == []


def test_a_python_knows_no_path_but_the_one_in_images(mirror: PythonMirror, tmp_path: Path) -> None:
    """uv writes the folder of an installation into what Python says of how it was made."""
    uv = find_uv(UV, cache=tmp_path / "cache", environment={"PATH": "/usr/bin", **mirror.environment})
    (python,) = (one for one in list_pythons(uv) if (one.machine, one.libc) == (MACHINES[PLATFORM], "gnu"))
    install_python(uv, python, tmp_path / "installed", HOME)
    text = b"".join(path.read_bytes() for path in (tmp_path / "installed").rglob("*") if path.is_file())
    assert HOME.encode() in text
    assert str(tmp_path).encode() not in text
