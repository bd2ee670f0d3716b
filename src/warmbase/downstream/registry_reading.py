"""Reading a registry's journal: the newest entry of each variant and what it offers, or what a variant was before."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from warmbase.downstream.listing import Base, Edition
from warmbase.downstream.naming import Wanted
from warmbase.effects.registry.records import read_layer
from warmbase.errors import RegistryError
from warmbase.events import Report, Warned
from warmbase.oci.manifest import Descriptor
from warmbase.oci.records import parse_document, record_layers
from warmbase.publish.history import Change, history
from warmbase.publish.journal import KIND, Entry, entry_from_json, front, merge
from warmbase.publish.ledger import last_at_once, read_tagged
from warmbase.publish.model import Place
from warmbase.publish.offer_document import harmless
from warmbase.publish.offering import read_offer
from warmbase.publish.stamps import Stamp
from warmbase.publish.yank import Yank, read_tagged_yanks

_AT_ONCE = 16
_OTHER_VERSION = "use the version of warmbase that published it, or a newer one"

Variants = Mapping[str, str]
"""The variant that each entry is of, by the entry's tag."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Record:
    """An entry of the journal, and the further layers of its record by media type."""

    entry: Entry
    layers: Mapping[str, Descriptor]


class RegistryReader:
    """Reads one place. `entries` is the folder that keeps journals' entries. All raise RegistryError."""

    def __init__(self, place: Place, entries: Path, report: Report) -> None:
        self._place = place
        self._entries = entries
        self._report = report

    @cached_property
    def newest(self) -> Sequence[Sequence[Stamp]]:
        """The newest entries of each variant (see `publish.ledger.last_at_once`), by one listing."""
        fronts: dict[str, list[Stamp]] = defaultdict(list)
        for stamp in self._stamps:
            fronts[stamp.front].append(stamp)
        return [last_at_once(sorted(own, key=lambda one: (one.time, one.digits))) for _, own in sorted(fronts.items())]

    def read_bases(self, known: Sequence[Base], entries: Variants) -> tuple[tuple[Base, ...], Variants]:
        """The base of each variant, and the entries that say so; what cannot be read is left out, and told.

        Where `entries` has all that is the newest of a variant, its base is among the `known`.
        """
        before = {base.variant: base for base in known}
        read: dict[str, str] = {}
        failures: list[tuple[str, RegistryError | ValueError]] = []

        def attempt(own: Sequence[Stamp]) -> list[Base]:
            tags = [str(stamp) for stamp in own]
            variants = {entries.get(tag, "") for tag in tags}
            try:
                records = [] if variants <= before.keys() else [self._read_record(stamp) for stamp in own]
                bases = self._newest_of(records) if records else [before[variant] for variant in sorted(variants)]
            except (RegistryError, ValueError) as error:
                failures.append((own[-1].front, error))
                return []
            read.update({record.entry.id: record.entry.variant for record in records})
            read.update({tag: entries[tag] for tag in tags if not records})
            return bases

        with ThreadPoolExecutor(max_workers=_AT_ONCE, thread_name_prefix="listing") as executor:
            found = [base for bases in executor.map(attempt, self.newest) for base in bases]
        if failures and not found:
            raise _as_registry_error(failures[0][1])
        for subject, error in sorted(failures, key=lambda failure: failure[0]):
            self._report(Warned(subject=subject, message=f"it is left out, as it cannot be read: {error}"))
        return with_own_tags(found), dict(sorted(read.items()))

    def with_yanks(self, bases: Sequence[Base]) -> tuple[Base, ...]:
        """Bases with what is said against them today. An image is yanked with each of its platforms."""
        digests: dict[str, list[str]] = defaultdict(list)
        for base in bases:
            digests[base.image] += _digests(base)
        yanks = self._read_yanks(digests)
        return tuple(_with_yank(base, yanks[base.image]) for base in bases)

    def histories(self, variants: Collection[str]) -> dict[str, tuple[Edition, ...]]:
        """What variants were and are, the newest first, with what is said against each image today."""
        entries = self._own_entries(variants)
        past = {variant: tuple(history(merge(own))) for variant, own in entries.items()}
        digests: dict[str, list[str]] = defaultdict(list)
        for changes in past.values():
            for entry, _ in changes:
                digests[entry.image] += _images(entry)
        yanks = self._read_yanks(digests)
        return {
            variant: tuple(_edition(entry, change, yanks[entry.image]) for entry, change in changes)
            for variant, changes in past.items()
        }

    def find_earlier(self, variant: str, wanted: Wanted) -> Base | None:
        """The newest image of a variant that a tag or a digest means, under its own tags."""
        for entry in reversed(merge(self._own_entries([variant])[variant]).entries):
            digests = _images(entry)
            tags = () if wanted.digits else (entry.dated, entry.content)
            if any(map(wanted.is_digest, digests)) or wanted.tag in tags:
                stamp = Stamp.parse(entry.id)
                assert stamp, "it was read under a stamp"
                try:
                    base = self._base(replace(self._read_record(stamp), entry=entry))
                except ValueError as error:
                    raise _as_registry_error(error) from error
                [told] = self.with_yanks([base])
                return replace(told, tags=tuple(tag for tag in (entry.dated, entry.content) if tag) or entry.rolling)
        return None

    def _read_yanks(self, digests: Mapping[str, Iterable[str]]) -> dict[str, Mapping[str, Yank]]:
        """The yanks among the digests of each image's repository, one listing each."""

        def ask(image: str) -> Mapping[str, Yank]:
            found = read_tagged_yanks(self._place.registry, self._place.repository(image), digests[image])
            return {
                digest: replace(yank, reason=harmless(yank.reason), instead=harmless(yank.instead))
                for digest, yank in found.items()
            }

        with ThreadPoolExecutor(max_workers=_AT_ONCE, thread_name_prefix="yanks") as executor:
            return dict(zip(digests, executor.map(ask, digests), strict=True))

    @cached_property
    def _stamps(self) -> tuple[Stamp, ...]:
        return tuple(filter(None, map(Stamp.parse, self._place.registry.tags(self._place.journal))))

    def _own_entries(self, variants: Collection[str]) -> dict[str, list[Entry]]:
        """All entries of variants, read at once."""
        fronts = set(map(front, variants))
        tags = [str(stamp) for stamp in self._stamps if stamp.front in fronts]
        found: dict[str, list[Entry]] = {variant: [] for variant in variants}
        for entry in read_tagged(self._place, tags, self._entries).values():
            if entry.variant in found:
                found[entry.variant].append(entry)
        return found

    def _newest_of(self, records: Sequence[_Record]) -> list[Base]:
        """The bases of the variants that these entries are of. Raises ValueError for what cannot be read."""
        found = []
        for variant in sorted({record.entry.variant for record in records}):
            entry = merge(record.entry for record in records if record.entry.variant == variant).newest
            found.append(self._base(next(record for record in records if entry and record.entry.id == entry.id)))
        return found

    def _read_record(self, stamp: Stamp) -> _Record:
        """Raises ValueError for what is no entry."""
        registry, journal = self._place.registry, self._place.journal
        document = registry.read_manifest(journal, str(stamp))
        if document is None:
            raise ValueError(f"{journal} has no {stamp} any more")
        first, *others = record_layers(KIND, document.content)
        entry = entry_from_json(parse_document(read_layer(registry, journal, first)), str(stamp))
        return _Record(entry=entry, layers={layer.media_type: layer for layer in others})

    def _base(self, record: _Record) -> Base:
        """Raises ValueError for what cannot be read."""
        entry = record.entry
        return Base(
            place=str(self._place),
            variant=entry.variant,
            tags=entry.rolling,
            digest=entry.digest,
            time=entry.time,
            offer=read_offer(self._place, entry, record.layers),
            dated=entry.dated,
            content=entry.content,
        )


