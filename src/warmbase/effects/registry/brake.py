"""What ends transfers that are under way: Ctrl-C, or the failure of one of several, does not wait for gigabytes."""

import threading

from warmbase.errors import RegistryError


class Brake:
    """Ends transfers, which ask it at every piece; `check` is their `Progress`."""

    def __init__(self) -> None:
        self._pulled = threading.Event()

    def pull(self) -> None:
        """Let every transfer that asks from now on end."""
        self._pulled.set()

    def check(self, _: int = 0) -> None:
        """Raise RegistryError if the brake was pulled."""
        if self._pulled.is_set():
            raise RegistryError("the transfer was stopped", next_step="run the command again to go on")
