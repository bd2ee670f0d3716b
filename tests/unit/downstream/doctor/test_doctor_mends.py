"""What `doctor` says of locks that are out of date and of Pythons, and lines that mend what they stand beside."""

from pathlib import Path

import pytest
from tests.diagnosed import BASE, IN_PLACE, LOCK, OWN_VENV, PACKAGES, PYPROJECT, patient
from tests.needing import locked

from warmbase.downstream.doctor.telling import summary, tell
from warmbase.downstream.projects.model import Member

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


INSTALLS = f"FROM {BASE.reference}\nENV UV_SYSTEM_PYTHON=1\nRUN uv pip install -r requirements.txt\n"


def test_the_system_s_python_takes_nothing_unless_it_is_broken_open(tmp_path: Path) -> None:
    case = patient(tmp_path, INSTALLS, kind="requirements.txt")
    assert {verdict.outcome for verdict in case.examine().verdicts} == {"refused"}
    found = case.only_finding()
    assert (found.code, found.severity, found.fix) == ("system", "error", "take out `ENV UV_SYSTEM_PYTHON=1`")
    assert summary(case.examine()) == "not healthy: 0 of 3 packages hit, 0 B to download, 3 refused"
    broken = patient(tmp_path, INSTALLS.replace("install", "install --break-system-packages"), kind="requirements.txt")
    assert {verdict.outcome for verdict in broken.examine().verdicts} == {"copied"}
    assert broken.only_finding().fix == "take out `ENV UV_SYSTEM_PYTHON=1`"


HASHED = "pandas==2.3.0 \\\n    --hash=sha256:0\n"


@pytest.mark.parametrize(
    ("text", "fix"),
    [
        (
            f"#    uv pip compile r.in -o r.txt\n{HASHED}",
            "uv pip compile r.in -o r.txt --upgrade-package pandas==2.2.3",
        ),
        (f"#    pip-compile r.in\n{HASHED}", "pip-compile r.in --upgrade-package pandas==2.2.3"),
        (HASHED, "ask for pandas==2.2.3, then compile the file again, for it has hashes"),
        ("pandas==2.3.0\n", "pandas==2.2.3"),
    ],
)
def test_pins_with_hashes_are_compiled_again(tmp_path: Path, text: str, fix: str) -> None:
    needs = PACKAGES | {"pandas": "2.3.0"}
    dockerfile = f"FROM {BASE.reference}\nRUN uv pip install -r requirements.txt\n"
    files = {"requirements.txt": text}
    assert patient(tmp_path, dockerfile, needs, files, kind="requirements.txt").only_finding().fix == fix


def test_a_mount_that_begins_with_the_base_s_cache_names_the_base(tmp_path: Path) -> None:
    mounted = OWN_VENV.replace("RUN uv", "RUN --mount=type=cache,target=/opt/uv/cache uv")
    fixes = {finding.fix for finding in patient(tmp_path, mounted).examine().findings}
    (line,) = {fix.split("`")[1] for fix in fixes}
    mended = mounted.replace("--mount=type=cache,target=/opt/uv/cache", line)
    assert patient(tmp_path, mended).examine().findings == ()


def test_an_index_is_told_with_file_and_table(tmp_path: Path) -> None:
    needs = [locked(*each, index="https://mirror.example/simple") for each in PACKAGES.items()]
    found = patient(tmp_path, OWN_VENV, needs).only_finding()
    assert found.fix.startswith(f'[[tool.uv.index]] with url = "{BASE.offer.indexes[""][0]}" and default = true')
    assert "catalog's `indexes`" in found.fix


def test_a_venv_of_another_stage_goes_with_what_names_it(tmp_path: Path) -> None:
    dockerfile = f"{IN_PLACE}COPY --from=builder /app/.venv /app/.venv\n"
    found = next(one for one in patient(tmp_path, dockerfile).examine().findings if one.code == "copied-venv")
    assert "/app/.venv/bin of PATH" in found.fix


@pytest.mark.parametrize("dockerfile", [IN_PLACE, IN_PLACE.replace("\n", "\nENV UV_NO_CACHE=1\n", 1)])
def test_the_sum_counts_what_building_downloads(tmp_path: Path, dockerfile: str) -> None:
    is_hidden = "UV_NO_CACHE" in dockerfile
    backend = "hatchling" if is_hidden else "setuptools"
    diagnosis = patient(tmp_path, dockerfile, members=(Member(name="app", backend=(backend,)),)).examine()
    assert [one.name for one in diagnosis.verdicts if one.outcome == "downloaded"] == [backend]
    size = "40.0 kB" if is_hidden else "1 package of unknown size"
    assert summary(diagnosis) == f"not healthy: 3 of 4 packages hit, {size} to download"
    assert any("building app asks for it" in line for line in tell(diagnosis))
