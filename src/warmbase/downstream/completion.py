"""What a shell may complete: what is known on this machine without asking anybody."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from warmbase.downstream.index import index_from_json, parse_index
from warmbase.downstream.index_listing import keeper_of, read_file
from warmbase.downstream.listing import Listing
from warmbase.downstream.setting import find_source
from warmbase.errors import ListingError, WarmbaseError


def known_listing(
    given: str, environment: Mapping[str, str], folder: Path, catalog: Path, kept: Path
) -> Listing | None:
    """What was read last of the place that is `given`, or else set (see `setting`); None where nothing is kept.

    `kept` is the folder of what was read. Raises WarmbaseError and OSError for what is there and cannot be read.
    """
    try:
        source = find_source(given, folder, environment, catalog)
    except ListingError:
        return None
    if source.kind == "path":
        return index_from_json(parse_index(read_file(Path(source.text)), source.text), source.text)
    keeper = keeper_of(source.text, kept)
    found = keeper.read()
    return index_from_json(parse_index(found.content, keeper.source), keeper.source) if found else None


def base_names(listing: Listing | None, catalog: Path) -> list[str]:
    """The names of bases, the short ones first, then those with other tags; of the catalog, if there is one, too."""
    return list(dict.fromkeys([*(_published(listing) if listing else ()), *_in_catalog(catalog)]))


def packages_of(listing: Listing | None) -> list[str]:
    """The Python packages that any base has."""
    bases = listing.bases if listing else ()
    return sorted({each.name for base in bases for own in base.offer.platforms for each in own.packages})


def platforms_of(listing: Listing | None) -> list[str]:
    """The platforms that any base is for."""
    return sorted({own.platform for base in (listing.bases if listing else ()) for own in base.offer.platforms})


def _published(listing: Listing) -> Iterator[str]:
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
