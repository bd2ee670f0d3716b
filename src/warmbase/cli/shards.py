"""`--shard`: which part of a command's work is this machine's."""

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from warmbase.cli.output import print_json
from warmbase.effects.clock import now
from warmbase.errors import RegistryError

if TYPE_CHECKING:
    from warmbase.cli.session import Session

ShardOption = Annotated[
    str,
    typer.Option(
        "--shard",
        metavar="I/N",
        help="Only the I-th of N parts, which cost about the same by what builds took before. Without variants and"
        " this option GitLab's CI_NODE_INDEX and CI_NODE_TOTAL say it, or Kubernetes' JOB_COMPLETION_INDEX and"
        " WARMBASE_SHARDS.",
        show_default=False,
    ),
]


def own_share(session: "Session", names: Sequence[str], text: str, registry: str = "", *, as_json: bool) -> list[str]:
    """The names of the variants that are this machine's part of what `names` mean; `names` where there are no parts.

    `text` is the option. What is named is built, all of it: then the environment says nothing, as a job of GitLab's
    `parallel:matrix` has a number too. What builds took is read from the journal at `registry`, or where the catalog
    says; where neither names a registry, or nobody may read it, all cost the same. Ends the program where the part is
    empty. Raises SelectionError, RegistryError.
    """
    from warmbase.nightly.shards import find_shard, part_of_any

    shard = find_shard(text, {} if names else os.environ)
    if shard is None:
        return list(names)
    variants = session.select(names)
    views, said = _views(session, registry)
    part = part_of_any(variants, views, shard)
    typer.echo(f"part {shard}: {len(part)} of {len(variants)} variants{said}", err=True)
    if not part:
        if as_json:
            print_json([])
        raise typer.Exit
    return [variant.name for variant in part]


def _views(session: "Session", registry: str) -> tuple[list[dict[str, float]], str]:
    """What the last build of each variant took, at each time that machines of this run may go by; and in words where
    that is from, which is the same on all of them."""
    from warmbase.cli.publish import open_place
    from warmbase.nightly.shards import cut_offs
    from warmbase.publish.ledger import REFUSED, newest_entries

    if not (registry or session.catalog.registry):
        return [{}], ""
    place, names = open_place(session, registry), [variant.name for variant in session.catalog.variants]
    times = cut_offs(now())
    try:
        found = [newest_entries(place, names, session.folders.journal, before=time) for time in times]
    except RegistryError as error:
        if error.status not in REFUSED:
            raise
        return [{}], f", all of the same cost: {place} says nothing of builds before"
    said = " or ".join(f"{time:%Y-%m-%d}" for time in times)
    return [{name: each.seconds for name, each in entries.items()} for entries in found], f", by builds before {said}"
