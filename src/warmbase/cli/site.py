"""`warmbase site`: the catalog page, for people who choose a base."""

from pathlib import Path
from typing import Annotated

import typer

from warmbase.cli.app import JsonOption, app
from warmbase.cli.output import print_json, reporting
from warmbase.cli.published import IndexOption, open_published


@app.command()
def site(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The folder to write it to; made where it is not there.")],
    index: IndexOption = "",
    as_json: JsonOption = False,
) -> None:
    """Write a static site of what is published: a search by package and version, a page for each base with its FROM
    line, packages, layers and history, and index.json for programs.

    It opens from a file and from any static host, and asks nobody for anything. An earlier site in OUT is replaced;
    other files there stay.

    Example: warmbase site build/site --index registry.example/bases
    """
    from warmbase.downstream.site.pages import render_site
    from warmbase.downstream.site.writing import write_site
    from warmbase.downstream.words import count
    from warmbase.oci.sizes import in_bytes

    with reporting(quiet=True) as report:
        published = open_published(index, Path(), report)
        listing = published.listing()
        editions = published.histories()
    files = render_site(listing, editions)
    write_site(files, out)
    size = sum(map(len, files.values()))
    if as_json:
        page = (out / "index.html").as_posix()
        print_json({"page": page, "bases": len(listing.bases), "files": len(files), "bytes": size})
    else:
        bases = f"{count(len(listing.bases), 'base')} of {listing.source}"
        typer.echo(f"{bases}: {len(files)} files, {in_bytes(size)}")
        typer.echo(f"open {(out / 'index.html').as_posix()}")
