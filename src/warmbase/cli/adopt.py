"""`warmbase adopt`: from a base that was chosen to a project that hits."""

import os
import shlex
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from warmbase.cli.app import JsonOption, app
from warmbase.cli.choose import HERE, PlatformOption
from warmbase.cli.diff import difference_lines
from warmbase.cli.output import print_json, reporting
from warmbase.cli.published import IndexOption, open_published, published_names

if TYPE_CHECKING:
    from warmbase.downstream.adopt.adopting import Prepared
    from warmbase.downstream.adopt.target import Target
    from warmbase.downstream.listing import Base
    from warmbase.downstream.projects.model import Project
    from warmbase.downstream.published import Published

LEFT_TO_DO = 3
"""The exit code where something is left to people; 2 is a wrong command line."""


@app.command()
def adopt(
    project: Annotated[
        Path, typer.Argument(metavar="[PROJECT]", help="A folder, or a file in it that says what it needs.")
    ] = HERE,
    base: Annotated[
        str,
        typer.Option(
            "--base",
            metavar="TAG",
            help="The base, e.g. data:py3.13; else the one that it stands on.",
            autocompletion=published_names,
        ),
    ] = "",
    upgrade: Annotated[
        bool, typer.Option("--upgrade", help="Move to the newest image of the base that it stands on; change no more.")
    ] = False,
    index: IndexOption = "",
    platform: PlatformOption = "",
    dockerfile: Annotated[
        str, typer.Option("--dockerfile", metavar="FILE", help="The Dockerfile, relative to the project.")
    ] = "",
    compose: Annotated[bool, typer.Option("--compose", help="A compose file too, with develop.watch.")] = False,
    devcontainer: Annotated[bool, typer.Option("--devcontainer", help="A dev container too.")] = False,
    lock: Annotated[bool, typer.Option(help="Have uv move the lock to the base's versions.")] = True,
    diff: Annotated[bool, typer.Option("--diff", "--dry-run", help="Show the whole diff, and write nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Write without asking.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Make a project hit: its Dockerfile on the base, its lock at the base's versions, and constraints that keep them.

    Shows a diff first. Writes all of it or nothing, after you agreed (--yes where nobody can be asked; 1 if it would
    have to ask there). Where it has nothing to do, it says so. --diff prints what `git apply` reads. It ends with 3
    where something is left to people: what is marked "to do", or with --upgrade a newer image that nobody should take.

    Example: warmbase adopt services/report --base data:py3.13
    """
    from warmbase.downstream.adopt.adopting import prepare_adoption
    from warmbase.downstream.adopt.model import Wishes
    from warmbase.downstream.adopt.telling import describe_adoption
    from warmbase.downstream.platforms import default_platform
    from warmbase.downstream.projects.read import read_project

    read = read_project(project)
    file = dockerfile or _usual_dockerfile(read.folder)
    with reporting(quiet=True) as report:
        published = open_published(index, read.folder, report)
        target = _choose_target(published, read, file, base, upgrade=upgrade)
    old, chosen = target.old, target.base
    offered = [each.platform for each in chosen.offer.platforms]
    native = default_platform((chosen,))
    wishes = Wishes(
        dockerfile=file,
        platform=platform or (native if native in offered else next(iter(offered), "")),
        compose=compose,
        devcontainer=devcontainer,
        upgrade=upgrade,
    )
    prepared = prepare_adoption(read, chosen, wishes, _relock if lock else None, target.notes)
    changes = prepared.adoption.changes
    if upgrade and not changes and not target.is_on_base:
        message = f"--upgrade moves what stands on a base, and {file} stands on none that is published; leave it out"
        raise typer.BadParameter(message, param_hint="--upgrade")
    if not as_json:
        _print_plan(prepared, old, whole=diff)
    applied = bool(changes) and not diff and (yes or (not as_json and _agrees(len(changes))))
    if applied:
        from warmbase.downstream.adopt.folder import apply_changes

        apply_changes(prepared.folder, changes)
    if as_json:
        print_json(describe_adoption(prepared, applied=applied, old=old))
    elif changes:
        _print_end(prepared, file, applied=applied)
    if changes and not applied and not diff:
        sys.exit(1)
    if not diff and (prepared.left or (upgrade and target.is_held)):
        sys.exit(LEFT_TO_DO)


def _choose_target(
    published: "Published", project: "Project", dockerfile: str, wanted: str, *, upgrade: bool
) -> "Target":
    from warmbase.downstream.adopt.adopted import find_adopted
    from warmbase.downstream.adopt.target import choose_target
    from warmbase.effects.clock import now

    file = project.folder / dockerfile
    text = file.read_bytes().decode("utf-8", "replace") if file.is_file() else ""
    image = find_adopted(text, dockerfile, published.listing().bases) if text else ""
    if not wanted and not image:
        message = f"name the base: {dockerfile} stands on none that is published; `warmbase choose` says which fits"
        raise typer.BadParameter(message, param_hint="--base")
    return choose_target(published, image, wanted, upgrade=upgrade, today=now().date())


def _usual_dockerfile(folder: Path) -> str:
    names = ("Dockerfile", "Containerfile")
    return next((name for name in names if (folder / name).is_file()), names[0])


def _relock(folder: Path, texts: Mapping[str, str]) -> str:
    from warmbase.downstream.relocking import relock
    from warmbase.effects.process import run_process

    uv = shutil.which("uv")
    if uv is None:
        from uv import find_uv_bin

        uv = find_uv_bin()
    return relock(folder, texts, run_process, uv=uv, environment=os.environ)


def _print_plan(prepared: "Prepared", old: "Base | None", *, whole: bool) -> None:
    from warmbase.downstream.adopt.telling import tell_changes, tell_notes

    changes = prepared.adoption.changes
    new = prepared.match.base
    if old and old.digest != new.digest:
        from warmbase.downstream.difference import compare_bases

        typer.echo("\n".join([*difference_lines(compare_bases(old, new)), ""]), err=whole)
    for text in tell_changes(changes, whole=whole):
        typer.echo(text if whole else f"{text}\n")
    if not changes:
        on = "" if prepared.left else f": {prepared.folder} is on {new.reference}"
        typer.echo(f"nothing to change{on}", err=whole)
    typer.echo("\n".join(tell_notes(prepared)), err=whole)


def _agrees(files: int) -> bool:
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return False
    return typer.confirm(f"Write {files} file{'s' if files > 1 else ''}?")


def _build_words(folder: Path, dockerfile: str) -> list[str]:
    file = [] if dockerfile == "Dockerfile" else ["--file", (folder / dockerfile).as_posix()]
    return [*file, folder.as_posix()]


def _print_end(prepared: "Prepared", dockerfile: str, *, applied: bool) -> None:
    if applied:
        typer.echo(f"\nwrote {', '.join(change.path for change in prepared.adoption.changes)}")
        if not prepared.left:
            typer.echo(f"next: docker build {shlex.join(_build_words(prepared.folder, dockerfile))}")
    else:
        typer.echo("\nnothing was written; --yes writes it", err=True)
