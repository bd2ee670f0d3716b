"""Locking a project again without touching it: uv works on a copy, so that its lock can be shown before it is written.

The copy has what describes packages, and the texts and modules that their build backends may read, because uv may have
to build what says its dependencies only then: small files, and not more than a few megabytes of them. It has no data,
no version control, no environments, and nothing from outside of the folder. What needs more cannot be locked here, and
the error says what to run in the project instead.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from warmbase.effects.process import Processes, mask_secrets, secrets_in
from warmbase.errors import ProjectError

_DESCRIBING = frozenset({"pyproject.toml", "uv.toml", "uv.lock", "setup.py", "setup.cfg", ".python-version"})
_READ = frozenset({"", ".py", ".pyi", ".toml", ".cfg", ".ini", ".in", ".txt", ".md", ".rst", ".json"})
_LARGEST, _MOST = 1_000_000, 50_000_000  # bytes of a file that a build backend may read, and of all of them
_LEFT_OUT = frozenset({"__pycache__", "build", "dist", "node_modules", "venv"})
_BESIDE = ("Using CPython", "Using PyPy", "Using Python")
"""How lines of uv begin that say nothing of why it failed."""
_REDIRECTING = frozenset({"UV_FROZEN", "UV_LOCKED", "UV_PROJECT", "UV_WORKING_DIR"})


def relock(
    folder: Path, texts: Mapping[str, str], run: Processes, *, uv: str | Path, environment: Mapping[str, str]
) -> str:
    """The uv.lock that `uv lock` makes of a project, with `texts` in the place of its files (paths relative to
    `folder`, with '/'). The folder stays as it is.

    `environment` is the user's, with their indexes and logins. Raises ProjectError, with what uv says, where it cannot.
    """
    with tempfile.TemporaryDirectory(prefix="warmbase-relock-") as name:
        copy = Path(name).resolve() / folder.resolve().name
        try:
            _copy(folder, copy, texts)
        except OSError as error:
            raise ProjectError(
                f"{folder}: it cannot be copied to lock it: {error}", next_step="run `uv lock` in the project"
            ) from None
        env = {name: value for name, value in environment.items() if name not in _REDIRECTING}
        done = run([uv, "lock", "--no-progress", "--color", "never"], env=env, cwd=copy, check=False)
        if done.code:
            lines = done.stderr.decode("utf-8", "replace").strip().splitlines()
            said = "\n".join(line for line in lines if not line.startswith(_BESIDE))
            told = mask_secrets(said, secrets_in(environment)).replace(str(copy), str(folder))
            raise ProjectError(
                f"{folder}: uv cannot lock it\n{told}",
                next_step="see what uv says; `uv lock` in the project does the same",
            )
        return (copy / "uv.lock").read_text(encoding="utf-8")


def _copy(folder: Path, copy: Path, texts: Mapping[str, str]) -> None:
    for path in _files_that_count(folder):
        (copy / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(folder / path, copy / path)
    for relative, text in texts.items():
        (copy / relative).parent.mkdir(parents=True, exist_ok=True)
        (copy / relative).write_text(text, encoding="utf-8", newline="\n")


def _files_that_count(folder: Path) -> Iterator[Path]:
    """The files that a lock may depend on, relative to the folder."""
    left = _MOST
    for root, folders, files in os.walk(folder):
        here = Path(root)
        folders[:] = [
            name
            for name in sorted(folders)
            if name not in _LEFT_OUT and not name.startswith(".") and not (here / name / "pyvenv.cfg").exists()
        ]
        for name in sorted(files):
            path = here / name
            if (name not in _DESCRIBING and path.suffix.lower() not in _READ) or not path.is_file():
                continue
            if name not in _DESCRIBING:
                size = path.stat().st_size
                if size > min(left, _LARGEST):
                    continue
                left -= size
            yield path.relative_to(folder)
