"""`warmbase choose` and `find`: from a project, or some packages, to the base to take."""

import shlex
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from warmbase.cli.app import JsonOption, app
from warmbase.cli.output import print_json, reporting
from warmbase.cli.published import IndexOption, open_published
from warmbase.errors import SelectionError, mask_login

HERE = Path()


def _parse_platform(text: str) -> str:
    from warmbase.downstream.platforms import parse_platform

    try:
        return parse_platform(text)
    except SelectionError as error:
        raise _bad_parameter(error) from None


def _bad_parameter(error: SelectionError) -> typer.BadParameter:
    return typer.BadParameter(f"{error.message}; {error.next_step}")


PlatformOption = Annotated[
    str,
    typer.Option(
        "--platform", metavar="OS/ARCH", help="Where the image will run, e.g. linux/arm64.", callback=_parse_platform
    ),
]


@app.command()
def choose(
    project: Annotated[
        Path,
        typer.Argument(
            metavar="[PROJECT]",
            help="A folder, or a file: uv.lock, pylock.toml, requirements.txt, pyproject.toml, environment.yml,"
            " poetry.lock, Pipfile.lock, or a script.",
            show_default=False,
        ),
    ] = HERE,
    index: IndexOption = "",
    platform: PlatformOption = "",
    everything: Annotated[
        bool, typer.Option("--all", help="List all bases, and why those that cannot be used.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Say which published base serves a project best, and why. Without --platform it is for containers of this machine.

    Ends with 1 where no base can be used.

    Example: warmbase choose services/report --platform linux/arm64
    """
    from warmbase.downstream.choose import rank
    from warmbase.downstream.description import describe_listing
    from warmbase.downstream.platforms import default_platform
    from warmbase.downstream.projects.read import read_project
    from warmbase.downstream.telling import describe_choice, tell_choice
    from warmbase.effects.clock import now

    with reporting(quiet=True) as report:
        read = read_project(project)
        listing = open_published(index, read.folder, report).listing()
    today, bases = now(), listing.bases
    choice = rank(read, bases, platform or default_platform(bases), today.date())
    if as_json:
        print_json({**describe_listing(listing), **describe_choice(choice, today)})
    else:
        _print_lines(tell_choice(choice, today, again=command_again(project, index), everything=everything))
    if choice.best is None:
        sys.exit(1)


@app.command()
def find(
    requirements: Annotated[list[str], typer.Argument(metavar="PACKAGE…", help="E.g. 'pandas>=2.2,<3'.")],
    python: Annotated[str, typer.Option("--python", help="The Python: 3.12, or '>=3.12'.", show_default=False)] = "",
    platform: PlatformOption = "",
    index: IndexOption = "",
    as_json: JsonOption = False,
) -> None:
    """Say which published bases have all of some packages; where none has, which are nearest, and what is in the way.

    Ends with 1 where none has.

    Example: warmbase find 'pandas>=2.2,<3' numpy --python 3.12
    """
    from warmbase.downstream.description import describe_listing
    from warmbase.downstream.find import find_bases, parse_requests
    from warmbase.downstream.pythons import is_python_request
    from warmbase.downstream.telling import describe_finding, tell_finding
    from warmbase.downstream.words import join_words
    from warmbase.effects.clock import now

    if not is_python_request(python):
        raise typer.BadParameter(f"{python!r} is no version of Python", param_hint="--python")
    try:
        requests = parse_requests(requirements)
    except SelectionError as error:
        raise _bad_parameter(error) from None
    with reporting(quiet=True) as report:
        listing = open_published(index, HERE, report).listing()
    today = now()
    finding = find_bases(requests, listing.bases, today.date(), python=python, platform=platform)
    if as_json:
        print_json({**describe_listing(listing), **describe_finding(finding, today)})
    else:
        words = join_words([request.text for request in requests])
        where = "".join([f" with Python {python}" if python else "", f" for {platform}" if platform else ""])
        _print_lines(tell_finding(finding, words + where, today))
    if not finding.found:
        sys.exit(1)


def command_again(project: Path, index: str) -> str:
    """What of the command line the next command needs too. An index that has a login, or a query in which there may be
    one, is left to who knows it."""
    from warmbase.downstream.index_listing import shown

    words = [shlex.quote(project.as_posix())] if project != HERE else []
    if index:
        words += ["--index", shlex.quote(index) if index == mask_login(shown(index)) else "…"]
    return "".join(f"{word} " for word in words)


def _print_lines(lines: Iterable[str]) -> None:
    typer.echo("\n".join(lines))
