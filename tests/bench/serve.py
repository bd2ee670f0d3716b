"""Serve a wheelhouse as a package index on a free port of loopback, until standard input ends (PEP 691, PEP 658).

    python -m tests.bench.serve WHEELHOUSE

Prints the port. Files go out with sendfile(2), so the server is no part of what is measured. What it says of caching is
what the public index says: pip keeps nothing without that.
"""

import hashlib
import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote


class IndexServer(ThreadingHTTPServer):
    """An index of the wheels in `folder`."""

    daemon_threads = True
    request_queue_size = 256  # uv opens dozens of connections at once

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.folder = folder
        self._pages: dict[str, bytes] = {}
        self._read = (0, 0)

    @property
    def pages(self) -> dict[str, bytes]:
        """The pages by package, read again when `index.json` was replaced: a release."""
        path = self.folder / "index.json"
        written = path.stat().st_ino, path.stat().st_mtime_ns
        if written != self._read:
            self._pages = {
                name: json.dumps({"meta": {"api-version": "1.1"}, "name": name, "files": files}).encode()
                for name, files in json.loads(path.read_bytes()).items()
            }
            self._read = written
        return self._pages


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: IndexServer

    def do_GET(self) -> None:
        kind, _, rest = unquote(self.path).strip("/").partition("/")
        path = self.server.folder / Path(rest).name
        if kind == "simple" and rest in self.server.pages:
            page = self.server.pages[rest]
            tag = f'"{hashlib.sha256(page).hexdigest()}"'
            kept = {"ETag": tag, "Cache-Control": "max-age=600, public"}
            if self.headers["If-None-Match"] == tag:
                self._start(304, "application/vnd.pypi.simple.v1+json", len(page), kept)
                return
            self._start(200, "application/vnd.pypi.simple.v1+json", len(page), kept)
            self.wfile.write(page)
        elif kind == "files" and path.is_file():
            kept = {"ETag": f'"{path.name}"', "Cache-Control": "max-age=365000000, immutable, public"}
            with path.open("rb") as file:
                self._start(200, "binary/octet-stream", path.stat().st_size, kept)
                self.connection.sendfile(file)
        else:
            self._start(404, "text/plain", 0, {})

    def _start(self, status: int, kind: str, length: int, more: dict[str, str]) -> None:
        self.send_response(status)  # with the date: what is kept has an age
        for name, value in {"Content-Type": kind, "Content-Length": str(length), **more}.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, *arguments: object) -> None:
        pass


def main() -> None:
    """Serve until nobody holds the other end of standard input."""
    with IndexServer(Path(sys.argv[1])) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        print(server.server_port, flush=True)  # noqa: T201
        sys.stdin.read()


if __name__ == "__main__":
    main()
