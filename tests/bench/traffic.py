"""A proxy on loopback that counts the bytes between a client and a server, and changes none."""

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

_PIECE = 1 << 18


@dataclass(slots=True)
class Traffic:
    """What went through so far: `sent` to the server, `received` from it. Clients use `host`, "127.0.0.1:PORT"."""

    host: str
    sent: int = 0
    received: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def count(self, *, sent: int = 0, received: int = 0) -> None:
        """Add to both."""
        with self._lock:
            self.sent += sent
            self.received += received


@contextmanager
def counted(upstream: str) -> Iterator[Traffic]:
    """Count what clients exchange with the server `upstream` ("host:port") while the context lasts."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        traffic = Traffic(f"127.0.0.1:{listener.getsockname()[1]}")

        def accept() -> None:
            with contextlib.suppress(OSError):  # of the listener, which is closed in the end
                while True:
                    client, _ = listener.accept()
                    threading.Thread(target=_connect, args=(client, upstream, traffic), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        try:
            yield traffic
        finally:
            listener.shutdown(socket.SHUT_RDWR)  # wakes accept(2), which closing does not


def _connect(client: socket.socket, upstream: str, traffic: Traffic) -> None:
    host, _, port = upstream.partition(":")
    with client, socket.create_connection((host, int(port))) as server:
        for end in (client, server):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        back = threading.Thread(target=_pump, args=(server, client, lambda size: traffic.count(received=size)))
        back.start()
        _pump(client, server, lambda size: traffic.count(sent=size))
        back.join()


def _pump(source: socket.socket, target: socket.socket, count: Callable[[int], object]) -> None:
    """Move bytes until one end closes, and tell the other."""
    piece = memoryview(bytearray(_PIECE))
    with contextlib.suppress(OSError):
        while size := source.recv_into(piece):
            count(size)
            target.sendall(piece[:size])
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)
