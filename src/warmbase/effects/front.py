"""An index on loopback that stands before real ones while uv resolves, so that what each resolution read is known.

Everybody who resolves is a visitor with a name, which uv gives as its user: uv files pages under an index's address
without it, so all visitors share uv's cache. Pages give `max-age=0` and an entity tag: uv asks for each page that it
reads, whether it has it or not. Addresses of files lead here too, where the real index's login is known and metadata is
kept. The addresses cannot be guessed, so nobody else on the machine reads a private index through it.
"""

import base64
import binascii
import hashlib
import json
import re
import secrets
import threading
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Protocol
from urllib.parse import quote, unquote, urldefrag

from warmbase.effects.pages import FileAnswer, Page
from warmbase.effects.simple import PAGE_TYPE, IndexFile
from warmbase.errors import WarmbaseError

_METADATA = ".metadata"  # PEP 658
_POLL = 0.02  # seconds until the end of the context is noticed
_FAILED = 424  # RFC 4918, section 11.4; uv does not try it again: a page was asked for often enough
_TRY_AGAIN = 502
_PASSED_ON = ("Range", "If-Range")
_PASSED_BACK = ("Content-Type", "Content-Length", "Content-Range", "Accept-Ranges", "ETag", "Last-Modified")
_FOREVER = {"Cache-Control": "max-age=365000000, immutable, public"}


