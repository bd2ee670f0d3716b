"""`warmbase diff`: how two published images differ."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from warmbase.cli.app import JsonOption, app
from warmbase.cli.output import print_json, reporting
from warmbase.cli.published import IndexOption, open_published, published_names

if TYPE_CHECKING:
    from warmbase.downstream.difference import Difference
    from warmbase.downstream.listing import Base
    from warmbase.nightly.model import Move

_WHICH = "a name (data:py3.13), a dated or content tag, a digest, or a whole reference"


@app.command()
def diff(
    old: Annotated[str, typer.Argument(metavar="A", help=f"One image: {_WHICH}.", autocompletion=published_names)],
    new: Annotated[str, typer.Argument(metavar="B", help="The other one.", autocompletion=published_names)],
    index: IndexOption = "",
    as_json: JsonOption = False,
) -> None:
    """Show how two published images differ, of one variant or of two: packages of Python and of the system, Python, uv,
    size, and what a pull of B costs who has A.

    Example: warmbase diff data:py3.13-trixie-20261119 data:py3.13
    """
    from warmbase.downstream.difference import compare_bases, difference_to_json

    with reporting(quiet=True) as report:
        published = open_published(index, Path(), report)
        found = compare_bases(published.find(old), published.find(new))
    if as_json:
        print_json(difference_to_json(found))
    else:
        for line in difference_lines(found):
            typer.echo(line)


def difference_lines(difference: "Difference") -> Iterator[str]:
    """The difference for people, also as the changelog of who moves from A to B."""
    from warmbase.downstream.words import in_columns
    from warmbase.nightly.changes import KINDS
    from warmbase.nightly.report.tables import KIND_WORDS, count_moves
    from warmbase.oci.sizes import in_bytes

    yield f"{_name(difference.old)} → {_name(difference.new)}"
    for each in difference.platforms:
        yield (
            f"{each.platform}: {in_bytes(each.old_size)} → {in_bytes(each.new_size)}; {each.shared_layers} of"
            f" {each.layers} layers shared; whoever has A pulls {in_bytes(each.pulled)}"
        )
    for platforms, side in ((difference.only_old, "A"), (difference.only_new, "B")):
        if platforms:
            yield f"{', '.join(platforms)}: only in {side}, not compared"
    for kind in KINDS:
        own = [move for move in difference.moves if move.kind == kind]
        if own:
            yield from ("", f"{KIND_WORDS[kind]}: {count_moves(own)}")
            yield from in_columns(("package", "from", "to", ""), [_row(move) for move in own])
    if not difference.moves:
        yield "no package moved"


def _name(base: "Base") -> str:
    return f"{base.name} ({base.digest[:19]}, {base.time[:10]})"


def _row(move: "Move") -> tuple[str, ...]:
    from warmbase.nightly.changes import direction

    name = f"{move.name} ({', '.join(move.platforms)})" if move.platforms else move.name
    return (name, move.old or "-", move.new or "-", direction(move))
