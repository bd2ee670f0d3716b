"""A proxy between a client and a registry that does what networks and registries do to clients.

    with fault_proxy(registry.host, at(3, Cut())) as proxy:
        ...  # use proxy.host; proxy.seen has the requests

A fault is a function that sees each request and says what becomes of it; None lets it pass. It may do anything else,
like killing the process that sent it.
"""

import http.client
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from typing import Any, Literal, TypeAlias

_PIECE = 64 << 10
_HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "te", "trailer", "upgrade"}

Place: TypeAlias = Literal["request", "request body", "answer", "answer body"]
Headers: TypeAlias = Mapping[str, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Seen:
    """A request that came to the proxy: its number from 0 on, `path` with its query, headers in lowercase."""

    number: int
    method: str
    path: str
    headers: Headers


@dataclass(frozen=True, slots=True)
class Cut:
    """The connection breaks: before the request arrives, within its body, before the answer, or within its body.

    `after` is how many bytes of that body still arrive.
    """

    where: Place = "request"
    after: int = 0


@dataclass(frozen=True, slots=True)
class Respond:
    """The proxy answers itself."""

    status: int
    headers: Headers = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Change:
    """The request goes on at another `path`, or the answer's headers or body come back changed."""

    path: str = ""
    headers: Callable[[dict[str, str]], Headers] = dict
    body: Callable[[bytes], bytes] = bytes
    drop_length: bool = False


@dataclass(frozen=True, slots=True)
class Slow:
    """The answer's body comes in pieces, with a pause before each."""

    piece: int
    pause: float


Action: TypeAlias = Cut | Respond | Change | Slow
Fault: TypeAlias = Callable[[Seen], Action | None]


def no_fault(_: Seen) -> None:
    """Let everything pass."""


def at(number: int, action: Action) -> Fault:
    """Meet the request with this number alone."""
    return lambda seen: action if seen.number == number else None


def from_on(number: int, action: Action) -> Fault:
    """Meet every request from this number on: no retry gets through."""
    return lambda seen: action if seen.number >= number else None


def first(times: int, action: Action, method: str = "", path: str = "") -> Fault:
    """Meet the first `times` requests with a method and a part of the path."""
    met = count()
    lock = threading.Lock()

    def fault(seen: Seen) -> Action | None:
        if method not in ("", seen.method) or path not in seen.path:
            return None
        with lock:
            hit = next(met) < times
        return action if hit else None

    return fault


@dataclass(slots=True)
class FaultProxy:
    """A running proxy: `host` begins references; `fault` may be replaced at any time."""

    upstream: str
    fault: Fault
    host: str = ""
    seen: list[Seen] = field(default_factory=list)
    broken: list[BaseException] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, method: str, path: str, headers: Headers) -> Seen:
        with self._lock:
            seen = Seen(number=len(self.seen), method=method, path=path, headers=headers)
            self.seen.append(seen)
        return seen

    def asked(self, method: str) -> list[str]:
        """The paths of the requests with a method so far."""
        return [seen.path for seen in self.seen if seen.method == method]


@contextmanager
def fault_proxy(upstream: str, fault: Fault = no_fault) -> Iterator[FaultProxy]:
    """Run a proxy before the registry `upstream` ("host:port") while the context lasts."""
    proxy = FaultProxy(upstream=upstream, fault=fault)
    with running_server(handler_for(_Handler, proxy)) as port:
        proxy.host = f"127.0.0.1:{port}"
        yield proxy
    assert not proxy.broken, proxy.broken


