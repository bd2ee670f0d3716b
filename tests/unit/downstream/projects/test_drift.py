"""What a project's files say that its uv.lock does not know, as `uv lock --check` sees it."""

import shutil
from pathlib import Path

import pytest
from tests.projects.samples import FOLDER, sample

from warmbase.downstream.projects.drift import find_drift
from warmbase.downstream.projects.read import read_project


def workspace(folder: Path, file: str = "pyproject.toml", old: str = "", new: str = "") -> Path:
    """A real workspace with its lock, in which one text of a file was changed since."""
    copied = folder / "shop"
    shutil.copytree(FOLDER / "workspace", copied)
    path = copied / file
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    return copied


@pytest.mark.parametrize("name", ["workspace", "forks", "virtual", "virtual/members/one", "poetry2", "byhand"])
def test_a_lock_that_was_just_written_is_in_date(name: str) -> None:
    assert find_drift(sample(name)) == ()


@pytest.mark.parametrize(
    ("old", "new", "name", "why"),
    [
        ('"click",', '"click",\n  "httpx",', "httpx", "pyproject.toml asks for httpx, the lock does not"),
        ("pyyaml>=6", "PyYAML >= 6.1", "pyyaml", "pyproject.toml asks for pyyaml ≥ 6.1, the lock for ≥ 6"),
        ('["rich>=13"]', '["rich>=13", "tqdm"]', "tqdm", "pyproject.toml asks for tqdm, the lock does not"),
        ('lint = ["pathspec"]', 'lint = ["ruff"]', "ruff", "pyproject.toml asks for ruff, the lock does not"),
        ('docs = ["markdown"]', 'docs = ["markdown"]\ntype = ["mypy"]', "mypy", "asks for mypy"),
        ("[tool.uv.workspace]", '[tool.uv]\ndev-dependencies = ["tox"]\n[tool.uv.workspace]', "tox", "asks for tox"),
    ],
)
def test_what_is_asked_for_since_is_found(tmp_path: Path, old: str, new: str, name: str, why: str) -> None:
    found = [drift for drift in find_drift(read_project(workspace(tmp_path, old=old, new=new))) if drift.name == name]
    assert {(drift.file, drift.kind) for drift in found} == {("pyproject.toml", "wanted")}
    assert all(why in drift.why for drift in found)


@pytest.mark.parametrize(
    ("old", "new", "name"),
    [
        ('"click",', "", "click"),
        ('version = "1.2.0"', 'version = "1.3.0"', "version"),
        (">=3.12,<3.15", ">=3.13,<3.15", "requires-python"),
        ("[tool.uv.workspace]", '[tool.uv]\nconstraint-dependencies = ["a<2"]\n[tool.uv.workspace]', "constraint-"),
        ("[tool.uv.workspace]", '[tool.uv]\noverride-dependencies = ["a"]\n[tool.uv.workspace]', "override-"),
    ],
)
def test_what_makes_uv_lock_anew_alone_is_told_apart(tmp_path: Path, old: str, new: str, name: str) -> None:
    (found,) = find_drift(read_project(workspace(tmp_path, old=old, new=new)))
    assert (found.name.startswith(name), found.kind) == (True, "other")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('version = "1.2.0"', 'version = "1.2"'),
        ('version = "1.2.0"', 'dynamic = ["version"]'),
        (">=3.12,<3.15", ">=3.12, <3.15.0"),
        ("jinja2>=3.1,<4", "Jinja2 < 4, >= 3.1.0"),
        ('"tidy",', '"tidy>=0.3",'),
        ('plot = ["rich>=13"]', 'plot = ["rich>=13"]\nall = ["shop[plot]"]'),
    ],
)
def test_what_is_only_written_otherwise_is_not_found(tmp_path: Path, old: str, new: str) -> None:
    assert find_drift(read_project(workspace(tmp_path, old=old, new=new))) == ()


def test_the_files_of_members_count_too(tmp_path: Path) -> None:
    folder = workspace(tmp_path, "packages/api/pyproject.toml", "starlette>=0.40", "starlette>=0.50")
    (found,) = find_drift(read_project(folder))
    assert (found.file, found.name, found.kind) == ("packages/api/pyproject.toml", "starlette", "wanted")


def test_settings_of_which_uv_does_not_know_do_not_count(tmp_path: Path) -> None:
    settings = '[tool.uv]\nconstraint-dependencies = ["a<2"]\n[tool.uv.workspace]'
    folder = workspace(tmp_path, old="[tool.uv.workspace]", new=settings)
    (folder / "uv.toml").touch()
    assert find_drift(read_project(folder)) == ()
