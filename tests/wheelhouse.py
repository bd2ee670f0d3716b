"""Small wheels, made by hand, and index servers on loopback that offer them."""

import base64
import hashlib
import io
import json
import os
import ssl
import threading
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name

USER, PASSWORD = "somebody", "hunter2-of-the-mirror"


Answer = tuple[str, bytes]
"""A media type and a body."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Wheel:
    """A wheel, its metadata apart (PEP 658)."""

    name: str
    version: str
    file: str
    content: bytes
    metadata: str
    requires_python: str = ""
    time: str = "2026-01-02T03:04:05.000000Z"

    @property
    def sha256(self) -> str:
        return _digests_of(self.content)[0]

    @property
    def path(self) -> str:
        """Where indexes of the common kind keep it: two, two and sixty hex digits of a BLAKE2b hash."""
        digest = _digests_of(self.content)[1]
        return f"packages/{digest[:2]}/{digest[2:4]}/{digest[4:]}/{self.file}"


def make_wheel(
    name: str,
    version: str,
    files: Mapping[str, str | bytes],
    *,
    tag: str = "py3-none-any",
    requires: Sequence[str] = (),
    extras: Sequence[str] = (),
    requires_python: str = "",
    scripts: Mapping[str, str] | None = None,
    time: str = "2026-01-02T03:04:05.000000Z",
) -> Wheel:
    """A wheel with `files`; paths below "DATA/" go to its .data folder, `scripts` are console scripts."""
    stem = f"{name.replace('-', '_')}-{version}"
    metadata = ["Metadata-Version: 2.3", f"Name: {name}", f"Version: {version}"]
    metadata += [f"Requires-Python: {requires_python}"] if requires_python else []
    metadata += [f"Requires-Dist: {requirement}" for requirement in requires]
    metadata += [f"Provides-Extra: {extra}" for extra in extras]
    text = "\n".join(metadata) + "\n"
    tags = "".join(
        f"Tag: {python}-{'-'.join(tag.split('-')[1:])}\n" for python in tag.split("-", maxsplit=1)[0].split(".")
    )
    info = {
        f"{stem}.dist-info/METADATA": text,
        f"{stem}.dist-info/WHEEL": f"Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\n{tags}",
    }
    if scripts:
        lines = "".join(f"{script} = {target}\n" for script, target in scripts.items())
        info[f"{stem}.dist-info/entry_points.txt"] = f"[console_scripts]\n{lines}"
    named = {path.replace("DATA/", f"{stem}.data/"): content for path, content in files.items()}
    contents = {
        path: content.encode() if isinstance(content, str) else content for path, content in {**named, **info}.items()
    }
    record = "".join(f"{path},sha256={_record_hash(content)},{len(content)}\n" for path, content in contents.items())
    contents[f"{stem}.dist-info/RECORD"] = f"{record}{stem}.dist-info/RECORD,,\n".encode()
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for path, content in contents.items():
            entry = zipfile.ZipInfo(path, (2026, 1, 2, 3, 4, 4))
            entry.external_attr = (0o100755 if "/scripts/" in path else 0o100644) << 16
            archive.writestr(entry, content)
    return Wheel(
        name=str(canonicalize_name(name)),
        version=version,
        file=f"{stem}-{tag}.whl",
        content=packed.getvalue(),
        metadata=text,
        requires_python=requires_python,
        time=time,
    )


def uv_wheel(version: str, binary: Path) -> Wheel:
    """uv as its own wheel brings it: the real program."""
    files = {f"DATA/scripts/{name}": binary.with_name(name).read_bytes() for name in ("uv", "uvx")}
    machine = os.uname().machine
    return make_wheel("uv", version, files, tag=f"py3-none-manylinux_2_17_{machine}.manylinux2014_{machine}")


@dataclass(slots=True)
class Mirror:
    """An index that serves `wheels`: `simple` is the path of its pages, `storage` that of its files.

    With `secret` it wants a name and a password; with `sparse` it says neither sizes nor metadata. Files in `yanked`
    are marked with a reason (PEP 592). With `conditional` answers have an ETag, and who has the same is told so: these
    paths of `asked` are in `unchanged`, too.
    """

    wheels: list[Wheel]
    simple: str = "/simple"
    storage: str = ""
    secret: bool = False
    sparse: bool = False
    conditional: bool = False
    yanked: dict[str, str] = field(default_factory=dict)
    port: int = 0
    asked: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        user = f"{USER}:{PASSWORD}@" if self.secret else ""
        return f"http://{user}127.0.0.1:{self.port}{self.simple}"

    def answer(self, path: str) -> Answer | None:
        """The media type and body for a path."""
        if path.startswith(f"{self.simple}/"):
            name = path.removeprefix(f"{self.simple}/").strip("/")
            offered = [wheel for wheel in self.wheels if wheel.name == name]
            page = json.dumps(self._page(name, offered)).encode()
            return ("application/vnd.pypi.simple.v1+json", page) if offered else None
        for wheel in self.wheels:
            if path == f"{self.storage}/{wheel.path}":
                return "application/octet-stream", wheel.content
            if path == f"{self.storage}/{wheel.path}.metadata" and not self.sparse:
                return "application/octet-stream", wheel.metadata.encode()
        return None

    def _page(self, name: str, offered: Sequence[Wheel]) -> dict[str, Any]:
        files = []
        for wheel in offered:
            entry: dict[str, Any] = {
                "filename": wheel.file,
                "url": f"{self.storage}/{wheel.path}",
                "hashes": {"sha256": wheel.sha256},
                "upload-time": wheel.time,
            }
            if wheel.requires_python:
                entry["requires-python"] = wheel.requires_python
            if wheel.file in self.yanked:
                entry["yanked"] = self.yanked[wheel.file]
            if not self.sparse:
                entry["size"] = len(wheel.content)
                entry["core-metadata"] = {"sha256": hashlib.sha256(wheel.metadata.encode()).hexdigest()}
            files.append(entry)
        versions = sorted({wheel.version for wheel in offered})
        return {"meta": {"api-version": "1.1"}, "name": name, "versions": versions, "files": files}


@contextmanager
def serve(mirror: Mirror) -> Iterator[Mirror]:
    """Serve a mirror while the context lasts."""
    login = (USER, PASSWORD) if mirror.secret else None
    unchanged = mirror.unchanged.append if mirror.conditional else None
    seen = mirror.asked.append
    with serve_answers(mirror.answer, lambda path, _: seen(path), login=login, unchanged=unchanged) as mirror.port:
        yield mirror


@contextmanager
def serve_answers(
    answer: Callable[[str], Answer | None],
    seen: Callable[[str, bool], object],
    *,
    host: str = "127.0.0.1",
    login: tuple[str, str] | None = None,
    unchanged: Callable[[str], object] | None = None,
    tls: ssl.SSLContext | None = None,
) -> Iterator[int]:
    """Answer GET and HEAD for paths, those who have the `login` if there is one; the port. With `tls` over that alone.

    `seen` hears of every path whether it was let in. With `unchanged` answers have an ETag, and it hears of the paths
    of which the client has what is there (RFC 9110, section 13.1.2).
    """
    expected = login and "Basic " + base64.b64encode(":".join(login).encode()).decode()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            allowed = expected in (None, self.headers.get("Authorization"))
            seen(self.path, allowed)
            if not allowed:
                self._send(401, "text/plain", b"who are you?", {"WWW-Authenticate": 'Basic realm="packages"'})
            elif found := answer(self.path):
                self._send_found(*found)
            else:
                self._send(404, "text/plain", b"no such file")

        do_HEAD = do_GET

        def _send_found(self, kind: str, body: bytes) -> None:
            if unchanged is None:
                self._send(200, kind, body)
                return
            headers = {"ETag": f'"{hashlib.sha256(body).hexdigest()}"', "Cache-Control": "max-age=600, public"}
            if self.headers["If-None-Match"] == headers["ETag"]:
                unchanged(self.path)
                self._send(304, kind, b"", headers)
            else:
                self._send(200, kind, body, headers)

        def _send(self, code: int, kind: str, body: bytes, headers: Mapping[str, str] | None = None) -> None:
            self.send_response(code)
            length = {} if code == 304 else {"Content-Length": str(len(body))}  # RFC 9110, section 8.6
            for name, value in {"Content-Type": kind, **length, **(headers or {})}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Stay quiet."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 256

    with Server((host, 0), Handler) as server:
        server.socket = tls.wrap_socket(server.socket, server_side=True) if tls else server.socket
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield server.server_port
        server.shutdown()


@cache
def _digests_of(content: bytes) -> tuple[str, str]:
    """The SHA-256 and the BLAKE2b hash, once: every request for a file looks for it among all wheels' paths."""
    return hashlib.sha256(content).hexdigest(), hashlib.blake2b(content, digest_size=32).hexdigest()


def _record_hash(content: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
