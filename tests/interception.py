"""A company's proxy: every connection goes through it, with a password, and it reads what TLS was to hide.

    with intercepting_proxy(folder) as proxy:
        ...  # with proxy.environment; proxy.asked has what went through

It ends TLS with certificates of its own authority, as such proxies do, and goes on to the real server, or to the one
that `routes` has for a name.
"""

import base64
import select
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path

from tests.faults import handler_for, running_server

USER, PASSWORD = "clerk", "hunter2-of-the-proxy"
_PIECE = 65536


@dataclass(frozen=True, kw_only=True, slots=True)
class Route:
    """Where connections to a name go: an address, and whether it speaks TLS itself."""

    host: str
    port: int
    tls: bool = False


@dataclass(kw_only=True, slots=True)
class InterceptingProxy:
    """The proxy: `authority` is the certificate that its users have to trust, `asked` the names of all tunnels."""

    authority: "Authority"
    routes: Mapping[str, Route]
    address: str = ""
    asked: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://{USER}:{PASSWORD}@{self.address}"

    @property
    def environment(self) -> dict[str, str]:
        """What makes programs go through the proxy and trust it, and nothing else."""
        return {"HTTPS_PROXY": self.url, "HTTP_PROXY": self.url, "SSL_CERT_FILE": str(self.authority.certificate)}

    @property
    def traces(self) -> dict[str, bytes]:
        """What must be found nowhere: what it is → its bytes."""
        lines = self.authority.certificate.read_text().splitlines()
        return {
            "the authority": lines[len(lines) // 2].encode(),
            "the path of the authority": str(self.authority.certificate).encode(),
            "the address": self.address.encode(),
            "the password": PASSWORD.encode(),
            "the login": base64.b64encode(f"{USER}:{PASSWORD}".encode()),
        }


class Authority:
    """A certificate authority in `folder`, which certifies every name that it is asked for."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._contexts: dict[str, ssl.SSLContext] = {}
        self.certificate = folder / "authority.pem"
        subject = ("-days", "2", "-subj", "/CN=The Company's Authority")
        new_key = ("-newkey", "rsa:2048", "-nodes", "-keyout", folder / "authority.key")
        _openssl("req", "-x509", *new_key, *subject, "-out", self.certificate)

    def context(self, name: str) -> ssl.SSLContext:
        """What a server called `name` speaks TLS with."""
        with self._lock:
            if name not in self._contexts:
                self._contexts[name] = self._make(name)
            return self._contexts[name]

    def _make(self, name: str) -> ssl.SSLContext:
        request, key, made, names = (self._folder / f"{name}.{kind}" for kind in ("csr", "key", "pem", "names"))
        names.write_text(f"subjectAltName=DNS:{name}\n")
        _openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-subj", "/CN=intercepted", "-out", request)
        signed_by = ("-CA", self.certificate, "-CAkey", self._folder / "authority.key", "-CAcreateserial")
        _openssl("x509", "-req", "-in", request, *signed_by, "-days", "2", "-extfile", names, "-out", made)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(made, key)
        return context


def _openssl(*arguments: str | Path) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)


@contextmanager
def intercepting_proxy(folder: Path, routes: Mapping[str, Route]) -> Iterator[InterceptingProxy]:
    """Run the proxy on loopback; what it writes goes into `folder`."""
    proxy = InterceptingProxy(authority=Authority(folder), routes=routes)
    with running_server(handler_for(_Handler, proxy)) as port:
        proxy.address = f"127.0.0.1:{port}"
        yield proxy


class _Handler(BaseHTTPRequestHandler):
    state: InterceptingProxy

    def do_CONNECT(self) -> None:
        login = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        if self.headers.get("Proxy-Authorization") != f"Basic {login}":
            self.send_response_only(407)
            self.send_header("Proxy-Authenticate", 'Basic realm="company"')
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        name = self.path.rpartition(":")[0]
        self.state.asked.append(name)
        self.send_response_only(200)
        self.end_headers()
        self.close_connection = True
        with suppress(OSError):  # either side may leave at any time
            inside = self.state.authority.context(name).wrap_socket(self.connection, server_side=True)
            with inside, _connect(name, self.state.routes.get(name)) as outside:
                _exchange(inside, outside)

    def log_message(self, format: str, *args: object) -> None:
        """Stay quiet."""


def _connect(name: str, route: Route | None) -> socket.socket:
    if route and not route.tls:
        return socket.create_connection((route.host, route.port))
    plain = socket.create_connection((route.host, route.port) if route else (name, 443))
    return ssl.create_default_context().wrap_socket(plain, server_hostname=name)


def _exchange(one: socket.socket, other: socket.socket) -> None:
    """Pass on what both say until one of them is done."""
    ends = {one: other, other: one}
    while True:
        waiting = [end for end in ends if isinstance(end, ssl.SSLSocket) and end.pending()]
        for end in waiting or select.select(list(ends), [], [])[0]:
            content = end.recv(_PIECE)
            if not content:
                return
            ends[end].sendall(content)
