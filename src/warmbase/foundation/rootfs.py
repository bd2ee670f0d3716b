"""From the tar of a bootstrap to the entries of a foundation's layer, and what such a tar says of itself.

The tar of the same packages differs in small ways with the host and the tool that made it. Here it loses all
of that, entry by entry, so that the layer depends on the packages alone:

- left out: what a container's runtime makes (/dev, resolv.conf, hostname), what belongs to one machine
  (machine-id, which a system makes again when it is missing), caches, logs and backups, and the configuration
  that the bootstrap was given;
- put in: apt's sources and dpkg's rule that no documentation is unpacked, so that `apt-get install` works in
  children and adds as little as here; copyright files stay, as their licences ask;
- kept: owners (root, shadow, mail, _apt ...), set-id and sticky bits, extended attributes (and with them
  file capabilities);
- bytecode records its source's time (PEP 552), and a layer has one constant time: the record is set to that,
  else every `.pyc` of the system would be stale.
"""

import re
import struct
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from warmbase.errors import FoundationError
from warmbase.foundation.copyright import licences_of
from warmbase.foundation.model import Foundation, Package
from warmbase.oci.tar import MTIME, Entry, file_of, read_entries

LAYER_FORMAT = 3
"""Part of every foundation's recipe: raise it when the same packages become other bytes, or are described otherwise."""

DPKG_OPTIONS = (
    "path-exclude=/usr/share/man/*",
    "path-exclude=/usr/share/info/*",
    "path-exclude=/usr/share/locale/*",
    "path-include=/usr/share/locale/locale.alias",
    "path-exclude=/usr/share/doc/*",
    "path-include=/usr/share/doc/*/copyright",
    "path-exclude=/usr/share/groff/*",
    "path-exclude=/usr/share/lintian/*",
    "path-exclude=/usr/share/linda/*",
)

_STATUS = "var/lib/dpkg/status"
_OS_RELEASE = "usr/lib/os-release"
_SOURCES = "etc/apt/sources.list"
_DOCUMENTATION = re.compile(r"usr/share/doc/([^/]+)(/copyright)?")
# Of apt's folders the `partial` ones go too: whose they are depends on who could reach the folder of the build
# (apt gives up its `_apt` user where it could not), and apt makes them again.
_DROPPED = re.compile(
    r"""
    (?:dev|proc|sys)/.*
    | etc/(?:hostname|resolv\.conf|machine-id|\.pwd\.lock)
    | etc/apt/(?:sources\.list|sources\.list\.d/.*|preferences\.d/.*|apt\.conf\.d/99mmdebstrap)
    | etc/dpkg/dpkg\.cfg\.d/99mmdebstrap
    | var/lib/dbus/machine-id
    | var/lib/apt/lists/.*
    | var/cache/apt/(?:.*\.bin|archives/.*)
    | var/cache/ldconfig/.*
    | var/(?:cache/debconf|lib/dpkg)/.*-old
    | (?:etc|var/lib)/.*(?:passwd|shadow|group|subuid|subgid)-
    | var/lib/dpkg/(?:lock|lock-frontend|triggers/Lock)
    | (?:tmp|var/tmp)/.*
    """,
    re.VERBOSE,
)
_PYC_HEADER = struct.Struct("<4sIII")  # PEP 552: magic, flags, mtime, size of the source


@dataclass(frozen=True, kw_only=True, slots=True)
class Contents:
    """What a root filesystem says of itself: packages, os-release(5) and apt's sources as written."""

    packages: tuple[Package, ...]
    os_release: tuple[tuple[str, str], ...]
    sources: str


@dataclass(frozen=True, kw_only=True, slots=True)
class DebianSystem:
    """A foundation as it was built: the tar of its root filesystem, what apt's sources in the image will say, and
    `keyring`, the path and the content of the file with the archive's keys where they are not Debian's."""

    foundation: Foundation
    rootfs: Path
    sources: str
    keyring: tuple[str, bytes] | None = None


