"""Reading a blob to its end proves it: the digest is taken on the way."""

import hashlib
from collections.abc import Callable
from typing import IO

from warmbase.errors import StoreError
from warmbase.oci.digests import CHUNK


class VerifiedReader:
    """Reads `file` and compares its digest when the end is reached.

    Whoever stops before the end has proved nothing: call `finish`. `on_damage` is called once before the
    error is raised.
    """

    def __init__(self, file: IO[bytes], digest: str, on_damage: Callable[[], object]) -> None:
        self._file = file
        self._digest = digest
        self._on_damage = on_damage
        self._hash = hashlib.sha256()
        self._at_end = False

    def read(self, size: int = -1) -> bytes:
        """At most `size` bytes, nothing only at the end. Raises StoreError there if the blob is damaged."""
        if size < 0:
            return b"".join(iter(lambda: self.read(CHUNK), b""))
        if self._at_end or not size:
            return b""
        content = self._file.read(size)
        if content:
            self._hash.update(content)
            return content
        self._at_end = True
        if "sha256:" + self._hash.hexdigest() != self._digest:
            self._on_damage()
            raise StoreError(
                f"the blob {self._digest} in the layer store is damaged; it was dropped",
                next_step="run the build again: it makes the layer anew",
            )
        return b""

    def finish(self) -> None:
        """Read what is left."""
        while self.read(CHUNK):
            pass
