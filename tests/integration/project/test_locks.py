"""The project's own locks, which `make` installs from, fit what pyproject.toml asks for."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[3]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
RUN = (*PROJECT["build-system"]["requires"], *PROJECT["project"]["dependencies"])
ASKED = {"requirements.txt": RUN, "requirements-dev.txt": (*RUN, *PROJECT["dependency-groups"]["dev"])}


def read_pins(name: str) -> dict[str, str]:
    """package → version"""
    text = (ROOT / name).read_text(encoding="utf-8")
    return dict(re.findall(r"^([a-z0-9.-]+)==([^ ;\\]+)", text, re.MULTILINE))


@pytest.mark.parametrize("name", ASKED)
def test_the_lock_has_what_the_project_asks_for(name: str) -> None:
    """If this fails: make requirements."""
    pins = read_pins(name)
    asked = [Requirement(text) for text in ASKED[name]]
    unfit = [str(r) for r in asked if r.name not in pins or not r.specifier.contains(pins[r.name], prereleases=True)]
    assert unfit == []


@pytest.mark.parametrize("name", ASKED)
def test_the_lock_pins_hashes_and_names_no_index(name: str) -> None:
    entries = (ROOT / name).read_text(encoding="utf-8").replace("\\\n", "").splitlines()
    assert entries
    assert [entry for entry in entries if not re.match(r"[a-z0-9.-]+==.* --hash=sha256:[0-9a-f]{64}", entry)] == []


def test_both_locks_agree() -> None:
    run, develop = read_pins("requirements.txt"), read_pins("requirements-dev.txt")
    assert run.items() <= develop.items()
