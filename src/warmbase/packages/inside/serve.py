"""Serve exactly the responses of one JSON document over HTTP, on loopback inside a sandbox.

    python serve.py RESPONSES PORT

RESPONSES maps a host and a path on it to `{"type": media type, "body": text, "cache": Cache-Control}`; what is no text
is under "base64". The headers that a client's HTTP cache records are fixed: Date is the epoch, ETag the body's hash.
Prints "ready" when it listens.
"""

import base64
import hashlib
import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Dict

with open(sys.argv[1], encoding="utf-8") as document:
    RESPONSES = json.load(document)


def _body(response: Dict[str, str]) -> bytes:
    return base64.b64decode(response["base64"]) if "base64" in response else response["body"].encode()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        response = RESPONSES.get(self.headers.get("Host", "") + self.path)
        body = _body(response) if response else b"not offered\n"
        self.send_response_only(200 if response else 404)
        self.send_header("Date", "Thu, 01 Jan 1970 00:00:00 GMT")
        self.send_header("Content-Type", response["type"] if response else "text/plain")
        self.send_header("Content-Length", str(len(body)))
        if response:
            self.send_header("Cache-Control", response["cache"])
            self.send_header("ETag", '"%s"' % hashlib.sha256(body).hexdigest()[:32])
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    do_HEAD = do_GET

    def log_message(self, *arguments: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256  # uv opens dozens of connections at once


server = Server(("127.0.0.1", int(sys.argv[2])), Handler)
print("ready", flush=True)
server.serve_forever()
