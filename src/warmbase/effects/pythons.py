"""The CPythons that uv manages (python-build-standalone), as uv finds, downloads and installs them.

Which there are is what uv knows, or what the list says that UV_PYTHON_DOWNLOADS_JSON_URL names; where their archives
come from may be changed by UV_PYTHON_INSTALL_MIRROR. Both reach uv as all that it is told of packages' origins, and so
do the same settings of its configuration files. Archives are kept in UV_PYTHON_CACHE_DIR, or, where that is not set, in
warmbase's own cache; one that is there is not asked for again.

uv keeps an archive under the first digits of the hash that it expects and the archive's name, so that archives with the
same name may lie side by side.
"""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import unquote, urlsplit

from packaging.version import Version

from warmbase.effects.process import Finished
from warmbase.effects.uv import Uv
from warmbase.errors import ProcessError

_SOURCES = ("UV_PYTHON_INSTALL_MIRROR", "UV_PYTHON_CACHE_DIR", "UV_CONFIG_FILE")
_ROOT = Path("/")  # uv looks for projects and uv.toml from its folder upwards


@dataclass(frozen=True, kw_only=True, slots=True)
class PythonDownload:
    """A CPython for Linux that uv can download: uv's name of it (`key`, "cpython-3.13.5-linux-x86_64-gnu"), its full
    version, its machine ("x86_64") and C library ("gnu", "musl"), and the name of its archive."""

    key: str
    version: str
    machine: str
    libc: str
    archive: str

    @classmethod
    def named(cls, version: str, machine: str, libc: str, archive: str) -> "PythonDownload":
        """What uv calls a CPython of that kind."""
        key = f"cpython-{version}-linux-{machine}-{libc}"
        return cls(key=key, version=version, machine=machine, libc=libc, archive=archive)


def list_pythons(uv: Uv) -> tuple[PythonDownload, ...]:
    """All CPythons for Linux that uv knows where to get, without free-threaded and debug builds.

    Raises ProcessError where a list that is named cannot be read.
    """
    everything = ("--all-versions", "--all-platforms", "--all-arches")
    said = _run(uv, "list", "--only-downloads", *everything, "--show-urls", "--output-format", "json")
    return tuple(
        PythonDownload(
            key=entry["key"],
            version=entry["version"],
            machine=entry["arch"],
            libc=entry["libc"],
            archive=unquote(urlsplit(entry["url"]).path.rpartition("/")[2]),
        )
        for entry in json.loads(said.text)
        if (entry["implementation"], entry["os"], entry["variant"]) == ("cpython", "linux", "default")
    )


def archives_folder(uv: Uv) -> Path:
    """Where archives are kept."""
    own = uv.environment.get("UV_PYTHON_CACHE_DIR")
    return Path(own).absolute() if own else uv.home.with_name("pythons")


def install_python(uv: Uv, python: PythonDownload, folder: Path, home: str, *, sha256: str = "") -> str:
    """Install `python` into the new folder `folder` as uv does, and return the SHA-256 of its archive.

    It is to lie at `home` in the end: uv writes the path of an installation into some of its files, and that is the one
    that they get. With `sha256` an archive that is kept is only taken if that is its hash; one that has to be
    downloaded may have another. Raises ProcessError with what uv says.
    """
    kept = archives_folder(uv)
    with suppress(OSError):  # it may be somebody else's: what cannot be kept is downloaded again
        kept.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".python-", dir=folder.parent) as text:
        scratch = Path(text)
        found = _usable((path for path in kept.glob("*") if _is_named(path, python.archive)), sha256)
        if found and sha256:
            _install_from(uv, python, found[0], sha256, scratch)
            digest = sha256
        else:
            digest = _install_by_list(uv, python, found, kept, scratch)
        installed = scratch / "installed" / python.key
        _move_home(installed, home, also=scratch)
        installed.rename(folder)
    return digest


