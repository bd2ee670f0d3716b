"""How layers are compressed.

A layer's blob is three independently compressed parts, one after the other: concatenated zstd frames are one
valid zstd stream (RFC 8878, section 3), and concatenated gzip members one valid gzip file (RFC 1952, section
2.2). Each part is made by one single-threaded stream, so its bytes depend on the content, the level and the
library's version only; the version is therefore a part of every recipe.
"""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Literal, Protocol

from warmbase.oci.digests import CHUNK, Json
from warmbase.oci.manifest import TAR_GZIP, TAR_ZSTD

_PIECE = 512  # becomes 16 MiB at most; smaller pieces make threads wait for one another


class Compressor(Protocol):
    """A compression stream: what `compress` and `flush` return, in order, is the frame or member."""

    def compress(self, data: memoryview, /) -> bytes:
        """Take bytes in, give what is ready."""

    def flush(self) -> bytes:
        """End the frame or member and give the rest of it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Codec:
    """A compression format and its level."""

    name: Literal["zstd", "gzip"] = "zstd"
    level: int = 1

    @property
    def media_type(self) -> str:
        """The media type of layers compressed so (OCI image specification, media-types.md)."""
        return TAR_ZSTD if self.name == "zstd" else TAR_GZIP

    @property
    def facts(self) -> Json:
        """What decides the compressed bytes, for a recipe."""
        return {"name": self.name, "level": self.level, "library": _library_version(self.name)}

    def compressor(self) -> Compressor:
        """A new stream, for one frame or member."""
        if self.name == "zstd":
            import zstandard

            return zstandard.ZstdCompressor(level=self.level).compressobj()
        # 16 + the window's bits: a gzip header, which zlib writes with mtime 0 and no name.
        return zlib.compressobj(self.level, zlib.DEFLATED, 16 + zlib.MAX_WBITS)


def _library_version(name: str) -> str:
    if name == "zstd":
        import zstandard

        return ".".join(str(number) for number in zstandard.ZSTD_VERSION)
    return zlib.ZLIB_RUNTIME_VERSION


def decompress(file: BinaryIO, media_type: str) -> Iterator[bytes]:
    """The uncompressed content of a blob, all its frames or members, in chunks of about 1 MiB.

    Raises ValueError if the bytes are not what the media type says, or end early.
    """
    if media_type == TAR_ZSTD:
        yield from _unzstd(file)
    elif media_type == TAR_GZIP:
        yield from _gunzip(file)
    else:
        while chunk := file.read(CHUNK):
            yield chunk


def _unzstd(file: BinaryIO) -> Iterator[bytes]:
    import zstandard

    ready: list[bytes] = []
    size = 0
    decompressor = zstandard.ZstdDecompressor()
    frame = None
    try:
        # Not `stream_reader`: it takes a frame that ends early for a whole one. The small pieces bound the
        # memory: a block of 4 bytes may become 128 KiB (RFC 8878, section 3.1.1.2.2).
        while piece := file.read(_PIECE):
            while piece:
                frame = frame or decompressor.decompressobj()
                content = frame.decompress(piece)
                ready.append(content)
                size += len(content)
                piece = frame.unused_data if frame.eof else b""
                frame = None if frame.eof else frame
            if size >= CHUNK:
                yield b"".join(ready)
                ready, size = [], 0
    except zstandard.ZstdError as error:
        raise ValueError(f"no valid zstd stream: {error}") from error
    if frame:
        raise ValueError("no valid zstd stream: it ends within a frame")
    if size:
        yield b"".join(ready)


def _gunzip(file: BinaryIO) -> Iterator[bytes]:
    import gzip

    try:
        with gzip.GzipFile(fileobj=file) as reader:
            while chunk := reader.read(CHUNK):
                yield chunk
    except (EOFError, OSError, zlib.error) as error:
        raise ValueError(f"no valid gzip file: {error}") from error
