"""`warmbase plan`, `build` and `verify`."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from warmbase.cli.app import CatalogOption, JsonOption, app
from warmbase.cli.output import print_json, print_table, reporting
from warmbase.cli.published import published_names
from warmbase.cli.shards import ShardOption, own_share
from warmbase.effects.runner import RunnerChoice
from warmbase.errors import FoundationError, SelectionError, WarmbaseError
from warmbase.events import Warned

if TYPE_CHECKING:
    from warmbase.catalog.model import Catalog
    from warmbase.cli.session import Session
    from warmbase.layers.remote import RegistryLayers
    from warmbase.lock.model import Lock
    from warmbase.pipeline import Outcome
    from warmbase.plan import Plan

Variants = Annotated[
    list[str] | None,
    typer.Argument(
        help="Images or variants, e.g. data, data:py3.13, '*:py3.11'; all of them if none is named.",
        autocompletion=published_names,
    ),
]
PlatformOption = Annotated[list[str] | None, typer.Option("--platform", help="Only this platform; may be repeated.")]
OutputOption = Annotated[Path, typer.Option("--output", "-o", help="The OCI layout.")]
LockedOption = Annotated[
    bool, typer.Option("--locked", help="Fail where a lock does not fit the catalog or a foundation its pin.")
]
BuilderOption = Annotated[
    str,
    typer.Option("--builder", metavar="NAME", help="The Buildx builder, instead of the catalog's or the current one."),
]
EngineOption = Annotated[
    RunnerChoice,
    typer.Option(help="What runs images: namespaces of this machine (none), an engine, or the first that works here."),
]
JobsOption = Annotated[int, typer.Option("--jobs", "-j", min=1, help="How many processes compile and pack.")]

DEFAULT_OUTPUT = Path("dist")
DEFAULT_JOBS = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@app.command()
def plan(
    variants: Variants = None,
    catalog: CatalogOption = Path("images.yaml"),
    platform: PlatformOption = None,
    output: OutputOption = DEFAULT_OUTPUT,
    against: Annotated[
        Path | None,
        typer.Option(
            "--against",
            metavar="CATALOG",
            help="Say what this catalog and its locks make of other things than that one, in a checkout of another"
            " branch, and what moved.",
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Show what a build would do, and why. Changes nothing.

    Example: warmbase plan data
    """
    from warmbase.cli.session import Session

    if against:
        _compare(catalog, against, variants or [], platform or [], output, as_json=as_json)
        return
    with reporting(quiet=as_json) as report:
        session = Session(catalog, report)
        planned = session.plan(variants or [], platform or [], output, locked=False, relock=False)
        existing = session.existing(output)
    rows = _plan_rows(planned, session.catalog, platform or [])
    if as_json:
        print_json(rows)
    else:
        cells = [(r["variant"], r["platform"], r["recipe"][:12] or "-", r["reason"] or "nothing to do") for r in rows]
        print_table(("variant", "platform", "recipe", "what to do"), cells)
        from warmbase.plan import planned_layers

        total, missing = planned_layers(planned.steps, existing)
        chosen = {row["variant"] for row in rows}
        first = f"{len(planned.to_lock)} of {len(chosen)} variants to lock first; " if planned.to_lock else ""
        built = f"{len(planned.stale)} of {len(planned.steps)} images to build"
        typer.echo(f"\n{first}{built}; {missing} of {total} wheel layers to make")
        for variant, error in planned.unlocked:
            typer.echo(f"error: {variant.name}: {error}", err=True)
    if planned.unlocked:
        sys.exit(1)


def _compare(
    catalog: Path, against: Path, names: list[str], platforms: list[str], output: Path, *, as_json: bool
) -> None:
    """Print which images have another recipe than those of `against`, and why; ends with 1 where a lock is damaged."""
    from warmbase.cli.session import Session

    with reporting(quiet=as_json) as report:
        before, session = Session(against, report), Session(catalog, report)
        old = before.plan([], platforms, output, locked=False, relock=False)
        new = session.plan(names, platforms, output, locked=False, relock=False)
    known = {(step.variant.name, step.platform): step for step in old.steps}
    steps = {(step.variant.name, step.platform): step for step in new.steps}
    rows = _plan_rows(new, session.catalog, platforms)
    changed = []
    for row in rows:
        key = row["variant"], row["platform"]
        there = known.get(key)
        if key in steps:
            if there and there.recipe == row["recipe"]:
                continue
            row["reason"] = _describe_moves(there.lock, steps[key].lock) if there else "new"
        changed.append(row)
    if as_json:
        print_json(changed)
    else:
        print_table(
            ("variant", "platform", "recipe", "what moved"),
            [(r["variant"], r["platform"], r["recipe"][:12] or "-", r["reason"]) for r in changed],
        )
        typer.echo(f"\n{len(changed)} of {len(rows)} images are made of other things than those of {against}")
    if new.unlocked:
        sys.exit(1)


def _describe_moves(old: "Lock", new: "Lock") -> str:
    from warmbase.nightly.changes import lock_moves

    moves = [f"{move.name} {move.old or '(new)'} → {move.new or '(gone)'}" for move in lock_moves(old, new)]
    return ", ".join(moves) or "no package of Python: the foundation, or what the catalog says"


def _plan_rows(planned: "Plan", catalog: "Catalog", platforms: list[str]) -> list[dict[str, str]]:
    """What `plan` says of each variant on each of `platforms` (all, if it is empty), in catalog order."""
    rows = [
        {"variant": s.variant.name, "platform": s.platform, "recipe": s.recipe, "reason": s.reason, "error": ""}
        for s in planned.steps
    ]
    without_steps = [
        *((variant, f"to be locked first: {reason}", "") for variant, reason in planned.to_lock),
        *((variant, _describe_damage(error), str(error)) for variant, error in planned.unlocked),
    ]
    rows += [
        {"variant": variant.name, "platform": platform, "recipe": "", "reason": reason, "error": error}
        for variant, reason, error in without_steps
        for platform in variant.platforms
        if not platforms or platform in platforms
    ]
    order = {variant.name: number for number, variant in enumerate(catalog.variants)}
    return sorted(rows, key=lambda row: order[row["variant"]])


