"""`warmbase doctor`: why a build on a base is not instant, and the lines that make it so."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from warmbase.cli.app import JsonOption, app
from warmbase.cli.choose import PlatformOption
from warmbase.cli.output import print_json, reporting
from warmbase.cli.published import IndexOption, open_published, published_names

if TYPE_CHECKING:
    from warmbase.downstream.doctor.containers import Survey
    from warmbase.downstream.doctor.model import Diagnosis
    from warmbase.downstream.projects.model import Project
    from warmbase.downstream.published import Published
    from warmbase.events import Report

HERE = Path()
ONLY_WARNINGS = 3
"""The exit code with --ci where the gravest finding is a warning; 2 is a wrong command line."""


@app.command()
def doctor(
    project: Annotated[
        Path, typer.Argument(metavar="[PROJECT]", help="A folder or a file of a project.", show_default=False)
    ] = HERE,
    base: Annotated[
        str,
        typer.Option(
            "--base",
            metavar="TAG",
            help="The base; the one of the Dockerfile if left out.",
            show_default=False,
            autocompletion=published_names,
        ),
    ] = "",
    container: Annotated[
        str, typer.Option("--container", metavar="NAME", help="Look into a running container of Docker or Podman.")
    ] = "",
    root: Annotated[
        Path | None, typer.Option("--root", metavar="FOLDER", help="Look at the unpacked files of an image.")
    ] = None,
    dockerfile: Annotated[
        Path | None,
        typer.Option(
            "--dockerfile", metavar="FILE", help="The Dockerfile, relative to the project.", show_default=False
        ),
    ] = None,
    platform: PlatformOption = "",
    index: IndexOption = "",
    ci: Annotated[
        bool, typer.Option("--ci", help="End with 1 for an error, with 3 where there are only warnings.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Say of every package that would be downloaded or copied why, and which line mends it.

    In a project it reads the lock, uv's settings and the Dockerfile, and what is published of the base; in a container
    of a base, or with --container, what uv finds there. Nothing is run or changed. With --ci it ends with 0 where all
    is well, or there are only notes.

    Example: warmbase doctor services/report --ci
    """
    from warmbase.downstream.doctor.telling import describe, tell

    with reporting(quiet=True) as report:
        survey = _look_inside(container, root, here=not base)
        if survey is None:
            diagnosis = _examine_project(project, base, dockerfile, platform, index, report)
        else:
            diagnosis = _examine_container(project, survey, index, report, is_image=root is not None)
    if as_json:
        print_json(describe(diagnosis))
    else:
        typer.echo("\n".join(tell(diagnosis)))
    if ci:
        sys.exit(exit_code(diagnosis))


def exit_code(diagnosis: "Diagnosis") -> int:
    """What `--ci` ends with: 1 for an error, 3 for a warning, else 0."""
    return {"error": 1, "warning": ONLY_WARNINGS}.get(diagnosis.severity or "", 0)


def _look_inside(container: str, root: Path | None, *, here: bool) -> "Survey | None":
    """What the probe finds where it is to look, or `here` where this is a container of a base; None elsewhere."""
    from warmbase.downstream.doctor.probing import is_inside, survey_container, survey_here, survey_root

    if container:
        from warmbase.effects.process import run_process

        return survey_container(container, run_process)
    if root:
        return survey_root(root)
    return survey_here() if here and is_inside() else None


def _examine_project(
    path: Path, base: str, dockerfile: Path | None, platform: str, index: str, report: "Report"
) -> "Diagnosis":
    from warmbase.downstream.doctor.examine import examine_project
    from warmbase.downstream.platforms import default_platform
    from warmbase.downstream.projects.read import read_project
    from warmbase.effects.clock import now

    project = read_project(path)
    published = open_published(index, project.folder, report)
    return examine_project(
        project,
        published,
        wanted=base,
        dockerfile=project.folder / dockerfile if dockerfile else None,
        platform=platform or default_platform(published.listing().bases),
        today=now().date(),
    )


def _examine_container(path: Path, survey: "Survey", index: str, report: "Report", *, is_image: bool) -> "Diagnosis":
    from warmbase.downstream.doctor.examine import examine_container
    from warmbase.effects.clock import now

    published = _published_of(index, path, report)
    return examine_container(_project_of(path), survey, published, today=now().date(), is_image=is_image)


def _project_of(path: Path) -> "Project | None":
    """The project; None where a folder has none, for then the base itself is looked at. Raises ProjectError, also for
    what is not there."""
    from warmbase.downstream.projects.read import read_project
    from warmbase.errors import ProjectError

    try:
        return read_project(path)
    except ProjectError:
        if not path.is_dir() or any(
            (path / name).exists() for name in ("uv.lock", "pyproject.toml", "requirements.txt")
        ):
            raise
        return None


def _published_of(index: str, folder: Path, report: "Report") -> "Published | None":
    from warmbase.errors import ListingError

    try:
        return open_published(index, folder if folder.is_dir() else folder.parent, report)
    except ListingError:
        return None
