"""Packages without wheels: sources with a build backend of their own, and a server that has them behind a password.

The backend asks for nothing at build time. It links a C file with tcc, which is small to install, against a library
of the system, without Python's headers.
"""

import gzip
import io
import subprocess
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from tests.wheelhouse import Answer, Mirror, Wheel, serve_answers

USER, PASSWORD = "somebody", "open-sesame-4711"

_PYPROJECT = """\
[project]
name = "{name}"
version = "{version}"
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
"""
_BACKEND = """\
import base64, hashlib, pathlib, subprocess, sys, sysconfig, zipfile

NAME, VERSION = "{name}", "{version}"
NEEDED = {needs}.get("%d.%d" % sys.version_info[:2])


def build_wheel(folder, config_settings=None, metadata_directory=None):
    files = {{f"{{NAME}}.py": pathlib.Path("module.py").read_bytes()}}
    tag = "py3-none-any"
    if pathlib.Path("code.c").exists():
        subprocess.run(["tcc", "-shared", "-nostdlib", "-o", "code.so", "code.c", *{flags}], check=True)
        files[f"_{{NAME}}.so"] = pathlib.Path("code.so").read_bytes()
        tag = "py3-none-linux_" + sysconfig.get_platform().rpartition("-")[2]
    info = f"{{NAME}}-{{VERSION}}.dist-info"
    metadata = f"Metadata-Version: 2.1\\nName: {{NAME}}\\nVersion: {{VERSION}}\\n"
    metadata += f"Requires-Dist: {{NEEDED}}\\n" if NEEDED else ""
    files[f"{{info}}/METADATA"] = metadata.encode()
    pure = "true" if tag.endswith("any") else "false"
    lines = ["Wheel-Version: 1.0", "Generator: own", f"Root-Is-Purelib: {{pure}}", f"Tag: {{tag}}", ""]
    files[f"{{info}}/WHEEL"] = "\\n".join(lines).encode()
    lines = []
    for path, content in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        lines.append(f"{{path}},sha256={{digest}},{{len(content)}}\\n")
    files[f"{{info}}/RECORD"] = ("".join(lines) + f"{{info}}/RECORD,,\\n").encode()
    name = f"{{NAME}}-{{VERSION}}-{{tag}}.whl"
    with zipfile.ZipFile(pathlib.Path(folder, name), "w") as archive:
        for path, content in files.items():
            archive.writestr(path, content)
    return name
"""


def source_files(
    name: str,
    version: str,
    *,
    code: str = "",
    flags: tuple[str, ...] = (),
    needs: Mapping[str, str] = MappingProxyType({}),
) -> dict[str, str]:
    """The files of a source: a module with `NAME`, and a library of `code` if there is any.

    With `needs` its build alone says what it needs, by the minor version of the Python that runs that.
    """
    project = _PYPROJECT.format(name=name, version=version)
    files = {
        "pyproject.toml": project[project.index("[build-system]") :] if needs else project,
        "backend.py": _BACKEND.format(name=name, version=version, flags=list(flags), needs=dict(needs)),
        "module.py": f"NAME = {name!r}\n",
    }
    return files | ({"code.c": code} if code else {})


def make_source(
    name: str,
    version: str,
    *,
    code: str = "",
    flags: tuple[str, ...] = (),
    needs: Mapping[str, str] = MappingProxyType({}),
) -> Wheel:
    """A source distribution, as an index offers it; see `source_files`."""
    packed = io.BytesIO()
    metadata = f"Metadata-Version: {'2.1' if needs else '2.2'}\nName: {name}\nVersion: {version}\n"
    files = source_files(name, version, code=code, flags=flags, needs=needs)
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for path, text in {**files, "PKG-INFO": metadata}.items():
            entry = tarfile.TarInfo(f"{name}-{version}/{path}")
            entry.size = len(text.encode())
            archive.addfile(entry, io.BytesIO(text.encode()))
    content = gzip.compress(packed.getvalue(), mtime=0)
    return Wheel(name=name, version=version, file=f"{name}-{version}.tar.gz", content=content, metadata=metadata)


def make_repository(folder: Path, name: str, version: str) -> str:
    """A repository of git at `folder` that can be served as files; its commit."""
    folder.mkdir(parents=True)
    for path, text in source_files(name, version).items():
        (folder / path).write_text(text)
    as_somebody = ["-c", "user.name=Somebody", "-c", "user.email=somebody@code.example"]

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(folder), *as_somebody, *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    git("init", "--quiet", "--initial-branch=main")
    git("add", ".")
    git("commit", "--quiet", "--message=First")
    git("update-server-info")
    return git("rev-parse", "HEAD")


@dataclass(slots=True)
class SourceHost:
    """A server at `host` that wants a password: an index, and the files below `folder`."""

    host: str
    mirror: Mirror
    folder: Path
    port: int = 0
    refused: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    @property
    def index(self) -> str:
        """The index's address with the password."""
        return f"http://{USER}:{PASSWORD}@{self.host}:{self.port}{self.mirror.simple}"

    @property
    def netrc(self) -> str:
        """What lets whoever has it in."""
        return f"machine {self.host} login {USER} password {PASSWORD}\n"

    def answer(self, path: str) -> Answer | None:
        path = _without_query(path)
        found = self.mirror.answer(path)
        file = self.folder / path.lstrip("/")
        if found is None and file.is_file() and ".." not in path:
            return "application/octet-stream", file.read_bytes()
        return found


@contextmanager
def serve_sources(site: SourceHost) -> Iterator[SourceHost]:
    """Serve a host while the context lasts."""

    def see(path: str, allowed: bool) -> None:
        if not allowed:
            site.refused.append(_without_query(path))

    with serve_answers(site.answer, see, host=site.host, login=(USER, PASSWORD)) as site.port:
        yield site


def _without_query(path: str) -> str:
    return path.partition("?")[0]
