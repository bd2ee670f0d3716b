"""The whole plan of an adoption, from what a project has."""

import difflib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from tests.needing import locked, project, wanted
from tests.offered import base

from warmbase.downstream.adopt.locking import lock_on
from warmbase.downstream.adopt.model import Adoption, Locked, ProjectFiles, Wishes
from warmbase.downstream.adopt.plan import plan_adoption
from warmbase.downstream.listing import Base
from warmbase.downstream.projects.environment import environment_of
from warmbase.downstream.projects.model import Kind, Member, Need, Project
from warmbase.errors import ProjectError

BASE = base("data:py3.13-trixie", packages={"hatchling": "1.27.0", "numpy": "2.3.4", "pandas": "2.2.3"})
REF = BASE.reference
PYPROJECT = '[project]\nname = "app"\nversion = "1"\nrequires-python = ">=3.11"\ndependencies = ["numpy", "six"]\n'
OWN = Member(name="app", folder=".", backend=("hatchling>=1.20",))
LOCKED = {"numpy": "2.3.4"}


def plan(
    of: Project, texts: Mapping[str, str], *, on: Base = BASE, lock: Locked | None = None, **wishes: Any
) -> Adoption:
    """The plan for a folder with these files; applied, it leaves nothing to do."""
    files = ProjectFiles(texts=texts, names=frozenset(texts))
    planned = plan_adoption(of, on, Wishes(**wishes), files, lock)
    after = {**texts, **{change.path: change.new for change in planned.changes}}
    again = plan_adoption(of, on, Wishes(**wishes), ProjectFiles(texts=after, names=frozenset(after)), lock)
    assert not again.changes
    return planned


def written(planned: Adoption, path: str = "Dockerfile") -> str:
    """The new text of a file."""
    return next(change.new for change in planned.changes if change.path == path)


# What is installed how, for a project without a Dockerfile: kind, members, needs, files, and the lines after FROM.
SHAPES: dict[str, tuple[Kind, tuple[Member, ...], list[Need], dict[str, str], list[str]]] = {
    "a lock": (
        "uv.lock", (), [locked("numpy", "2.3.4")], {"pyproject.toml": PYPROJECT, "main.py": "", "uv.lock": ""},
        ["COPY pyproject.toml uv.lock ./", "RUN uv sync --frozen --inexact", "COPY . .", 'CMD ["python", "main.py"]'],
    ),
    "a lock, and a package": (
        "uv.lock", (OWN,), [locked("numpy", "2.3.4")],
        {"pyproject.toml": f'{PYPROJECT}[project.scripts]\ngreet = "app:main"\n', "uv.lock": ""},
        [
            "COPY pyproject.toml uv.lock ./", "RUN uv sync --frozen --inexact --no-install-project", "COPY . .",
            "RUN uv sync --frozen --inexact", 'CMD ["greet"]',
        ],
    ),
    "a workspace without a root": (
        "uv.lock", (Member(name="a", folder="pkgs/a", backend=("hatchling",)),), [locked("numpy", "2.3.4")],
        {"pyproject.toml": '[tool.uv.workspace]\nmembers = ["pkgs/*"]\n', "uv.lock": ""},
        [
            "COPY pyproject.toml uv.lock ./", "RUN uv sync --frozen --inexact --all-packages --no-install-local",
            "COPY . .", "RUN uv sync --frozen --inexact --all-packages",
        ],
    ),
    "something from git": (
        "uv.lock", (), [Need(name="x", source="git", url="git+https://git.example/x@1")],
        {"pyproject.toml": PYPROJECT, "uv.lock": ""},
        [
            "RUN apt-get update && apt-get install -y git && rm -rf /var/lib/apt/lists/*",
            "COPY pyproject.toml uv.lock ./", "RUN uv sync --frozen --inexact", "COPY . .",
        ],
    ),
    "requirements": (
        "requirements.txt", (), [wanted("numpy", ">=2")], {"requirements.txt": "numpy>=2\n-r more.txt\n"},
        ["COPY requirements.txt more.txt ./", "RUN uv pip install -r requirements.txt", "COPY . ."],
    ),
    "requirements with a folder": (
        "requirements.txt", (), [wanted("numpy", ">=2")], {"requirements.txt": "numpy>=2\n-e .\n"},
        ["COPY . .", "RUN uv pip install -r requirements.txt"],
    ),
    "a pylock": (
        "pylock.toml", (), [locked("numpy", "2.3.4")], {"pylock.toml": ""},
        ["COPY pylock.toml ./", "RUN uv pip install -r pylock.toml", "COPY . ."],
    ),
    "a script": (
        "script", (), [wanted("numpy")], {"script": "# /// script"},
        ["COPY script ./", "RUN uv pip install -r script", "COPY . .", 'CMD ["python", "script"]'],
    ),
    "a lock of poetry": (
        "poetry.lock", (OWN, Member(name="util", folder="libs/util", backend=("poetry-core",))),
        [locked("numpy", "2.3.4")], {"poetry.lock": "", "pyproject.toml": "[tool.poetry]\n"},
        [
            "COPY requirements.lock.txt ./", "RUN uv pip install -r requirements.lock.txt", "COPY . .",
            "RUN uv pip install --no-deps -e . -e ./libs/util",
        ],
    ),
    "an environment of conda": (
        "environment.yml", (), [wanted("numpy", ">=2")], {"environment.yml": ""},
        ["COPY requirements.lock.txt ./", "RUN uv pip install -r requirements.lock.txt", "COPY . ."],
    ),
    "a pyproject.toml alone": (
        "pyproject.toml", (OWN,), [wanted("numpy")], {"pyproject.toml": PYPROJECT},
        [
            "COPY pyproject.toml ./", "RUN uv pip install -r pyproject.toml", "COPY . .",
            "RUN uv pip install --no-deps -e .",
        ],
    ),
}  # fmt: skip


