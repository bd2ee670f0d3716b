"""Bases of `offered` in a registry, as far as whoever chooses looks at it: the journal's entries with their offers."""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from warmbase.downstream.listing import Base, Edition
from warmbase.effects.registry.model import Registry
from warmbase.effects.registry.records import write_record
from warmbase.publish.journal import Entry, PublishedPlatform, record_entry
from warmbase.publish.model import Place
from warmbase.publish.offer_document import pack_offer


def entry_of(base: Base) -> Entry:
    """What the journal says of a base."""
    packages = {each.name: each.version for each in base.offer.platforms[0].packages if each.use == "venv"}
    return Entry(
        variant=base.variant,
        action="publish",
        time=base.time,
        digest=base.digest,
        rolling=base.tags,
        content=base.content,
        dated=base.dated,
        platforms={
            each.platform: PublishedPlatform(digest=each.digest, verified=each.verified)
            for each in base.offer.platforms
        },
        foundation=base.offer.foundation,
        packages=packages,
        size=sum(each.size for each in base.offer.platforms),
    )


def list_bases(registry: Registry, bases: Iterable[Base]) -> Place:
    """Enter bases, whose place is in `registry`, into the journal there. No image is pushed."""
    listed = list(bases)
    _, _, prefix = listed[0].place.partition("/")
    place = Place(registry=registry, prefix=prefix)

    def enter(base: Base) -> None:
        record, tag = record_entry(entry_of(base), [pack_offer(base.offer)])
        write_record(registry, place.journal, record, tag)

    enter(listed[0])  # what all records have in common is there for the others
    with ThreadPoolExecutor(max_workers=8) as executor:
        list(executor.map(enter, listed[1:]))
    return place


def list_editions(place: Place, base: Base, editions: Iterable[Edition]) -> None:
    """Enter what a base was into the journal, without what it offered then."""
    for edition in editions:
        was = replace(
            entry_of(base),
            time=edition.time,
            digest=edition.digest,
            content=edition.content,
            dated=edition.dated,
            packages=edition.packages,
        )
        record, tag = record_entry(was, [])
        write_record(place.registry, place.journal, record, tag)
