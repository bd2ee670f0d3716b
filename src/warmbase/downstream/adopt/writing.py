"""The Dockerfile of a project that has none: the recipe that measured best. Pure.

The packages are synced into the base's own environment, before the project's files come, so that a change of those does
not sync again: 7 kB and a tenth of a second, where an environment of its own is tens of megabytes. `--inexact` leaves
what the base has beside, for removing it would be a layer of its own.
"""

import json
import posixpath
import re
from collections.abc import Sequence
from dataclasses import dataclass

from warmbase.downstream.adopt.exporting import EXPORTED
from warmbase.downstream.adopt.starting import Start

FOLDER = "/app"


@dataclass(frozen=True, kw_only=True, slots=True)
class Recipe:
    """How a project's packages get into the image: the files that this takes, the command, and what follows when all
    files are there ("" nothing)."""

    files: tuple[str, ...]
    install: str
    finish: str = ""
    needs_all: bool = False


def sync_recipe(*, builds: bool, is_workspace: bool, has_local: bool, has_root: bool) -> Recipe:
    """For a project with a uv.lock. `builds` says that it is itself installed, `has_local` that it has packages of
    folders, `has_root` that the workspace's root is a project."""
    every = " --all-packages" if is_workspace and not has_root else ""
    sync = f"uv sync --frozen --inexact{every}"
    without = " --no-install-workspace" if is_workspace else " --no-install-project" if builds else ""
    without += " --no-install-local" if has_local else ""
    finish = sync if builds or is_workspace or has_local else ""
    return Recipe(files=("pyproject.toml", "uv.lock"), install=f"{sync}{without}", finish=finish)


def requirements_recipe(path: str, text: str) -> Recipe:
    """For a requirements file; files that it includes come with it, folders that it installs need all files."""
    included = [
        posixpath.normpath(found)
        for found in re.findall(r"^\s*(?:-r|-c|--requirement|--constraint)[ =]\s*(\S+)", text, re.M)
    ]
    local = re.search(r"^\s*(?:(?:-e|--editable)[ =]\s*)?(?:\.{1,2}(?:[/\[]|\s|$)|file:)", text, re.M)
    files = tuple(dict.fromkeys([path, *(each for each in included if "://" not in each)]))
    return Recipe(files=files, install=f"uv pip install -r {path}", needs_all=bool(local))


def exported_recipe(*, builds: bool) -> Recipe:
    """For what is exported from another tool's lock; `builds` says that the project is itself a package."""
    finish = "uv pip install --no-deps -e ." if builds else ""
    return Recipe(files=(EXPORTED,), install=f"uv pip install -r {EXPORTED}", finish=finish)


def plain_recipe(path: str, *, builds: bool) -> Recipe:
    """For a pyproject.toml without a lock, a pylock.toml, or a script with its own dependencies."""
    finish = "uv pip install --no-deps -e ." if builds else ""
    return Recipe(files=(path,), install=f"uv pip install -r {path}", finish=finish)


def write_dockerfile(reference: str, recipe: Recipe, start: Start | None) -> str:
    """A Dockerfile on the image `reference`."""
    lines = [f"FROM {reference}", f"WORKDIR {FOLDER}"]
    if not recipe.needs_all:
        lines += [_copy(recipe.files), f"RUN {recipe.install}"]
    lines.append("COPY . .")
    lines += [f"RUN {recipe.install}"] if recipe.needs_all else []
    lines += [f"RUN {recipe.finish}"] if recipe.finish else []
    if start:
        lines += [f"EXPOSE {start.port}"] if start.port else []
        lines.append(f"CMD {json.dumps(start.words)}")
    return "".join(f"{line}\n" for line in lines)


def _copy(files: Sequence[str]) -> str:
    """Files keep their folders, which one COPY for all of them would not."""
    folders = {posixpath.dirname(file) for file in files}
    if folders == {""}:
        return f"COPY {' '.join(files)} ./"
    return "\n".join(
        f"COPY {file} {posixpath.dirname(file) + '/' if posixpath.dirname(file) else './'}" for file in files
    )
