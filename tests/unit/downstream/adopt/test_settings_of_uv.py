"""What uv's settings in files keep from a base is said with its line."""

import pytest
from tests.needing import project
from tests.offered import base

from warmbase.downstream.adopt.model import Note, ProjectFiles, Wishes
from warmbase.downstream.adopt.plan import plan_adoption

PYPROJECT = '[project]\nname = "app"\nversion = "1"\n'


def notes(**texts: str) -> list[Note]:
    """The notes of a plan on settings, for a folder with these files."""
    files = {name.replace("_", "."): text for name, text in texts.items()} | {"Dockerfile": "FROM python:3.12\n"}
    of = project({"numpy": "2.3.4"})
    planned = plan_adoption(of, base(), Wishes(), ProjectFiles(texts=files, names=frozenset(files)))
    return [note for note in planned.notes if note.path in ("pyproject.toml", "uv.toml")]


@pytest.mark.parametrize(
    "setting", ["no-cache = true", 'cache-dir = "/c"', 'link-mode = "copy"', "reinstall = true", "no-binary = true"]
)
def test_a_setting_that_fights_the_base_is_said(setting: str) -> None:
    (note,) = notes(pyproject_toml=f"{PYPROJECT}[tool.uv]\n{setting}\n")
    assert note.is_blocking
    assert note.number == 5
    assert setting.partition(" ")[0] in note.text
    assert [each.path for each in notes(uv_toml=f"{setting}\n")] == ["uv.toml"]


@pytest.mark.parametrize(
    "setting", ["no-cache = false", 'cache-dir = "/opt/uv/cache"', 'link-mode = "hardlink"', "package = false"]
)
def test_other_settings_are_left_alone(setting: str) -> None:
    assert not notes(pyproject_toml=f"{PYPROJECT}[tool.uv]\n{setting}\n")


def test_a_file_that_hides_the_constraints_is_said() -> None:
    (note,) = notes(pyproject_toml=PYPROJECT, uv_toml='index-strategy = "first-index"\n')
    assert "constraint-dependencies" in note.text
    assert note.path == "uv.toml"
