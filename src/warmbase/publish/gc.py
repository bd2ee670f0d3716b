"""Garbage collection of a place in a registry: read what is there, plan, and delete what was planned."""

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TypeVar

from warmbase.effects.registry.records import read_record
from warmbase.errors import PublishError, RegistryError
from warmbase.events import Advanced, Ended, Report, Started, Warned, ignore
from warmbase.layers.remote import KIND as LAYER_KIND
from warmbase.layers.remote import REPOSITORY as LAYERS
from warmbase.oci.manifest import Descriptor, Index, is_index
from warmbase.publish.hosts import deletion_commands
from warmbase.publish.journal import Entry, is_entry, parse_time
from warmbase.publish.ledger import REFUSED, read_entries
from warmbase.publish.model import CLAIMS, JOURNAL, NIGHTS, Place
from warmbase.publish.retention import (
    Holdings,
    Removal,
    Retention,
    needed_digests,
    plan_claims,
    plan_entries,
    plan_images,
    plan_layers,
    retained,
    split_nights,
)

_AT_ONCE = 8

_Answer = TypeVar("_Answer")


@dataclass(frozen=True, kw_only=True, slots=True)
class Garbage:
    """What can be deleted at a place, in the order to delete it.

    `tags` are those of each repository that it was planned by, the journal's among them. `others` are the images that
    the journal knows and nobody asked about.
    """

    removals: tuple[Removal, ...]
    tags: Mapping[str, frozenset[str]] = field(default_factory=dict, hash=False, repr=False)
    others: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Collected:
    """What came of a deletion: what is gone, and the commands for what the registry's API does not delete."""

    deleted: tuple[Removal, ...]
    commands: tuple[str, ...] = ()


def find_garbage(
    place: Place, images: Collection[str], retention: Retention, now: datetime, *, report: Report = ignore
) -> Garbage:
    """What nothing at a place needs any more: in the repositories of `images`, among their entries of the journal, and
    among the shared layers, which no image's entries name, and among what nightly runs keep. Other images may be other
    catalogs', with another retention.

    Changes nothing. `report` hears of what cannot be read, which stays. Raises RegistryError.
    """
    entries = read_entries(place)
    kept = retained(entries.values(), retention, now)
    removals: list[Removal] = []
    needed: dict[str, frozenset[str]] = {}
    tags = {JOURNAL: frozenset(entries)}
    for name in sorted(set(images)):
        own = [entry for entry in entries.values() if entry.image == name]
        holdings = _read_holdings(place, name, own, kept, report)
        needed[name] = needed_digests(holdings, own, kept)
        tags[name] = frozenset(holdings.tags)
        removals += plan_images(holdings, own, kept)
    old = plan_entries(entries, kept, needed)
    staying = [entry for tag, entry in entries.items() if tag not in old]
    times = _layer_times(place, staying, report)
    removals += _records(place, LAYERS, plan_layers(times, retention, now), "no entry names it")
    removals += _records(place, NIGHTS, split_nights(_own_tags(place, NIGHTS))[1], "later nights know it")
    removals += _claims(place, now)
    # The journal comes last: what it no longer knows is kept for ever.
    removals += _records(place, JOURNAL, old, "older than the retention")
    others = {entry.image for entry in entries.values()} - set(images)
    return Garbage(removals=tuple(removals), tags=tags, others=tuple(sorted(others)))


def delete_garbage(place: Place, garbage: Garbage, *, report: Report = ignore) -> Collected:
    """Delete what was found, as far as the registry's API does it. Interrupted, the next run goes on.

    Raises PublishError if something was published or tagged since it was found: before each manifest it looks again,
    so that what a publisher finds there, and names, stays. Raises RegistryError.
    """
    begun, subject = time.monotonic(), str(place)
    report(Started(subject=subject, stage="gc", detail=f"{len(garbage.removals)} manifests"))
    for number, removal in enumerate(garbage.removals):
        _check_unchanged(place, garbage, {JOURNAL, removal.name} & garbage.tags.keys())
        if not place.registry.delete_manifest(place.repository(removal.name), removal.digest):
            rest = garbage.removals[number:]
            return Collected(deleted=garbage.removals[:number], commands=deletion_commands(place, rest))
        report(Advanced(subject=subject, stage="gc", done=number + 1, total=len(garbage.removals)))
    report(Ended(subject=subject, stage="gc", seconds=time.monotonic() - begun))
    return Collected(deleted=garbage.removals)


def _check_unchanged(place: Place, garbage: Garbage, names: Iterable[str]) -> None:
    for name in names:
        found = place.registry.tags(place.repository(name))
        if any(tag not in garbage.tags[name] for tag in found if name != JOURNAL or is_entry(tag)):
            raise PublishError(f"something was published to {place} just now", next_step="run `warmbase gc` again")


