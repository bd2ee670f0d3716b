"""`doctor` over every way to inherit a base that real builds go through, and over what `adopt` has patched."""

from dataclasses import replace
from pathlib import Path

import pytest
from tests.diagnosed import BASE, PACKAGES, PLATFORM, TODAY, patient
from tests.e2e.children.projects import PROJECTS, Project
from tests.needing import project
from tests.offered import base, offered, published
from tests.unit.downstream.adopt.test_patching import CASES

from warmbase.cli.doctor import exit_code
from warmbase.downstream.adopt.patching import patch_dockerfile
from warmbase.downstream.doctor.examine import examine_project
from warmbase.downstream.doctor.model import Diagnosis

NAMES = ("fastapi", "httpx", "ipykernel", "jupyter-server", "nbclient", "pandas", "pytest", "uvicorn")
VERSIONS = dict.fromkeys(NAMES, "9.0")
LISTED = [*(offered(*each) for each in VERSIONS.items()), offered("hatchling", "1.27.0", use="warm")]
BASES = {f"registry.example/bases/{name}:py3.13": base(f"{name}:py3.13-trixie", LISTED) for name in ("data", "web")}
CHANGED = [way for way in PROJECTS if way.change]
AS_THEY_STAND = [way for way in PROJECTS if not way.change]


def pinned(text: str) -> str:
    """A text with the names of bases as references."""
    for name, one in BASES.items():
        text = text.replace(name, one.reference)
    return text


def examine(way: Project, folder: Path) -> Diagnosis:
    """What doctor says of a way whose project needs what the base has, and has a lock if it is one of uv's."""
    dockerfile = way.copy(folder) / "Dockerfile"
    dockerfile.write_text(pinned(dockerfile.read_text()))
    is_synced, python = (folder / "pyproject.toml").is_file(), folder / ".python-version"
    made = project(VERSIONS if is_synced else {}, kind="uv.lock" if is_synced else "requirements.txt")
    made = replace(made, path=folder / made.path.name, python=python.read_text().strip() if python.is_file() else "")
    listing = published(*BASES.values())
    return examine_project(made, listing, wanted="", dockerfile=None, platform=PLATFORM, today=TODAY)


@pytest.mark.parametrize("way", CHANGED, ids=lambda way: way.name)
def test_a_line_that_has_to_change_is_an_error(way: Project, tmp_path: Path) -> None:
    errors = [each for each in examine(way, tmp_path).findings if each.severity == "error"]
    change = way.change
    assert change
    lines = (tmp_path / change.file).read_text().splitlines()
    places = {str(each.place) for each in errors}
    assert f"{change.file}:{lines.index(pinned(change.line)) + 1}" in places, errors


@pytest.mark.parametrize("way", AS_THEY_STAND, ids=lambda way: way.name)
def test_what_works_as_it_stands_is_a_note_at_most(way: Project, tmp_path: Path) -> None:
    diagnosis = examine(way, tmp_path)
    assert diagnosis.severity in (None, "note"), diagnosis.findings
    assert exit_code(diagnosis) == 0


@pytest.mark.parametrize("case", CASES)
def test_what_adopt_has_patched_passes_a_pipeline(case: str, tmp_path: Path) -> None:
    text = f"FROM python:3.12 AS x\nWORKDIR /app\nCOPY . .\n{CASES[case][0]}\nRUN uv sync --frozen\n"
    patched = patch_dockerfile(text, "Dockerfile", BASE).text
    diagnosis = patient(tmp_path, patched, needs=PACKAGES).examine()
    assert exit_code(diagnosis) == 0, (patched, diagnosis.findings)
