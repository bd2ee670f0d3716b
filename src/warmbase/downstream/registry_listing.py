"""What is published in a registry, read from its journal.

One listing of the journal's tags says which entry is the newest of each variant; that entry has the offer (see
`publish.offering`), so that a variant takes one request and no image is asked for. Entries never change: what
was read is kept, and the next time only the tags are listed, and what is new is read. Yanks are no entries; they are
found among the tags of each image's repository, one listing each.

Where the registry cannot be reached, what was kept is told instead, with a warning that says of when it is.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from itertools import zip_longest
from pathlib import Path

from warmbase.downstream.index import index_from_json, index_to_json, parse_index, render_index
from warmbase.downstream.kept import Keeper, Kept
from warmbase.downstream.listing import Base, Edition, Listing
from warmbase.downstream.naming import find_listed, is_edition, no_such_base, take_apart
from warmbase.effects.registry.records import read_layer
from warmbase.errors import ListingError, RegistryError
from warmbase.events import Report, Warned
from warmbase.oci.manifest import Descriptor
from warmbase.oci.records import document_layer, packed_layers, parse_document
from warmbase.publish.history import history
from warmbase.publish.journal import KIND, Entry, entry_from_json, format_time, front, merge
from warmbase.publish.ledger import last_at_once, read_tagged
from warmbase.publish.model import Place
from warmbase.publish.offering import read_offer
from warmbase.publish.stamps import Stamp
from warmbase.publish.yank import Yank, read_tagged_yanks

_AT_ONCE = 16
_OTHER_VERSION = "use the version of warmbase that published it, or a newer one"


class RegistryListing:
    """See `Published`. `name` is the place's, "registry.example/bases"; `open_place` gives it when it is asked for.

    `folder` is where listings are kept, `entries` where journals' entries are.
    """

    def __init__(
        self,
        name: str,
        open_place: Callable[[], Place],
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
    def _place(self) -> Place:
        return self._open()

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
                raise ListingError(error.message, next_step=error.next_step) from error
            said = f"{error.message}; what is told is of {known.time}"
            self._report(Warned(subject=self.source, message=said))
            return known

    def listing(self) -> Listing:
        """See `Published`."""
        return self._listing

    def editions(self, variant: str) -> tuple[Edition, ...]:
        """See `Published`."""
        return tuple(
            Edition(
                time=entry.time,
                action=entry.action,
                digest=entry.digest,
                dated=entry.dated,
                content=entry.content,
                changes=change.words(),
                size=entry.size,
                packages=entry.packages,
            )
            for entry, change in history(merge(self._own_entries(variant)))
        )

    def find(self, text: str) -> Base:
        """See `Published`."""
        found = find_listed(self._listing, text)
        if found:
            return found
        wanted = take_apart(text, {self.source})
        of_image = [base for base in self._listing.bases if wanted.image in ("", base.image)]
        for base in self._likely(wanted.tag, of_image) if wanted.tag or wanted.digits else ():
            entries = merge(self._own_entries(base.variant)).entries
            for entry, edition in zip(reversed(entries), self.editions(base.variant), strict=True):
                digests = {each.digest for each in entry.platforms.values()}
                if is_edition(wanted, edition) or any(map(wanted.is_digest, digests)):
                    return self._earlier(entry)
        raise no_such_base(self._listing, text)

    def _likely(self, tag: str, bases: Iterable[Base]) -> Sequence[Base]:
        """The bases whose own tags begin as `tag` does, if there are any: the journals of others need not be read."""
        found = list(bases)
        return [base for base in found if any(tag.startswith(own) for own in base.tags)] or found

    def _own_entries(self, variant: str) -> list[Entry]:
        """All entries of a variant as they were written. Raises ListingError."""
        try:
            stamps = [stamp for stamp in self._stamps if stamp.front == front(variant)]
            read = read_tagged(self._place, [str(stamp) for stamp in stamps], self._entries)
        except RegistryError as error:
            raise ListingError(error.message, next_step=error.next_step) from error
        return [entry for entry in read.values() if entry.variant == variant]

    @cached_property
    def _stamps(self) -> tuple[Stamp, ...]:
        """The entries of all variants, as the tags of the journal say. Raises RegistryError."""
        return tuple(filter(None, map(Stamp.parse, self._place.registry.tags(self._place.journal))))

    def _earlier(self, entry: Entry) -> Base:
        """The base that an entry published, under its own tags."""
        stamp = Stamp.parse(entry.id)
        assert stamp, "it was read under a stamp"
        try:
            read = _base(self._place, replace(_read_record(self._place, stamp), entry=entry))
            with ThreadPoolExecutor(max_workers=1, thread_name_prefix="yanks") as executor:
                [base] = _with_yanks(self._place, [read], executor)
        except (RegistryError, ValueError) as error:
            said = f"{self.source}: what {entry.variant} was on {entry.time[:10]} cannot be read: {error}"
            raise ListingError(said, next_step=_OTHER_VERSION) from error
        return replace(base, tags=tuple(tag for tag in (entry.dated, entry.content) if tag) or entry.rolling)

    def _read_kept(self, kept: Kept) -> Listing | None:
        try:
            listing = index_from_json(parse_index(kept.content, self.source), self.source)
            return replace(listing, time=format_time(kept.asked))
        except ListingError:  # another version's
            return None

    def _refresh(self, kept: Kept | None, known: Sequence[Base]) -> Listing:
        """Ask the registry; `known` are the bases in what is `kept`."""
        now = self._clock()
        newest = _newest_of_each(self._stamps)
        if not newest:
            raise ListingError(
                f"nothing is published at {self.source}",
                next_step="see whether the place is right; `warmbase publish` publishes there",
            )
        tags = sorted(str(one) for own in newest for one in own)
        is_same = kept is not None and tags == kept.stamp.get("tags")
        with ThreadPoolExecutor(max_workers=_AT_ONCE, thread_name_prefix="listing") as executor:
            bases = tuple(known) if is_same else self._read_bases(newest, known, executor)
            bases = _with_yanks(self._place, bases, executor)
        listing = Listing(bases=bases, source=self.source, time=format_time(now))
        if kept and all(one is other for one, other in zip_longest(bases, known)):
            self._keeper.write(replace(kept, asked=now))
        else:
            content = render_index(index_to_json(listing))
            self._keeper.write(Kept(asked=now, stamp={"tags": tags}, content=content))
        return listing

    def _read_bases(
        self, newest: Sequence[Sequence[Stamp]], known: Sequence[Base], executor: ThreadPoolExecutor
    ) -> tuple[Base, ...]:
        """The base of each variant, those that are `known` as they are. What cannot be read is left out, and told."""
        before = {(base.variant, base.time, base.digest): base for base in known}
        failures: list[RegistryError | ValueError] = []

        def read(own: Sequence[Stamp]) -> list[Base]:
            records = [_read_record(self._place, stamp) for stamp in own]
            found = []
            for variant in sorted({record.entry.variant for record in records}):
                entry = merge(record.entry for record in records if record.entry.variant == variant).newest
                record = next(record for record in records if entry and record.entry.id == entry.id)
                key = (variant, record.entry.time, record.entry.digest)
                found.append(before.get(key) or _base(self._place, record))
            return found

        def attempt(own: Sequence[Stamp]) -> list[Base]:
            try:
                return read(own)
            except (RegistryError, ValueError) as error:
                failures.append(error)
                self._report(Warned(subject=own[-1].front, message=f"it is left out, as it cannot be read: {error}"))
                return []

        bases = [base for found in executor.map(attempt, newest) for base in found]
        if failures and not bases:
            error = failures[0]
            raise error if isinstance(error, RegistryError) else RegistryError(str(error), next_step=_OTHER_VERSION)
        return with_own_tags(bases)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Record:
    """An entry of the journal, and the further layers of its record by media type."""

    entry: Entry
    layers: Mapping[str, Descriptor]


def with_own_tags(bases: Iterable[Base]) -> tuple[Base, ...]:
    """Bases by variant, each rolling tag with the one that was given it last: a short name may have been another's."""
    owners: dict[tuple[str, str], Base] = {}
    found = sorted(bases, key=lambda base: (base.time, base.variant))
    for base in found:
        owners |= {(base.image, tag): base for tag in base.tags}
    own = (replace(base, tags=tuple(t for t in base.tags if owners[base.image, t] is base)) for base in found)
    return tuple(sorted((base for base in own if base.tags), key=lambda base: base.variant))