@contextmanager
def running_server(handler: type[BaseHTTPRequestHandler]) -> Iterator[int]:
    """Serve on a free port of loopback while the context lasts."""
    with _Server(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


def handler_for(handler: type[BaseHTTPRequestHandler], state: object) -> type[BaseHTTPRequestHandler]:
    """The handler's class with what it serves as its `state`."""
    return type(handler.__name__, (handler,), {"state": state})


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that go away are what these tests are about."""


class _Broken(Exception):
    """The connection to the client is to be cut."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    state: FaultProxy

    def setup(self) -> None:
        super().setup()
        self._upstream = http.client.HTTPConnection(self.state.upstream, timeout=60)

    def finish(self) -> None:
        self._upstream.close()
        with suppress(OSError):
            super().finish()

    def _serve(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        seen = self.state.note(self.command, self.path, headers)
        try:
            self._meet(seen, self.state.fault(seen))
        except (_Broken, OSError, http.client.HTTPException):
            self._cut()
        except BaseException as error:
            self.state.broken.append(error)
            raise

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = _serve

    def _meet(self, seen: Seen, action: Action | None) -> None:
        body = self._request_body(seen.headers)
        match action:
            case Cut(where="request"):
                raise _Broken
            case Cut(where="request body", after=after):
                self._forward(seen, _only(body, after))
                raise AssertionError("unreachable")
            case Respond():
                for _ in body:
                    pass
                self._answer(action.status, action.headers, iter([action.body]), len(action.body))
            case _:
                self._pass_on(action, self._forward(seen, body, action.path if isinstance(action, Change) else ""))

    def _forward(self, seen: Seen, body: Iterator[bytes], path: str = "") -> http.client.HTTPResponse:
        self._upstream.putrequest(seen.method, path or seen.path, skip_host=True, skip_accept_encoding=True)
        for name, value in seen.headers.items():
            if name not in _HOP_BY_HOP or name == "content-length":
                self._upstream.putheader(name, value)
        chunked = "chunked" in seen.headers.get("transfer-encoding", "")
        if chunked:
            self._upstream.putheader("transfer-encoding", "chunked")
        self._upstream.endheaders()
        for piece in body:
            self._upstream.send(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)
        if chunked:
            self._upstream.send(b"0\r\n\r\n")
        return self._upstream.getresponse()

    def _pass_on(self, action: Action | None, response: http.client.HTTPResponse) -> None:
        headers = {name: value for name, value in response.getheaders() if name.lower() not in _HOP_BY_HOP}
        length = response.headers.get("Content-Length")
        body = iter(lambda: response.read(_PIECE), b"")
        match action:
            case Cut(where="answer"):
                response.read()
                raise _Broken
            case Cut(after=after):
                body = _only(body, after)
            case Change(headers=change, body=change_body, drop_length=drop_length):
                headers = dict(change(headers))
                content = change_body(response.read())
                body, length = iter([content]), None if drop_length else str(len(content))
                if self.command == "HEAD":
                    length = response.headers.get("Content-Length")
            case Slow(piece=piece, pause=pause):
                body = _slowly(response, piece, pause)
        self._answer(response.status, headers, body, int(length) if length else None)

    def _answer(self, status: int, headers: Headers, body: Iterator[bytes], length: int | None) -> None:
        self.send_response_only(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if length is not None:
            self.send_header("Content-Length", str(length))
        elif status not in (204, 304):
            self.send_header("Connection", "close")  # the body ends with the connection
            self.close_connection = True
        self.end_headers()
        for piece in body:
            if self.command != "HEAD":
                self.wfile.write(piece)

    def _request_body(self, headers: Headers) -> Iterator[bytes]:
        if "chunked" in headers.get("transfer-encoding", ""):
            while size := int(self.rfile.readline(), 16):
                yield self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return
        left = int(headers.get("content-length", 0))
        while left:
            piece = self.rfile.read1(min(left, _PIECE))
            if not piece:
                raise _Broken
            left -= len(piece)
            yield piece

    def _cut(self) -> None:
        """End the connection with a reset, as broken networks do."""
        self.close_connection = True
        self._upstream.close()
        with suppress(OSError):
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()

    def log_message(self, format: str, *args: object) -> None:
        """Stay quiet."""


def _only(body: Iterator[bytes], size: int) -> Iterator[bytes]:
    """The first `size` bytes of a body; then the connection breaks."""
    for piece in body:
        if len(piece) > size:
            yield piece[:size]
            break
        yield piece
        size -= len(piece)
    raise _Broken


def _slowly(response: http.client.HTTPResponse, piece: int, pause: float) -> Iterator[bytes]:
    while content := response.read(piece):
        time.sleep(pause)
        yield content