@pytest.mark.parametrize("shape", SHAPES)
def test_a_dockerfile_is_written_from_what_the_project_has(shape: str) -> None:
    kind, members, needs, files, lines = SHAPES[shape]
    planned = plan(project(needs, kind=kind, members=members), files)
    assert written(planned).splitlines() == [f"FROM {REF}", "WORKDIR /app", *lines]
    asks_for_a_start = any("how it starts" in note.text for note in planned.notes)
    assert asks_for_a_start == (not lines[-1].startswith("CMD"))


def test_what_another_tool_locked_is_exported() -> None:
    of = project([locked("numpy", "2.3.4")], kind="poetry.lock")
    planned = plan(of, {"poetry.lock": ""})
    assert written(planned, "requirements.lock.txt").splitlines()[1].startswith("numpy==2.3.4 ")


def test_a_dockerfile_that_is_there_is_patched() -> None:
    old = "FROM python:3.12\nWORKDIR /srv\nUSER app\nRUN uv venv\nCMD x\n"
    planned = plan(project(LOCKED), {"Dockerfile": old, "pyproject.toml": PYPROJECT, "uv.lock": ""})
    assert written(planned) == old.replace("python:3.12", REF).replace("RUN uv venv\n", "")


def test_a_dockerfile_that_does_not_install_what_is_locked_is_said() -> None:
    old = "FROM python:3.12\nCOPY requirements.txt .\nRUN pip install -r requirements.txt\n"
    planned = plan(project(LOCKED), {"Dockerfile": old, "pyproject.toml": PYPROJECT, "uv.lock": ""})
    (note,) = [note for note in planned.notes if note.is_blocking]
    assert note.number == 3
    assert note.line == "COPY pyproject.toml uv.lock ./\nRUN uv sync --frozen --inexact"


def test_another_dockerfile_can_be_named() -> None:
    planned = plan(project(LOCKED), {"Dockerfile": "FROM node\n", "pyproject.toml": PYPROJECT}, dockerfile="deploy/x")
    assert written(planned, "deploy/x").startswith(f"FROM {REF}\n")
    assert not [change for change in planned.changes if change.path == "Dockerfile"]


@pytest.mark.parametrize(
    ("text", "becomes"),
    [("3.12\n", "3.13\n"), ("# ours\n3.13.2\n", "# ours\n3.13\n"), ("3.13\n", ""), (">=3.12\n", ""), ("", "")],
)
def test_a_python_version_that_does_not_fit_is_changed(text: str, becomes: str) -> None:
    of = project(LOCKED, requires_python=">=3.11")
    planned = plan(of, {".python-version": text, "pyproject.toml": PYPROJECT})
    assert [change.new for change in planned.changes if change.path == ".python-version"] == (
        [becomes] if becomes else []
    )


def test_a_base_with_another_python_than_the_project_admits_is_refused() -> None:
    with pytest.raises(ProjectError, match=r"data:py3\.13 has Python 3\.13\.9, and the project asks for"):
        plan(project(LOCKED, requires_python="<3.13"), {"pyproject.toml": PYPROJECT})