def _newest_of_each(stamps: Iterable[Stamp]) -> list[list[Stamp]]:
    """The newest entries of each variant; see `last_at_once`."""
    fronts: dict[str, list[Stamp]] = defaultdict(list)
    for stamp in stamps:
        fronts[stamp.front].append(stamp)
    return [last_at_once(sorted(own, key=lambda one: (one.time, one.digits))) for _, own in sorted(fronts.items())]


def _read_record(place: Place, stamp: Stamp) -> _Record:
    """Raises RegistryError, and ValueError for what is no entry."""
    document = place.registry.read_manifest(place.journal, str(stamp))
    if document is None:
        raise ValueError(f"{place.journal} has no {stamp} any more")
    content = read_layer(place.registry, place.journal, document_layer(KIND, document.content))
    entry = entry_from_json(parse_document(content), str(stamp))
    return _Record(entry=entry, layers=packed_layers(document.content))


def _base(place: Place, record: _Record) -> Base:
    """Raises RegistryError, and ValueError for what cannot be read."""
    entry = record.entry
    return Base(
        place=str(place),
        variant=entry.variant,
        tags=entry.rolling,
        digest=entry.digest,
        time=entry.time,
        offer=read_offer(place, entry, record.layers),
        dated=entry.dated,
        content=entry.content,
    )


def _with_yanks(place: Place, bases: Sequence[Base], executor: ThreadPoolExecutor) -> tuple[Base, ...]:
    """Bases with what is said against them today. An image is yanked with each of its platforms."""
    digests: dict[str, list[str]] = defaultdict(list)
    for base in bases:
        digests[base.image] += [base.digest, *(each.digest for each in base.offer.platforms)]

    def ask(image: str) -> dict[str, Yank]:
        return read_tagged_yanks(place.registry, place.repository(image), digests[image])

    yanks = dict(zip(digests, executor.map(ask, digests), strict=True))
    return tuple(_with_yank(base, yanks[base.image]) for base in bases)


def _with_yank(base: Base, yanks: Mapping[str, Yank]) -> Base:
    said = (yanks.get(digest) for digest in (base.digest, *(each.digest for each in base.offer.platforms)))
    yank = next(filter(None, said), None)
    reason, instead = (yank.reason, yank.instead) if yank else ("", "")
    return base if (base.yanked, base.instead) == (reason, instead) else replace(base, yanked=reason, instead=instead)
