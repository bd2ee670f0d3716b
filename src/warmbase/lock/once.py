"""Asking uv the same thing once in a run: variants on several foundations mostly have one resolution."""

import threading
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Any, TypeVar

T = TypeVar("T")


class Once:
    """Makes what is asked for under a key once; who asks for it meanwhile waits. What failed is made again."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._made: dict[Hashable, Future[Any]] = {}

    def make(self, key: Hashable, make: Callable[[], T]) -> T:
        """What `make` made for the `key`, now or before. Raises what it raises."""
        with self._guard:
            own: Future[T] = Future()
            future: Future[T] = self._made.setdefault(key, own)
        if future is own:
            try:
                own.set_result(make())
            except BaseException as error:
                with self._guard:
                    del self._made[key]
                own.set_exception(error)
        return future.result()
