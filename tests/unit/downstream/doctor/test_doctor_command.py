"""`warmbase doctor` as a command: what it prints, and what a pipeline gets."""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.diagnosed import BASE, IN_PLACE, of_an_earlier_day
from tests.offered import INDEX, wheel_hash, wheel_name, wheel_size
from typer.testing import CliRunner, Result

from warmbase.cli import doctor
from warmbase.cli.app import app
from warmbase.downstream.doctor.containers import Survey
from warmbase.downstream.doctor.probing import survey_container, survey_root
from warmbase.downstream.index import index_to_json, render_index
from warmbase.downstream.listing import Listing
from warmbase.effects.process import Finished
from warmbase.errors import ListingError, ProjectError, RunnerError

_ = doctor  # it registers its command

PYPROJECT = """\
[project]
name = "report"
version = "1"
requires-python = ">=3.12"
dependencies = ["pandas", "tzdata"]
"""


def package(name: str, version: str, needs: Sequence[str] = ()) -> str:
    """A package as a uv.lock has it."""
    file = wheel_name(name, version)
    dependencies = ", ".join(f'{{ name = "{each}" }}' for each in needs)
    return (
        f'[[package]]\nname = "{name}"\nversion = "{version}"\nsource = {{ registry = "{INDEX}" }}\n'
        f"dependencies = [{dependencies}]\n"
        f'wheels = [{{ url = "https://files.example/{file}", hash = "sha256:{wheel_hash(file)}", '
        f"size = {wheel_size(name)} }}]\n\n"
    )


def write_project(folder: Path, *, pandas: str = "2.2.3", dockerfile: str = IN_PLACE) -> None:
    """A project with a lock and a Dockerfile, and an index.json of what is published."""
    listed = Listing(bases=(replace(BASE, time="2026-11-20T02:00:00Z"),), source="registry.example/bases")
    (folder / "index.json").write_bytes(render_index(index_to_json(listed)))
    (folder / "pyproject.toml").write_text(PYPROJECT)
    (folder / "Dockerfile").write_text(dockerfile)
    (folder / "uv.lock").write_text(
        'version = 1\nrevision = 3\nrequires-python = ">=3.12"\n\n[[package]]\nname = "report"\nversion = "1"\n'
        'source = { virtual = "." }\ndependencies = [{ name = "pandas" }, { name = "tzdata" }]\n\n'
        + package("pandas", pandas, ["numpy"])
        + package("numpy", "2.3.4")
        + package("tzdata", "2025.2")
    )


