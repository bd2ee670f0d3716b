"""Dockerfiles of poetry and pipenv on a base: the image gets what it had, and what cannot be known is said."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.needing import locked, project
from tests.offered import base

from warmbase.downstream.adopt.model import Adoption, Note, ProjectFiles, Wishes
from warmbase.downstream.adopt.patching import Patched, patch_dockerfile
from warmbase.downstream.adopt.plan import plan_adoption
from warmbase.downstream.projects.environment import environment_of
from warmbase.downstream.projects.model import Environment, Member, Need
from warmbase.downstream.projects.read import read_project

BASE = base("data:py3.13-trixie", packages={"numpy": "2.3.4"})
SAMPLES = Path(__file__).parents[3] / "projects"
ALL, MAIN = "requirements.lock.txt", "requirements-main.lock.txt"
COPIES = "COPY pyproject.toml poetry.lock ./\nCOPY libs libs\n"


def patched(text: str, local: Iterable[str] = (".",)) -> Patched:
    """The Dockerfile on the base, for a project with a group "dev"."""

    def patch(text: str) -> Patched:
        return patch_dockerfile(
            text, "Dockerfile", BASE, exported=ALL, main=MAIN, groups=frozenset({"dev"}), local=tuple(local)
        )

    once = patch(text)
    assert patch(once.text).text == once.text
    return once


def blocking(found: Patched | Adoption) -> list[Note]:
    """The notes without which a build would not do what it did."""
    return [note for note in found.notes if note.is_blocking]


# A command of a Dockerfile, and what is there instead.
COMMANDS = {
    "poetry install --no-root": f"uv pip install -r {ALL}",
    "poetry install --only main --no-root": f"uv pip install -r {MAIN}",
    "poetry install --no-root --only=main": f"uv pip install -r {MAIN}",
    "poetry install --no-dev": f"uv pip install -r {MAIN} && uv pip install --no-deps -e .",
    "poetry sync --without dev --no-root": f"uv pip install -r {MAIN}",
    "poetry install --with dev --no-root": f"uv pip install -r {ALL}",
    "poetry install --only-root": "uv pip install --no-deps -e .",
    "python -m poetry install --no-root": f"uv pip install -r {ALL}",
    "poetry export -f requirements.txt --output r.txt": f"cp {MAIN} r.txt",
    "poetry export --with dev > r.txt": f"cat {ALL} > r.txt",
    "poetry export | pip install -r /dev/stdin": f"cat {MAIN} | pip install -r /dev/stdin",
    "poetry run pytest -q": "pytest -q",
    "pipenv install --system --deploy": f"uv pip install -r {ALL}",
    "python3 -m pipenv sync": f"uv pip install -r {ALL}",
    "pipenv requirements > r.txt": f"cat {ALL} > r.txt",
}


@pytest.mark.parametrize("command", COMMANDS)
def test_uv_does_what_another_tool_did(command: str) -> None:
    found = patched(f"FROM python:3.12\n{COPIES}RUN {command}\n")
    assert found.text.splitlines()[-1] == f"RUN {COMMANDS[command]}"
    assert not blocking(found)


@pytest.mark.parametrize(
    "command",
    [
        "poetry install $(test $ENV = production && echo --only=main)",
        "poetry install --extras plot",
        "poetry install --with docs",
        "poetry install --only web",
        "pipenv install --dev",
        "pipenv install flask",
        "poetry build",
    ],
)
def test_what_the_words_leave_open_is_said(command: str) -> None:
    found = patched(f"FROM python:3.12\n{COPIES}RUN {command}\n")
    assert [note.number for note in blocking(found)] == [4]


@pytest.mark.parametrize(
    "lines",
    [
        "RUN pip install poetry==2.1 poetry-plugin-export\n",
        "RUN pipx install poetry\nRUN poetry config virtualenvs.create false && poetry check\n",
        "RUN curl -sSL https://install.python-poetry.org | python3 -\nRUN poetry --version\n",
    ],
)
def test_the_tool_itself_is_not_installed(lines: str) -> None:
    assert patched(f"FROM python:3.12\n{lines}RUN true\n").text == f"FROM {BASE.reference}\nRUN true\n"


def test_a_tool_that_is_not_there_any_more_is_not_copied() -> None:
    text = (
        'FROM python:3.12 AS b\nENV POETRY_HOME="/opt/poetry"\nRUN curl https://install.python-poetry.org | python3 -\n'
        "FROM python:3.12\nENV POETRY_HOME=/opt/poetry\nCOPY --from=b $POETRY_HOME $POETRY_HOME\nRUN true\n"
    )
    assert "COPY" not in patched(text).text


def test_packages_in_folders_are_installed_too() -> None:
    local = (".", "libs/util")
    text = f"FROM python:3.12\n{COPIES}RUN poetry install --only main --no-root\n"
    line = f"RUN uv pip install -r {MAIN} && uv pip install --no-deps ./libs/util"
    assert patched(text, local).text.splitlines()[-1] == line
    whole = text.replace(" --no-root", "")
    assert patched(whole, local).text.splitlines()[-1] == line.replace("./libs", "-e . ./libs")
    (note,) = blocking(patched(f"FROM python:3.12\n{COPIES}RUN poetry export > r.txt\n", local))
    assert note.line == "RUN uv pip install --no-deps ./libs/util"


def test_a_package_whose_files_are_not_there_yet_is_left_to_a_note() -> None:
    text = "FROM python:3.12\nCOPY pyproject.toml poetry.lock ./\nRUN poetry install\nCOPY . .\n"
    found = patched(text)
    assert f"RUN uv pip install -r {ALL}\n" in found.text
    assert [note.line for note in found.notes] == ["RUN uv pip install --no-deps -e ."]
    assert "-e ." in patched(text.replace("COPY pyproject", "COPY src pyproject")).text


# How a lock gets into an image, and how the exported file does.
BROUGHT = {
    "COPY poetry.lock pyproject.toml ./": f"COPY poetry.lock {ALL} pyproject.toml ./",
    "COPY pyproject.toml ./poetry.* /srv/": f"COPY pyproject.toml ./poetry.* {ALL} /srv/",
    "COPY svc/pyproject.toml svc/poetry.lock ./": f"COPY svc/pyproject.toml svc/poetry.lock svc/{ALL} ./",
    'COPY ["poetry.lock", "./"]': f'COPY ["poetry.lock", "{ALL}", "./"]',
    "COPY --chown=1 poetry.lock /srv/poetry.lock": (
        f"COPY --chown=1 poetry.lock /srv/poetry.lock\nCOPY --chown=1 {ALL} /srv/"
    ),
    "COPY poetry.lock /srv": f"COPY poetry.lock /srv\nCOPY {ALL} /srv/",
    "COPY . .": "COPY . .",
}


@pytest.mark.parametrize("line", BROUGHT)
def test_the_exported_file_goes_where_the_lock_goes(line: str) -> None:
    found = patched(f"FROM python:3.12\n{line}\nRUN poetry install --no-root\n")
    assert found.text == f"FROM {BASE.reference}\n{BROUGHT[line]}\nRUN uv pip install -r {ALL}\n"
    assert not blocking(found)


@settings(max_examples=40)
@given(st.lists(st.sampled_from([*BROUGHT, *(f"RUN {each}" for each in COMMANDS), "FROM x"]), max_size=6))
def test_any_dockerfile_of_theirs_is_patched_once(lines: list[str]) -> None:
    assert patched("".join(f"{line}\n" for line in ["FROM python:3.12 AS x", *lines])).text


def test_a_lock_that_is_mounted_is_replaced_in_the_mount() -> None:
    mount = "--mount=type=bind,source={0},target={0}"
    text = f"FROM python:3.12\nRUN {mount} poetry install --no-root\n"
    found = patched(text.format("poetry.lock"))
    assert found.text.splitlines()[-1] == f"RUN {mount.format(ALL)} uv pip install -r {ALL}"
    assert not blocking(found)


def test_a_file_that_nothing_brings_is_said() -> None:
    (note,) = blocking(patched("FROM python:3.12\nCOPY pyproject.toml ./\nRUN poetry install --no-root\n"))
    assert (note.number, note.line) == (3, f"COPY {ALL} ./")


def _plan(texts: Mapping[str, str]) -> Adoption:
    own = Member(name="app", folder=".", backend=("poetry-core",))
    everything = [locked("numpy", "2.3.4"), locked("pytest", "8.4.2"), Need(name="x", source="path", url="../x")]

    def main(environment: Environment) -> tuple[Need, ...]:
        return (everything[0], everything[2])

    of = project(everything, kind="poetry.lock", members=(own,), groups=frozenset({"dev"}))
    files = ProjectFiles(texts=texts, names=frozenset(texts))
    return plan_adoption(replace(of, main_needs=main), BASE, Wishes(), files)


def test_an_image_for_production_gets_the_main_dependencies_alone() -> None:
    texts = {"poetry.lock": "", "Dockerfile": f"FROM python:3.12\n{COPIES}RUN poetry install --only main --no-root\n"}
    planned = _plan(texts)
    written = {change.path: change.new for change in planned.changes}
    assert ALL not in written
    assert "numpy==2.3.4" in written[MAIN]
    assert "pytest" not in written[MAIN]
    assert not _plan({**texts, **written}).changes


def test_what_no_requirements_file_can_name_is_said() -> None:
    (note,) = blocking(_plan({"poetry.lock": ""}))
    assert note.line == "RUN uv pip install --no-deps ../x"
    assert not blocking(_plan({"poetry.lock": "", "Dockerfile": f"FROM python:3.12\nCOPY . .\n{note.line}\n"}))


@pytest.mark.parametrize("sample", ["poetry1", "poetry2"])
def test_a_lock_of_poetry_tells_main_dependencies_apart(sample: str) -> None:
    read = read_project(SAMPLES / sample)
    here = environment_of("3.13.5", "linux/amd64")
    assert read.groups == {"dev"}
    assert read.main_needs
    main = {need.name for need in read.main_needs(here)}
    assert {need.name for need in read.needs(here)} - main >= {"pytest", "pluggy"}
    assert {"click", "httpx", "anyio"} <= main
