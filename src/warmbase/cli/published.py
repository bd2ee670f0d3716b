"""What the commands for people share: `--index`, and the opening of what it names."""

import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from warmbase.errors import WarmbaseError

if TYPE_CHECKING:
    from collections.abc import Callable

    from warmbase.downstream.listing import Listing
    from warmbase.downstream.published import Published
    from warmbase.events import Report
    from warmbase.publish.model import Place

IndexOption = Annotated[
    str,
    typer.Option(
        "--index",
        metavar="PLACE",
        help="What is published: HOST[:PORT]/PATH of a registry, or an index.json by its address or path; else what"
        " WARMBASE_INDEX says, the project's pyproject.toml, or the catalog.",
        show_default=False,
    ),
]

CATALOG = Path("images.yaml")


def open_published(index: str, folder: Path, report: "Report") -> "Published":
    """What `index` names, or else WARMBASE_INDEX, the project in `folder`, or the catalog in the current folder.

    Raises ListingError where nothing says it, and what reading those files raises. No server is asked yet.
    """
    from warmbase.downstream.setting import find_source
    from warmbase.effects.clock import now
    from warmbase.effects.files import cache_folders

    source = find_source(index, folder, os.environ, CATALOG)
    folders = cache_folders(os.environ)
    if source.kind == "place":
        from warmbase.downstream.registry_listing import RegistryListing

        return RegistryListing(
            source.text,
            lambda is_kept: _open_place(source.text, is_kept=is_kept),
            folder=folders.published,
            entries=folders.journal,
            clock=now,
            report=report,
        )
    from warmbase.downstream.index_listing import IndexListing, read_address, read_file

    if source.kind == "path":
        return IndexListing(source.text, lambda: read_file(Path(source.text)))
    return IndexListing(source.text, lambda: read_address(source.text, folders.published, now, report))


def published_names(ctx: typer.Context, incomplete: str) -> list[str]:
    """What a shell completes for a published image: names and tags of what was read last, and of the catalog in the
    current folder. Nothing is asked for it, and nothing is said."""
    from warmbase.downstream.completion import base_names

    return _complete(ctx, incomplete, partial(base_names, catalog=CATALOG))


def package_names(ctx: typer.Context, incomplete: str) -> list[str]:
    """The same for a package that bases have."""
    from warmbase.downstream.completion import packages_of

    return _complete(ctx, incomplete, packages_of)


def platform_names(ctx: typer.Context, incomplete: str) -> list[str]:
    """The same for a platform that bases are for."""
    from warmbase.downstream.completion import platforms_of

    return _complete(ctx, incomplete, platforms_of)


def _complete(ctx: typer.Context, incomplete: str, words: "Callable[[Listing | None], list[str]]") -> list[str]:
    from warmbase.downstream.completion import known_listing
    from warmbase.effects.files import cache_folders

    kept = cache_folders(os.environ).published
    try:
        listing = known_listing(ctx.params.get("index") or "", os.environ, Path(), CATALOG, kept)
        return [word for word in words(listing) if word.startswith(incomplete)]
    except (WarmbaseError, OSError):
        return []


def _open_place(name: str, *, is_kept: bool) -> "Place":
    """The place of that name, with the mirrors of the catalog in the current folder, if there is one. Somebody waits:
    what fails is tried once more, and not even that where it `is_kept` what was there."""
    from warmbase.effects.registry.registries import open_registries
    from warmbase.effects.registry.retries import Backoff
    from warmbase.publish.model import Place

    open_them = partial(open_registries, os.environ, backoff=Backoff(attempts=1 if is_kept else 2, patience=10))
    if not CATALOG.is_file():
        return Place.parse(name, open_them(is_awaited=True))
    from warmbase.catalog.load import load_catalog

    catalog = load_catalog(CATALOG)
    return Place.parse(name, open_them(insecure=catalog.insecure, mirrors=dict(catalog.mirrors), is_awaited=True))
