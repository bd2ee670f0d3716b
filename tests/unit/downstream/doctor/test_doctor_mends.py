"""What `doctor` says of locks that are out of date and of Pythons, and lines that mend what they stand beside."""

from pathlib import Path

import pytest
from tests.diagnosed import IN_PLACE, LOCK, PYPROJECT, patient

LOCKED_APP = (
    'version = 1\n\n[[package]]\nname = "app"\nversion = "1"\nsource = { virtual = "." }\n\n'
    '[package.metadata]\nrequires-dist = [{ name = "pandas", specifier = ">=2" }]\n\n'
)
IN_DATE = {"uv.lock": LOCKED_APP + LOCK, "pyproject.toml": f'{PYPROJECT}dependencies = [\n  "pandas>=2",\n]\n'}


@pytest.mark.parametrize("sync", ["uv sync --frozen", "uv sync --locked"])
def test_a_lock_in_date_is_no_finding(tmp_path: Path, sync: str) -> None:
    dockerfile = IN_PLACE.replace("uv sync --frozen", sync)
    assert patient(tmp_path, dockerfile, files=IN_DATE).examine().findings == ()


def test_a_lock_without_what_the_project_asks_for_is_an_error(tmp_path: Path) -> None:
    asked = IN_DATE["pyproject.toml"].replace('>=2",\n', '>=2",\n  "httpx",\n')
    found = patient(tmp_path, files=IN_DATE | {"pyproject.toml": asked}).only_finding()
    assert (found.code, found.severity, found.fix) == ("lock-outdated", "error", "uv lock")
    assert (str(found.place), found.packages) == ("pyproject.toml:7", ("httpx",))
    assert found.message.endswith("pyproject.toml asks for httpx, the lock does not")


def test_a_lock_that_only_knows_an_older_version_of_the_project_is_refused_where_uv_is_told_to(tmp_path: Path) -> None:
    files = IN_DATE | {"pyproject.toml": IN_DATE["pyproject.toml"].replace('version = "1"', 'version = "2"')}
    found = patient(tmp_path, files=files).only_finding()
    assert (found.code, found.severity, str(found.place)) == ("lock-outdated", "warning", "pyproject.toml:3")
    found = patient(tmp_path, IN_PLACE.replace("--frozen", "--locked"), files=files).only_finding()
    assert (found.code, found.severity) == ("lock-outdated", "error")
    assert "`--locked` refuses" in found.message


@pytest.mark.parametrize(
    ("line", "settings", "place"),
    [
        ("ENV UV_PYTHON_PREFERENCE=only-managed", "", "Dockerfile:2"),
        ("ENV UV_MANAGED_PYTHON=1", "", "Dockerfile:2"),
        ("RUN uv sync --frozen --inexact --managed-python", "", "Dockerfile:2"),
        ("", '[tool.uv]\npython-preference = "only-managed"\n', "pyproject.toml:6"),
    ],
)
def test_a_wish_for_pythons_of_uv_s_own_is_found(tmp_path: Path, line: str, settings: str, place: str) -> None:
    dockerfile = IN_PLACE.replace("\n", f"\n{line}\n", 1) if line else IN_PLACE
    files = {"pyproject.toml": PYPROJECT + settings}
    found = patient(tmp_path, dockerfile, files=files).only_finding()
    assert (found.code, found.severity, str(found.place)) == ("managed-python", "error", place)


@pytest.mark.parametrize(
    "line", ["ENV UV_PYTHON_PREFERENCE=only-system", "ENV UV_MANAGED_PYTHON=0", "ENV UV_NO_MANAGED_PYTHON=1"]
)
def test_wishes_that_the_base_s_python_meets_are_none(tmp_path: Path, line: str) -> None:
    assert patient(tmp_path, IN_PLACE.replace("\n", f"\n{line}\n", 1)).examine().findings == ()
