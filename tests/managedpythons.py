"""Archives like those of the CPythons that uv manages, and the list in which uv finds them, made of Debian's files."""

import hashlib
import io
import json
import os
import re
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.baseimages import elf

from warmbase.effects.platforms import MACHINES

Members = Mapping[str, bytes | str | Path]
"""Content, a link's target, or the file that has the content, by path below the Python's folder."""

DEBIAN = "3.13.5"
_NAMES = {"gnu": "unknown-linux-gnu", "musl": "unknown-linux-musl"}


class PythonMirror:
    """A folder of archives with a list of them, which `environment` tells uv of."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._entries: dict[str, object] = {}
        folder.mkdir(parents=True)

    @property
    def environment(self) -> dict[str, str]:
        return {"UV_PYTHON_DOWNLOADS_JSON_URL": str(self._folder / "list.json")}

    def offer(
        self, members: Members, platform: str, *, version: str = DEBIAN, libc: str = "gnu", build: str = "20260101"
    ) -> Path:
        """Make an archive and put it on the list; one of the same kind and version leaves the list."""
        machine = MACHINES[platform]
        archive = self._folder / f"cpython-{version}+{build}-{machine}-{_NAMES[libc]}-install_only_stripped.tar.gz"
        with tarfile.open(archive, "w:gz", compresslevel=1) as tar:
            for path, content in members.items():
                tar.addfile(*_member(f"python/{path}", content))
        major, minor, patch = (int(part) for part in version.split("."))
        self._entries[f"cpython-{version}-linux-{machine}-{libc}"] = {
            "name": "cpython",
            "arch": {"family": machine, "variant": None},
            "os": "linux",
            "libc": libc,
            "major": major,
            "minor": minor,
            "patch": patch,
            "prerelease": "",
            "url": archive.as_uri(),
            "sha256": hashlib.sha256(archive.read_bytes()).hexdigest(),
            "variant": None,
            "build": build,
        }
        (self._folder / "list.json").write_text(json.dumps(self._entries))
        return archive


def debian_python(system: Path) -> Members:
    """Debian's Python, whose files find their library wherever they lie; what it was configured with is as in archives
    of the real kind, which are made to lie in /install."""
    members: dict[str, bytes | str | Path] = {"bin/python3.13": system / "usr/bin/python3.13"}
    for path in _files(system / "usr/lib/python3.13"):
        members[str(path.relative_to(system / "usr"))] = path
    name = f"_sysconfigdata__linux_{os.uname().machine}-linux-gnu.py"
    for configured in [member for member in members if member.endswith(name)]:
        members[configured] = re.sub(rb"'/usr", b"'/install", (system / "usr" / configured).read_bytes())
    return {**members, "bin/python3": "python3.13"}


def tiny_python(platform: str, version: str = DEBIAN, *, loader: str = "") -> Members:
    """What looks like a Python and does not run; no two versions are the same. `loader` is its dynamic linker."""
    minor = ".".join(version.split(".")[:2])
    configured = f"lib/python{minor}/_sysconfigdata__linux_{MACHINES[platform]}-linux-gnu.py"
    return {
        f"bin/python{minor}": elf(platform, loader) + version.encode(),
        f"lib/python{minor}/os.py": b"name = 'posix'\n",
        configured: b"# system configuration generated and used by the sysconfig module\n"
        b"build_time_vars = {'prefix': '/install'}\n",
    }


def _files(folder: Path) -> Iterator[Path]:
    left_out = {"__pycache__", "EXTERNALLY-MANAGED", "sitecustomize.py"}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.is_symlink() and not left_out & set(path.parts):
            yield path


def _member(name: str, content: bytes | str | Path) -> tuple[tarfile.TarInfo, io.BytesIO]:
    info = tarfile.TarInfo(name)
    data = content.read_bytes() if isinstance(content, Path) else content
    if isinstance(data, str):
        info.type, info.linkname, data = tarfile.SYMTYPE, data, b""
    info.mode = 0o755 if name.startswith("python/bin/") else 0o644
    info.size = len(data)
    return info, io.BytesIO(data)
