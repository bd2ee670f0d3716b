"""Lock the bench's catalog anew, with the packages of today: `python -m tests.bench.relock`.

Writes the locks in `catalog/bases`, and those of W with one package in an older version in `catalog/bumped` (a small
one) and `catalog/bumped-large`. Results of before and after cannot be compared.
"""

import os
import shutil
import sys
import tempfile
from pathlib import Path

from tests.bench.usage import run_measured
from tests.bench.workbench import BUMPED, BUMPED_LARGE, CATALOG, PROJECT, bench_environment

OLDER = {BUMPED: "iniconfig==2.3.0", BUMPED_LARGE: "pandas==3.1.0"}


def main() -> None:
    """Resolve with today's packages, then with one package held back and all others as they are."""
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        shutil.copytree(PROJECT / "bases/foundations", folder / "bases/foundations")
        shutil.copy(CATALOG / "images.yaml", folder)
        _lock(folder)
        for image in ("w", "w-warm"):
            shutil.copytree(folder / "bases" / image, CATALOG / "bases" / image, dirs_exist_ok=True)
        for target, held in OLDER.items():
            hold_back(folder, held, target)


def hold_back(folder: Path, held: str, target: Path) -> None:
    """Lock W at `target` as it is in `folder`, but for one package, whose requirement is `held`."""
    catalog = folder / "images.yaml"
    text = catalog.read_text()
    today = folder / "today"
    shutil.copytree(folder / "bases/w", today)
    catalog.write_text(text.replace("  w: [", f"  w: ['{held}', ", 1))
    _lock(folder, "w")
    catalog.write_text(text)
    _lock(folder, "w")  # what is locked stays
    shutil.copytree(folder / "bases/w", target.parent, dirs_exist_ok=True)
    shutil.rmtree(folder / "bases/w")
    today.rename(folder / "bases/w")


def _lock(folder: Path, *arguments: str) -> None:
    command = [sys.executable, "-m", "warmbase", "lock", *arguments]
    run_measured(command, env={**bench_environment(), "PWD": os.fspath(folder)}, cwd=folder)


if __name__ == "__main__":
    main()