def test_a_base_for_another_platform_is_refused() -> None:
    with pytest.raises(ProjectError, match="is not there for linux/arm64, only for linux/amd64"):
        plan(project(LOCKED), {"pyproject.toml": PYPROJECT}, platform="linux/arm64")


def test_compose_and_dev_container_are_written_on_request() -> None:
    files = {"pyproject.toml": PYPROJECT, "uv.lock": "", "main.py": "app = FastAPI()\n"}
    of = project([locked("numpy", "2.3.4"), wanted("uvicorn")])
    planned = plan(of, files, compose=True, devcontainer=True)
    assert 'ports: ["8000:8000"]' in written(planned, "compose.yaml")
    assert "path: uv.lock" in written(planned, "compose.yaml")
    assert f'"image": "{REF}"' in written(planned, ".devcontainer/devcontainer.json")


def test_what_is_there_of_compose_is_not_rewritten() -> None:
    files = {"pyproject.toml": PYPROJECT, "compose.yaml": "services: {x: {build: .}}\n"}
    planned = plan(project(LOCKED), files, compose=True)
    assert [note.path for note in planned.notes if "sync+restart" in note.line] == ["compose.yaml"]
    assert not [change for change in planned.changes if change.path == "compose.yaml"]


def test_a_dev_container_moves_with_its_comments() -> None:
    text = '{\n  // ours\n  "image": "python:3.12", // old\n}\n'
    planned = plan(project(LOCKED), {"pyproject.toml": PYPROJECT, ".devcontainer.json": text}, devcontainer=True)
    assert written(planned, ".devcontainer.json") == text.replace("python:3.12", REF)


def test_pins_that_are_not_the_bases_are_said_with_what_to_write() -> None:
    text = "#    uv pip compile requirements.in -o requirements.txt\nnumpy==2.3.3\n"
    of = project([locked("numpy", "2.3.3")], kind="requirements.txt")
    planned = plan(of, {"requirements.txt": text})
    (note,) = [note for note in planned.notes if "pinned to other versions" in note.text]
    assert note.line == "numpy==2.3.4"
    (command,) = planned.commands
    assert " ".join(command.words).endswith("-o requirements.txt --upgrade-package numpy==2.3.4")


def test_scripts_that_look_for_an_environment_of_their_own_are_said() -> None:
    script = "#!/bin/sh\nset -e\n. .venv/bin/activate\nexec .venv/bin/gunicorn app:app\n"
    planned = plan(project(LOCKED), {"pyproject.toml": PYPROJECT, "entrypoint.sh": script})
    notes = [(note.number, note.line) for note in planned.notes if note.path == "entrypoint.sh"]
    assert notes == [(3, ""), (4, "exec gunicorn app:app")]


def test_upgrading_moves_what_was_adopted_and_adds_nothing() -> None:
    old = replace(BASE, digest="sha256:" + "0" * 64).reference
    files = {
        "Dockerfile": f"FROM {old}\nRUN --mount=type=cache,target=/opt/uv/cache uv sync\n",
        "pyproject.toml": PYPROJECT,
        ".devcontainer.json": f'{{"image": "{old}"}}',
    }
    planned = plan(project(LOCKED), files, upgrade=True)
    assert {change.path: change.new for change in planned.changes} == {
        path: files[path].replace(old, REF) for path in ("Dockerfile", ".devcontainer.json")
    }


LOCK = """version = 1
requires-python = ">=3.11"

[[package]]
name = "app"
version = "1"
source = { editable = "." }

[[package]]
name = "numpy"
version = "2.3.3"
source = { registry = "https://index.example/simple" }

[[package]]
name = "six"
version = "1.17.0"
source = { registry = "https://index.example/simple" }
"""


