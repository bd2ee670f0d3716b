"""The layout of uv's cache: the one module that knows it.

A bucket is a folder whose name carries its format's revision. `archive-v0/<id>` holds one unpacked wheel;
`wheels-v7/<index>/<name>/<stem>` is a relative link to it, `<stem>.http` the pointer that uv reads (archive id,
hashes, file name, size), `<stem>.msgpack` the wheel's metadata; `simple-v27/<index>/<name>.rkyv` an index page.
`sdists-v10/<index>/<name>/<version>/revision.http` points to a folder beside it, which has the metadata of a source
(`metadata.msgpack`, without a frame) and relative links to the wheels that were made of it.

Pointers, the wheels' metadata and pages are framed alike:

    data | zeros up to a multiple of 16 | policy | CRC-32 | length of data

The CRC (u32) covers everything between the data and itself, and the length (u64, both little endian). The policy
is the HTTP cache's: a nonce of 16 characters, the request's address, times in seconds. The nonce and the times
are all that differs between two runs of uv that were told the same, so they are set to constants; the data of a
pointer is small MessagePack and is written here from the lock.

This is read from what the pinned uv writes and is checked on every use; `KNOWN` says for which versions it was
seen to hold. Everything here fails with `UnknownLayoutError` rather than write a cache that uv would not read.
"""

import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from packaging.specifiers import SpecifierSet

from warmbase.errors import WarmbaseError

KNOWN = SpecifierSet(">=0.13.0,<0.13.9")
ARCHIVES = "archive-v0"
WHEELS = "wheels-v7"
PAGES = "simple-v27"
SOURCES = "sdists-v10"
REVISION = "revision.http"
SOURCE_METADATA = "metadata.msgpack"
DEFAULT_INDEX_BUCKET = "pypi"  # uv files its own default index under this name, whatever the address

_ALIGNMENT = 16
_NONCE = b"0" * 16
_SEEDS = (0x16F11FE89B0D677C, 0xB480A793D8E6C86C, 0x6FE2E5AAF078EBC9, 0x14F994A4C5259381)
_PRIME = 0x6EED0E9DA4D94A4F
_PORTS = {"http": ":80", "https": ":443"}
_MASK = 2**64 - 1
_UNQUOTED = "!$&'()*+,:;=@[]^|"  # what an address's path keeps beside letters, digits and -._~ (WHATWG, URL, 1.3)


class UnknownLayoutError(WarmbaseError):
    """uv's cache does not look as this module expects it."""

    def __init__(self, message: str, *, next_step: str = "") -> None:
        advice = f"name a uv {KNOWN} as `uv` in the catalog, or install a newer warmbase"
        super().__init__(message, next_step=next_step or advice)


@dataclass(frozen=True, kw_only=True, slots=True)
class Framed:
    """A cache entry taken apart: what uv stored, and the HTTP policy under which it did."""

    data: bytes
    policy: bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class Pointer:
    """What a pointer says: the archive, and the wheel's SHA-256 and file name."""

    archive: str
    sha256: str
    filename: str


@dataclass(frozen=True, kw_only=True, slots=True)
class CoreMetadata:
    """What a resolver reads of a package's core metadata."""

    name: str
    version: str
    requires_dist: tuple[str, ...]
    requires_python: str
    extras: tuple[str, ...]


def is_known(uv_version: str) -> bool:
    """Whether the cache of this uv version is one that this module can read and write."""
    return KNOWN.contains(uv_version, prereleases=True)


def check_known(uv_version: str) -> None:
    """Raise UnknownLayoutError for a uv version whose cache this module does not know."""
    if not is_known(uv_version):
        raise UnknownLayoutError(f"the cache of uv {uv_version} is not known, only that of uv {KNOWN}")


def read_framed(entry: bytes) -> Framed:
    """Take a pointer, metadata or page entry apart. Raises UnknownLayoutError where the frame or its CRC is wrong."""
    if len(entry) < 12:
        raise UnknownLayoutError("a cache entry of uv is shorter than its frame")
    (length,) = struct.unpack("<Q", entry[-8:])
    (crc,) = struct.unpack("<I", entry[-12:-8])
    start = length + -length % _ALIGNMENT
    if start > len(entry) - 12 or zlib.crc32(entry[length:-12] + entry[-8:]) != crc:
        raise UnknownLayoutError("a cache entry of uv is not framed as expected")
    return Framed(data=entry[:length], policy=entry[start:-12])


