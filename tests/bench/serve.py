"""Serve a wheelhouse as a package index on a free port of loopback, until standard input ends (PEP 691, PEP 658).

    python -m tests.bench.serve WHEELHOUSE

Prints the port. Files go out with sendfile(2), so the server is no part of what is measured.
"""

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
        self.pages: dict[str, bytes] = {
            name: json.dumps({"meta": {"api-version": "1.1"}, "name": name, "files": files}).encode()
            for name, files in json.loads((folder / "index.json").read_bytes()).items()
        }


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: IndexServer

    def do_GET(self) -> None:
        kind, _, rest = unquote(self.path).strip("/").partition("/")
        path = self.server.folder / Path(rest).name
        if kind == "simple" and rest in self.server.pages:
            self._start(200, "application/vnd.pypi.simple.v1+json", len(self.server.pages[rest]))
            self.wfile.write(self.server.pages[rest])
        elif kind == "files" and path.is_file():
            with path.open("rb") as file:
                self._start(200, "binary/octet-stream", path.stat().st_size)
                self.connection.sendfile(file)
        else:
            self._start(404, "text/plain", 0)

    def _start(self, status: int, kind: str, length: int) -> None:
        self.send_response_only(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(length))
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
