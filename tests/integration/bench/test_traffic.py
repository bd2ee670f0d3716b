"""The proxy that counts what the bench's registries send and get."""

import threading
from collections.abc import Iterator
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from tests.bench.traffic import counted

SENT, RECEIVED = b"s" * 3_000_000, b"r" * 1_000_000


class Exchange(BaseHTTPRequestHandler):
    """Takes a body and gives one."""

    protocol_version = "HTTP/1.1"

    def do_PUT(self) -> None:
        assert self.rfile.read(int(self.headers["Content-Length"])) == SENT
        self.send_response(200)
        self.send_header("Content-Length", str(len(RECEIVED)))
        self.end_headers()
        self.wfile.write(RECEIVED)

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def upstream() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Exchange) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()


def test_every_byte_of_several_connections_is_counted_and_none_is_changed(upstream: str) -> None:
    with counted(upstream) as traffic:
        for _ in range(2):
            connection = HTTPConnection(traffic.host)
            connection.request("PUT", "/", body=SENT)
            assert connection.getresponse().read() == RECEIVED
            connection.close()
        heads = traffic.sent - 2 * len(SENT), traffic.received - 2 * len(RECEIVED)
    assert all(0 < head < 1000 for head in heads)
