"""`warmbase choose` and `find` as commands: a project's files and an index.json in, the base to take out."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.offered import INDEX, PLACE, base, wheel_hash, wheel_name, wheel_size
from typer.testing import CliRunner, Result

from warmbase.cli import adopt, catalog, choose, diff, doctor
from warmbase.cli.app import app
from warmbase.downstream.description import describe_base
from warmbase.downstream.index import index_to_json, render_index
from warmbase.downstream.listing import Listing
from warmbase.errors import ProjectError

_ = (adopt, catalog, choose, diff, doctor)  # they register their commands

STACK = {"numpy": "2.3.4", "pandas": "2.2.3", "requests": "2.32.3"}
DATA = base("data:py3.13-trixie", STACK)
WEB = base("web:py3.13-trixie", {"flask": "3.1.2", "requests": "2.32.3"})
OLDER = base("data:py3.11-trixie", STACK)

UV_LOCK = f"""\
version = 1
revision = 3
requires-python = ">=3.12"

[[package]]
name = "app"
version = "0.1.0"
source = {{ virtual = "." }}
dependencies = [{{ name = "pandas" }}, {{ name = "requests" }}]

[[package]]
name = "pandas"
version = "2.2.3"
source = {{ registry = "{INDEX}" }}
dependencies = [{{ name = "numpy" }}]
wheels = [FILES_OF_pandas]

[[package]]
name = "numpy"
version = "2.3.4"
source = {{ registry = "{INDEX}" }}
wheels = [FILES_OF_numpy]

[[package]]
name = "requests"
version = "2.32.4"
source = {{ registry = "{INDEX}" }}
wheels = [FILES_OF_requests]
"""
PYPROJECT = """\
[project]
name = "app"
version = "0.1.0"
requires-python = ">=3.12"
dependencies = ["pandas>=2.2,<3", "requests"]
"""


def locked() -> str:
    text = UV_LOCK
    for name, version in (STACK | {"requests": "2.32.4"}).items():
        file = wheel_name(name, version)
        address = f"https://files.example/{file}"
        entry = f'{{ url = "{address}", hash = "sha256:{wheel_hash(file)}", size = {wheel_size(name)} }}'
        text = text.replace(f"FILES_OF_{name}", entry)
    return text


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in, with what is published beside it, two days after it was."""
    folder = tmp_path / "app"
    folder.mkdir()
    document = index_to_json(Listing(bases=(DATA, WEB, OLDER), source=PLACE, time="2026-11-20T02:00:00Z"))
    (tmp_path / "index.json").write_bytes(render_index(document))
    monkeypatch.chdir(folder)
    monkeypatch.delenv("WARMBASE_INDEX", raising=False)
    monkeypatch.setattr("warmbase.effects.clock.now", lambda: datetime(2026, 11, 22, 9, tzinfo=UTC))
    return folder


def warmbase(*arguments: str) -> Result:
    return CliRunner().invoke(app, [*arguments, "--index", "../index.json"])


def document(*arguments: str) -> dict[str, Any]:
    printed: dict[str, Any] = json.loads(warmbase(*arguments, "--json").output)
    return printed


def test_a_project_with_a_lock_is_told_what_to_write_after_from(project: Path) -> None:
    (project / "uv.lock").write_text(locked())
    (project / "pyproject.toml").write_text(PYPROJECT)
    result = warmbase("choose", "--platform", "linux/amd64")
    assert result.exit_code == 0
    lines = result.output.splitlines()
    assert lines[0] == "data:py3.13 is the best for app (uv.lock) on linux/amd64"
    assert lines[2] == f"FROM {DATA.reference}"
    assert "hits        2 of 3 packages: 2 the very file of the lock" in lines
    assert "missing     1 package (16.9 MB): requests 2.32.4 (is in it at 2.32.3)" in lines
    assert "`web:py3.13` lacks pandas and numpy" in lines
    assert "`data:py3.11` would need Python ≥ 3.12" in lines
    assert lines[-1] == "next: warmbase adopt --index ../index.json --base data:py3.13"


