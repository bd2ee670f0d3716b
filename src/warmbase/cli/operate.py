"""`warmbase promote`, `rollback`, `yank` and `gc`: what is done with images that are published."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from warmbase.cli.app import CatalogOption, JsonOption, app
from warmbase.cli.output import print_json, print_table, reporting
from warmbase.cli.publish import OneVariant, RegistryOption, TransfersOption, name_variant, open_place
from warmbase.effects.clock import now
from warmbase.errors import SelectionError

if TYPE_CHECKING:
    from warmbase.oci.reference import Reference
    from warmbase.publish.gc import Collected, Garbage
    from warmbase.publish.model import Place
    from warmbase.publish.release import Released

_CATALOG = Path("images.yaml")


@app.command()
def promote(
    source: Annotated[str, typer.Argument(metavar="FROM", help="HOST/REPOSITORY:TAG or @DIGEST.")],
    target: Annotated[str, typer.Argument(metavar="TO", help="HOST/REPOSITORY, or that and a tag.")],
    catalog: CatalogOption = _CATALOG,
    transfers: TransfersOption = 6,
    as_json: JsonOption = False,
) -> None:
    """Give what one registry, repository or tag has to another: the same digests, with attestations and referrers.

    Without a tag in TO, or with one of the variant's own, all its rolling tags move there.

    Example: warmbase promote localhost:5000/staging/data:py3.13 localhost:5000/bases/data
    """
    from warmbase.cli.session import Session
    from warmbase.publish.promote import promote as promote_image

    with reporting(quiet=as_json) as report:
        session = Session(catalog, report)
        with session.store.workspace() as work:
            done = promote_image(
                _reference(source),
                _reference(target),
                session.registries,
                clock=now,
                report=report,
                transfers=transfers,
                work=work,
            )
    repository = f"{done.target.registry}/{done.target.repository}"
    _print_release(done.released, repository, as_json=as_json, blobs={str(how): n for how, n in done.transfers.items()})


@app.command()
def rollback(
    variant: OneVariant,
    to: Annotated[str, typer.Option(help="A digest, its first digits, or a dated or content tag.")] = "",
    catalog: CatalogOption = _CATALOG,
    registry: RegistryOption = "",
    as_json: JsonOption = False,
) -> None:
    """Move the rolling tags of a variant back to what they named before, or to another published digest.

    Publishing the same content again leaves them there; new content moves them on.

    Example: warmbase rollback data:py3.13 --to py3.13-trixie-20261120
    """
    from warmbase.cli.session import Session
    from warmbase.publish.rollback import roll_back

    with reporting(quiet=as_json) as report:
        session = Session(catalog, report)
        place = open_place(session, registry)
        name, tags = name_variant(session, place, variant)
        released = roll_back(place, name, tags, to=to, clock=now, report=report)
    _print_release(released, f"{place}/{released.newest.image}", as_json=as_json)


@app.command()
def yank(
    what: Annotated[
        str, typer.Argument(metavar="VARIANT@DIGEST", help="The digest may be its first digits, or a tag.")
    ],
    reason: Annotated[str, typer.Option(help="Why nobody should use it.")],
    instead: Annotated[str, typer.Option(help="What to use: a digest or a dated or content tag of the variant.")] = "",
    catalog: CatalogOption = _CATALOG,
    registry: RegistryOption = "",
    as_json: JsonOption = False,
) -> None:
    """Say of a published image that nobody should use it. It stays, so that what is built on it can still be built.

    Example: warmbase yank data:py3.13@sha256:4f2a90 --reason "broken numpy" --instead py3.13-trixie-20261120
    """
    from warmbase.cli.session import Session
    from warmbase.publish.ledger import Ledger
    from warmbase.publish.yank import yank as yank_image

    variant, _, digest = what.partition("@")
    if not digest or not reason.strip():
        raise SelectionError(f"{what!r} names no digest, or no reason is given", next_step="write VARIANT@DIGEST")
    with reporting(quiet=as_json) as report:
        session = Session(catalog, report)
        place = open_place(session, registry)
        name, _ = name_variant(session, place, variant)
        entry, made = yank_image(place, name, digest, reason=reason.strip(), instead=instead, clock=now)
        newest = Ledger(place, name).read().newest
    is_current = newest is not None and newest.digest == entry.digest
    if as_json:
        print_json({**asdict(made), "current": is_current})
        return
    typer.echo(f"yanked {place}/{entry.image}@{entry.digest}: {made}")
    if is_current:
        typer.echo(f"{', '.join(entry.rolling)} still name it: `warmbase rollback {name}` moves them back")


@app.command()
def gc(
    keep_days: Annotated[float, typer.Option(min=0, help="Keep what was published in so many days.")] = 30,
    keep_last: Annotated[int, typer.Option(min=1, help="Keep so many images of each variant.")] = 10,
    also: Annotated[
        list[str] | None,
        typer.Option(metavar="IMAGE", help="An image that the catalog does not have, too; may be repeated."),
    ] = None,
    delete: Annotated[bool, typer.Option("--delete/--dry-run", help="Delete it; else it is only shown.")] = False,
    catalog: CatalogOption = _CATALOG,
    registry: RegistryOption = "",
    as_json: JsonOption = False,
) -> None:
    """Show what nothing in the registry needs any more, and why; delete it if asked to.

    Kept is what a rolling or foreign tag, an entry of the journal within the retention, or another index needs. What
    nightly runs no longer need of what they keep there goes, too.

    Example: warmbase gc --keep-days 90 --keep-last 20
    """
    from warmbase.cli.session import Session
    from warmbase.publish.gc import Collected, delete_garbage, find_garbage
    from warmbase.publish.retention import Retention

    with reporting(quiet=as_json) as report:
        session = Session(catalog, report)
        place = open_place(session, registry)
        names = [image.name for image in session.catalog.images]
        retention = Retention(days=keep_days, last=keep_last)
        garbage = find_garbage(place, [*names, *(also or [])], retention, now(), report=report)
        collected = delete_garbage(place, garbage, report=report) if delete else Collected(deleted=())
    if as_json:
        print_json({
            "garbage": [{"repository": place.repository(r.name), **asdict(r)} for r in garbage.removals],
            "deleted": [{"repository": place.repository(r.name), "digest": r.digest} for r in collected.deleted],
            "commands": list(collected.commands),
            "others": list(garbage.others),
        })  # fmt: skip
        return
    _print_garbage(garbage, collected, place, to_do=not delete)


def _print_garbage(garbage: "Garbage", collected: "Collected", place: "Place", *, to_do: bool) -> None:
    rows = [(place.repository(r.name), r.digest[:19], ", ".join(r.tags) or "-", r.reason) for r in garbage.removals]
    if rows:
        print_table(("repository", "digest", "tags", "why"), rows)
    todo = "; --delete deletes them" if to_do and rows else ""
    typer.echo(f"{len(rows)} manifests to delete, {len(collected.deleted)} deleted{todo}")
    if garbage.others:
        others = ", ".join(garbage.others)
        typer.echo(f"left alone, as the catalog does not have them: {others}; --also IMAGE collects one of them")
    if collected.commands:
        typer.echo(
            f"\n{place.registry.host} does not delete by its API; its own way:\n" + "\n".join(collected.commands)
        )


def _reference(text: str) -> "Reference":
    from warmbase.oci.reference import Reference

    try:
        return Reference.parse(text)
    except ValueError as error:
        raise SelectionError(str(error), next_step="write HOST[:PORT]/REPOSITORY:TAG") from error


def _print_release(
    released: "Released", repository: str, *, as_json: bool, blobs: Mapping[str, int] | None = None
) -> None:
    from warmbase.publish.journal import entry_to_json

    newest = released.newest
    if as_json:
        more = {"target": repository, "is_new": released.is_new, "blobs": dict(blobs or {})}
        print_json({**entry_to_json(newest), **more})
        return
    verified = ", ".join(f"{name} {platform.verified}" for name, platform in newest.platforms.items())
    before = f", before {newest.previous[:19]}" if newest.previous and released.is_new else ""
    for tag in newest.rolling:
        typer.echo(f"{repository}:{tag} is {newest.digest}{before}")
    typer.echo(f"verified: {verified}")
    if not released.is_new:
        moved = ", ".join(released.moved)
        typer.echo(f"the journal had it already; {moved} moved only now" if moved else "nothing changed: it was done")