@pytest.fixture(autouse=True)
def _on_a_day(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("warmbase.effects.clock.now", lambda: datetime(2026, 11, 22, 9, tzinfo=UTC))


def examine(folder: Path, *arguments: str, code: int = 0) -> Result:
    """`warmbase doctor` for a project in a folder."""
    finished = CliRunner().invoke(app, ["doctor", str(folder), "--index", str(folder / "index.json"), *arguments])
    assert finished.exit_code == code, finished.output
    return finished


def test_a_healthy_project_is_told_so_in_one_line(tmp_path: Path) -> None:
    write_project(tmp_path)
    assert examine(tmp_path, "--ci").stdout.splitlines() == [
        f"report on {BASE.reference} for linux/amd64",
        "",
        "healthy: 3 of 3 packages hit, 0 B to download",
    ]


def test_a_finding_says_where_what_and_how_it_is_mended(tmp_path: Path) -> None:
    dockerfile = IN_PLACE.replace("RUN uv sync", "RUN --mount=type=cache,target=/opt/uv/cache uv sync", 1)
    write_project(tmp_path, pandas="2.3.0", dockerfile=dockerfile)
    assert examine(tmp_path, "--ci", code=1).stdout.splitlines() == [
        f"report on {BASE.reference} for linux/amd64",
        "",
        "uv.lock:12: error: 1 package is at another version than in the base: pandas 2.3.0 (the project has 2.3.0, the"
        " base 2.2.3); 3.3 MB to download [version]",
        "  fix: uv lock --upgrade-package pandas==2.2.3",
        "",
        "Dockerfile:4: note: `--mount=type=cache,target=/opt/uv/cache` lies over the base's cache; what the base"
        " has is installed, so it costs nothing yet [mount]",
        "  fix: take it out, or have it begin with the base's:"
        f" `--mount=type=cache,from={BASE.reference},source=/opt/uv/cache,target=/opt/uv/cache`",
        "",
        "package  version  becomes     size    why",
        "pandas   2.3.0    downloaded  3.3 MB  the project has 2.3.0, the base 2.2.3",
        "",
        "not healthy: 2 of 3 packages hit, 3.3 MB to download",
    ]


@pytest.mark.parametrize(
    ("dockerfile", "code", "severity"),
    [
        (IN_PLACE, 0, None),
        (IN_PLACE.replace("FROM", "FROM --platform=linux/amd64"), 0, None),
        (IN_PLACE.replace(f"@{BASE.digest}", ""), 3, "warning"),
        (IN_PLACE.replace("WORKDIR", "ENV UV_PROJECT_ENVIRONMENT=.venv\nWORKDIR"), 1, "error"),
    ],
)
def test_a_pipeline_gets_an_exit_code_and_a_document(
    tmp_path: Path, dockerfile: str, code: int, severity: str | None
) -> None:
    write_project(tmp_path, dockerfile=dockerfile)
    document: dict[str, Any] = json.loads(examine(tmp_path, "--ci", "--json", code=code).stdout)
    assert (document["severity"], document["healthy"]) == (severity, code == 0)
    assert document["packages"] == 3
    assert document["hits"] == (3 if severity != "error" else 0)
    assert examine(tmp_path, "--json").exit_code == 0, "without --ci it only tells"
    for finding in document["findings"]:
        assert set(finding) == {"code", "severity", "message", "fix", "file", "line", "packages"}


def test_the_document_has_the_reason_and_the_fix_of_every_package(tmp_path: Path) -> None:
    write_project(tmp_path, pandas="2.3.0")
    document: dict[str, Any] = json.loads(examine(tmp_path, "--json").stdout)
    (pandas,) = [verdict for verdict in document["verdicts"] if verdict["outcome"] != "hit"]
    assert (pandas["name"], pandas["cause"], pandas["fix"]) == (
        "pandas",
        "version",
        "uv lock --upgrade-package pandas==2.2.3",
    )
    assert pandas["why"] == "the project has 2.3.0, the base 2.2.3"


def test_a_dockerfile_is_named_from_the_project(tmp_path: Path) -> None:
    write_project(tmp_path, dockerfile=IN_PLACE.replace(f"@{BASE.digest}", ""))
    (tmp_path / "docker").mkdir()
    (tmp_path / "Dockerfile").rename(tmp_path / "docker/Dockerfile.dev")
    said = examine(tmp_path, "--dockerfile", "docker/Dockerfile.dev").stdout
    assert "docker/Dockerfile.dev:1: warning: " in said
    assert "[unpinned]" in said
    exception = examine(tmp_path, "--dockerfile", "Dockerfile", code=1).exception
    assert isinstance(exception, ProjectError)
    assert exception.next_step


@pytest.mark.parametrize("arguments", [(), ("--root", "."), ("--container", "web")])
def test_a_project_that_is_not_there_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: Sequence[str]
) -> None:
    write_project(tmp_path)
    survey: Survey = {"identity": None}
    monkeypatch.setattr("warmbase.downstream.doctor.probing.survey_root", lambda folder: survey)
    monkeypatch.setattr("warmbase.downstream.doctor.probing.survey_container", lambda name, run: survey)
    index = str(tmp_path / "index.json")
    finished = CliRunner().invoke(app, ["doctor", str(tmp_path / "nope"), "--index", index, *arguments])
    assert isinstance(finished.exception, ProjectError)
    assert finished.exception.message == f"there is no {tmp_path / 'nope'}"


def test_an_unknown_base_and_a_missing_one_are_errors(tmp_path: Path) -> None:
    write_project(tmp_path, dockerfile="FROM registry.example/other:1\n")
    assert isinstance(examine(tmp_path, code=1).exception, ProjectError)
    assert isinstance(examine(tmp_path, "--base", "data:py3.9", code=1).exception, ListingError)
    assert examine(tmp_path, "--base", "data:py3.13").stdout.endswith("0 B to download\n")


def test_an_older_base_is_found_by_its_digest_alone(tmp_path: Path) -> None:
    write_project(tmp_path, dockerfile=IN_PLACE.replace(BASE.digest, of_an_earlier_day(BASE).digest))
    assert isinstance(examine(tmp_path, code=1).exception, ListingError), "it was never published"


def test_a_folder_that_is_no_image_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match=r"no opt/warmbase/base\.json"):
        survey_root(tmp_path)


def test_a_container_is_asked_by_its_engine() -> None:
    asked: list[Sequence[str | Path]] = []

    def run(argv: Sequence[str | Path], **others: Any) -> Finished:
        asked.append(argv)
        assert b"def survey(" in others["input"]
        return Finished(code=0, stdout=b'{"identity": null}', stderr=b"")

    found = survey_container("web", run, find_program=lambda name: name if name == "podman" else None)
    assert found == {"identity": None}
    assert list(asked[0][:4]) == ["podman", "exec", "-i", "web"]


@pytest.mark.parametrize(("code", "stdout"), [(1, b""), (0, b"Traceback")])
def test_a_container_that_does_not_answer_is_an_error(code: int, stdout: bytes) -> None:
    def run(argv: Sequence[str | Path], **others: Any) -> Finished:
        return Finished(code=code, stdout=stdout, stderr=b"no such container: web\n")

    with pytest.raises(RunnerError, match="no such container: web"):
        survey_container("web", run, find_program=lambda name: name)
    with pytest.raises(RunnerError, match="neither docker nor podman"):
        survey_container("web", run, find_program=lambda name: None)