def with_own_tags(bases: Iterable[Base]) -> tuple[Base, ...]:
    """Bases by variant, each rolling tag with the one that was given it last: a short name may have been another's."""
    owners: dict[tuple[str, str], Base] = {}
    found = sorted(bases, key=lambda base: (base.time, base.variant))
    for base in found:
        owners |= {(base.image, tag): base for tag in base.tags}
    own = (_with_tags(base, tuple(t for t in base.tags if owners[base.image, t] is base)) for base in found)
    return tuple(sorted((base for base in own if base.tags), key=lambda base: base.variant))


def _with_tags(base: Base, tags: tuple[str, ...]) -> Base:
    return base if base.tags == tags else replace(base, tags=tags)


def _edition(entry: Entry, change: Change, yanks: Mapping[str, Yank]) -> Edition:
    yank = _yank_among(yanks, _images(entry))
    return Edition(
        time=entry.time,
        action=entry.action,
        digest=entry.digest,
        dated=harmless(entry.dated),
        content=harmless(entry.content),
        changes=harmless(change.words()),
        size=entry.size,
        packages=_harmless_packages(entry.packages),
        yanked=yank.reason if yank else "",
        instead=yank.instead if yank else "",
    )


def _harmless_packages(packages: Mapping[str, str]) -> Mapping[str, str]:
    if "".join((*packages, *packages.values())).isprintable():  # as nearly all are
        return packages
    return {harmless(name): harmless(version) for name, version in packages.items()}


def _with_yank(base: Base, yanks: Mapping[str, Yank]) -> Base:
    yank = _yank_among(yanks, _digests(base))
    reason, instead = (yank.reason, yank.instead) if yank else ("", "")
    return base if (base.yanked, base.instead) == (reason, instead) else replace(base, yanked=reason, instead=instead)


def _yank_among(yanks: Mapping[str, Yank], digests: Iterable[str]) -> Yank | None:
    return next(filter(None, map(yanks.get, digests)), None)


def _images(entry: Entry) -> tuple[str, ...]:
    return (entry.digest, *(each.digest for each in entry.platforms.values()))


def _digests(base: Base) -> tuple[str, ...]:
    return (base.digest, *(each.digest for each in base.offer.platforms))


def _as_registry_error(error: RegistryError | ValueError) -> RegistryError:
    return error if isinstance(error, RegistryError) else RegistryError(str(error), next_step=_OTHER_VERSION)
