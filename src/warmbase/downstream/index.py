"""`index.json`: what is published at a place, in one document for programs. Pure.

The catalog's site has one, and what is read of a registry is kept in the same form. `index.schema.json` beside this
module describes it. Packages and layers stand once in tables (see `publish.offer_document`). Of earlier images it has
the versions of Python's packages alone, each as what was different from the image after it.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from warmbase.downstream.listing import Base, Edition, Listing
from warmbase.errors import ListingError
from warmbase.oci.digests import Json
from warmbase.oci.reference import Reference
from warmbase.publish.journal import parse_time
from warmbase.publish.offer_document import (
    OfferReader,
    OfferWriter,
    harmless,
    list_of,
    mapping_of,
    number_of,
    text_of,
    texts_of,
)

FORMAT = 1
NAME = "index.json"
SCHEMA_PATH = Path(__file__).with_name("index.schema.json")

NO_EDITIONS: Mapping[str, Sequence[Edition]] = {}

_BASE_TEXTS = ("place", "variant", "digest", "time", "dated", "content", "yanked", "instead")
_EDITION_TEXTS = ("time", "action", "digest", "dated", "content", "changes")
_YANK_TEXTS = ("yanked", "instead")


def index_to_json(listing: Listing, editions: Mapping[str, Sequence[Edition]] = NO_EDITIONS) -> dict[str, Json]:
    """The document of a listing; `editions` are earlier images by variant, the newest first."""
    writer = OfferWriter()
    bases: list[Json] = [
        {
            **_texts(base, _BASE_TEXTS),
            "tags": list(base.tags),
            "offer": writer.write(base.offer),
            "history": list(_write_editions(editions.get(base.variant, base.history))),
        }
        for base in listing.bases
    ]
    head: dict[str, Json] = {"format": FORMAT, "source": listing.source, "time": listing.time}
    return {**head, "bases": bases, **writer.tables()}


def render_index(document: Mapping[str, Json]) -> bytes:
    """The text of the document, as short as can be."""
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def parse_index(content: bytes, source: str) -> Mapping[str, Any]:
    """The document in a text that came from `source`. Raises ListingError where it is none."""
    try:
        document = mapping_of(json.loads(content))
    except (ValueError, RecursionError) as error:
        raise _damaged(source, str(error)) from None
    if document.get("format") != FORMAT:
        raise _damaged(source, f"format {document.get('format')!r} instead of {FORMAT}")
    missing = [name for name in ("bases", "time") if name not in document]
    if missing:
        raise _damaged(source, f"it lacks {' and '.join(missing)}")
    return document


def index_from_json(document: Mapping[str, Any], source: str) -> Listing:
    """Read `index_to_json` back, but for the history. `source` is for messages, and for the listing.

    Raises ListingError.
    """
    try:
        reader = OfferReader(document)
        bases = tuple(_read_base(each, reader) for each in list_of(document.get("bases")))
        _check_distinct(bases)
        return Listing(bases=bases, source=source, time=_time_of(document) if document.get("time") != "" else "")
    except ValueError as error:
        raise _damaged(source, str(error)) from None


def editions_from_json(document: Mapping[str, Any], variant: str, source: str) -> tuple[Edition, ...]:
    """The images of a variant, the newest first; nothing for a variant that is not there. Raises ListingError."""
    try:
        for base in map(mapping_of, list_of(document.get("bases"))):
            if base.get("variant") == variant:
                return tuple(_read_editions(list_of(base.get("history"))))
    except ValueError as error:
        raise _damaged(source, str(error)) from None
    return ()


def _check_distinct(bases: Sequence[Base]) -> None:
    twice = [name for name, times in Counter(base.variant for base in bases).items() if times > 1]
    if twice:
        raise ValueError(f"it has several bases {twice[0]}")


def _texts(item: Base | Edition, names: Sequence[str]) -> dict[str, Json]:
    return {name: getattr(item, name) for name in names}


def _read_base(value: object, reader: OfferReader) -> Base:
    known = mapping_of(value)
    offer, tags = reader.read(known.get("offer")), texts_of(known.get("tags"))
    if not tags:
        raise ValueError("a base without a tag")
    place, variant = text_of(known, "place"), text_of(known, "variant")
    image, digest = variant.partition(":")[0], text_of(known, "digest")
    for tag in tags:  # FROM lines are made of them
        Reference.parse(f"{place}/{image}:{tag}@{digest}")
    return Base(
        place=place,
        variant=variant,
        tags=tags,
        digest=digest,
        time=_time_of(known),
        offer=offer,
        dated=text_of(known, "dated"),
        content=text_of(known, "content"),
        yanked=text_of(known, "yanked"),
        instead=text_of(known, "instead"),
    )


def _write_editions(editions: Sequence[Edition]) -> Iterator[Json]:
    if not editions:
        return
    yield _write_edition(editions[0], dict(editions[0].packages))
    for newer, older in pairwise(editions):
        different: dict[str, Json] = {
            name: older.packages.get(name)
            for name in sorted(newer.packages.keys() | older.packages.keys())
            if newer.packages.get(name) != older.packages.get(name)
        }
        yield _write_edition(older, different)


def _write_edition(edition: Edition, packages: Mapping[str, Json]) -> dict[str, Json]:
    yank = {name: text for name, text in _texts(edition, _YANK_TEXTS).items() if text}
    return {**_texts(edition, _EDITION_TEXTS), "size": edition.size, **yank, "packages": dict(packages)}


def _read_editions(values: Sequence[Any]) -> Iterator[Edition]:
    packages: dict[str, str] = {}
    for known in map(mapping_of, values):
        different = mapping_of(known.get("packages", {}))
        if not all(version is None or isinstance(version, str) for version in different.values()):
            raise ValueError("a version is no text")
        packages = {
            harmless(name): harmless(version)
            for name, version in {**packages, **different}.items()
            if version is not None
        }
        yield Edition(
            time=_time_of(known),
            action=text_of(known, "action"),
            digest=text_of(known, "digest"),
            dated=text_of(known, "dated"),
            content=text_of(known, "content"),
            changes=text_of(known, "changes"),
            size=number_of(known, "size"),
            packages=packages,
            yanked=text_of(known, "yanked"),
            instead=text_of(known, "instead"),
        )


def _time_of(known: Mapping[str, Any]) -> str:
    time = text_of(known, "time")
    parse_time(time)
    return time


def _damaged(source: str, reason: str) -> ListingError:
    return ListingError(
        f"{source} is no index of published bases that this version reads: {reason}",
        next_step="see whether the address is right; an index is what `warmbase site` writes as index.json",
    )
