"""`warmbase changelog`: what changed from one published image of a variant to another."""

from pathlib import Path
from typing import Annotated

import typer

from warmbase.cli.app import CatalogOption, JsonOption, app
from warmbase.cli.output import print_json, reporting
from warmbase.cli.publish import OneVariant, RegistryOption, name_variant, open_place

_WHICH = "A digest, its first digits, or a dated or content tag"


@app.command()
def changelog(
    variant: OneVariant,
    old: Annotated[
        str, typer.Argument(help=f"{_WHICH}; left out: what was there before NEW.", show_default=False)
    ] = "",
    new: Annotated[
        str, typer.Argument(help=f"{_WHICH}; left out: what the rolling tags name.", show_default=False)
    ] = "",
    catalog: CatalogOption = Path("images.yaml"),
    registry: RegistryOption = "",
    as_json: JsonOption = False,
) -> None:
    """Show, as Markdown, what changed from one published image of a variant to another: packages of Python and of the
    system, with the links that packages give; size; and what a pull of the new one costs.

    Example: warmbase changelog data:py3.13 py3.13-trixie-20261120
    """
    from warmbase.cli.session import Session
    from warmbase.nightly.changelog import changelog_to_json, changelog_to_markdown, read_changelog

    with reporting(quiet=as_json) as report:
        session = Session(catalog, report)
        place = open_place(session, registry)
        name, _ = name_variant(session, place, variant)
        found = read_changelog(place, name, old, new)
    if as_json:
        print_json(changelog_to_json(found))
    else:
        typer.echo(changelog_to_markdown(found).rstrip())
