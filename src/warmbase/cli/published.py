"""What the commands for people share: `--index`, and the opening of what it names."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from warmbase.downstream.published import Published
    from warmbase.events import Report

IndexOption = Annotated[
    str,
    typer.Option(
        "--index",
        envvar="WARMBASE_INDEX",
        metavar="PLACE",
        help="What is published: HOST[:PORT]/PATH of a registry, or the address or path of an index.json.",
        show_default=False,
    ),
]


def open_published(index: str, folder: Path, report: "Report") -> "Published":
    """What `index` names, or else what the project in `folder` says, or the catalog in it.

    Raises ListingError where nothing says it. Nothing is read yet.
    """
    raise NotImplementedError
