"""What is published in a registry, read from its journal.

One listing of the journal's tags says which entry is the newest of each variant; that entry has the offer (see
`publish.offering`), so that a variant takes one request and no image is asked for. Entries never change: what
was read is kept, and the next time only the tags are listed, and what is new is read. Yanks are no entries; they are
found among the tags of each image's repository, one listing each.

Where the registry cannot be reached, what was kept is told instead, with a warning that says of when it is.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import cached_property
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING

from warmbase.downstream.index import index_from_json, index_to_json, parse_index, render_index
from warmbase.downstream.kept import Keeper, Kept
from warmbase.downstream.listing import Base, Edition, Listing
from warmbase.downstream.naming import find_listed, no_such_base, nothing_published, take_apart
from warmbase.errors import ListingError, RegistryError
from warmbase.events import Report, Warned
from warmbase.publish.journal import format_time

if TYPE_CHECKING:  # what is kept is told without loading what reads registries
    from warmbase.downstream.registry_reading import RegistryReader
    from warmbase.publish.model import Place


class RegistryListing:
    """See `Published`. `name` is the place's, "registry.example/bases"; `open_place` gives it when it is asked for, and
    hears whether it is kept what was there.

    `folder` is where listings are kept, `entries` where journals' entries are.
    """

    def __init__(
        self,
        name: str,
        open_place: "Callable[[bool], Place]",
        *,
        folder: Path,
        entries: Path,
        clock: Callable[[], datetime],
        report: Report,
    ) -> None:
        self.source = name
        self._open = open_place
        self._keeper = Keeper(folder=folder, source=name)
        self._entries = entries
        self._clock = clock
        self._report = report

    @cached_property
    def _reader(self) -> "RegistryReader":
        from warmbase.downstream.registry_reading import RegistryReader

        return RegistryReader(self._open(self._keeper.path.exists()), self._entries, self._report)

    @cached_property
    def _listing(self) -> Listing:
        kept = self._keeper.read()
        known = self._read_kept(kept) if kept else None
        if kept and known and kept.is_fresh(self._clock()):
            return known
        try:
            return self._refresh(kept if known else None, known.bases if known else ())
        except RegistryError as error:
            if known is None:
                raise _as_listing_error(error) from error
            said = f"{error.message}; what is told is of {known.time}"
            self._report(Warned(subject=self.source, message=said))
            return known

    def listing(self) -> Listing:
        """See `Published`."""
        return self._listing

    def editions(self, variant: str) -> tuple[Edition, ...]:
        """See `Published`."""
        try:
            return self._reader.histories([variant])[variant]
        except RegistryError as error:
            raise _as_listing_error(error) from error

    def histories(self) -> Mapping[str, tuple[Edition, ...]]:
        """See `Published`."""
        variants = [base.variant for base in self._listing.bases]
        try:
            return self._reader.histories(variants)
        except RegistryError as error:
            said = f"{error.message}; what bases were before is not told"
            self._report(Warned(subject=self.source, message=said))
            return {}

    def find(self, text: str) -> Base:
        """See `Published`."""
        found = find_listed(self._listing, text)
        if found:
            return found
        wanted = take_apart(text, {self.source})
        of_image = [base for base in self._listing.bases if wanted.image in ("", base.image)]
        try:
            for base in _likely(wanted.tag, of_image) if wanted.tag or wanted.digits else ():
                earlier = self._reader.find_earlier(base.variant, wanted)
                if earlier:
                    return earlier
        except RegistryError as error:
            raise _as_listing_error(error) from error
        raise no_such_base(self._listing, text)

    def _read_kept(self, kept: Kept) -> Listing | None:
        try:
            listing = index_from_json(parse_index(kept.content, self.source), self.source)
            return replace(listing, time=format_time(kept.asked))
        except ListingError:  # another version's
            return None

    def _refresh(self, kept: Kept | None, known: Sequence[Base]) -> Listing:
        """Ask the registry; `known` are the bases in what is `kept`. Raises RegistryError."""
        now = self._clock()
        if not self._reader.newest:
            raise nothing_published(self.source)
        bases, entries = self._reader.read_bases(known, kept.stamp if kept else {})
        bases = self._reader.with_yanks(bases)
        listing = Listing(bases=bases, source=self.source, time=format_time(now))
        if kept and all(one is other for one, other in zip_longest(bases, known)):
            self._keeper.write(replace(kept, asked=now, stamp=entries))
        else:
            content = render_index(index_to_json(listing))
            self._keeper.write(Kept(asked=now, stamp=entries, content=content))
        return listing


def _likely(tag: str, bases: Iterable[Base]) -> Sequence[Base]:
    """The bases whose own tags begin as `tag` does, if there are any: the journals of others need not be read."""
    found = list(bases)
    return [base for base in found if any(tag.startswith(own) for own in base.tags)] or found


def _as_listing_error(error: RegistryError) -> ListingError:
    return ListingError(error.message, next_step=error.next_step)