class Library(Protocol):
    """What the front serves. Indexes are named as the catalog does; every method may raise WarmbaseError."""

    def page(self, index: str, package: str) -> Page | None:
        """The page of a package, None where the index has no such package."""

    def metadata(self, index: str, file: IndexFile) -> bytes | None:
        """A file's metadata, None where the index does not have it beside the file."""

    def open_file(self, index: str, file: IndexFile, asked: Mapping[str, str]) -> AbstractContextManager[FileAnswer]:
        """A file, as its index answers to the headers `asked`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """Where a front is: its port, and the part of its path that nobody can guess."""

    port: int
    secret: str = field(repr=False)


class Front:
    """The address of each index, and who has read what; see `open_front`."""

    def __init__(self, library: Library, indexes: Mapping[str, str], secret: str) -> None:
        self._library = library
        self._names = dict(indexes)
        self._indexes = {path: name for name, path in indexes.items()}
        self._secret = secret
        self._lock = threading.Lock()
        self._visits: dict[str, set[tuple[str, str]]] = {}
        self._failures: dict[str, list[WarmbaseError]] = {}
        self._bodies: dict[tuple[str, str], tuple[bytes, str]] = {}
        self._files: dict[str, tuple[str, IndexFile]] = {}
        self.port = 0

    @property
    def place(self) -> Place:
        """Where it is."""
        return Place(port=self.port, secret=self._secret)

    def address(self, index: str) -> str:
        """Where the front has an index."""
        return f"{self._root}/{self._names[index]}/simple"

    def visited(self, visitor: str) -> frozenset[tuple[str, str]]:
        """The pages that a visitor has read: index and package."""
        with self._lock:
            return frozenset(self._visits.get(visitor, ()))

    def failures(self, visitor: str) -> tuple[WarmbaseError, ...]:
        """Why a visitor did not get pages."""
        with self._lock:
            return tuple(self._failures.get(visitor, ()))

    def tell_real(self, text: str, addresses: Mapping[str, str]) -> str:
        """A text with the real addresses of indexes, and of their files, in the place of those here."""

        def real(match: re.Match[str]) -> str:
            found = self._files.get(match[1])
            return urldefrag(found[1].address)[0].partition("?")[0] if found else match[0]

        text = re.sub(rf"{re.escape(self._root)}/files/([0-9a-f]+)/[^\s`)]*", real, text)
        for index, address in addresses.items():
            text = text.replace(self.address(index), address)
        return text

    @property
    def _root(self) -> str:
        return f"http://127.0.0.1:{self.port}/{self._secret}"

    def find(self, path: str) -> tuple[str, ...]:
        """The parts of a request's path below the front's own, none for who does not know it."""
        secret, _, below = path.lstrip("/").partition("/")
        known = secrets.compare_digest(secret.encode(), self._secret.encode())
        return tuple(unquote(part) for part in below.rstrip("/").split("/")) if known else ()

    def read_page(self, visitor: str, index: str, package: str) -> tuple[bytes, str] | None:
        """The page for a visitor and its entity tag, None where there is none. Raises WarmbaseError."""
        if index not in self._indexes:
            return None
        key = (self._indexes[index], package)
        with self._lock:
            self._visits.setdefault(visitor, set()).add(key)
            known = self._bodies.get(key)
        if known:
            return known
        try:
            page = self._library.page(*key)
        except WarmbaseError as error:
            with self._lock:
                self._failures.setdefault(visitor, []).append(error)
            raise
        if page is None:
            return None
        files = [file.to_json(self._lead(key[0], file)) for file in page.files]
        body = json.dumps({"meta": {"api-version": "1.1"}, "name": package, "files": files}).encode()
        with self._lock:
            self._bodies[key] = body, f'"{hashlib.sha256(body).hexdigest()[:32]}"'
        return self._bodies[key]

    def find_file(self, identity: str) -> tuple[str, IndexFile] | None:
        """A file by the name that its address has here, and its index."""
        return self._files.get(identity)

    def metadata(self, index: str, file: IndexFile) -> bytes | None:
        """See `Library`."""
        return self._library.metadata(index, file)

    def open_file(self, index: str, file: IndexFile, asked: Mapping[str, str]) -> AbstractContextManager[FileAnswer]:
        """See `Library`."""
        return self._library.open_file(index, file, asked)

    def _lead(self, index: str, file: IndexFile) -> str:
        identity = hashlib.sha256(f"{index} {file.address}".encode()).hexdigest()[:32]
        self._files[identity] = index, file
        return f"{self._root}/files/{identity}/{quote(file.name)}"


@contextmanager
def open_front(library: Library, indexes: Mapping[str, str], place: Place | None = None) -> Iterator[Front]:
    """Serve `indexes`, each below a path of its own, from `library` while the context lasts.

    At the `place` where a front was before, what uv has filed is still good. Raises OSError where that is taken.
    """
    front = Front(library, indexes, place.secret if place else secrets.token_urlsafe(24))

    class Handler(_Handler):
        served = front

    with _Server(("127.0.0.1", place.port if place else 0), Handler) as server:
        front.port = server.server_port
        thread = threading.Thread(target=server.serve_forever, args=(_POLL,), daemon=True)
        thread.start()
        try:
            yield front
        finally:
            server.shutdown()
            thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def handle_error(self, request: object, client_address: object) -> None:
        """A uv that has ended does not wait for its answers."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    served: Front

    def do_GET(self) -> None:
        """Answer with a page, a file, or a file's metadata."""
        try:
            match self.served.find(self.path):
                case ("files", identity, name):
                    self._send_file(identity, name)
                case (index, "simple", package):
                    self._send_page(index, package)
                case _:
                    self._send(404)
        except WarmbaseError as error:
            self._send(_FAILED, error.message.encode())

    def do_HEAD(self) -> None:
        """As GET: uv asks so whether a file can be read in parts."""
        self.do_GET()

    def _send_page(self, index: str, package: str) -> None:
        visitor = self._visitor()
        if not visitor:
            self._send(401, headers={"WWW-Authenticate": 'Basic realm="front"'})
            return
        found = self.served.read_page(visitor, index, package)
        if found is None:
            self._send(404)
            return
        body, tag = found
        headers = {"Content-Type": PAGE_TYPE, "ETag": tag, "Cache-Control": "max-age=0"}
        if self.headers["If-None-Match"] == tag:
            self._send(304, headers=headers)
        else:
            self._send(200, body, headers)

    def _send_file(self, identity: str, name: str) -> None:
        found = self.served.find_file(identity)
        if found is None:
            self._send(404)
            return
        if name == found[1].name + _METADATA:
            content = self.served.metadata(*found)
            self._send(404) if content is None else self._send(200, content, _FOREVER)
            return
        asked = {name: self.headers[name] for name in _PASSED_ON if name in self.headers}
        begun = False
        try:
            with self.served.open_file(*found, asked) as answer:
                begun = True
                self._pass_on(answer)
        except WarmbaseError as error:
            if begun:
                self.close_connection = True  # the file ends too early, which uv sees
            else:
                self._send(_TRY_AGAIN, error.message.encode())

    def _pass_on(self, answer: FileAnswer) -> None:
        self.send_response(answer.status)
        kept = _FOREVER if answer.status in (200, 206) else {}
        for name, value in {**kept, **{name: answer.headers.get(name, "") for name in _PASSED_BACK}}.items():
            if value:
                self.send_header(name, value)
        if "Content-Length" not in answer.headers:
            self.send_header("Connection", "close")  # which also ends the body (RFC 9112, section 6.3)
        self.end_headers()
        if self.command == "GET":
            for piece in answer.body:
                self.wfile.write(piece)

    def _send(self, status: int, body: bytes = b"", headers: Mapping[str, str] | None = None) -> None:
        self.send_response(status)
        length = {} if status == 304 else {"Content-Length": str(len(body))}  # RFC 9110, section 8.6
        for name, value in {**length, **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def _visitor(self) -> str:
        scheme, _, encoded = self.headers.get("Authorization", "").partition(" ")
        try:
            decoded = base64.b64decode(encoded, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            return ""
        return decoded.partition(":")[0] if scheme.lower() == "basic" else ""

    def log_message(self, format: str, *args: object) -> None:
        """Stay quiet."""
