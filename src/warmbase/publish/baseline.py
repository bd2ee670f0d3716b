"""What a variant was made from when it was published: its lock and its foundations' pins, kept with the journal.

An entry's record has them as further layers (see `journal`), beside what the image offers (see `offering`), so that a
run on a fresh machine starts from what is published, and what is rolled back to or promoted brings its own along.
Entries of older versions have none.
"""

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from warmbase.effects.files import replace_file
from warmbase.effects.registry.records import read_packed
from warmbase.errors import FoundationError, RegistryError
from warmbase.events import Report, Warned
from warmbase.foundation.pins import FoundationPin, pins_from_json, pins_to_json
from warmbase.lock.model import Lock, lock_from_json, lock_to_json
from warmbase.oci.digests import canonical_json
from warmbase.oci.records import Layers, pack, packed_type, unpack
from warmbase.publish.journal import Entry
from warmbase.publish.ledger import read_tagged
from warmbase.publish.model import Place, PublishableVariant
from warmbase.publish.offer_document import OFFER

LOCK, PINS = "lock", "pins"

_UNREADABLE = (ValueError, KeyError, TypeError, AttributeError, FoundationError)
_LENGTH = 8  # bytes that say how long a kept lock is, before it and the pins

Pins = Mapping[tuple[str, str, str], FoundationPin]
"""As in `lock.stage`: by foundation name, platform and Python version."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Baseline:
    """What an entry of the journal was made from. `pins` are by foundation name, platform and Python version: those of
    the variant's own foundation, and of the one that its packages were compiled on."""

    entry: Entry
    lock: Lock
    pins: Pins = field(hash=False)


def describe_origin(variant: PublishableVariant) -> Layers:
    """The lock and the pins that a variant was made from, as layers of its entry's record."""
    python = variant.variant.python
    pins: dict[tuple[str, str, str], FoundationPin] = {}
    for step, _ in variant.images:
        pins[step.variant.foundation.name, step.platform, python] = step.pin
        if step.native:
            pins[step.native.foundation.name, step.native.platform, python] = step.native.pin
    lock = variant.images[0][0].lock
    return (pack(LOCK, lock_to_json(lock).encode()), pack(PINS, canonical_json(keyed_pins_to_json(pins))))


def read_origin(place: Place, tag: str) -> Layers:
    """What the entry with this tag was made from, and what its image offers, as they are; nothing for an entry that
    does not say it, or that there is not. Raises RegistryError."""
    return _read(place, tag, LOCK, PINS, OFFER)


def _read(place: Place, tag: str, *kinds: str) -> Layers:
    try:
        return read_packed(place.registry, place.journal, tag, kinds)
    except ValueError as error:
        raise _damaged(place, tag, error) from error


def carry_origin(place: Place, entry: Entry, report: Report) -> Layers:
    """What an entry was made from, for another one of the same image; nothing where it cannot be read, with a warning:
    tags that have to move do not wait for it."""
    try:
        return read_origin(place, entry.id)
    except RegistryError as error:
        said = f"the new entry of the journal does not say what the image was made from: {error.message}"
        report(Warned(subject=entry.variant, message=said))
        return ()


def read_baseline(place: Place, tag: str, folder: Path | None = None) -> Baseline | None:
    """The baseline of the journal's entry with this tag (`Entry.id`); None where there is no such entry, or an older
    version of warmbase wrote it. What was read once is kept in `folder`, if there is one. Raises RegistryError."""
    entry = read_tagged(place, [tag], folder).get(tag)
    if entry is None:
        return None
    path = folder / f"{tag}.origin" if folder else None
    kept = _read_kept(path, entry) if path else None
    if kept:
        return kept
    origin = {layer.media_type: content for layer, content in _read(place, tag, LOCK, PINS)}
    if len(origin) < len((LOCK, PINS)):
        return None
    lock, pins = origin[packed_type(LOCK)], origin[packed_type(PINS)]
    try:
        baseline = _parse(entry, lock, pins)
    except _UNREADABLE as error:
        raise _damaged(place, tag, error) from error
    if path:
        with suppress(OSError):  # it only saves requests
            replace_file(path, len(lock).to_bytes(_LENGTH) + lock + pins)
    return baseline


def _read_kept(path: Path, entry: Entry) -> Baseline | None:
    try:
        content = path.read_bytes()
        end = _LENGTH + int.from_bytes(content[:_LENGTH])
        return _parse(entry, content[_LENGTH:end], content[end:])
    except (OSError, *_UNREADABLE):
        return None


def _parse(entry: Entry, lock: bytes, pins: bytes) -> Baseline:
    """Raises one of `_UNREADABLE`."""
    return Baseline(
        entry=entry,
        lock=lock_from_json(unpack(lock).decode()),
        pins=keyed_pins_from_json(json.loads(unpack(pins))),
    )


def keyed_pins_to_json(pins: Pins) -> dict[str, Any]:
    """The document of pins of several foundations: each by "<name> <platform> <Python>"."""
    return {" ".join(key): json.loads(pins_to_json({(key[1], key[2]): pin})) for key, pin in sorted(pins.items())}


def keyed_pins_from_json(document: Mapping[str, Any]) -> dict[tuple[str, str, str], FoundationPin]:
    """Read `keyed_pins_to_json` back. Raises ValueError, TypeError, AttributeError or FoundationError for what is
    something else."""
    pins = {}
    for key, each in document.items():
        name, platform, python = key.split(" ")
        (pins[name, platform, python],) = pins_from_json(json.dumps(each), source=f"the pin of {key}").values()
    return pins


def _damaged(place: Place, tag: str, error: Exception) -> RegistryError:
    return RegistryError(
        f"{place.registry.host}/{place.journal}:{tag}: what it was made from cannot be read: {error}",
        next_step="use the version of warmbase that wrote it, or a newer one",
    )
