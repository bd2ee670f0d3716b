"""The commands and what they share: the catalog's option, JSON, errors and exit codes.

Exit codes: 0 all is well; 1 some variants failed; 2 a wrong command line (as typer has it); 64 to 78 as in
sysexits.h, given by the error's class; 130 interrupted, 143 ended by SIGTERM, as CI systems cancel a job.
"""

import io
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from warmbase.errors import WarmbaseError

INTERRUPTED, TERMINATED = 130, 143
EX_UNAVAILABLE, EX_IOERR = 69, 74  # sysexits.h; `os` has them on Unix alone

UNIX_ALONE = ("fcntl", "pwd", "grp", "resource", "termios")
"""Modules that Windows does not have, and what builds images needs."""

CatalogOption = Annotated[Path, typer.Option("--catalog", "-f", help="The catalog.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]

app = typer.Typer(
    name="warmbase",
    help="A factory for shared Python base images: a layer per wheel, a warm uv cache, verified by a real child build.",
    no_args_is_help=True,
    add_completion=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from warmbase import __version__

        typer.echo(f"warmbase {__version__}")
        raise typer.Exit


@app.callback()
def common(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", is_eager=True, callback=_print_version)
    ] = False,
) -> None:
    """What comes before a command."""


def run() -> None:
    """Run a command; turn every failure into a message on standard error and an exit code."""
    terminated = False

    def terminate(*_: object) -> None:
        nonlocal terminated
        terminated = True
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, terminate)
    if isinstance(sys.stdout, io.TextIOWrapper):  # on Windows a pipe knows no arrows, nor all of a patch's letters
        sys.stdout.reconfigure(encoding=None if sys.stdout.isatty() else "utf-8", errors="replace")
    try:
        from warmbase.cli import (  # noqa: F401  they register their commands
            adopt,
            build,
            catalog,
            changelog,
            choose,
            diff,
            doctor,
            layers,
            matrix,
            nightly,
            operate,
            project,
            publish,
            site,
        )
        from warmbase.cli.bash import joining_words

        with joining_words(os.environ):
            app()
    except WarmbaseError as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(_interrupted(terminated=terminated))
    except SystemExit as ended:
        if ended.code == INTERRUPTED:  # typer caught a Ctrl-C, and says nothing
            ended.code = _interrupted(terminated=terminated)
        raise
    except BrokenPipeError:
        sys.exit(0)
    except ModuleNotFoundError as error:
        if error.name not in UNIX_ALONE:
            raise
        print(f"error: {_needs_linux(sys.argv[1:])}", file=sys.stderr)  # noqa: T201
        sys.exit(EX_UNAVAILABLE)
    except OSError as error:  # whatever no stage has words for: a full disk, a folder that is not there
        print(f"error: {_describe(error)}", file=sys.stderr)  # noqa: T201
        sys.exit(EX_IOERR)


def _needs_linux(words: Sequence[str]) -> str:
    return (
        f"`warmbase {' '.join(words[:1])}` needs Linux: it builds images or works with their files\n"
        "  next: run it on Linux, in WSL or in a container; what reads published bases works here: list, show, find,"
        " choose, diff, adopt, doctor, site"
    )


def _describe(error: OSError) -> str:
    where = [os.fsdecode(name) for name in (error.filename, error.filename2) if isinstance(name, str | bytes)]
    return ": ".join([" → ".join(where), error.strerror or str(error)] if where else [str(error)])


def _interrupted(*, terminated: bool) -> int:
    print("interrupted; what is done is kept, run the command again to go on", file=sys.stderr)  # noqa: T201
    return TERMINATED if terminated else INTERRUPTED