def write_framed(framed: Framed) -> bytes:
    """The inverse of `read_framed`."""
    length = struct.pack("<Q", len(framed.data))
    padded = bytes(-len(framed.data) % _ALIGNMENT) + framed.policy
    return framed.data + padded + struct.pack("<I", zlib.crc32(padded + length)) + length


def settle(framed: Framed, *, hosts: Mapping[bytes, bytes], run: tuple[int, int], time: int) -> Framed:
    """Take out of an entry what differs between two runs, and put real addresses in the place of their aliases.

    `hosts` are scheme and host, alias → real one, both of one length. `run` is the first and last second (Unix time)
    in which uv ran: every time in that span becomes `time`.
    """
    if any(len(alias) != len(address) for alias, address in hosts.items()):
        raise ValueError("an alias must be as long as the address that it stands for")
    at = min((found for alias in hosts if (found := framed.policy.find(alias)) >= 0), default=-1)
    if at < len(_NONCE):
        raise UnknownLayoutError(
            "the HTTP policy of a uv cache entry does not start with a nonce and the address asked"
        )
    policy = bytearray(framed.policy)
    policy[at - len(_NONCE) : at] = _NONCE
    offsets = [at for at in range(0, len(policy) - 7, 8) if run[0] <= struct.unpack_from("<Q", policy, at)[0] <= run[1]]
    if not offsets:  # or the clock was set back meanwhile
        raise UnknownLayoutError("the HTTP policy of a uv cache entry holds no time of this run")
    for offset in offsets:
        struct.pack_into("<Q", policy, offset, time)
    data, settled = framed.data, bytes(policy)
    for alias, address in hosts.items():
        data, settled = data.replace(alias, address), settled.replace(alias, address)
    return Framed(data=data, policy=settled)


def read_metadata(entry: bytes) -> CoreMetadata:
    """The core metadata in a `.msgpack` entry."""
    return read_source_metadata(read_framed(entry).data)


def read_source_metadata(entry: bytes) -> CoreMetadata:
    """The core metadata of a source in its `metadata.msgpack`, which has no frame."""
    import msgpack

    record = msgpack.unpackb(entry)
    if not isinstance(record, list) or len(record) != 6:
        raise UnknownLayoutError("the metadata entries of uv's cache are not as expected")
    name, version, requires_dist, requires_python, extras, _dynamic = record
    return CoreMetadata(
        name=name,
        version=version,
        requires_dist=tuple(requires_dist),
        requires_python=requires_python or "",
        extras=tuple(extras),
    )


def source_metadata(metadata: CoreMetadata) -> bytes:
    """The inverse of `read_source_metadata`; none of it is dynamic."""
    import msgpack

    core = metadata
    needs, python, extras = list(core.requires_dist), core.requires_python or None, list(core.extras)
    packed: Any = msgpack.packb([core.name, core.version, needs, python, extras, False])
    return bytes(packed)


def read_pointer(entry: bytes) -> Pointer:
    """Read a `.http` entry."""
    import msgpack

    record = msgpack.unpackb(read_framed(entry).data)
    if not isinstance(record, list) or len(record) < 3:
        raise UnknownLayoutError("the pointers of uv's cache are not as expected")
    archive, hashes, filename, *_ = record
    return Pointer(archive=archive, sha256=next(h["Sha256"] for h in hashes if "Sha256" in h), filename=filename)


def pointer_data(*, archive: str, sha256: str, filename: str, size: int) -> bytes:
    """The data of a pointer: the archive `archive` holds the wheel `filename` of `size` bytes."""
    import msgpack

    packed: Any = msgpack.packb([archive, [{"Sha256": sha256}], filename, 0, size])
    return bytes(packed)


def revision_data(revision: str, *, sha256: str, size: int) -> bytes:
    """The data of a source's pointer: what is known of the source of that hash lies in the folder `revision`."""
    import msgpack

    packed: Any = msgpack.packb([revision, [{"Sha256": sha256}], size])
    return bytes(packed)