def test_programs_are_told_all_of_it(project: Path) -> None:
    (project / "uv.lock").write_text(locked())
    (project / "pyproject.toml").write_text(PYPROJECT)
    told = document("choose", "--platform", "linux/amd64")
    now = datetime(2026, 11, 22, 9, tzinfo=UTC)
    best = {
        **describe_base(DATA, now),
        "size": DATA.offer.platforms[0].size,
        "hits": {"file": 2, "version": 0, "constraint": 0},
        "missing": 1,
        "unneeded": {"packages": 0, "bytes": 0},
        "saved": wheel_size("numpy") + wheel_size("pandas"),
        "left": wheel_size("requests"),
        "is_left_known": True,
        "layer": told["best"]["layer"],
    }
    python = {"base": "data:py3.11", "why": "would need Python ≥ 3.12"}
    assert told["best"]["layer"] > wheel_size("requests")
    assert [each["base"] for each in told["ranked"]] == ["data:py3.13", "web:py3.13"]
    assert told == {
        "source": "../index.json",
        "time": "2026-11-20T02:00:00Z",
        "project": {"name": "app", "path": "uv.lock", "kind": "uv.lock", "locked": True},
        "platform": "linux/amd64",
        "best": {
            **best,
            "packages": [
                {"name": name, "version": STACK[name], "fit": "file", "size": wheel_size(name)}
                for name in ("numpy", "pandas")
            ],
            "misses": [
                {"name": "requests", "version": "2.32.4", "specifier": "", "has": "2.32.3", "why": "is in it at 2.32.3",
                 "size": wheel_size("requests")}
            ],
            "not_needed": [],
        },
        "reason": told["reason"],
        "ranked": [best, told["ranked"][1]],
        "near": [{"base": "web:py3.13", "why": "lacks pandas and numpy"}, python],
        "barred": [python],
        "unknown": [],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("file", "text", "hits"),
    [
        ("pyproject.toml", PYPROJECT, {"file": 0, "version": 0, "constraint": 2}),
        ("requirements.txt", "pandas==2.2.3\nrequests>=2\n", {"file": 0, "version": 1, "constraint": 1}),
        (
            "requirements.txt",
            f"numpy==2.3.4 \\\n    --hash=sha256:{wheel_hash(wheel_name('numpy', '2.3.4'))}\n",
            {"file": 1, "version": 0, "constraint": 0},
        ),
        (
            "environment.yml",
            "dependencies: [python=3.13, pandas=2.2, pip, {pip: [requests>=2.30]}]\n",
            {"file": 0, "version": 0, "constraint": 2},
        ),
    ],
)
def test_whatever_names_packages_is_a_project(project: Path, file: str, text: str, hits: dict[str, int]) -> None:
    (project / file).write_text(text)
    best = document("choose", file)["best"]
    assert (best["base"], best["hits"]) == ("data:py3.13", hits)


def test_the_platform_is_that_of_the_bases_where_they_have_one(project: Path) -> None:
    (project / "pyproject.toml").write_text(PYPROJECT)
    assert document("choose")["platform"] == "linux/amd64"


def test_it_ends_with_1_where_no_base_can_be_used(project: Path) -> None:
    (project / "pyproject.toml").write_text(PYPROJECT)
    result = warmbase("choose", "--platform", "linux/arm64")
    assert result.exit_code == 1
    assert "`data:py3.13` is there for linux/amd64 alone" in result.output
    assert "next: try `--platform linux/amd64`" in result.output


@pytest.mark.parametrize("text", ["linux/amd64", "amd64", "linux/AMD64", "Linux/x86_64", "linux/amd64/v1"])
def test_a_platform_may_be_written_as_docker_takes_it(project: Path, text: str) -> None:
    (project / "pyproject.toml").write_text(PYPROJECT)
    assert document("choose", "--platform", text)["platform"] == "linux/amd64"
    assert document("find", "pandas", "--platform", text)["found"]


