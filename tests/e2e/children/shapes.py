"""Projects of ten shapes, as people have them before they know of a base. Their locks are made when they are copied."""

import json
import os
import shutil
import subprocess
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.e2e.children.projects import Run
from uv import find_uv_bin

from warmbase.lock.model import Lock, requirements_text

FOLDER = Path(__file__).parent / "projects" / "adopted"
EXPECTED = "shape.toml"
ENVIRONMENT = {**os.environ, "UV_PYTHON_DOWNLOADS": "never"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Shape:
    """A shape of project: what it is in words, and the base that it adopts. `project` is the file that says what it
    needs, "" what the folder has.

    `lock` are the words for the uv that locks it; `made` is the name of a lock that is made from the base's:
    requirements.txt with hashes, or Pipfile.lock. Measured are the steps of the build that the pattern `step` is found
    in. `offline` tells uv not to ask the index for the build backends that it has; `moves` are packages whose version
    an adoption changes.
    """

    name: str
    says: str
    base: str
    runs: tuple[Run, ...]
    project: str = ""
    lock: tuple[str, ...] = ()
    made: str = ""
    step: str = "uv sync"
    offline: bool = False
    moves: frozenset[str] = frozenset()

    def copy(self, folder: Path, lock: Lock) -> Path:
        """The project in `folder`, with a lock of its own; `lock` is the base's. Returns what `adopt` is given."""
        shutil.copytree(FOLDER / self.name, folder, ignore=shutil.ignore_patterns(EXPECTED))
        if self.made:
            (folder / self.made).write_text(_MAKERS[self.made](lock), encoding="utf-8")
        if self.lock:
            command = [find_uv_bin(), *self.lock]
            subprocess.run(command, cwd=folder, env=ENVIRONMENT, check=True, capture_output=True)
        return folder / self.project


def _pipfile_lock(lock: Lock) -> str:
    """What Pipenv writes: the versions of all that the base has, and the hashes of all their files."""
    default = {
        package.name: {
            "hashes": sorted(f"sha256:{file.sha256}" for file in package.files),
            "version": f"=={package.version}",
        }
        for package in lock.packages
        if package.use == "venv"
    }
    meta = {"hash": {"sha256": "0" * 64}, "pipfile-spec": 6, "requires": {"python_version": "3.13"}, "sources": []}
    return json.dumps({"_meta": meta, "default": default, "develop": {}}, indent=4) + "\n"


_MAKERS = {"requirements.txt": requirements_text, "Pipfile.lock": _pipfile_lock}


def _read_shape(name: str) -> Shape:
    said: dict[str, Any] = tomllib.loads((FOLDER / name / EXPECTED).read_text(encoding="utf-8"))
    runs = tuple(Run(**{**run, "command": tuple(run.get("command", ()))}) for run in said.pop("run"))
    lock, moves = (tuple(said.pop(key, ())) for key in ("lock", "moves"))
    return Shape(name=name, runs=runs, lock=lock, moves=frozenset(moves), **said)


SHAPES = tuple(_read_shape(path.parent.name) for path in sorted(FOLDER.glob(f"*/{EXPECTED}")))