def archive_id(sha256: str) -> str:
    """The name under which a wheel's unpacked files lie in the cache, the same in every image.

    uv draws random names; it reads any. The wheel's own hash makes the name stable, and 24 hex digits (96 bits) tell
    all wheels apart.
    """
    return sha256[:24]


def index_bucket(address: str, default: str) -> str:
    """The folder below `WHEELS` and `PAGES` in which uv keeps what the index at `address` says; `default` is uv's own.

    For any but its own it is named by SeaHash (the crate seahash 4, version of 2017) of the address, as a URL without
    user information and final slash, each segment of its path decoded and encoded again, and of the byte 255 that ends
    a string in Rust's hashes.
    """
    if address == default:
        return DEFAULT_INDEX_BUCKET
    parts = urlsplit(address)
    host = parts.netloc.rpartition("@")[2].lower().removesuffix(_PORTS.get(parts.scheme, "-")).removesuffix(":")
    path = "/".join(quote(unquote(segment), safe=_UNQUOTED) for segment in parts.path.rstrip("/").split("/"))
    bare = urlunsplit(parts._replace(netloc=host, path=path.removesuffix(".git") or "/"))
    return f"index/{_seahash(bare.encode() + bytes([255])).to_bytes(8, 'little').hex()}"


def find_metadata(cache: Path) -> Iterator[tuple[Path, str]]:
    """The metadata entries in `cache`, each with the bucket of its index (see `index_bucket`)."""
    wheels = cache / WHEELS
    for pattern in (f"{DEFAULT_INDEX_BUCKET}/*/*.msgpack", "index/*/*/*.msgpack"):
        for path in sorted(wheels.glob(pattern)):
            yield path, str(path.parent.parent.relative_to(wheels))


def metadata_of(cache: Path, bucket: str, name: str, version: str) -> CoreMetadata | None:
    """What uv has read of the metadata of one package's wheels from the index of `bucket`; None where it read none."""
    found = sorted((cache / WHEELS / bucket / name).glob(f"{version}-*.msgpack"))
    return read_metadata(found[0].read_bytes()) if found else None


def find_source_metadata(cache: Path) -> Iterator[tuple[Path, str]]:
    """The metadata of sources from indexes, as `find_metadata` gives that of wheels."""
    sources = cache / SOURCES
    for pattern in (f"{DEFAULT_INDEX_BUCKET}/*/*/*/{SOURCE_METADATA}", f"index/*/*/*/*/{SOURCE_METADATA}"):
        for path in sorted(sources.glob(pattern)):
            yield path, str(path.parents[3].relative_to(sources))


def find_archives(cache: Path) -> Iterator[tuple[str, str, Path]]:
    """Every wheel that uv has unpacked in `cache`: (SHA-256 of the wheel, its file name, folder of its files)."""
    for path in sorted(cache.glob(f"{WHEELS}/**/*.http")):
        pointer = read_pointer(path.read_bytes())
        yield pointer.sha256, pointer.filename, cache / ARCHIVES / pointer.archive


def find_local_archives(cache: Path) -> Iterator[tuple[str, Path]]:
    """Every wheel that uv has unpacked in `cache` from a folder of wheels: (name of the package, folder of its files).

    Such a wheel's pointer ends in `.rev`.
    """
    for pointer in sorted(cache.glob(f"{WHEELS}/index/*/*/*.rev")):
        yield pointer.parent.name, pointer.with_suffix("").resolve()


def _seahash(data: bytes) -> int:
    lanes = list(_SEEDS)
    for number, start in enumerate(range(0, len(data), 8)):
        lane = number % len(lanes)
        lanes[lane] = _diffuse(lanes[lane] ^ int.from_bytes(data[start : start + 8], "little"))
    mixed = len(data)
    for lane in lanes:
        mixed ^= lane
    return _diffuse(mixed)


def _diffuse(value: int) -> int:
    value = value * _PRIME & _MASK
    value ^= (value >> 32) >> (value >> 60)
    return value * _PRIME & _MASK