def foundation_entries(system: DebianSystem) -> Iterator[Entry]:
    """Yield the entries of the foundation's layer, in no particular order."""
    yield from clean_entries(read_entries(system.rootfs))
    yield file_of("etc/apt/sources.list.d/debian.sources", system.sources.encode())
    if system.keyring:
        path, content = system.keyring
        yield file_of(path.lstrip("/"), content)
    yield file_of("etc/dpkg/dpkg.cfg.d/warmbase-slim", "".join(f"{o}\n" for o in DPKG_OPTIONS).encode())


def clean_entries(entries: Iterable[Entry]) -> Iterator[Entry]:
    """Drop what is not part of the system and date its bytecode, as the module's text says."""
    for entry in entries:
        if _DROPPED.fullmatch(entry.path):
            continue
        if entry.path.startswith("var/log/") and entry.kind != "dir" and entry.size:
            continue
        yield _dated(entry) if entry.path.endswith(".pyc") and entry.kind == "file" else entry


def read_contents(tar: Path) -> Contents:
    """Read what the root filesystem in `tar` says of itself. Raises FoundationError if it is not Debian's."""
    wanted = {_STATUS: b"", _OS_RELEASE: b"", _SOURCES: b""}
    copyrights: dict[str, bytes] = {}
    links: dict[str, str] = {}
    for entry in read_entries(tar):
        if entry.path in wanted and entry.kind == "file":
            wanted[entry.path] = read_content(entry)
        elif found := _DOCUMENTATION.fullmatch(entry.path):
            if found[2] and entry.kind == "file":
                copyrights[found[1]] = read_content(entry)
            elif entry.kind == "symlink":
                links[found[1]] = entry.target
    for path in (_STATUS, _OS_RELEASE):
        if not wanted[path]:
            raise FoundationError(
                f"the root filesystem has no /{path}: it is not a Debian system",
                next_step="correct `debian` or `mirror` of the foundation in the catalog",
            )
    for name, target in links.items():
        copyrights.setdefault(name, copyrights.get(target, b""))
    return Contents(
        packages=name_licences(parse_status(wanted[_STATUS].decode()), copyrights),
        os_release=parse_os_release(wanted[_OS_RELEASE].decode()),
        sources=wanted[_SOURCES].decode(),
    )


def read_content(entry: Entry) -> bytes:
    """Return a file entry's content."""
    if isinstance(entry.source, bytes):
        return entry.source
    with Path(entry.source).open("rb") as file:
        file.seek(entry.offset or 0)
        return file.read(entry.size)


def parse_status(text: str) -> tuple[Package, ...]:
    """Read dpkg's status file (deb822(5), dpkg-query(1)): the installed packages in order of their names.

    A stanza that lacks a field which each package has is nothing that dpkg wrote, and is passed over.
    """
    found = []
    for stanza in text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in stanza.splitlines() if re.match(r"[A-Z][\w-]*: ", line))
        if fields.get("Status", "").endswith(" installed") and {"Package", "Version", "Architecture"} <= fields.keys():
            found.append(
                Package(name=fields["Package"], version=fields["Version"], architecture=fields["Architecture"])
            )
    return tuple(sorted(found, key=lambda package: (package.name, package.architecture)))


def name_licences(packages: Iterable[Package], copyrights: Mapping[str, bytes]) -> tuple[Package, ...]:
    """The packages with the licences that their copyright files name; `copyrights` is by the package's name."""
    known = {name: licences_of(content.decode(errors="replace")) for name, content in copyrights.items()}
    return tuple(replace(package, licences=known.get(package.name, ())) for package in packages)


def parse_os_release(text: str) -> tuple[tuple[str, str], ...]:
    """Read an os-release(5) file: (name, value) in the file's order, without the quotes."""
    pairs = (line.split("=", 1) for line in text.splitlines() if "=" in line and not line.startswith("#"))
    return tuple((name, value.strip("\"'")) for name, value in pairs)


def _dated(entry: Entry) -> Entry:
    content = read_content(entry)
    magic, flags, _, size = _PYC_HEADER.unpack_from(content)
    if flags:  # checked by hash, or not at all: there is no time in it
        return entry
    return replace(
        entry,
        source=_PYC_HEADER.pack(magic, 0, MTIME, size) + content[_PYC_HEADER.size :],
        offset=None,
    )
