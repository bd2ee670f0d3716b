"""What `adopt` writes is what `doctor` calls healthy, whatever stood in the Dockerfile before."""

from pathlib import Path

import pytest
from tests.diagnosed import BASE, PACKAGES, Patient, patient

from warmbase.downstream.adopt.adopting import prepare_adoption
from warmbase.downstream.adopt.model import Wishes

WITH_A_VENV_OF_ITS_OWN = """\
FROM registry.example/python:3.13-slim
COPY --from=registry.example/astral-sh/uv:0.12.5 /uv /uvx /usr/local/bin/
ENV UV_PROJECT_ENVIRONMENT=/app/.venv UV_LINK_MODE=copy UV_COMPILE_BYTECODE=1
WORKDIR /app
COPY pyproject.toml uv.lock ./
RUN uv sync --frozen --no-install-project
COPY . .
RUN uv sync --frozen
ENV PATH="/app/.venv/bin:$PATH"
CMD ["python", "-m", "app"]
"""
WITH_A_CACHE_MOUNT = """\
FROM registry.example/python:3.13-slim
RUN pip install uv
WORKDIR /app
ENV UV_CACHE_DIR=/root/.cache/uv
RUN --mount=type=cache,target=/root/.cache/uv \\
    --mount=type=bind,source=uv.lock,target=uv.lock \\
    --mount=type=bind,source=pyproject.toml,target=pyproject.toml \\
    uv sync --locked --no-install-project
COPY . .
RUN uv sync --locked
CMD ["uv", "run", "python", "-m", "app"]
"""
IN_TWO_STAGES = """\
FROM registry.example/python:3.13-slim AS builder
COPY --from=registry.example/astral-sh/uv:0.12.5 /uv /bin/uv
WORKDIR /app
COPY . .
RUN uv sync --frozen --no-editable
FROM registry.example/python:3.13-slim
COPY --from=builder /app/.venv /app/.venv
CMD ["/app/.venv/bin/python", "-m", "app"]
"""


def adopt(case: Patient) -> None:
    """What `warmbase adopt --yes` does to the project's files."""
    for change in prepare_adoption(case.project, BASE, Wishes(), None).adoption.changes:
        (case.folder / change.path).write_text(change.new)


@pytest.mark.parametrize(
    "dockerfile",
    ["", WITH_A_VENV_OF_ITS_OWN, WITH_A_CACHE_MOUNT, IN_TWO_STAGES],
    ids=["none", "venv", "mount", "stages"],
)
def test_an_adopted_project_is_healthy(tmp_path: Path, dockerfile: str) -> None:
    case = patient(tmp_path, dockerfile)
    adopt(case)
    text = (tmp_path / "Dockerfile").read_text()
    diagnosis = case.examine()
    assert diagnosis.findings == (), text
    assert diagnosis.hits == len(PACKAGES)
