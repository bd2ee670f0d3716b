"""A runner whose sandboxes can be closed all at once, so that an interrupted verification ends at once too."""

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager

from warmbase.effects.runner import NO_HOSTS, Bind, Root, Runner, Sandbox
from warmbase.errors import ProcessError


class ClosableRunner:
    """Opens the sandboxes of another runner, for several threads."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner
        self._lock = threading.Lock()
        self._open: set[ExitStack] = set()
        self._closed = False

    @property
    def name(self) -> str:
        """See `Runner.name`."""
        return self._runner.name

    @contextmanager
    def open(
        self,
        root: Root,
        *,
        binds: Sequence[Bind] = (),
        hosts: Mapping[str, str] = NO_HOSTS,
        network: bool = False,
        hostname: str = "warmbase",
    ) -> Iterator[Sandbox]:
        """See `Runner.open`. Raises ProcessError once this is closed."""
        with ExitStack() as stack:
            opening = self._runner.open(root, binds=binds, hosts=hosts, network=network, hostname=hostname)
            sandbox = stack.enter_context(opening)
            with self._lock:
                if self._closed:
                    raise ProcessError("the verification was interrupted")
                self._open.add(stack)
            try:
                yield sandbox
            finally:
                with self._lock:
                    self._open.discard(stack)

    def close(self) -> None:
        """Close every open sandbox: its processes are killed, and whoever waits for one sees that it has ended."""
        with self._lock:
            self._closed = True
            stacks, self._open = self._open, set()
        for stack in stacks:
            stack.close()