def _read_holdings(place: Place, name: str, own: Sequence[Entry], kept: frozenset[str], report: Report) -> Holdings:
    """What the repository of an image has, as far as the plan asks: referrers only of what may go."""
    registry, repository = place.registry, place.repository(name)

    def find(reference: str) -> str:
        found = registry.find_manifest(repository, reference)
        return found.digest if found else ""

    def referrers(digest: str) -> tuple[str, ...]:
        return tuple(referrer.digest for referrer in registry.referrers(repository, digest))

    tags = {tag: digest for tag, digest in _ask(find, _image_tags(place, name, own, report)).items() if digest}
    read = _read_children(place, repository, {*tags.values(), *(entry.digest for entry in own)})
    gone = frozenset(digest for digest, children in read.items() if children is None)
    parts = {entry.digest: entry.manifests for entry in own if entry.digest in gone}
    left = {part for part, found in _ask(find, {part for each in parts.values() for part in each}).items() if found}
    children = {digest: tuple(part for part in each if part in left) for digest, each in parts.items()}
    children |= {digest: found for digest, found in read.items() if found is not None}
    holdings = Holdings(image=name, tags=tags, children=children, gone=gone)
    about: dict[str, tuple[str, ...]] = {}
    unasked = {*(removal.digest for removal in plan_images(holdings, own, kept)), *gone}
    while unasked:  # what refers to a referrer goes with it
        found = _ask(referrers, unasked)
        about |= found
        unasked = {referrer for each in found.values() for referrer in each} - about.keys()
    return replace(holdings, referrers=about)


def _image_tags(place: Place, name: str, own: Sequence[Entry], report: Report) -> tuple[str, ...]:
    """The tags of an image's repository; none for one that was never published and that the registry keeps secret."""
    try:
        return place.registry.tags(place.repository(name))
    except RegistryError as error:
        if own or error.status not in REFUSED:
            raise
        report(Warned(subject="gc", message=f"{error.message}; no entry of the journal is about it, so it is left out"))
        return ()


def _read_children(place: Place, repository: str, digests: Iterable[str]) -> dict[str, tuple[str, ...] | None]:
    """What each index names, and the indexes that it names; nothing for an image, None for what is gone."""
    found: dict[str, tuple[str, ...] | None] = {}
    unread = set(digests)

    def read(digest: str) -> Sequence[Descriptor] | None:
        document = place.registry.read_manifest(repository, digest)
        if document is None:
            return None
        return Index.from_bytes(document.content).manifests if is_index(document.media_type) else ()

    while unread:
        children = _ask(read, unread)
        found |= {
            digest: None if each is None else tuple(child.digest for child in each) for digest, each in children.items()
        }
        named = {child.digest for each in children.values() for child in each or () if is_index(child.media_type)}
        unread = named - found.keys()
    return found


def _layer_times(place: Place, staying: Collection[Entry], report: Report) -> dict[str, str]:
    """When the records of layers that no entry names were written, by recipe, but for what is no such record."""
    named = {recipe for entry in staying for recipe in entry.layers}
    repository = place.repository(LAYERS)

    def written(recipe: str) -> str:
        record = read_record(place.registry, repository, recipe, LAYER_KIND)
        time = str(record["time"]) if record else ""
        if time:
            parse_time(time)
        return time

    def try_written(recipe: str) -> str:
        try:
            return written(recipe)
        except (RegistryError, KeyError, ValueError) as error:
            if isinstance(error, RegistryError) and error.status:
                raise
            name = f"{place.registry.host}/{repository}:{recipe}"
            report(Warned(subject="gc", message=f"{name} stays, as it is no record of a layer"))
            return ""

    found = _ask(try_written, [tag for tag in place.registry.tags(repository) if tag not in named])
    return {recipe: when for recipe, when in found.items() if when}


def _claims(place: Place, now: datetime) -> Iterator[Removal]:
    """The claims that have ended, each with the tag that says so of one that was over before."""
    tags = _own_tags(place, CLAIMS)
    for removal in _records(place, CLAIMS, plan_claims(tags, now), "its time has ended"):
        (claim,) = removal.tags
        yield replace(removal, tags=tuple(tag for tag in tags if tag.startswith(claim)))


def _own_tags(place: Place, name: str) -> tuple[str, ...]:
    """The tags of a repository of nightly runs; none where there were no such runs and the registry keeps it secret."""
    try:
        return place.registry.tags(place.repository(name))
    except RegistryError as error:
        if error.status not in REFUSED:
            raise
        return ()


def _records(place: Place, name: str, tags: Iterable[str], reason: str) -> Iterator[Removal]:
    for tag in tags:
        found = place.registry.find_manifest(place.repository(name), tag)
        if found:
            yield Removal(name=name, digest=found.digest, reason=reason, tags=(tag,))


def _ask(ask: Callable[[str], _Answer], subjects: Iterable[str]) -> dict[str, _Answer]:
    """The answer for each subject, asked in parallel."""
    names = list(subjects)
    with ThreadPoolExecutor(max_workers=_AT_ONCE, thread_name_prefix="gc") as executor:
        return dict(zip(names, executor.map(ask, names), strict=True))