@pytest.mark.parametrize("text", ["bogus", "windows", "windows/amd64", "linux/arm64/v7", "linux", "linux/"])
def test_a_platform_that_is_none_is_a_wrong_command_line(project: Path, text: str) -> None:
    (project / "pyproject.toml").write_text(PYPROJECT)
    for command in (["choose"], ["find", "pandas"], ["adopt", "--base", "data:py3.13"], ["doctor"]):
        result = warmbase(*command, "--platform", text)
        assert result.exit_code == 2
        assert "linux/amd64 or linux/arm64" in " ".join(result.output.replace("│", " ").split())


def test_a_folder_without_a_project_is_an_error(project: Path) -> None:
    assert isinstance(warmbase("choose").exception, ProjectError)


def test_all_commands_tell_programs_the_same_of_a_base_and_where_it_was_read(project: Path) -> None:
    (project / "pyproject.toml").write_text(PYPROJECT)
    chosen, found, listed, shown = (
        document(*words) for words in (["choose"], ["find", "pandas"], ["list"], ["show", "data:py3.13"])
    )
    told = [chosen["best"], chosen["ranked"][0], found["found"][0], listed["bases"][0], shown]
    expected = describe_base(DATA, datetime(2026, 11, 22, 9, tzinfo=UTC))
    assert all(expected.items() <= each.items() for each in told)
    assert {each["source"] for each in (chosen, found, listed, shown)} == {"../index.json"}
    assert {each["time"] for each in (chosen, found, listed)} == {listed["time"]}
    sides = document("diff", "data:py3.11", "data:py3.13")
    assert sides["new"].items() <= expected.items()


@pytest.mark.parametrize(
    "index",
    [
        "https://me:SECRET@pages.example/bases/index.json",
        "https://pages.example/bases/index.json?token=SECRET",
        "me:SECRET@registry.example/bases",
    ],
)
def test_the_next_command_does_not_repeat_what_gives_access_to_the_index(index: str) -> None:
    again = choose.command_again(Path("services/report"), index)
    assert again == "services/report --index … "


def test_the_next_command_has_what_else_it_needs() -> None:
    assert choose.command_again(Path("a b"), "registry.example/bases") == "'a b' --index registry.example/bases "
    assert choose.command_again(Path(), "") == ""


def test_packages_are_found_with_their_digest(project: Path) -> None:
    result = warmbase("find", "pandas>=2.2,<3", "numpy", "--python", "3.13")
    assert result.exit_code == 0
    assert result.output.splitlines()[1].split()[:4] == ["data:py3.13", "2.2.3", "2.3.4", "3.13"]
    assert f"FROM {DATA.reference}" in result.output
    assert [each["base"] for each in document("find", "pandas")["found"]] == ["data:py3.13", "data:py3.11"]


def test_it_ends_with_1_where_no_base_has_them(project: Path) -> None:
    result = warmbase("find", "pandas", "flask", "--python", "3.12")
    assert result.exit_code == 1
    assert result.output.splitlines()[0] == "no base has pandas and flask with Python 3.12"
    assert "`data:py3.13` lacks flask and has Python 3.13" in result.output


@pytest.mark.parametrize("python", ["three", "3.x", ">>3"])
def test_a_python_that_is_none_is_a_wrong_command_line(project: Path, python: str) -> None:
    assert warmbase("find", "pandas", "--python", python).exit_code == 2


def test_a_text_that_names_no_package_is_a_wrong_command_line(project: Path) -> None:
    result = warmbase("find", "pandas>>2")
    assert result.exit_code == 2
    assert "'pandas>>2' names no package" in result.output
    assert "write it as in `warmbase find" in result.output
