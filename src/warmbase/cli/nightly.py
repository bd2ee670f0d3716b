"""`warmbase nightly`: find what is stale, rebuild it, publish it, and say why."""

import os
import secrets
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from warmbase.cli.app import CatalogOption, JsonOption, app
from warmbase.cli.build import (
    DEFAULT_JOBS,
    BuilderOption,
    EngineOption,
    JobsOption,
    PullLayersOption,
    Variants,
)
from warmbase.cli.output import print_json, reporting
from warmbase.cli.publish import RegistryOption, open_place
from warmbase.effects.clock import now
from warmbase.effects.runner import RunnerChoice
from warmbase.errors import SelectionError
from warmbase.events import Warned

if TYPE_CHECKING:
    from warmbase.catalog.model import Catalog
    from warmbase.cli.session import Session
    from warmbase.nightly.model import Night
    from warmbase.nightly.setting import Job, Tools
    from warmbase.nightly.shards import Shard
    from warmbase.pipeline import Plant
    from warmbase.plan import Existing
    from warmbase.publish.model import Place
    from warmbase.publish.release import Clock

    Tell = Callable[[Night], None]

Mode = Literal["publish", "commit", "plan"]

ALL_FAILED, SOME_FAILED, OUT_OF_TIME = 1, 3, 75  # 75: EX_TEMPFAIL

_UNITS = {"s": 1, "m": 60, "h": 3600}

PartOption = Annotated[
    str,
    typer.Option(
        "--shard",
        metavar="I/N",
        help="The part of the work to begin with; what nobody else is at comes after it. Without variants and this"
        " option GitLab's CI_NODE_INDEX and CI_NODE_TOTAL say it, or Kubernetes' JOB_COMPLETION_INDEX and"
        " WARMBASE_SHARDS.",
        show_default=False,
    ),
]


@app.command()
def nightly(
    variants: Variants = None,
    catalog: CatalogOption = Path("images.yaml"),
    registry: RegistryOption = "",
    plan: Annotated[bool, typer.Option("--plan", help="Say what is stale, and why; do nothing about it.")] = False,
    commit: Annotated[
        bool,
        typer.Option("--commit", help="Publish nothing: write new locks beside the catalog, to be reviewed."),
    ] = False,
    max_time: Annotated[
        str, typer.Option("--max-time", metavar="TIME", help="Begin nothing new after this time, e.g. 90m or 2h.")
    ] = "",
    shard: PartOption = "",
    report_folder: Annotated[
        Path | None,
        typer.Option(
            "--report",
            help="A folder for report.md, .json and .html; with --commit for changelog.md and message.txt too.",
        ),
    ] = None,
    jobs: JobsOption = DEFAULT_JOBS,
    pull_layers: PullLayersOption = False,
    share_layers: Annotated[
        bool, typer.Option(help="Give the registry the layers of what is published, for builds with --pull-layers.")
    ] = True,
    engine: EngineOption = RunnerChoice.AUTO,
    builder: BuilderOption = "",
    as_json: JsonOption = False,
) -> None:
    """Find what is stale, rebuild and verify only that, publish it, and say why.

    Naming variants adds what they are `from`. Exit codes: 0 all is fresh, refreshed or held back as the catalog says;
    3 some variants failed or wait after a failure, and the others are well; 1 none is well; 75 nothing failed, and
    work is left: time ran out, the registry went away, or another machine is at it. A plan ends with 0. What ends a
    night before or in the middle of it has codes of its own: 64 a wrong option or variant, 65 a wrong catalog, 69 the
    registry does not answer, 74 no room on the disk, 130 interrupted, 143 ended by SIGTERM. The report is written all
    the same, what is published by then stays, and the next night goes on from it.

    Example: warmbase nightly --max-time 2h --report report
    """
    from warmbase.cli.session import Session
    from warmbase.nightly.shards import find_shard

    seconds = parse_time(max_time)
    if plan and commit:
        raise SelectionError("--plan does nothing, and --commit writes locks", next_step="say one of the two")
    mode: Mode = "plan" if plan else "commit" if commit else "publish"
    with reporting(quiet=as_json) as report, reported(report_folder, mode) as tell:
        session = Session(catalog, report, engine=engine, builder=builder)
        job = make_job(
            session,
            open_place(session, registry),
            variants or (),
            commit=commit,
            max_seconds=seconds,
            shard=find_shard(shard, {} if variants else os.environ),
            pull_layers=pull_layers,
            share_layers=share_layers,
            jobs=jobs,
        )
        if plan:
            night = _show(job, tell)
        elif commit:
            night = _propose(job, tell, report_folder)
        else:
            night = _run(job, tell)
    _print(night, as_json=as_json)
    sys.exit(exit_code(night))


