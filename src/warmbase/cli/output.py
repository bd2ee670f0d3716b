"""How results and events look: tables and progress for people, JSON for programs, plain lines where nobody watches."""

import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

from warmbase.downstream.words import in_columns
from warmbase.events import Advanced, Ended, Event, Report, Started, Warned

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


def print_json(value: object) -> None:
    """Print one JSON document on standard output."""
    typer.echo(json.dumps(value, indent=2, sort_keys=False))


def print_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows in columns; the last column may be as long as it likes."""
    for line in in_columns(headings, rows):
        typer.echo(line)


@contextmanager
def reporting(*, quiet: bool = False) -> Iterator[Report]:
    """Where a command sends its events: progress on a terminal, plain lines otherwise, all on standard error."""
    if quiet:
        yield _only_warnings
    elif sys.stderr.isatty() and os.environ.get("TERM", "dumb") != "dumb":
        with _progress() as report:
            yield report
    else:
        yield _plain


def _only_warnings(event: Event) -> None:
    if isinstance(event, Warned):
        _plain(event)


def _plain(event: Event) -> None:
    match event:
        case Started(subject=subject, stage=stage, detail=detail):
            line = f"{subject}: {stage} {detail}".rstrip()
        case Ended(subject=subject, stage=stage, seconds=seconds, detail=detail):
            line = f"{subject}: {stage} done" + (f" in {seconds:.1f} s" if seconds >= 0.05 else "")
            line += f" ({detail})" if stage == "lock" and detail else ""
        case Warned(subject=subject, message=message):
            line = f"{subject}: warning: {message}"
        case Advanced():
            return
    typer.echo(line, err=True)


@contextmanager
def _progress() -> Iterator[Report]:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        SpinnerColumn,
        TextColumn,
        TimeElapsedColumn,
    )

    console = Console(stderr=True)
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        yield _bars(progress, console.print)


def _bars(progress: "Progress", write: Callable[[str], None]) -> Report:
    tasks: dict[tuple[str, str], TaskID] = {}

    def report(event: Event) -> None:
        match event:
            case Started(subject=subject, stage=stage, detail=detail):
                words = f"{subject}: {stage} {detail}".rstrip()
                tasks[subject, stage] = progress.add_task(words, total=None)
            case Advanced(subject=subject, stage=stage, done=done, total=total) if (subject, stage) in tasks:
                progress.update(tasks[subject, stage], completed=done, total=total)
            case Ended(subject=subject, stage=stage, seconds=seconds):
                if (subject, stage) in tasks:
                    progress.remove_task(tasks.pop((subject, stage)))
                write(f"{subject}: {stage} [dim]{seconds:.1f} s[/dim]")
            case Warned(subject=subject, message=message):
                write(f"[yellow]{subject}: warning: {message}[/yellow]")
            case _:
                pass

    return report