def _describe_damage(error: WarmbaseError) -> str:
    what = "its foundation's pin" if isinstance(error, FoundationError) else "its lock"
    return f"{what} is damaged: {error.message}"


PullLayersOption = Annotated[
    bool,
    typer.Option(
        "--pull-layers",
        envvar="WARMBASE_PULL_LAYERS",
        help="Take layers from the registry instead of making them: who may write there decides what they hold.",
    ),
]


@app.command()
def build(
    variants: Variants = None,
    catalog: CatalogOption = Path("images.yaml"),
    platform: PlatformOption = None,
    output: OutputOption = DEFAULT_OUTPUT,
    jobs: JobsOption = DEFAULT_JOBS,
    locked: LockedOption = False,
    verify: Annotated[bool, typer.Option(help="Run the image and real children of it before it counts.")] = True,
    pull_layers: PullLayersOption = False,
    shard: ShardOption = "",
    builder: BuilderOption = "",
    print_bake: Annotated[
        bool,
        typer.Option(
            "--print-bake",
            help="Print the bake of Dockerfiles, with their own folders, as Buildx reads it; build nothing.",
        ),
    ] = False,
    engine: EngineOption = RunnerChoice.AUTO,
    as_json: JsonOption = False,
) -> None:
    """Build images into an OCI layout and verify them.

    Example: warmbase build data:py3.13
    """
    from warmbase.cli.session import Session

    with reporting(quiet=as_json) as report:
        session = Session(catalog, report, engine=engine, builder=builder)
        if print_bake:
            _print_bake(session, variants or [], platform or [])
            return
        chosen = own_share(session, variants or [], shard, as_json=as_json)
        shared = _open_shared_layers(session) if pull_layers else None
        planned, outcomes = run_build(
            session, chosen, platform or [], output, jobs=jobs, locked=locked, verify=verify, shared=shared
        )
    from warmbase.cli.results import collect_results, print_results

    results = collect_results(planned, outcomes, session.catalog, output)
    print_results(results, as_json=as_json)
    if any(result.error for result in results):
        sys.exit(1)


def _print_bake(session: "Session", variants: Sequence[str], platforms: Sequence[str]) -> None:
    from warmbase.effects.docker.bake import bake_definition, find_host
    from warmbase.foundation.baking import targets_of
    from warmbase.lock.dockerfiles import order_all

    session.check_platforms(platforms)
    orders = order_all(session.catalog, session.select(variants), platforms)
    if not orders:
        raise SelectionError(
            "no variant that is chosen stands on a Dockerfile",
            next_step="add a foundation with `dockerfile` to the catalog, or choose a variant on one",
        )
    print_json(bake_definition(list(targets_of(orders, Path("foundations")).values()), find_host(os.environ)))


def _open_shared_layers(session: "Session") -> "RegistryLayers":
    from warmbase.cli.publish import open_place
    from warmbase.publish.sharing import layers_at

    report = session.report
    return layers_at(open_place(session, ""), lambda said: report(Warned(subject="shared layers", message=said)))


def run_build(
    session: "Session",
    variants: Sequence[str],
    platforms: Sequence[str],
    output: Path,
    *,
    jobs: int,
    locked: bool,
    verify: bool,
    shared: "RegistryLayers | None" = None,
) -> tuple["Plan", tuple["Outcome", ...]]:
    """Lock and build what is stale into the layout at `output`: the plan, and what became of its stale steps.

    Layers that are in `shared` are not made.
    """
    planned = session.plan(variants, platforms, output, locked=locked, relock=True, verify=verify)
    outcomes: tuple[Outcome, ...] = ()
    if planned.stale:
        from warmbase import pipeline
        from warmbase.cli.plant import make_plant

        plant = make_plant(session, jobs=jobs, verify=verify, shared=shared)
        outcomes = pipeline.build(planned, session.catalog, output, plant, locked=locked)
    if (output / "index.json").exists():
        from warmbase.image.kept import finish_layout

        finish_layout(session.catalog, output)
    return planned, outcomes


@app.command()
def verify(
    variants: Variants = None,
    catalog: CatalogOption = Path("images.yaml"),
    platform: PlatformOption = None,
    output: OutputOption = DEFAULT_OUTPUT,
    jobs: JobsOption = DEFAULT_JOBS,
    engine: EngineOption = RunnerChoice.AUTO,
    as_json: JsonOption = False,
) -> None:
    """Verify built images anew: look at their layers, run them, run real children of them.

    Example: warmbase verify data:py3.13
    """
    from warmbase.cli.plant import make_plant
    from warmbase.cli.results import print_findings
    from warmbase.cli.session import Session
    from warmbase.pipeline import verify_steps

    with reporting(quiet=as_json) as report:
        session = Session(catalog, report, engine=engine)
        planned = session.plan(variants or [], platform or [], output, locked=True, relock=False, verify=False)
        if planned.stale:
            raise SelectionError(
                f"{planned.stale[0].name} is not what {output} holds: {planned.stale[0].reason}",
                next_step=f"run `warmbase build {planned.stale[0].variant.name}`, which verifies it too",
            )
        outcomes = verify_steps(planned.steps, make_plant(session, jobs=jobs, verify=True, layout=output))
    print_findings(outcomes, as_json=as_json)
    if any(outcome.error for outcome in outcomes):
        sys.exit(1)
