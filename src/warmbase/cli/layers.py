"""`warmbase store`: what is in the layer store, whether it is whole, and making room."""

import os
import sys
import time
from typing import TYPE_CHECKING, Annotated

import typer

from warmbase.cli.app import JsonOption, app
from warmbase.cli.output import print_json, print_table
from warmbase.oci.sizes import in_bytes

if TYPE_CHECKING:
    from warmbase.layers.store import LayerStore

store = typer.Typer(help="List, verify and prune the layer store.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(store, name="store")


def _open_store() -> "LayerStore":
    from warmbase.effects.files import cache_folders
    from warmbase.layers.store import LayerStore

    return LayerStore(cache_folders(os.environ).store)


@store.command("list")
def list_layers(as_json: JsonOption = False) -> None:
    """List the layers, the last used first.

    Example: warmbase store list
    """
    opened = _open_store()
    layers = opened.list()
    rows = [
        (str(stored.layer.notes.get("package", "")), stored.layer.recipe, stored.layer.size,
         time.strftime("%Y-%m-%d %H:%M", time.localtime(stored.last_used)))
        for stored in layers
    ]  # fmt: skip
    if as_json:
        keys = ("package", "recipe", "size", "last_used")
        print_json([dict(zip(keys, row, strict=True)) for row in rows])
        return
    print_table(
        ("package", "recipe", "size", "last used"),
        [(name, key[:12], in_bytes(size), used) for name, key, size, used in rows],
    )
    unique = {stored.layer.digest: stored.layer.size for stored in layers}
    typer.echo(f"\n{len(rows)} layers, {in_bytes(sum(unique.values()))} in {opened.root}")


@store.command()
def verify(as_json: JsonOption = False) -> None:
    """Hash every blob; drop the damaged ones, which the next build makes again.

    Example: warmbase store verify
    """
    damaged = _open_store().verify()
    if as_json:
        print_json([{"digest": d.digest, "reason": d.reason, "recipes": list(d.recipes)} for d in damaged])
    else:
        for damage in damaged:
            typer.echo(f"dropped {damage.digest}: {damage.reason}")
        typer.echo(f"{len(damaged)} damaged blobs")
    if damaged:
        sys.exit(1)


@store.command()
def prune(
    keep_days: Annotated[float | None, typer.Option(min=0, help="Forget layers not used for so many days.")] = None,
    max_size: Annotated[float | None, typer.Option(min=0, help="Then the longest unused, down to so many GB.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Forget layers that were not used for a while, and what is unpacked of them. A running build is an error.

    Example: warmbase store prune --keep-days 30
    """
    from warmbase.effects.files import cache_folders
    from warmbase.layers.unpack import UnpackedLayers

    if keep_days is None and max_size is None:
        raise typer.BadParameter("say what to keep: --keep-days, --max-size or both")
    most = None if max_size is None else int(max_size * 1e9)
    opened = _open_store()
    pruned = opened.prune(now=time.time(), keep_days=keep_days, max_bytes=most)
    UnpackedLayers(cache_folders(os.environ).unpacked, opened).prune()
    if as_json:
        print_json({"recipes": list(pruned.recipes), "freed": pruned.freed})
    else:
        typer.echo(f"forgot {len(pruned.recipes)} layers, freed {in_bytes(pruned.freed)}")
