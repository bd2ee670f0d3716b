"""Layer tars: the same entries always give the same bytes.

The format is ustar (POSIX.1-1988) with PAX extended headers (POSIX.1-2001, pax, "pax Extended Header") where
ustar has no room: long or non-ASCII names, big numbers, extended attributes (`SCHILY.xattr.<name>`, as star,
GNU tar and Go's archive/tar read them). Everything that could differ between machines is fixed: the time is
`MTIME`, there are no user names, names are sorted by their bytes, every parent directory has an entry and no
path comes twice. The stdlib's tarfile writes 218 MB/s of small files; this writer is several times faster
because small files are read straight into one buffer that goes to the sink in whole chunks.
"""

import os
import struct
import tarfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from warmbase.errors import StoreError

MTIME = 315619200
"""1980-01-02: a day after the ZIP epoch, so that `shutil.make_archive` works in every time zone."""

BLOCK = 512
CHUNK = 1 << 20
END_OF_ARCHIVE = bytes(2 * BLOCK)

Kind = Literal["dir", "file", "symlink", "hardlink"]
Xattrs = tuple[tuple[str, bytes], ...]

_TYPEFLAGS = {"file": b"0", "hardlink": b"1", "symlink": b"2", "dir": b"5"}
# name mode uid gid size mtime chksum typeflag linkname magic version uname gname devmajor devminor prefix
_HEADER = struct.Struct("100s8s8s8s12s12s8s1s100s6s2s32s32s8s8s155s12x")
_MTIME = b"%011o\0" % MTIME
_NO_CHECKSUM = b" " * 8
_NO_DEVICE = b"0000000\0"
_MAX_ID = 0o7777777
_MAX_SIZE = 0o77777777777
_PAX_NAME = b"././@PaxHeader"
_NOT_COMPONENTS = frozenset(("", ".", ".."))


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One entry of a layer.

    `path` is relative, without leading or trailing slash; names that are not UTF-8 carry surrogates
    (PEP 383). `target` is a symlink's text or a hardlink's path in the same layer. `source` holds a file's
    content: bytes, or the path of a host file whose content is `size` bytes, either the whole file or, with
    `offset`, a part of it. `mode` is the permission bits, `xattrs` the extended attributes.
    """

    path: str
    kind: Kind
    mode: int
    uid: int = 0
    gid: int = 0
    size: int = 0
    target: str = ""
    source: bytes | str | Path = b""
    offset: int | None = None
    xattrs: Xattrs = ()


def directory(path: str, mode: int = 0o755, xattrs: Xattrs = ()) -> Entry:
    """A directory entry."""
    return Entry(path=path, kind="dir", mode=mode, xattrs=xattrs)


def file_of(path: str, content: bytes, mode: int = 0o644) -> Entry:
    """A file entry made from memory."""
    return Entry(path=path, kind="file", mode=mode, size=len(content), source=content)


def symlink(path: str, target: str) -> Entry:
    """A symlink entry."""
    return Entry(path=path, kind="symlink", mode=0o777, target=target)


def _default_acl() -> Xattrs:
    user_obj, group_obj, other, undefined = 0x01, 0x04, 0x20, 0xFFFFFFFF
    tags = (user_obj, group_obj, other)
    packed = struct.pack("<I", 2) + b"".join(struct.pack("<HHI", tag, 7, undefined) for tag in tags)
    return (("system.posix_acl_default", packed),)


OPEN_TO_ALL = _default_acl()
"""A default ACL by which everybody may write what is made in a directory, whatever the umask: files become 0666,
programs and folders 0777, so that any user may change what others run from there.

The layout is that of Linux's `posix_acl_xattr.h`: a version, then tag, permissions and id of each entry.
"""


def encode(path: str) -> bytes:
    """A path's bytes in the archive, whatever the locale."""
    return path.encode("utf-8", "surrogateescape")


def arrange(entries: Iterable[Entry]) -> tuple[tuple[Entry, ...], tuple[Entry, ...]]:
    """Put entries into the order of a layer: (directories, everything else), each sorted by the path's bytes.

    Missing parents are added with mode 0755. Of paths that share an inode the first in order is the file
    and the others are hardlinks to it, whichever way they came. Raises ValueError for a path that is not
    clean and relative, comes twice, lies below something that is not a directory, or links to nothing.
    """
    by_path: dict[str, Entry] = {}
    for entry in entries:
        if _NOT_COMPONENTS.intersection(entry.path.split("/")) or "\0" in entry.path + entry.target:
            raise ValueError(f"not a clean relative path: {entry.path!r}")
        if entry.path in by_path:
            raise ValueError(f"path twice in one layer: {entry.path!r}")
        by_path[entry.path] = entry
    _add_parents(by_path)
    _order_hardlinks(by_path)
    ordered = [by_path[path] for path in sorted(by_path, key=encode)]
    return (
        tuple(entry for entry in ordered if entry.kind == "dir"),
        tuple(entry for entry in ordered if entry.kind != "dir"),
    )


