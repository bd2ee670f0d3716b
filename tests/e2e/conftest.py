"""A small catalog of real packages, locked and built once for the session."""

from pathlib import Path

import pytest
from tests.bases import Bases

SMALL = ["requests", "pytest", "packaging", "markupsafe"]


@pytest.fixture(scope="session")
def locked(foundation: Bases, tmp_path_factory: pytest.TempPathFactory) -> Bases:
    """The small catalog with its lock and a foundation, but nothing built. Tests work on copies."""
    bases = foundation.copy(tmp_path_factory.mktemp("locked"))
    bases.write_catalog({"small": {"requirements": SMALL, "backends": ["setuptools"]}})
    bases.run("lock")
    return bases


@pytest.fixture(scope="session")
def built(locked: Bases, tmp_path_factory: pytest.TempPathFactory) -> Bases:
    """The small catalog, built. Tests that change anything work on copies."""
    bases = locked.copy(tmp_path_factory.mktemp("built"))
    (row,) = bases.build()
    assert row["error"] == ""
    return bases


@pytest.fixture
def fresh(locked: Bases, tmp_path: Path) -> Bases:
    """A copy of the locked catalog for one test."""
    return locked.copy(tmp_path)


@pytest.fixture
def copied(built: Bases, tmp_path: Path) -> Bases:
    """A copy of the built catalog for one test."""
    return built.copy(tmp_path)