def _install_from(uv: Uv, python: PythonDownload, archive: Path, sha256: str, scratch: Path) -> None:
    """Install from an archive that is here, whatever archives uv knows: a list names this one alone."""
    version = Version(python.version)
    entry = {
        "name": "cpython",
        "arch": {"family": python.machine, "variant": None},
        "os": "linux",
        "libc": python.libc,
        **{name: getattr(version, name) for name in ("major", "minor")},
        "patch": version.micro,
        "prerelease": "".join(map(str, version.pre or ())),
        "url": archive.as_uri(),
        "sha256": sha256,
        "variant": None,
    }
    (scratch / "list.json").write_text(json.dumps({python.key: entry}))
    source = {"UV_PYTHON_DOWNLOADS_JSON_URL": str(scratch / "list.json")}
    kept = {name: value for name, value in uv.environment.items() if name not in _SOURCES}
    _install(replace(uv, environment=kept | source), python, scratch, "--no-config")


def _install_by_list(uv: Uv, python: PythonDownload, found: Iterable[Path], kept: Path, scratch: Path) -> str:
    """Install what uv knows, from an archive of those `found` if it is that, and return the archive's SHA-256.

    What is downloaded goes to `kept`, by way of a folder in which nothing else can be taken for it.
    """
    archives = scratch / "archives"
    archives.mkdir()
    for archive in found:
        (archives / archive.name).symlink_to(archive)
    _install(replace(uv, environment={**uv.environment, "UV_PYTHON_CACHE_DIR": str(archives)}), python, scratch)
    fresh = [path for path in archives.iterdir() if not path.is_symlink() and path.is_file()]
    (used,) = fresh or archives.iterdir()
    digest = hash_file(used)
    for path in fresh:
        with suppress(OSError):
            shutil.move(path, kept / path.name)
    return digest


def _install(uv: Uv, python: PythonDownload, scratch: Path, *options: str) -> None:
    _run(uv, "install", "--no-bin", "--install-dir", scratch / "installed", python.key, *options)


def _move_home(installed: Path, home: str, *, also: Path) -> None:
    """Write `home` wherever uv wrote the path of what it `installed`; no file then knows that folder, nor `also`."""
    for folder, _, names in os.walk(installed):
        for path in (Path(folder, name) for name in names):
            if path.is_symlink():
                continue
            content = path.read_bytes()
            if os.fsencode(also) not in content:
                continue
            moved = content.replace(os.fsencode(installed), home.encode())
            if os.fsencode(also) in moved or b"\0" in moved:
                raise ProcessError(
                    f"uv wrote {also} into {path.relative_to(installed)}, which is to lie at {home}",
                    next_step="name a uv in the catalog (`uv:`) that this version of warmbase knows",
                )
            path.write_bytes(moved)


def hash_file(path: Path) -> str:
    """The SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _is_named(path: Path, archive: str) -> bool:
    """Whether a file has an archive's name, perhaps behind digits of its hash; uv writes '-' for '+'."""
    return path.name.replace("+", "-").endswith(archive.replace("+", "-"))


def _usable(found: Iterable[Path], sha256: str) -> list[Path]:
    """The one archive of those `found` that may be taken: with the hash `sha256`, or, without one, if it is the only
    one that is whole. uv names a file after its hash, where it knows that."""
    hashes = {path: hash_file(path) for path in found}
    if sha256:
        return [path for path, own in hashes.items() if own == sha256][:1]
    whole = [path for path, own in hashes.items() if path.name.partition("-")[0] in (own[:9], "none")]
    return whole if len(whole) == 1 else []


def _run(uv: Uv, command: str, *arguments: str | Path) -> Finished:
    environment = {**uv.environment, "UV_PYTHON_DOWNLOADS": "manual"}
    options = ("--no-cache", "--no-progress", "--color", "never")
    return uv.processes([uv.binary, "python", command, *arguments, *options], env=environment, cwd=_ROOT)
