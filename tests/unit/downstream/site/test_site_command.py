"""`warmbase site`, from the index.json of another site."""

import json
from pathlib import Path

import pytest
from tests.sites import small_files
from typer.testing import CliRunner

from warmbase.cli import site
from warmbase.cli.app import app
from warmbase.downstream.site.writing import FILES

_ = site  # it registers its command


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WARMBASE_CACHE_DIR", str(tmp_path / "cache"))


@pytest.fixture
def index(tmp_path: Path) -> Path:
    path = tmp_path / "index.json"
    path.write_bytes(small_files()["index.json"])
    return path


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_site_is_written_from_the_index_of_another_one(index: Path, tmp_path: Path) -> None:
    """The second is the first, byte by byte: nothing of where it was read from is in it."""
    result = CliRunner().invoke(app, ["site", str(tmp_path / "out"), "--index", str(index)])
    assert result.exit_code == 0, result.output
    assert "6 bases of " in result.output
    assert f"open {(tmp_path / 'out/index.html').as_posix()}" in result.output
    written = contents(tmp_path / "out")
    head, *lines = written.pop(FILES).decode().splitlines()
    assert head == "warmbase site 1"
    assert sorted(line.split(" ", 2)[2] for line in lines) == sorted(small_files())
    assert written == small_files()


def test_json_says_what_was_written(index: Path, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["site", str(tmp_path / "out"), "--index", str(index), "--json"])
    assert json.loads(result.output) == {
        "page": (tmp_path / "out/index.html").as_posix(),
        "bases": 6,
        "files": len(small_files()),
        "bytes": sum(map(len, small_files().values())),
    }
