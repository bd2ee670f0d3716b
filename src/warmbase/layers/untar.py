"""Reading any layer's tar as a stream, fast.

Our own layers and those from elsewhere: ustar, PAX extended headers (POSIX.1-2001, pax, "pax Extended Header"), GNU's
long names and base-256 numbers (GNU tar manual, "Basic Tar Format"). What is no sound tar raises ValueError.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from warmbase.oci.tar import BLOCK

ListedKind = Literal["dir", "file", "symlink", "hardlink", "whiteout", "device"]
"""What an entry is; fifos are devices too. Whiteouts are files to this reader."""

_KINDS: dict[bytes, ListedKind] = {
    b"0": "file", b"\0": "file", b"7": "file", b"1": "hardlink", b"2": "symlink", b"5": "dir",
    b"3": "device", b"4": "device", b"6": "device",
}  # fmt: skip
_MOST = 2**63 - 1  # bytes, or seconds
_MOST_TIME = _MOST * 1_000_000_000
_LAST_ID = 2**32 - 2  # the one after it means "leave it as it is" (chown(2))
_MOST_EXTENDED = 8 << 20  # a longer extended header is no sensible layer's


@dataclass(slots=True)
class Member:
    """An entry as the tar has it: a clean relative path ("" for the root), mtime in nanoseconds, a link's target."""

    path: str
    kind: ListedKind
    mode: int
    uid: int
    gid: int
    size: int
    mtime: int
    target: str
    xattrs: list[tuple[str, bytes]]


class TarStream:
    """Exact reads from the chunks of a tar; takes its digest."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._chunk = memoryview(b"")
        self._at = 0
        self._hash = hashlib.sha256()

    def read(self, count: int) -> bytes:
        """`count` bytes. Raises ValueError if the tar ends before."""
        end = self._at + count
        if end <= len(self._chunk):
            content = bytes(self._chunk[self._at : end])
            self._at = end
            return content
        return b"".join(bytes(part) for part in self.parts(count))

    def parts(self, count: int) -> Iterator[memoryview]:
        """`count` bytes in parts, without a copy. Raises ValueError if the tar ends before."""
        while count:
            part = self._chunk[self._at : self._at + count]
            if part:
                self._at += len(part)
                count -= len(part)
                yield part
            elif not self._next():
                raise ValueError("the tar ends in the middle of an entry")

    def skip(self, count: int) -> None:
        """Pass over `count` bytes."""
        for _ in self.parts(count):
            pass

    def finish(self, diff_id: str) -> None:
        """Read what is left, blocks of zeros in a sound tar, and compare the digest. Raises ValueError."""
        while self._next():
            pass
        found = "sha256:" + self._hash.hexdigest()
        if found != diff_id:
            raise ValueError(f"its content is {found}, not {diff_id}")

    def _next(self) -> bool:
        chunk = next(self._chunks, b"")
        self._hash.update(chunk)
        self._chunk, self._at = memoryview(chunk), 0
        return bool(chunk)


def read_members(stream: TarStream) -> Iterator[Member]:
    """The entries of a tar; whoever takes one reads its content from the stream before asking for the next."""
    common: dict[str, bytes] = {}
    extended: dict[str, bytes] = {}
    while (block := stream.read(BLOCK)) and block[0]:
        if sum(block) - sum(block[148:156]) + 8 * 32 != _number(block[148:156]):
            raise ValueError("a header's checksum is wrong: this is no tar")
        flag = block[156:157]
        size = _within(_number(block[124:136]), "size", 0, _MOST)
        if flag in b"xgLK" and flag != b"\0":
            if size > _MOST_EXTENDED:
                raise ValueError(f"an extended header of {size} bytes")
            content = stream.read(size + -size % BLOCK)[:size]
            if flag == b"g":
                common |= _records(content)
            elif flag == b"x":
                extended |= _records(content)
            else:
                extended["path" if flag == b"L" else "linkpath"] = content.rstrip(b"\0")
            continue
        yield _member(block, flag, size, common | extended if common else extended)
        extended = {}


def _member(block: bytes, flag: bytes, size: int, extended: dict[str, bytes]) -> Member:
    kind = _KINDS.get(flag)
    if kind is None or any(key.startswith("GNU.sparse") for key in extended):
        raise ValueError(f"an entry of type {flag!r} or a sparse file, which layers do not have")
    name = block[:100].split(b"\0", 1)[0]
    if block[257:263] == b"ustar\0" and block[345]:  # GNU's own format has other fields there
        name = block[345:500].split(b"\0", 1)[0] + b"/" + name
    name = extended.get("path", name)
    if kind == "file" and name.endswith(b"/"):  # how tars before ustar marked a folder
        kind = "dir"
    mtime = extended.get("mtime")
    return Member(
        path=clean_path(name),
        kind=kind,
        mode=_number(block[100:108]) & 0o7777,
        uid=_within(int(extended.get("uid") or _number(block[108:116])), "user", 0, _LAST_ID),
        gid=_within(int(extended.get("gid") or _number(block[116:124])), "group", 0, _LAST_ID),
        size=_within(int(extended.get("size") or size), "size", 0, _MOST) if kind == "file" else 0,
        mtime=_within(
            _nanoseconds(mtime) if mtime else _number(block[136:148]) * 1_000_000_000, "time", -_MOST_TIME, _MOST_TIME
        ),
        target=_text(extended.get("linkpath", block[157:257].split(b"\0", 1)[0])),
        xattrs=[(key[13:], value) for key, value in extended.items() if key.startswith("SCHILY.xattr.")],
    )


def _number(field_: bytes) -> int:
    """A number of a header: octal digits, or base 256 with the first bit set (GNU, star)."""
    if field_[0] & 0x80:
        number = int.from_bytes(field_, "big") & ~(1 << (8 * len(field_) - 1))
        return number if field_[0] != 0xFF else number - (1 << (8 * len(field_) - 1))
    return int(field_.split(b"\0", 1)[0].strip() or b"0", 8)


def _within(number: int, what: str, least: int, most: int) -> int:
    """The number, if a file can have it. Raises ValueError."""
    if not least <= number <= most:
        raise ValueError(f"the {what} {number}, which no file can have")
    return number


def _nanoseconds(text: bytes) -> int:
    seconds, _, fraction = text.decode().partition(".")
    return int(seconds) * 1_000_000_000 + int(fraction[:9].ljust(9, "0"))


def _records(content: bytes) -> dict[str, bytes]:
    """The records of a PAX extended header: `<length> <key>=<value>\\n`."""
    found = {}
    at = 0
    while at < len(content):
        space = content.index(b" ", at)
        length = int(content[at:space])
        key, equals, value = content[space + 1 : at + length - 1].partition(b"=")
        if not equals or length <= space - at:
            raise ValueError("a damaged extended header")
        found[_text(key)] = value
        at += length
    return found


def _text(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")


def clean_path(name: bytes) -> str:
    parts = [part for part in _text(name).split("/") if part not in ("", ".")]
    if ".." in parts or b"\0" in name:
        raise ValueError(f"the path {_text(name)!r} leads out of the layer")
    return "/".join(parts)
