"""The workflows that `warmbase init --ci` writes, and what reads them."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

ALL = ("github", "github-locks", "gitlab", "kubernetes")
NAMES = ("clean", "locks", "nightly", "publish", "pull-request")
WORKFLOWS = tuple(f".github/workflows/bases-{name}.yml" for name in NAMES)
LOCKS, NIGHTLY, PULL_REQUEST = WORKFLOWS[1], WORKFLOWS[2], WORKFLOWS[4]
ACTION = ".github/actions/warmbase/action.yml"
CRONJOBS = ("deploy/nightly.yaml", "deploy/clean.yaml")


def run(
    *command: str | Path, cwd: Path, env: Mapping[str, str] | None = None, code: int = 0
) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        command, cwd=cwd, env={**os.environ, **(env or {})}, capture_output=True, text=True, check=False
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done


def init(folder: Path, *workflows: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    options = [option for workflow in workflows for option in ("--ci", workflow)]
    folder.mkdir(exist_ok=True)
    return run(sys.executable, "-m", "warmbase", "init", *options, cwd=folder, code=code)


def read(path: Path) -> Any:
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    # YAML 1.1 takes the key `on` for a boolean.
    return {"on" if key is True else key: value for key, value in document.items()}
