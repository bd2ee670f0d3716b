"""Garbage collection of a place in a registry: read what is there, plan, and delete what was planned."""

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import TypeVar

from warmbase.effects.registry.records import read_record
from warmbase.errors import PublishError
from warmbase.events import Advanced, Ended, Report, Started, ignore
from warmbase.layers.remote import KIND as LAYER_KIND
from warmbase.layers.remote import REPOSITORY as LAYERS
from warmbase.oci.manifest import INDEX, Index
from warmbase.publish.hosts import deletion_commands
from warmbase.publish.journal import Entry
from warmbase.publish.ledger import read_entries
from warmbase.publish.model import JOURNAL, Place
from warmbase.publish.retention import (
    Holdings,
    Removal,
    Retention,
    needed_digests,
    plan_entries,
    plan_images,
    plan_layers,
    retained,
)

_AT_ONCE = 8

_Answer = TypeVar("_Answer")


@dataclass(frozen=True, kw_only=True, slots=True)
class Garbage:
    """What can be deleted at a place, in the order to delete it. `journal` are the entries that it was planned by."""

    removals: tuple[Removal, ...]
    journal: frozenset[str] = field(default=frozenset(), repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class Collected:
    """What came of a deletion: what is gone, and the commands for what the registry's API does not delete."""

    deleted: tuple[Removal, ...]
    commands: tuple[str, ...] = ()


def find_garbage(place: Place, images: Collection[str], retention: Retention, now: datetime) -> Garbage:
    """What nothing at a place needs any more: in the repositories of `images` and of all images that the journal knows,
    in the journal, and among the shared layers. Changes nothing. Raises RegistryError.
    """
    entries = read_entries(place)
    kept = retained(entries.values(), retention, now)
    names = sorted({*images, *(entry.image for entry in entries.values())})
    removals: list[Removal] = []
    needed: dict[str, frozenset[str]] = {}
    for name in names:
        own = [entry for entry in entries.values() if entry.image == name]
        holdings = _read_holdings(place, name, own, kept)
        needed[name] = needed_digests(holdings, own, kept)
        removals += plan_images(holdings, own, kept)
    old = plan_entries(entries, kept, needed)
    staying = [entry for tag, entry in entries.items() if tag not in old]
    removals += _records(place, LAYERS, plan_layers(_layer_times(place, staying), retention, now), "no entry names it")
    # The journal comes last: what it no longer knows is kept for ever.
    removals += _records(place, JOURNAL, old, "older than the retention")
    return Garbage(removals=tuple(removals), journal=frozenset(entries))


def delete_garbage(place: Place, garbage: Garbage, *, report: Report = ignore) -> Collected:
    """Delete what was found, as far as the registry's API does it. Interrupted, the next run goes on.

    Raises PublishError if something was published since it was found, and RegistryError.
    """
    if not frozenset(place.registry.tags(place.journal)) <= garbage.journal:
        raise PublishError(f"something was published to {place} just now", next_step="run `warmbase gc` again")
    begun, subject = time.monotonic(), str(place)
    report(Started(subject=subject, stage="gc", detail=f"{len(garbage.removals)} manifests"))
    for number, removal in enumerate(garbage.removals):
        if not place.registry.delete_manifest(place.repository(removal.name), removal.digest):
            rest = garbage.removals[number:]
            return Collected(deleted=garbage.removals[:number], commands=deletion_commands(place, rest))
        report(Advanced(subject=subject, stage="gc", done=number + 1, total=len(garbage.removals)))
    report(Ended(subject=subject, stage="gc", seconds=time.monotonic() - begun))
    return Collected(deleted=garbage.removals)


def _read_holdings(place: Place, name: str, own: Sequence[Entry], kept: frozenset[str]) -> Holdings:
    """What the repository of an image has, as far as the plan asks: referrers only of what may go."""
    registry, repository = place.registry, place.repository(name)

    def find(reference: str) -> str:
        found = registry.find_manifest(repository, reference)
        return found.digest if found else ""

    def referrers(digest: str) -> tuple[str, ...]:
        return tuple(referrer.digest for referrer in registry.referrers(repository, digest))

    tags = {tag: digest for tag, digest in _ask(find, registry.tags(repository)).items() if digest}
    read = _ask(partial(_children, place, repository), {*tags.values(), *(entry.digest for entry in own)})
    gone = frozenset(digest for digest, children in read.items() if children is None)
    parts = {entry.digest: entry.manifests for entry in own if entry.digest in gone}
    left = {part for part, found in _ask(find, {part for each in parts.values() for part in each}).items() if found}
    children = {digest: tuple(part for part in each if part in left) for digest, each in parts.items()}
    children |= {digest: found for digest, found in read.items() if found is not None}
    holdings = Holdings(image=name, tags=tags, children=children, gone=gone)
    doomed = [removal.digest for removal in plan_images(holdings, own, kept)]
    return replace(holdings, referrers=_ask(referrers, {*doomed, *gone}))


def _children(place: Place, repository: str, digest: str) -> tuple[str, ...] | None:
    """What an index names; nothing for an image, None for what is gone."""
    document = place.registry.read_manifest(repository, digest)
    if document is None:
        return None
    if document.media_type != INDEX:
        return ()
    return tuple(child.digest for child in Index.from_bytes(document.content).manifests)


def _layer_times(place: Place, staying: Collection[Entry]) -> dict[str, str]:
    """When the records of layers that no entry names were written, by recipe."""
    named = {recipe for entry in staying for recipe in entry.layers}
    repository = place.repository(LAYERS)

    def written(recipe: str) -> str:
        record = read_record(place.registry, repository, recipe, LAYER_KIND)
        return str(record["time"]) if record else ""

    found = _ask(written, [tag for tag in place.registry.tags(repository) if tag not in named])
    return {recipe: when for recipe, when in found.items() if when}


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
