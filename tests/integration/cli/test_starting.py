"""The command line starts light, as processes show it."""

import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[3]
HEAVY = {"jsonschema", "httpx", "zstandard", "python_on_whales", "rich", "yaml", "msgpack"}
PROGRAM = """
import sys
from warmbase.cli import main
try:
    main()
except SystemExit as ended:
    print("\\nCODE", ended.code or 0)
print("LOADED", *sorted({name.split(".")[0] for name in sys.modules}))
"""


def loaded_by(*arguments: str) -> set[str]:
    """The top-level modules that a command loads; it has to end well."""
    finished = subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments], cwd=PROJECT, capture_output=True, text=True, check=False
    )
    assert "\nCODE 0\n" in finished.stdout, finished.stdout + finished.stderr
    return set(finished.stdout.rsplit("LOADED", 1)[1].split())


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["build", "--help"], ["store", "--help"]])
def test_help_loads_nothing_heavy(arguments: list[str]) -> None:
    assert not loaded_by(*arguments) & HEAVY


def test_a_plan_needs_no_network_and_no_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WARMBASE_CACHE_DIR", str(tmp_path))
    assert not loaded_by("plan", "--output", str(tmp_path / "dist")) & {"httpx", "python_on_whales", "rich"}
