"""Writing a blob part by part while both of its digests are taken."""

import hashlib
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from warmbase.errors import StoreError
from warmbase.layers.codec import Codec
from warmbase.oci.tar import END_OF_ARCHIVE, Entry, TarWriter


@contextmanager
def new_blob(work: Path) -> Iterator[IO[bytes]]:
    """A new file in the folder `work`; it stays if the block succeeds. OSErrors become StoreErrors."""
    try:
        with tempfile.NamedTemporaryFile(dir=work, suffix=".blob", delete=False, buffering=0) as file:
            try:
                yield file
            except BaseException:
                with suppress(OSError):
                    Path(file.name).unlink()
                raise
    except OSError as error:
        raise StoreError(
            f"cannot write a layer in {work}: {error.strerror}",
            next_step="see that the layer store's disk has room and can be written",
        ) from error


class BlobWriter:
    """Writes the parts of a blob to `file`.

    `size` and `hash` are the blob's so far; `tar_size` and `tar_hash` those of the uncompressed content of
    the frames added with `add_frame` and `add_end`.
    """

    def __init__(self, file: IO[bytes], codec: Codec) -> None:
        self._file = file
        self._codec = codec
        self.size = 0
        self.hash = hashlib.sha256()
        self.tar_size = 0
        self.tar_hash = hashlib.sha256()

    def add_frame(self, entries: Iterable[Entry]) -> None:
        """Compress entries, in their order, into a frame of their own."""
        stream = self._codec.compressor()

        def compress(chunk: memoryview) -> None:
            self.tar_hash.update(chunk)
            self.tar_size += len(chunk)
            self.add_raw(stream.compress(chunk))

        tar = TarWriter(compress)
        for entry in entries:
            tar.add(entry)
        tar.flush()
        self.add_raw(stream.flush())

    def add_end(self) -> None:
        """Compress the end of the archive into a frame of its own."""
        stream = self._codec.compressor()
        end = memoryview(END_OF_ARCHIVE)
        self.tar_hash.update(end)
        self.tar_size += len(end)
        self.add_raw(stream.compress(end))
        self.add_raw(stream.flush())

    def add_raw(self, content: bytes) -> None:
        """Write bytes that are compressed already."""
        if content:
            self.hash.update(content)
            self.size += len(content)
            written = self._file.write(content)
            while written < len(content):  # a raw file may take less than it is given
                written += self._file.write(memoryview(content)[written:])
