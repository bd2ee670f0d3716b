"""What is in an unpacked layer, and how that is kept beside it."""

import json
from dataclasses import dataclass
from pathlib import Path

from warmbase.effects.files import replace_file
from warmbase.layers.untar import ListedKind

OPAQUE = ".wh..wh..opq"
"""The name of the entry that hides all that lower layers have in its folder."""

_FORMAT = 3


@dataclass(frozen=True, slots=True)
class ListedEntry:
    """One entry of a layer as its tar has it: `path` is relative and clean, `target` a link's, `size` in bytes."""

    path: str
    kind: ListedKind
    mode: int
    target: str = ""
    size: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Listing:
    """What is in a layer, in the tar's order, and `size`, the bytes of its files.

    `unset` names the extended attributes that this machine's file system or privileges did not take, `dangling` the
    hardlinks (path, target) whose target only a lower layer can have, `implied` the folders that no entry names.
    """

    entries: tuple[ListedEntry, ...]
    size: int
    unset: tuple[str, ...] = ()
    dangling: tuple[tuple[str, str], ...] = ()
    implied: tuple[str, ...] = ()


def write_listing(path: Path, listing: Listing, boot: str) -> None:
    """Keep a listing at `path`; `boot` names the time since which the machine runs."""
    entries = [[entry.path, entry.kind, entry.mode, entry.target, entry.size] for entry in listing.entries]
    facts = {"size": listing.size, "unset": listing.unset, "dangling": listing.dangling, "implied": listing.implied}
    head = json.dumps({"format": _FORMAT, "boot": boot, **facts})
    replace_file(path, f"{head}\n{json.dumps(entries)}\n".encode())


def read_head(path: Path, boot: str) -> Listing | None:
    """The listing at `path` without its entries: its first line says all the rest. None as with `read_listing`."""
    try:
        with path.open() as file:
            return _parse(file.readline(), "[]", boot)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def read_listing(path: Path, boot: str) -> Listing | None:
    """The listing at `path`, None for one that is damaged, or was written before the machine started."""
    try:
        with path.open() as file:
            return _parse(file.readline(), file.readline(), boot)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _parse(head_line: str, rows_line: str, boot: str) -> Listing | None:
    head = json.loads(head_line)
    if head["format"] != _FORMAT or head["boot"] != boot:
        return None
    return Listing(
        entries=tuple(ListedEntry(*row) for row in json.loads(rows_line)),
        size=int(head["size"]),
        unset=tuple(head["unset"]),
        dangling=tuple((path, target) for path, target in head["dangling"]),
        implied=tuple(head["implied"]),
    )