def _add_parents(by_path: dict[str, Entry]) -> None:
    for path in list(by_path):
        parent = path.rpartition("/")[0]
        while parent:
            known = by_path.get(parent)
            if known is None:
                by_path[parent] = directory(parent)
            elif known.kind != "dir":
                raise ValueError(f"{path!r} lies below {parent!r}, which is a {known.kind}")
            else:
                break
            parent = parent.rpartition("/")[0]


def _order_hardlinks(by_path: dict[str, Entry]) -> None:
    groups: dict[str, list[str]] = {}
    for path, entry in by_path.items():
        if entry.kind == "hardlink":
            groups.setdefault(_file_behind(entry, by_path), []).append(path)
    for holder, links in groups.items():
        first, *others = sorted((holder, *links), key=encode)
        content = by_path[holder]
        by_path[first] = replace(content, path=first)
        for path in others:
            by_path[path] = Entry(
                path=path, kind="hardlink", mode=content.mode, uid=content.uid, gid=content.gid, target=first
            )


def _file_behind(entry: Entry, by_path: dict[str, Entry]) -> str:
    seen = {entry.path}
    target = entry.target
    while (found := by_path.get(target)) is not None and found.kind == "hardlink" and target not in seen:
        seen.add(target)
        target = found.target
    if found is None or found.kind != "file":
        raise ValueError(f"hardlink {entry.path!r} points to {entry.target!r}, which is no file of its layer")
    return target


def header(entry: Entry) -> bytes:
    """The header blocks of an entry: its PAX extended header where one is needed, then the ustar header."""
    name = encode(entry.path)
    if entry.kind == "dir":
        name += b"/"
    link = encode(entry.target)
    records = [(b"SCHILY.xattr." + key.encode(), value) for key, value in sorted(entry.xattrs)]
    prefix = b""
    if len(name) > 100 or not name.isascii():
        prefix, fitting = _split(name)
        if not fitting:
            records.append((b"path", name))
        name = fitting or name[:100]
    if len(link) > 100 or not link.isascii():
        records.append((b"linkpath", link))
        link = link[:100]
    uid, gid, size = entry.uid, entry.gid, entry.size
    if uid > _MAX_ID or gid > _MAX_ID or size > _MAX_SIZE:
        for key, number, most in ((b"gid", gid, _MAX_ID), (b"size", size, _MAX_SIZE), (b"uid", uid, _MAX_ID)):
            if number > most:
                records.append((key, b"%d" % number))
        # The record overrides the field, which cannot hold the number (pax, "pax Extended Header").
        uid, gid, size = (
            uid if uid <= _MAX_ID else 0,
            gid if gid <= _MAX_ID else 0,
            size if size <= _MAX_SIZE else 0,
        )
    block = _ustar(name, entry.mode, uid, gid, size, _TYPEFLAGS[entry.kind], link, prefix)
    return _extended(records) + block if records else block


def _split(name: bytes) -> tuple[bytes, bytes]:
    """A name as ustar's (prefix, name), at most 155 and 100 bytes; the name is empty if it does not fit."""
    if not name.isascii() or len(name) > 256:
        return b"", b""
    # A slash that may stand between: with at least one byte after it, as far left as the name field allows.
    cut = name.find(b"/", max(len(name) - 101, 1), min(156, len(name) - 1))
    return (name[:cut], name[cut + 1 :]) if cut > 0 else (b"", b"")


def _extended(records: list[tuple[bytes, bytes]]) -> bytes:
    body = b"".join(_record(key, value) for key, value in sorted(records))
    block = _ustar(_PAX_NAME, 0o644, 0, 0, len(body), b"x", b"", b"")
    return block + body + bytes(-len(body) % BLOCK)


def _record(key: bytes, value: bytes) -> bytes:
    """`<length> <key>=<value>\\n`, where the length counts its own digits."""
    rest = len(key) + len(value) + 3
    length = rest + len(str(rest))
    length = rest + len(str(length))
    return b"%d %b=%b\n" % (length, key, value)


def _ustar(name: bytes, mode: int, uid: int, gid: int, size: int, typeflag: bytes, link: bytes, prefix: bytes) -> bytes:
    block = _HEADER.pack(
        name,
        b"%07o\0" % mode,
        b"%07o\0" % uid,
        b"%07o\0" % gid,
        b"%011o\0" % size,
        _MTIME,
        _NO_CHECKSUM,
        typeflag,
        link,
        b"ustar\0",
        b"00",
        b"",
        b"",
        _NO_DEVICE,
        _NO_DEVICE,
        prefix,
    )
    return b"%b%06o\0 %b" % (block[:148], sum(block), block[156:])


