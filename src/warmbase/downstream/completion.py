"""What a shell may complete: the names that are known on this machine without asking anybody."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from warmbase.downstream.index import index_from_json, parse_index
from warmbase.downstream.index_listing import keeper_of, read_file
from warmbase.downstream.listing import Listing
from warmbase.downstream.setting import find_source
from warmbase.errors import ListingError, WarmbaseError


def known_names(environment: Mapping[str, str], folder: Path, catalog: Path, kept: Path) -> list[str]:
    """Names and tags of the place that is set, as it was read last, and of the catalog, if there is one.

    `kept` is the folder of what was read. Raises WarmbaseError and OSError for what is there and cannot be read.
    """
    listing = _kept_listing(environment, folder, catalog, kept)
    names = dict.fromkeys(_published(listing)) if listing else {}
    return list(names | dict.fromkeys(_in_catalog(catalog)))


def _kept_listing(environment: Mapping[str, str], folder: Path, catalog: Path, kept: Path) -> Listing | None:
    try:
        source = find_source("", folder, environment, catalog)
    except ListingError:
        return None
    if source.kind == "path":
        return index_from_json(parse_index(read_file(Path(source.text)), source.text), source.text)
    keeper = keeper_of(source.text, kept)
    found = keeper.read()
    return index_from_json(parse_index(found.content, keeper.source), keeper.source) if found else None


def _published(listing: Listing) -> Iterator[str]:
    """The short names first, then all other tags."""
    yield from (base.name for base in listing.bases)
    for base in listing.bases:
        yield from (f"{base.image}:{tag}" for tag in (*base.tags, base.dated) if tag)


def _in_catalog(catalog: Path) -> Iterator[str]:
    if not catalog.is_file():
        return
    from warmbase.catalog.load import load_catalog

    try:
        variants = load_catalog(catalog).variants
    except WarmbaseError:  # somebody is writing it
        return
    for variant in variants:
        yield from (f"{variant.image}:{tag}" for tag in reversed(variant.tags))
