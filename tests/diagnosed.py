"""A project on a base as doctor's tests have it: healthy, and to be broken in one way at a time."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

from tests.needing import project
from tests.offered import NEWEST, base, offered, published

from warmbase.downstream.doctor.examine import examine_project
from warmbase.downstream.doctor.model import Diagnosis, Finding
from warmbase.downstream.listing import Base
from warmbase.downstream.projects.model import Project

PLATFORM = "linux/amd64"
TODAY = date(2026, 11, 21)
PACKAGES = {"numpy": "2.3.4", "pandas": "2.2.3", "tzdata": "2025.2"}
BASE = base(
    "data:py3.13-trixie",
    [*(offered(*each) for each in PACKAGES.items()), offered("hatchling", "1.27.0", use="warm")],
)
SYNCS = """\
WORKDIR /app
COPY pyproject.toml uv.lock ./
RUN uv sync --frozen --inexact --no-install-project
COPY . .
RUN uv sync --frozen --inexact
"""
IN_PLACE = f"FROM {BASE.reference}\n{SYNCS}"
OWN_VENV = f"FROM {BASE.reference}\nENV UV_PROJECT_ENVIRONMENT=/app/.venv UV_LINK_MODE=symlink\n{SYNCS}"
PYPROJECT = '[project]\nname = "app"\nversion = "1"\nrequires-python = ">=3.12"\n'
LOCK = "".join(f'[[package]]\nname = "{name}"\nversion = "{version}"\n\n' for name, version in PACKAGES.items())


@dataclass(frozen=True, kw_only=True, slots=True)
class Patient:
    """A project in a folder, with files and needs that a test has changed."""

    folder: Path
    project: Project

    def examine(self, *bases: Base, wanted: str = "", today: date = TODAY) -> Diagnosis:
        """What doctor says of it, where these bases are published."""
        return examine_project(
            self.project,
            published(*(bases or (BASE,))),
            wanted=wanted,
            dockerfile=None,
            platform=PLATFORM,
            today=today,
        )

    def only_finding(self, *bases: Base, **others: Any) -> Finding:
        """The one thing that doctor finds."""
        (finding,) = self.examine(*bases, **others).findings
        return finding


def patient(
    folder: Path, dockerfile: str = IN_PLACE, needs: Any = PACKAGES, files: Mapping[str, str] | None = None, **more: Any
) -> Patient:
    """A healthy project, but for what is said; `more` is the project's, such as `requires_python`."""
    texts = {"Dockerfile": dockerfile, "pyproject.toml": PYPROJECT, "uv.lock": LOCK, **(files or {})}
    for name, text in texts.items():
        if text:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text)
    made = project(needs, **{"requires_python": ">=3.12", **more})
    return Patient(folder=folder, project=replace(made, path=folder / made.path.name))


def of_an_earlier_day(one: Base) -> Base:
    """A base as it was before its last refresh."""
    return replace(one, digest=f"sha256:{'0' * 64}", time=NEWEST.replace(day=1).isoformat())
