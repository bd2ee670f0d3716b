"""`warmbase publish` and `history`, and how commands name what is in a registry."""

import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from warmbase.cli.app import CatalogOption, JsonOption, app
from warmbase.cli.build import (
    DEFAULT_JOBS,
    DEFAULT_OUTPUT,
    BuilderOption,
    EngineOption,
    JobsOption,
    LockedOption,
    OutputOption,
    PullLayersOption,
    Variants,
    run_build,
)
from warmbase.cli.output import print_json, print_table, reporting
from warmbase.cli.published import published_names
from warmbase.cli.shards import ShardOption, own_share
from warmbase.effects.clock import now
from warmbase.effects.runner import RunnerChoice
from warmbase.errors import SelectionError, mask_login
from warmbase.events import Warned

if TYPE_CHECKING:
    from warmbase.cli.session import Session
    from warmbase.layers.remote import RegistryLayers
    from warmbase.pipeline import Outcome
    from warmbase.plan import Plan
    from warmbase.publish.journal import Entry
    from warmbase.publish.model import Place, PublishableVariant
    from warmbase.publish.ready import Ready
    from warmbase.publish.stage import Publication

RegistryOption = Annotated[
    str, typer.Option("--registry", help="HOST[:PORT][/PATH] instead of the catalog's `registry`.", show_default=False)
]
OneVariant = Annotated[str, typer.Argument(help="One variant, e.g. data:py3.13.", autocompletion=published_names)]
TransfersOption = Annotated[int, typer.Option(min=1, help="How many blobs are on their way at once.")]


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One variant after a publication. `platforms` says how each was verified, `blobs` what became of how many,
    `base` is what FROM takes, below the registry."""

    variant: str
    status: str
    base: str = ""
    digest: str = ""
    tags: tuple[str, ...] = ()
    platforms: Mapping[str, str] = field(default_factory=dict)
    blobs: Mapping[str, int] = field(default_factory=dict)
    seconds: float = 0.0
    note: str = ""
    error: str = ""

    @property
    def cells(self) -> tuple[str, ...]:
        """The row of the table."""
        verified = ", ".join(f"{platform} {how}" for platform, how in self.platforms.items())
        blobs = ", ".join(f"{count} {outcome}" for outcome, count in sorted(self.blobs.items()))
        return (
            self.variant,
            self.status,
            self.digest[:19] or "-",
            f"{self.seconds:.1f}",
            blobs or "-",
            verified or "-",
        )


@app.command()
def publish(
    variants: Variants = None,
    catalog: CatalogOption = Path("images.yaml"),
    registry: RegistryOption = "",
    platform: Annotated[
        list[str] | None,
        typer.Option("--platform", help="Build only this platform; the others have to be built; may be repeated."),
    ] = None,
    output: OutputOption = DEFAULT_OUTPUT,
    jobs: JobsOption = DEFAULT_JOBS,
    locked: LockedOption = False,
    transfers: TransfersOption = 6,
    pull_layers: PullLayersOption = False,
    shard: ShardOption = "",
    share_layers: Annotated[
        bool, typer.Option(help="Give the registry the layers of what is published, for builds with --pull-layers.")
    ] = True,
    engine: EngineOption = RunnerChoice.AUTO,
    builder: BuilderOption = "",
    as_json: JsonOption = False,
) -> None:
    """Build and verify what is stale, then publish: blobs, an index of all platforms, and tags last.

    A variant of which a platform fails is not published, and its tags stay.

    Example: warmbase publish data --registry localhost:5000/bases
    """
    from warmbase.cli.session import Session
    from warmbase.publish.sharing import layers_at

    with reporting(quiet=as_json) as report:
        session = Session(catalog, report, engine=engine, builder=builder)
        place = open_place(session, registry)
        chosen = own_share(session, variants or [], shard, registry, as_json=as_json)
        shared = layers_at(place, lambda said: report(Warned(subject="shared layers", message=said)))
        taken = shared if pull_layers else None
        plan, outcomes = run_build(
            session, chosen, platform or [], output, jobs=jobs, locked=locked, verify=True, shared=taken
        )
        if platform:
            plan = session.plan(chosen, [], output, locked=False, relock=False)
        ready = _find_ready(session, plan, outcomes, output)
        given = shared if share_layers else None
        publications = _publish(session, place, ready, output, transfers=transfers, shared=given)
    rows = [*(_row(publication) for publication in publications), *_failures(ready)]
    if as_json:
        print_json([asdict(row) for row in rows])
    else:
        _print_rows(rows, place)
    if any(row.error for row in rows):
        sys.exit(1)


@app.command()
def history(
    variant: OneVariant,
    catalog: CatalogOption = Path("images.yaml"),
    registry: RegistryOption = "",
    last: Annotated[int, typer.Option("--last", "-n", min=1, help="How many entries, the newest first.")] = 20,
    as_json: JsonOption = False,
) -> None:
    """Show what was published of a variant: when, by what action, under which digest and tags, and what it changed.

    Example: warmbase history data:py3.13
    """
    from warmbase.cli.session import Session
    from warmbase.publish.history import find_strays
    from warmbase.publish.history import history as changes_of
    from warmbase.publish.journal import entry_to_json
    from warmbase.publish.ledger import Ledger
    from warmbase.publish.names import never_published
    from warmbase.publish.yank import read_yanks

    with reporting(quiet=as_json) as report:
        session = Session(catalog, report)
        place = open_place(session, registry)
        name, tags = name_variant(session, place, variant)
        journal = Ledger(place, name).read()
        shown = list(changes_of(journal))[:last]
        repository = place.repository(name.partition(":")[0])
        yanks = read_yanks(place.registry, repository, {entry.digest for entry, _ in shown})
        named = {tag: place.registry.find_manifest(repository, tag) for entry, _ in shown[:1] for tag in entry.rolling}
        strays = find_strays(journal, {tag: found.digest for tag, found in named.items() if found})
    if not shown:
        raise never_published(place, name, is_in_catalog=bool(tags))
    if as_json:
        print_json([
            {**entry_to_json(entry), "changes": asdict(change), "yanked": [str(yank) for yank in yanks[entry.digest]],
             "strays": strays if entry is journal.newest else {}}
            for entry, change in shown
        ])  # fmt: skip
        return
    rows = [
        (entry.time, entry.action, entry.digest[:19], _own_tags(entry), "; ".join([change.words(), *(
            f"YANKED: {yank}" for yank in yanks[entry.digest])]))
        for entry, change in shown
    ]  # fmt: skip
    print_table(("time", "action", "digest", "tags", "what changed"), rows)
    newest = shown[0][0]
    typer.echo(f"\n{', '.join(newest.rolling)}: {place}/{newest.image}@{newest.digest}")
    for tag, digest in strays.items():
        typer.echo(f"but {tag} names {digest or 'nothing'}: `warmbase rollback {name} --to {newest.digest}` mends it")


def open_place(session: "Session", registry: str) -> "Place":
    """Where a command works: at `registry`, or where the catalog says. Raises SelectionError."""
    from warmbase.oci.reference import Reference
    from warmbase.publish.model import Place

    named = registry or session.catalog.registry
    if not named:
        raise SelectionError(
            f"{session.catalog.path} names no registry",
            next_step="write `registry: HOST/PATH` in it, or say --registry HOST/PATH",
        )
    try:
        is_place = Reference.parse(f"{named}/image").registry == named.partition("/")[0]
    except ValueError:
        is_place = False
    if not is_place or "@" in named:
        raise SelectionError(
            f"{mask_login(named)!r} is no registry", next_step="write HOST[:PORT][/PATH], without https://"
        )
    return Place.parse(named, session.registries)


def name_variant(session: "Session", place: "Place", text: str) -> tuple[str, tuple[str, ...]]:
    """The full name of the one variant that `text` means, and its rolling tags.

    What the catalog does not have may still be in the journal of `place`, and there may be no catalog: then it has no
    tags. Raises SelectionError where several are meant, or no tag is given; RegistryError.
    """
    from warmbase.publish.names import find_variant

    is_full = ":" in text and "*" not in text
    if is_full and not session.has_catalog:
        return find_variant(place, text), ()
    try:
        chosen = session.select([text])
    except SelectionError:
        if not is_full:
            raise
        return find_variant(place, text), ()
    if len(chosen) > 1:
        names = ", ".join(variant.name for variant in chosen)
        raise SelectionError(f"{text!r} means {names}", next_step="name one of them")
    return chosen[0].name, chosen[0].tags


def _find_ready(session: "Session", plan: "Plan", outcomes: Sequence["Outcome"], output: Path) -> "Ready":
    from warmbase.oci.layout import read_layout
    from warmbase.publish.ready import find_ready

    built = {(o.step.variant.name, o.step.platform): o.error or o.verified for o in outcomes}
    layout = read_layout(output) if (output / "index.json").exists() else None
    known = {key: outcome for key, outcome in built.items() if outcome}
    seconds: defaultdict[str, float] = defaultdict(float)
    for outcome in outcomes:
        seconds[outcome.step.variant.name] += outcome.seconds
    return find_ready(plan, known, layout, session.folders.verified, seconds)


def _publish(
    session: "Session",
    place: "Place",
    ready: "Ready",
    output: Path,
    *,
    transfers: int,
    shared: "RegistryLayers | None",
) -> tuple["Publication", ...]:
    from warmbase.attest.stage import attest
    from warmbase.oci.layout import read_layout
    from warmbase.publish.sharing import share_layers
    from warmbase.publish.stage import publish_variants

    if not ready.variants:
        return ()

    def share(variant: "PublishableVariant") -> None:
        if shared:
            share_layers(variant, place, remote=shared, store=session.store, clock=now)

    return publish_variants(
        ready.variants,
        place,
        blobs=read_layout(output),
        clock=now,
        attest=attest,
        share=share,
        report=session.report,
        transfers=transfers,
    )


def _row(publication: "Publication") -> Row:
    variant = publication.variant
    newest = publication.newest
    notes = ["the registry had the same layers, packed differently: they count"] if publication.is_adopted else []
    current = ("published", "up to date")
    if newest:
        rolling = ", ".join(variant.variant.tags)
        notes.append(f"{rolling} stay at {newest.digest} ({newest.action} of {newest.time})")
    notes += [f"YANKED: {yank}" for yank in publication.yanks]
    if publication.yanks and not newest:
        notes.append(f"`warmbase rollback {variant.variant.name}` moves its tags back")
    return Row(
        variant=variant.variant.name,
        status=publication.status,
        base=f"{variant.variant.image}:{variant.variant.tags[-1]}" if publication.status in current else "",
        digest=publication.digest,
        tags=publication.entry.tags if publication.entry else (*variant.variant.tags, variant.content_tag),
        platforms={verified.image.platform: verified.verification.how for _, verified in variant.images},
        blobs={str(outcome): count for outcome, count in publication.transfers.items()},
        seconds=publication.seconds,
        note="; ".join(notes),
        error=str(publication.error or ""),
    )


def _failures(ready: "Ready") -> list[Row]:
    return [Row(variant=variant.name, status="failed", error=str(error)) for variant, error in ready.failed]


def _print_rows(rows: Sequence[Row], place: "Place") -> None:
    print_table(("variant", "status", "digest", "seconds", "blobs", "verified"), [row.cells for row in rows])
    for row in rows:
        if row.note:
            typer.echo(f"{row.variant}: {row.note}")
        if row.error:
            typer.echo(f"\nerror: {row.variant}: {row.error}", err=True)
    lines = [f"FROM {place}/{row.base}" for row in rows if row.base]
    if lines:
        typer.echo("\n" + "\n".join(lines))


def _own_tags(entry: "Entry") -> str:
    """The tags that are this entry's alone."""
    return ", ".join(tag for tag in (entry.dated, entry.content) if tag)