def make_job(
    session: "Session",
    place: "Place",
    names: Sequence[str] = (),
    *,
    clock: "Clock" = now,
    commit: bool = False,
    max_seconds: float | None = None,
    shard: "Shard | None" = None,
    pull_layers: bool = False,
    share_layers: bool = True,
    jobs: int = DEFAULT_JOBS,
) -> "Job":
    """The night's work on what `names` mean, and on what that is `from`. Raises SelectionError."""
    from warmbase.catalog.parents import with_parents
    from warmbase.nightly.setting import Job
    from warmbase.publish.sharing import layers_at

    report = session.report
    shared = layers_at(place, lambda said: report(Warned(subject="shared layers", message=said)))

    def plant() -> "Plant":
        from warmbase.cli.plant import make_plant

        return make_plant(session, jobs=jobs, verify=True, shared=shared if pull_layers else None)

    return Job(
        catalog=session.catalog,
        variants=with_parents(session.select(names)),
        place=place,
        folders=session.folders,
        tools=_tools(session, plant, jobs),
        clock=clock,
        report=report,
        mode="commit" if commit else "publish",
        max_seconds=max_seconds,
        shard=shard,
        worker=secrets.token_hex(8),
        shared=shared if share_layers else None,
    )


def _tools(session: "Session", plant: Callable[[], "Plant"], jobs: int) -> "Tools":
    from warmbase.effects.platforms import native_platform
    from warmbase.nightly.setting import Tools
    from warmbase.plan import Existing

    def existing(catalog: "Catalog") -> "Existing":
        return Existing(layers=session.store.recipes(), drifted=session.drifted(catalog))

    return Tools(
        uv=lambda: session.uv,
        ground=lambda: session.ground,
        resolver=session.resolver,
        plant=plant,
        existing=existing,
        traffic=lambda: session.registries.traffic,
        native=native_platform(),
        jobs=jobs,
    )


def exit_code(night: "Night") -> int:
    """The exit code of a night, as `nightly` documents it; a plan's is 0."""
    failed = len(night.of("failed", "waiting"))
    if night.mode == "plan":
        return 0
    if failed:
        return ALL_FAILED if failed == len(night.results) else SOME_FAILED
    return OUT_OF_TIME if night.of("left") else 0


def _show(job: "Job", tell: "Tell") -> "Night":
    from warmbase.nightly.job import plan_night, show_plan

    night = show_plan(job, plan_night(job))
    tell(night)
    return night


def _run(job: "Job", tell: "Tell") -> "Night":
    from warmbase.nightly.job import run_night

    return run_night(job, tell)


def _propose(job: "Job", tell: "Tell", folder: Path | None) -> "Night":
    """Write new locks; `folder` gets the message and the changelog of all of them that are not committed."""
    from warmbase.effects.git import read_uncommitted
    from warmbase.lock.files import locks_folder
    from warmbase.nightly.commit import write_messages
    from warmbase.nightly.job import run_night
    from warmbase.nightly.proposal import changed_locks, name_uncommitted, whole_proposal

    locks = locks_folder(job.catalog)
    notes = name_uncommitted(job.catalog, read_uncommitted(locks))
    for note in notes:
        job.report(Warned(subject="nightly", message=note))

    def told(night: "Night") -> None:
        tell(replace(night, notes=(*notes, *night.notes)))
        if folder:
            write_messages(whole_proposal(night, changed_locks(job.catalog, read_uncommitted(locks))), folder)

    return run_night(job, told)


@contextmanager
def reported(folder: Path | None, mode: Mode, clock: "Clock" = now) -> "Iterator[Tell]":
    """Gives what writes a night's report into `folder`. Where something ends the night before it is told, a report says
    what; that it cannot be written either is no news then."""
    began, told = clock(), False

    def tell(night: "Night") -> None:
        nonlocal told
        told = True
        _write(night, folder)

    try:
        yield tell
    except BaseException as error:
        if not told:
            from warmbase.nightly.job import night_without_results

            with suppress(OSError):
                _write(night_without_results(error, mode, began, clock()), folder)
        raise


def _write(night: "Night", folder: Path | None) -> None:
    if folder is None:
        return
    from warmbase.nightly.report.stage import write_report

    write_report(night, folder)


def _print(night: "Night", *, as_json: bool) -> None:
    if as_json:
        from warmbase.nightly.report.document import night_to_json

        print_json(night_to_json(night))
        return
    from warmbase.nightly.report.text import night_to_text

    typer.echo(night_to_text(night), nl=False)


def parse_time(text: str) -> float | None:
    """Seconds of "90m", "2h", "45s", "1h30m"; None for nothing. Raises SelectionError."""
    import re

    if not text:
        return None
    parts = re.findall(r"(\d+)([smh])", text.strip())
    if not parts or "".join(number + unit for number, unit in parts) != text.strip():
        raise SelectionError(f"{text!r} is no time", next_step="write it as 90m, 2h or 1h30m")
    return float(sum(int(number) * _UNITS[unit] for number, unit in parts))