class TarWriter:
    """Writes entries, as `arrange` ordered them, to `sink` in chunks of at most 1 MiB.

    The sink must be done with a chunk when it returns: its memory is used again.
    """

    def __init__(self, sink: Callable[[memoryview], object]) -> None:
        self._sink = sink
        self._view = memoryview(bytearray(CHUNK))
        self._fill = 0

    def add(self, entry: Entry) -> None:
        """Write an entry. Raises StoreError if a host file cannot be read or its size is not the entry's."""
        self._write(header(entry))
        if entry.kind != "file" or not entry.size:
            return
        if isinstance(entry.source, bytes):
            if len(entry.source) != entry.size:
                raise ValueError(f"{entry.path!r} has {len(entry.source)} bytes, not {entry.size}")
            self._write(entry.source)
        else:
            try:
                self._copy(entry.source, entry)
            except OSError as error:
                raise StoreError(
                    f"cannot read {entry.source} for the layer: {error.strerror}",
                    next_step="see that nothing else changes the tree, and build again",
                ) from error
        if padding := -entry.size % BLOCK:
            self._write(END_OF_ARCHIVE[:padding])

    def flush(self) -> None:
        """Hand over what is still buffered."""
        if self._fill:
            self._sink(self._view[: self._fill])
            self._fill = 0

    def _write(self, content: bytes) -> None:
        end = self._fill + len(content)
        if end <= CHUNK:
            self._view[self._fill : end] = content
            self._fill = end
            return
        rest = memoryview(content)
        while rest:
            part = rest[: CHUNK - self._fill]
            self._view[self._fill : self._fill + len(part)] = part
            self._fill += len(part)
            rest = rest[len(part) :]
            if self._fill == CHUNK:
                self.flush()

    def _copy(self, source: str | Path, entry: Entry) -> None:
        missing = entry.size
        descriptor = os.open(source, os.O_RDONLY | os.O_CLOEXEC)
        try:
            if entry.offset:
                os.lseek(descriptor, entry.offset, os.SEEK_SET)
            # One byte more than expected is asked for, so that a whole file's end shows without another call.
            extra = entry.offset is None
            at_end = False
            while missing:
                if self._fill == CHUNK:
                    self.flush()
                asked = min(CHUNK - self._fill, missing + extra)
                got = os.readv(descriptor, (self._view[self._fill : self._fill + asked],))
                if got > missing or not got:
                    raise _changed(entry)
                at_end = got < asked
                missing -= got
                self._fill += got
            if extra and not at_end and os.read(descriptor, 1):
                raise _changed(entry)
        finally:
            os.close(descriptor)


def _changed(entry: Entry) -> StoreError:
    return StoreError(
        f"{entry.source!s} changed its size while it was read; it had {entry.size} bytes",
        next_step="see that nothing else changes the tree, and build again",
    )


def read_entries(archive: Path) -> Iterator[Entry]:
    """The entries of an uncompressed tar, with owners, modes and extended attributes; content stays in it.

    A leading `./` is dropped, and so are the root itself and device nodes, which a container's runtime makes.
    Raises StoreError if the file is no tar.
    """
    try:
        with tarfile.open(archive, "r:") as tar:
            for member in tar:
                if entry := _entry_of(member, archive):
                    yield entry
    except (tarfile.TarError, OSError) as error:
        raise StoreError(f"cannot read the tar {archive}: {error}", next_step="remove it, and build again") from error


def _entry_of(member: tarfile.TarInfo, archive: Path) -> Entry | None:
    path = os.path.normpath(member.name).lstrip("/")
    if path == "." or not (member.isreg() or member.isdir() or member.issym() or member.islnk()):
        return None
    kind: Kind = "dir" if member.isdir() else "symlink" if member.issym() else "hardlink" if member.islnk() else "file"
    is_file = kind == "file"
    return Entry(
        path=path,
        kind=kind,
        mode=member.mode & 0o7777,
        uid=member.uid,
        gid=member.gid,
        size=member.size if is_file else 0,
        target=os.path.normpath(member.linkname) if kind == "hardlink" else member.linkname,
        source=str(archive) if is_file else b"",
        offset=member.offset_data if is_file else None,
        xattrs=tuple(
            (key.removeprefix("SCHILY.xattr."), encode(value))
            for key, value in sorted(member.pax_headers.items())
            if key.startswith("SCHILY.xattr.")
        ),
    )


def scan_paths(read: Callable[[int], bytes]) -> Iterator[tuple[str, bool]]:
    """The (path, is a directory) of every entry of a tar that this module wrote; reads to the end."""
    long_name = b""
    while (block := read(BLOCK)) and block[0]:
        size = int(block[124:135], 8)
        typeflag = block[156:157]
        if typeflag == b"x":
            records = read(size + -size % BLOCK)[:size]
            long_name = _pax_path(records)
            continue
        prefix = block[345:500].rstrip(b"\0")
        name = long_name or (prefix + b"/" if prefix else b"") + block[:100].rstrip(b"\0")
        yield name.rstrip(b"/").decode("utf-8", "surrogateescape"), typeflag == b"5"
        long_name = b""
        skip = size + -size % BLOCK
        while skip > 0:
            skip -= len(read(min(skip, CHUNK))) or skip
    while read(CHUNK):
        pass


def _pax_path(records: bytes) -> bytes:
    while records:
        length, _, rest = records.partition(b" ")
        key, _, value = rest[: int(length) - len(length) - 2].partition(b"=")
        if key == b"path":
            return value
        records = records[int(length) :]
    return b""
