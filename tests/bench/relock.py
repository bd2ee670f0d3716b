"""Lock the bench's catalog anew, with the packages of today: `python -m tests.bench.relock`.

Writes the locks in `catalog/bases`, and in `catalog/bumped` that of W with one small wheel in an older version. Results
of before and after cannot be compared.
"""

import os
import shutil
import sys
import tempfile
from pathlib import Path

from tests.bench.usage import run_measured
from tests.bench.workbench import BUMPED, CATALOG, PROJECT, bench_environment

MOVED, OLDER = "iniconfig", "2.3.0"


def main() -> None:
    """Resolve three times: with the older version asked for, with it kept by the lock, and moved."""
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        shutil.copytree(PROJECT / "bases/foundations", folder / "bases/foundations")
        catalog = folder / "images.yaml"
        text = (CATALOG / catalog.name).read_text()
        catalog.write_text(text.replace("  w: [", f"  w: [{MOVED}=={OLDER}, "))
        _lock(folder)
        catalog.write_text(text)
        _lock(folder)
        for path in (folder / "bases/w").iterdir():
            shutil.copy(path, BUMPED.parent / path.name)
        _lock(folder, "--upgrade-package", MOVED)
        for image in ("w", "w-warm"):
            shutil.copytree(folder / "bases" / image, CATALOG / "bases" / image, dirs_exist_ok=True)


def _lock(folder: Path, *options: str) -> None:
    command = [sys.executable, "-m", "warmbase", "lock", *options]
    run_measured(command, env={**bench_environment(), "PWD": os.fspath(folder)}, cwd=folder)


if __name__ == "__main__":
    main()
