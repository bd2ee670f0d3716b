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
    from warmbase.nightly.shards import estimate_costs, find_shard, own_part

    shard = find_shard(text, {} if names else os.environ)
    if shard is None:
        return list(names)
    variants = session.select(names)
    part = own_part(variants, estimate_costs(variants, _seconds(session, registry)), shard)
    typer.echo(f"part {shard}: {len(part)} of {len(variants)} variants", err=True)
    if not part:
        if as_json:
            print_json([])
        raise typer.Exit
    return [variant.name for variant in part]


def _seconds(session: "Session", registry: str) -> dict[str, float]:
    """What the last build of each variant took that all machines of a run are sure to see as the last."""
    from warmbase.cli.publish import open_place
    from warmbase.nightly.shards import SETTLED
    from warmbase.publish.ledger import REFUSED, newest_entries

    if not (registry or session.catalog.registry):
        return {}
    names = [variant.name for variant in session.catalog.variants]
    try:
        entries = newest_entries(open_place(session, registry), names, session.folders.journal, before=now() - SETTLED)
    except RegistryError as error:
        if error.status not in REFUSED:
            raise
        return {}
    return {name: entry.seconds for name, entry in entries.items()}
