"""The Dockerfile of a project that has none: the recipe that measured best. Pure.

The packages are synced into the base's own environment, before the project's files come, so that a change of those does
not sync again: 7 kB and a tenth of a second, where an environment of its own is tens of megabytes. `--inexact` leaves
what the base has beside, for removing it would be a layer of its own. What builds the project's own packages is in the
base's cache, but uv asks the index for it whenever it may: 230 kB of index pages in the layer, and a build that waits
for the network. Where the base has it all, that step is `--offline`.
"""

import json
import posixpath
import re
from collections.abc import Sequence
from dataclasses import dataclass

from warmbase.downstream.adopt.starting import Start

FOLDER = "/app"


@dataclass(frozen=True, kw_only=True, slots=True)
class Recipe:
    """How a project's packages get into the image: the files that this takes, the command, and what follows when all
    files are there ("" nothing), which builds the project's own; `is_offline` says that this asks no index. `needs_all`
    says that the command reads folders, `system` which of Debian's packages it takes."""

    files: tuple[str, ...]
    install: str
    finish: str = ""
    is_offline: bool = False
    needs_all: bool = False
    system: tuple[str, ...] = ()


def sync_recipe(*, builds: bool, has_others: bool, has_root: bool) -> Recipe:
    """For a project with a uv.lock. `builds` says that it is itself installed, `has_others` that it has packages in
    folders (a workspace's members, or others), `has_root` that the workspace's root is a project."""
    sync = f"uv sync --frozen --inexact{'' if has_root else ' --all-packages'}"
    without = " --no-install-local" if has_others else " --no-install-project" if builds else ""
    return Recipe(files=("pyproject.toml", "uv.lock"), install=f"{sync}{without}", finish=sync if without else "")


def requirements_recipe(path: str, text: str) -> Recipe:
    """For a requirements file; files that it includes come with it, folders that it installs need all files."""
    found = re.findall(r"^\s*(?:-r|-c|--requirement|--constraint)[ =]\s*(\S+)", text, re.M)
    included = [posixpath.normpath(each) for each in found if "://" not in each]
    local = re.search(r"^\s*(?:(?:-e|--editable)[ =]\s*)?(?:\.{1,2}(?:[/\[]|\s|$)|file:)", text, re.M)
    files = tuple(dict.fromkeys([path, *included]))
    return Recipe(files=files, install=f"uv pip install -r {path}", needs_all=bool(local))


def install_recipe(path: str, local: Sequence[str] = ()) -> Recipe:
    """For what `uv pip install` reads: a requirements file that was exported, a pyproject.toml without a lock, a
    pylock.toml, a script with its own dependencies. `local` are the folders of packages that are installed too."""
    folders = "".join(f" -e {folder if folder == '.' else f'./{folder}'}" for folder in local)
    finish = f"uv pip install --no-deps{folders}" if local else ""
    return Recipe(files=(path,), install=f"uv pip install -r {path}", finish=finish)


def write_dockerfile(reference: str, recipe: Recipe, start: Start | None) -> str:
    """A Dockerfile on the image `reference`."""
    lines = [f"FROM {reference}", f"WORKDIR {FOLDER}"]
    lines += [f"RUN {install_system(recipe.system)}"] if recipe.system else []
    if not recipe.needs_all:
        lines += [_copy(recipe.files), f"RUN {recipe.install}"]
    lines.append("COPY . .")
    lines += [f"RUN {recipe.install}"] if recipe.needs_all else []
    lines += [f"RUN {recipe.finish}{' --offline' if recipe.is_offline else ''}"] if recipe.finish else []
    if start:
        lines += [f"EXPOSE {start.port}"] if start.port else []
        lines.append(f"CMD {json.dumps(start.words)}")
    return "".join(f"{line}\n" for line in lines)


def install_system(packages: Sequence[str]) -> str:
    """The command that installs packages of Debian and leaves no lists behind."""
    return f"apt-get update && apt-get install -y {' '.join(packages)} && rm -rf /var/lib/apt/lists/*"


def _copy(files: Sequence[str]) -> str:
    """Files keep their folders, which one COPY for all of them would not."""
    folders = {posixpath.dirname(file) for file in files}
    if folders == {""}:
        return f"COPY {' '.join(files)} ./"
    return "\n".join(
        f"COPY {file} {posixpath.dirname(file) + '/' if posixpath.dirname(file) else './'}" for file in files
    )
