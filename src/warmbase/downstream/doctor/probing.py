"""Having the probe look at a container: at the one that warmbase runs in, at a running one, at an image's files."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

from warmbase.downstream.doctor.containers import WANTED, Survey
from warmbase.downstream.inside import probe
from warmbase.effects.process import Processes
from warmbase.errors import ProjectError, RunnerError
from warmbase.image.promises import ENVIRONMENT, IDENTITY, VENV_BIN

ENGINES = ("docker", "podman")
_TIMEOUT = 120.0
_LISTS = "see `{engine} ps`; a container has to run, and be of a base"


def is_inside() -> bool:
    """Whether this very program runs in a container of a base."""
    return Path(f"/{IDENTITY}").is_file()


def survey_here() -> Survey:
    """What is found in the container that this runs in, as the user that runs it."""
    return probe.survey(WANTED)


def survey_root(folder: Path) -> Survey:
    """What is found in an image's files below `folder`, with the variables that every image sets."""
    if not (folder / IDENTITY).is_file():
        raise ProjectError(
            f"{folder}: there is no {IDENTITY} below it",
            next_step="name the folder of a base's unpacked files, e.g. of `docker export | tar x`",
        )
    return probe.survey({**WANTED, "root": str(folder.absolute()), "environment": {**ENVIRONMENT, "HOME": "/root"}})


def survey_container(name: str, run: Processes, *, find_program: Callable[[str], str | None] = shutil.which) -> Survey:
    """What is found in a running container, as its own user. Raises RunnerError without an engine, or where the
    container does not answer."""
    engine = next((engine for engine in ENGINES if find_program(engine)), "")
    if not engine:
        raise RunnerError("neither docker nor podman is installed", next_step="run warmbase inside of the container")
    program = Path(probe.__file__).read_bytes()
    inside = [f"{VENV_BIN}/python", "-I", "-B", "-", json.dumps(dict(WANTED))]
    finished = run([engine, "exec", "-i", name, *inside], input=program, timeout=_TIMEOUT, check=False)
    try:
        survey = json.loads(finished.text) if not finished.code else None
    except ValueError:
        survey = None
    if not isinstance(survey, dict):
        said = finished.stderr.decode(errors="replace").strip().splitlines()
        message = f"{engine} exec {name} failed: {said[-1] if said else f'exit code {finished.code}'}"
        raise RunnerError(message, next_step=_LISTS.format(engine=engine))
    return survey
