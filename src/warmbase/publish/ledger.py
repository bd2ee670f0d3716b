"""Reading the journal from a registry and adding to it."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from warmbase.effects.registry.model import Registry
from warmbase.effects.registry.records import read_record, write_record
from warmbase.errors import PublishError, RegistryError
from warmbase.publish.journal import (
    KIND,
    Entry,
    Journal,
    entry_from_json,
    is_entry,
    is_entry_of,
    is_entry_of_image,
    merge,
    record_entry,
)
from warmbase.publish.model import Place

_AT_ONCE = 8

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
        self._known |= _read(self._place, [tag for tag in tags if tag not in self._known])
        return merge(entry for entry in self._known.values() if entry.variant == self._variant)

    def write(self, entry: Entry) -> None:
        """Add an entry. Raises RegistryError."""
        record, tag = record_entry(entry)
        write_record(self._place.registry, self._place.journal, record, tag)
        self._known[tag] = replace(entry, id=tag)


def read_entries(place: Place) -> dict[str, Entry]:
    """All entries of all variants as they were written, by tag. Raises RegistryError."""
    return _read(place, [tag for tag in place.registry.tags(place.journal) if is_entry(tag)])


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
        entries = (entry for entry in _read(place, tags).values() if (entry.image, entry.digest) == (image, digest))
        found = min(entries, key=lambda entry: (entry.time, entry.id), default=None)
        if found:
            return found
    unread = f" ({', '.join(refused)} may not be read)" if refused else ""
    raise PublishError(
        f"no journal says that {registry.host}/{repository}@{digest} was verified and published{unread}",
        next_step="publish it with `warmbase publish`, or promote what was",
    )


def _read(place: Place, tags: Sequence[str]) -> dict[str, Entry]:
    def read(tag: str) -> Entry | None:
        document = read_record(place.registry, place.journal, tag, KIND)
        try:
            return entry_from_json(document, tag) if document else None
        except ValueError as error:
            raise RegistryError(
                f"{place.registry.host}/{place.journal}:{tag}: {error}",
                next_step="use the version of warmbase that wrote it, or a newer one",
            ) from error

    with ThreadPoolExecutor(max_workers=_AT_ONCE, thread_name_prefix="journal") as executor:
        return {tag: entry for tag, entry in zip(tags, executor.map(read, tags), strict=True) if entry}
