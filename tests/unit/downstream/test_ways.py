"""How a Dockerfile gets its packages, for the prediction of its layers."""

import pytest

from warmbase.downstream.adopt.way import way_of
from warmbase.downstream.prediction import Way


@pytest.mark.parametrize(
    ("steps", "way"),
    [
        ("RUN uv sync --frozen --inexact --no-install-project\nCOPY . .\nRUN uv sync --frozen --inexact", "sync"),
        ("RUN --mount=type=cache,target=/root/.cache \\\n  uv sync --locked", "exact sync"),
        ("RUN uv sync --frozen\nRUN uv sync --frozen --inexact", "exact sync"),
        ("RUN uv pip install -r requirements.txt", "install"),
        ("RUN apt-get update && pip3 install --no-cache-dir -r requirements.txt", "pip"),
        ("RUN python -m pip install .", "install"),
        ('RUN ["uv", "sync", "--inexact"]', "sync"),
        ("RUN uv pip sync requirements.txt", None),
        ("RUN apt-get install -y git\nCOPY uv.lock .", None),
        ("RUN uv sync --frozen\nFROM base\nCOPY --from=0 --chown=app:app /opt/venv /opt/venv", "copy"),
        ("RUN uv sync --frozen\nFROM base\nCOPY . .", None),
        ("AS deps\nRUN uv sync --frozen --inexact\nFROM deps\nCOPY . .", "sync"),
    ],
)
def test_the_way_is_that_of_the_last_stage_and_what_it_stands_on(steps: str, way: Way | None) -> None:
    begin = "FROM base " if steps.startswith("AS") else "FROM base\n"
    assert way_of(f"{begin}{steps}\n") == way