def test_the_lock_moves_to_the_bases_versions_and_constraints_keep_them() -> None:
    asked: list[Mapping[str, str]] = []

    def relock(texts: Mapping[str, str]) -> str:
        """uv, which keeps what it is given."""
        asked.append(texts)
        return LOCK.replace("2.3.3", "2.3.4")

    of = project({"numpy": "2.3.3", "six": "1.17.0"}, members=(OWN,))
    environment = environment_of("3.13.9", "linux/amd64")
    files = ProjectFiles(texts={"pyproject.toml": PYPROJECT, "uv.lock": LOCK})
    found = lock_on(of, BASE, environment, files, relock)
    seeded, constrained = asked
    assert 'name = "numpy"\nversion = "2.3.4"' in seeded["uv.lock"]
    assert seeded["pyproject.toml"] == PYPROJECT
    added = [line[1:] for line in difflib.ndiff(PYPROJECT.splitlines(), found.pyproject.splitlines()) if line[0] == "+"]
    assert [line.strip() for line in added if "==" in line] == ['"numpy==2.3.4",', '"hatchling==1.27.0",']
    assert constrained["pyproject.toml"] == found.pyproject
    asked.clear()
    again = ProjectFiles(texts={"pyproject.toml": found.pyproject, "uv.lock": found.lock})
    assert lock_on(of, BASE, environment, again, relock) == found
    assert not asked


def test_a_backend_that_admits_only_others_is_not_constrained() -> None:
    of = project(LOCKED, members=(Member(name="app", backend=("hatchling<1.20",)),))
    files = ProjectFiles(texts={"pyproject.toml": PYPROJECT})
    found = lock_on(of, BASE, environment_of("3.13.9", "linux/amd64"), files, lambda texts: LOCK)
    assert "hatchling" not in found.pyproject


DEV = ".devcontainer/devcontainer.json"


def moved(text: str, **wishes: Any) -> tuple[str, list[str]]:
    """What becomes of a dev container, and what is said of it."""
    planned = plan(project(LOCKED), {"pyproject.toml": PYPROJECT, DEV: text}, **wishes)
    new = {change.path: change.new for change in planned.changes}
    return new.get(DEV, text), [note.text for note in planned.notes if note.path == DEV]


def test_a_dev_container_is_changed_on_request_alone() -> None:
    text = '{"image": "python:3.12"}\n'
    assert moved(text) == (text, [])
    assert moved(text, devcontainer=True) == (text.replace("python:3.12", REF), [])
    assert moved(text, upgrade=True) == (text, [])
    old = text.replace("python:3.12", replace(BASE, digest="sha256:" + "0" * 64).reference)
    assert moved(old) == (old, [])
    assert moved(old, upgrade=True) == (text.replace("python:3.12", REF), [])


def test_the_image_of_a_dev_container_is_its_own_key() -> None:
    text = """{
  // "image": "old:1"
  /* "image": "old:2", */
  "postCreateCommand": "make build // \\"image\\": x",
  "customizations": {"image": "old:3", "build": {}},
  "features": {"ghcr.example/node:1": {}},
  "image" : "python:3.12", // "image": "old:4"
}
"""
    new, said = moved(text, devcontainer=True)
    assert new == text.replace("python:3.12", REF)
    assert len(said) == 1
    assert "features" in said[0]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"build": {"dockerfile": "Dockerfile.dev"}, "name": "x"}', "it builds its image"),
        ('{"dockerComposeFile": "compose.yaml", "service": "x"}', "a compose file says what it runs"),
        ('{"name": "x"}', "it names no image"),
        ("", "it names no image"),
        ("{ /* open", "it names no image"),
    ],
)
def test_a_dev_container_without_an_image_of_its_own_is_left_with_a_note(text: str, said: str) -> None:
    new, notes = moved(text, devcontainer=True)
    assert new == text
    assert len(notes) == 1
    assert notes[0].startswith(said)


@pytest.mark.parametrize(
    ("dockerfile", "text", "build", "target"),
    [
        ("Dockerfile", f"FROM {REF}\nWORKDIR /srv/code\nCOPY . .\n", ".", "/srv/code"),
        ("docker/Dockerfile.dev", f"FROM {REF}\nCOPY . /code\nWORKDIR /tmp\n", "", "/code"),
        ("Dockerfile.dev", f"FROM {REF} AS one\nWORKDIR /a\nFROM one\nCOPY --from=one /a /a\n", "", "/a"),
        ("Dockerfile", f"FROM {REF}\nCMD x\n", ".", "/app"),
    ],
)
def test_a_compose_file_builds_the_project_s_dockerfile(dockerfile: str, text: str, build: str, target: str) -> None:
    files = {"pyproject.toml": PYPROJECT, dockerfile: text}
    lines = written(plan(project(LOCKED), files, compose=True, dockerfile=dockerfile), "compose.yaml").splitlines()
    assert f"    build: {build or f'{{context: ., dockerfile: {dockerfile}}}'}" in lines
    assert f"          target: {target}" in lines
