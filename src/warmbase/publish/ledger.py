"""Reading the journal from a registry and adding to it."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from warmbase.effects.files import replace_file
from warmbase.effects.registry.model import Registry
from warmbase.effects.registry.records import read_record, write_record
from warmbase.errors import PublishError, RegistryError
from warmbase.oci.digests import canonical_json
from warmbase.oci.records import Layers, parse_document
from warmbase.publish.journal import (
    KIND,
    Entry,
    Journal,
    entry_from_json,
    entry_to_json,
    front,
    is_entry,
    is_entry_of,
    is_entry_of_image,
    merge,
    record_entry,
)
from warmbase.publish.model import Place
from warmbase.publish.stamps import Stamp

_AT_ONCE = 8
_AT_THE_SAME_TIME = timedelta(hours=1)  # two who publish the same content need less, but for its pushing

REFUSED = (401, 403)
"""What registries answer for a repository that does not exist, so as not to say so, or that one may not read."""


class Ledger:
    """The journal of one variant at a place. Entries never change: each is read once.

    Some registries list new tags late. What this ledger wrote or has read it does not forget.
    """

    def __init__(self, place: Place, variant: str) -> None:
        self._place = place
        self._variant = variant
        self._known: dict[str, Entry] = {}

    def read(self) -> Journal:
        """The journal as it is now. Raises RegistryError, also for an entry that cannot be read."""
        tags = [tag for tag in self._place.registry.tags(self._place.journal) if is_entry_of(tag, self._variant)]
        self._known |= read_tagged(self._place, [tag for tag in tags if tag not in self._known])
        return merge(entry for entry in self._known.values() if entry.variant == self._variant)

    def write(self, entry: Entry, made_from: Layers = ()) -> None:
        """Add an entry, with further layers of its record. Raises RegistryError."""
        record, tag = record_entry(entry, made_from)
        write_record(self._place.registry, self._place.journal, record, tag)
        self._known[tag] = replace(entry, id=tag)


def read_entries(place: Place) -> dict[str, Entry]:
    """All entries of all variants as they were written, by tag. Raises RegistryError."""
    return read_tagged(place, [tag for tag in place.registry.tags(place.journal) if is_entry(tag)])


def read_tagged(place: Place, tags: Sequence[str], folder: Path | None = None) -> dict[str, Entry]:
    """The entries with these tags, as they were written. What was read once is kept in `folder`, if there is one.

    Raises RegistryError, also for an entry that cannot be read.
    """

    def read(tag: str) -> Entry | None:
        kept = _read_kept(folder / f"{tag}.json", tag) if folder else None
        if kept:
            return kept
        document = read_record(place.registry, place.journal, tag, KIND)
        try:
            entry = entry_from_json(document, tag) if document else None
        except ValueError as error:
            raise RegistryError(
                f"{place.registry.host}/{place.journal}:{tag}: {error}",
                next_step="use the version of warmbase that wrote it, or a newer one",
            ) from error
        if folder and entry:
            with suppress(OSError):  # it only saves requests
                folder.mkdir(parents=True, exist_ok=True)
                replace_file(folder / f"{tag}.json", canonical_json(entry_to_json(entry)))
        return entry

    with ThreadPoolExecutor(max_workers=_AT_ONCE, thread_name_prefix="journal") as executor:
        return {tag: entry for tag, entry in zip(tags, executor.map(read, tags), strict=True) if entry}


def newest_entries(
    place: Place, variants: Iterable[str], folder: Path | None = None, *, before: datetime | None = None
) -> dict[str, Entry]:
    """The newest entry of each of `variants` (by full name) that has one, or had one `before` a time.

    It takes one listing of the journal and as few reads as possible; `folder` as for `read_tagged`. Raises
    RegistryError.
    """
    stamps: dict[str, list[Stamp]] = defaultdict(list)
    for stamp in filter(None, map(Stamp.parse, place.registry.tags(place.journal))):
        if before is None or stamp.moment < before:
            stamps[stamp.front].append(stamp)
    listed = {
        variant: sorted(stamps[front(variant)], key=lambda stamp: (stamp.time, stamp.digits)) for variant in variants
    }
    last = {variant: last_at_once(own) for variant, own in listed.items()}
    found = _newest(place, last, folder)
    return found | _newest(place, {variant: own for variant, own in listed.items() if variant not in found}, folder)


def last_at_once(stamps: Sequence[Stamp]) -> list[Stamp]:
    """The newest of a variant's entries, the oldest first, with those that somebody may have written down at the same
    time."""
    return [stamp for stamp in stamps if stamps[-1].moment - stamp.moment < _AT_THE_SAME_TIME]


def _newest(place: Place, stamps: Mapping[str, Sequence[Stamp]], folder: Path | None) -> dict[str, Entry]:
    entries = read_tagged(place, [str(stamp) for own in stamps.values() for stamp in own], folder)
    found = {}
    for variant, own in stamps.items():
        read = (entries.get(str(stamp)) for stamp in own)
        newest = merge(entry for entry in read if entry and entry.variant == variant).newest
        if newest:
            found[variant] = newest
    return found


def _read_kept(path: Path, tag: str) -> Entry | None:
    try:
        return entry_from_json(parse_document(path.read_bytes()), tag)
    except (OSError, ValueError):
        return None


def find_publication(registry: Registry, repository: str, digest: str) -> Entry:
    """The oldest entry of any journal beside `repository` that names `digest` and this repository's image.

    Of registry.example/a/b/data, the image may be `data` in a/b or `b/data` in a. Raises PublishError for what the
    journals do not have, RegistryError.
    """
    parts, refused = repository.split("/"), []
    for split in reversed(range(len(parts))):
        place = Place(registry=registry, prefix="/".join(parts[:split]))
        image = "/".join(parts[split:])
        try:
            tags = [tag for tag in registry.tags(place.journal) if is_entry_of_image(tag, image)]
        except RegistryError as error:
            if error.status not in REFUSED:
                raise
            refused.append(place.journal)
            continue
        entries = (
            entry for entry in read_tagged(place, tags).values() if (entry.image, entry.digest) == (image, digest)
        )
        found = min(entries, key=lambda entry: (entry.time, entry.id), default=None)
        if found:
            return found
    unread = f" ({', '.join(refused)} may not be read)" if refused else ""
    raise PublishError(
        f"no journal says that {registry.host}/{repository}@{digest} was verified and published{unread}",
        next_step="publish it with `warmbase publish`, or promote what was",
    )
