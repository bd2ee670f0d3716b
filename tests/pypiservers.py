"""A private package index: pypiserver with a password, on loopback.

It runs as a program, `python pypiservers.py FOLDER HASHES`: it prints its port, then every file that somebody gets.
"""

import socketserver
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

READER, WORD = "reader of wheels", "s3cret/of:the@company"


@dataclass(frozen=True, kw_only=True, slots=True)
class PrivateIndex:
    """A running pypiserver: its address, and the files that were downloaded from it."""

    url: str
    downloaded: list[str] = field(default_factory=list)


@contextmanager
def running_pypiserver(
    folder: Path, files: Iterable[tuple[str, bytes]], hashes: str = "sha256"
) -> Iterator[PrivateIndex]:
    """Serve `files` from `folder` on a free port while the context lasts, to `READER` with the password `WORD`.

    It gives pages of HTML without sizes, times and metadata; `hashes` names the algorithm of its hashes, "no" for none.
    """
    packages = folder / "packages"
    packages.mkdir(parents=True)
    for name, content in files:
        (packages / name).write_bytes(content)
    with subprocess.Popen(
        [sys.executable, "-W", "ignore", __file__, folder, hashes], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        try:
            downloaded: list[str] = []
            port = int(process.stdout.readline())
            threading.Thread(target=downloaded.extend, args=(map(str.strip, process.stdout),), daemon=True).start()
            yield PrivateIndex(url=f"http://127.0.0.1:{port}/simple", downloaded=downloaded)
        finally:
            process.kill()


def serve(folder: Path, hashes: str) -> None:
    pypiserver: Any = import_module("pypiserver")  # neither has types
    apache: Any = import_module("passlib.apache")
    passwords = apache.HtpasswdFile(str(folder / "htpasswd"), new=True, default_scheme="apr_md5_crypt")
    passwords.set_password(READER, WORD)
    passwords.save()
    app = pypiserver.app(
        roots=[folder / "packages"],
        password_file=str(folder / "htpasswd"),
        authenticate=["download", "list", "update"],
        disable_fallback=True,
        hash_algo=None if hashes == "no" else hashes,
    )

    class Server(socketserver.ThreadingMixIn, WSGIServer):
        daemon_threads = True
        request_queue_size = 256

    class Handler(WSGIRequestHandler):
        def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
            if self.command == "GET" and str(code).startswith("20") and "/packages/" in self.path:
                say(self.path.rsplit("/", 1)[1])

        def log_message(self, format: str, *args: object) -> None:
            """Stay quiet."""

    with make_server("127.0.0.1", 0, app, server_class=Server, handler_class=Handler) as server:
        say(str(server.server_port))
        server.serve_forever()


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    arguments = sys.argv[1:]
    sys.argv[1:] = []  # pypiserver reads them too
    serve(Path(arguments[0]), arguments[1])
