"""The choice of a base for real files of every format: what hits by what, and why the best is the best."""

from collections import Counter
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from tests.offered import base, wheel_size

from warmbase.downstream.choose import Choice, rank
from warmbase.downstream.listing import Base
from warmbase.downstream.projects.environment import environment_of
from warmbase.downstream.projects.read import read_project
from warmbase.downstream.telling import tell_choice
from warmbase.publish.offer import OfferedPackage

PROJECTS = Path(__file__).parents[2] / "projects"
AMD64 = "linux/amd64"
HTTP = ("anyio", "certifi", "click", "h11", "httpcore", "httpx", "idna")


def as_locked(*names: str) -> list[OfferedPackage]:
    """Packages with the very wheels of a real lock."""
    needs = {need.name: need for need in read_project(PROJECTS / "piplock").needs(environment_of("3.13.9", AMD64))}
    return [
        OfferedPackage(
            name=name, version=needs[name].version, file=file.name, sha256=file.sha256, size=wheel_size(name)
        )
        for name in names or needs
        for file in needs[name].files
        if file.name.endswith(".whl")
    ]


def bases() -> list[Base]:
    tools, science = as_locked(), {"numpy": "1.26.4", "pandas": "2.2.3", "scikit-learn": "1.5.1", "pyyaml": "6.0.2"}
    return [
        *(base(f"tools:py{python}-trixie", tools) for python in ("3.11", "3.12", "3.13")),
        *(base(f"http:py{python}-trixie", as_locked(*HTTP)) for python in ("3.11", "3.12", "3.13")),
        *(base(f"science:py{python}-trixie", science) for python in ("3.11", "3.12", "3.13")),
    ]


def choose(path: str) -> Choice:
    return rank(read_project(PROJECTS / path), bases(), AMD64, date(2026, 11, 22), predict=lambda _, found: found.left)


def golden(choice: Choice) -> str:
    """The best, what hits there by what, and how much is missing, in a line."""
    assert choice.best
    fits = Counter(hit.fit for hit in choice.best.hits)
    hits = ", ".join(f"{fits[fit]} by {fit}" for fit in ("file", "version", "constraint") if fits[fit])
    return f"{choice.best.base.name}: {hits}; {len(choice.best.misses)} missing"


LITTLE = "that leave as little to download, it has the newest Python"
NOTHING = "that leave nothing to download, it has the newest Python"


@pytest.mark.parametrize(
    ("path", "best", "reason"),
    [
        (
            "workspace/uv.lock",
            "tools:py3.12: 9 by file, 1 by version; 11 missing",
            "of 3 that can be used, it leaves least to download: 11 packages (≥ 2.6 MB), and `http:py3.12` 14 packages"
            " (≥ 3.4 MB)",
        ),
        (
            "workspace/pylock.toml",
            "tools:py3.12: 9 by file, 1 by version; 11 missing",
            "of 3 that can be used, it leaves least to download: 11 packages (≥ 2.6 MB), and `http:py3.12` 14 packages"
            " (≥ 3.4 MB)",
        ),
        (
            "workspace/requirements.txt",
            "tools:py3.12: 9 by file, 1 by version; 11 missing",
            "of 3 that can be used, it leaves least to download: 11 packages (≥ 21.3 kB), and `http:py3.12` 14 packages"
            " (≥ 22.3 MB)",
        ),
        (
            "forks/uv.lock",
            "http:py3.13: 1 by file; 7 missing",
            f"of 3 {LITTLE}".replace("as little", "about as little"),
        ),
        ("pip/requirements.txt", "tools:py3.13: 11 by file; 0 missing", f"of 3 {NOTHING}"),
        ("piplock/pylock.toml", "tools:py3.13: 11 by file; 0 missing", f"of 3 {NOTHING}"),
        (
            "pipenv/Pipfile.lock",
            "tools:py3.11: 9 by file; 3 missing",
            "of 3 that can be used, it leaves least to download: 3 packages (≥ 19.1 MB), and `http:py3.11` 5 packages"
            " (≥ 22.2 MB)",
        ),
        (
            "poetry1/poetry.lock",
            "tools:py3.13: 10 by file; 4 missing",
            f"of 3 {LITTLE}",
        ),
        (
            "poetry2/poetry.lock",
            "tools:py3.13: 10 by file; 4 missing",
            f"of 2 {LITTLE}",
        ),
        (
            "poetry2/pyproject.toml",
            "http:py3.13: 2 by constraint; 2 missing",
            f"of 2 {LITTLE}",
        ),
        (
            "conda/environment.yml",
            "science:py3.12: 1 by version, 3 by constraint; 6 missing",
            "of 3 that can be used, it leaves least to download: 6 packages (size unknown), and `tools:py3.12` 9"
            " packages (≥ 4.9 MB)",
        ),
        (
            "byhand/requirements.txt",
            "science:py3.13: 1 by version, 1 by constraint; 6 missing",
            f"of 3 {LITTLE}",
        ),
        ("script/report.py", "tools:py3.13: 3 by constraint; 0 missing", f"of 2 {NOTHING}"),
        (
            "script/billing.py",
            "tools:py3.13: 2 by file, 1 by version; 0 missing",
            f"of 2 {NOTHING}",
        ),
    ],
)
def test_the_best_base_for_a_real_file(path: str, best: str, reason: str) -> None:
    choice = choose(path)
    assert (golden(choice), choice.reason) == (best, reason)


def test_near_misses_of_a_real_project_are_told_in_words() -> None:
    assert {near.match.base.name: near.why for near in choose("workspace").near} == {
        "http:py3.12": "lacks pyyaml, typing-extensions and socksio",
        "science:py3.12": "lacks click, httpx, anyio and 6 more, and has other versions of 1 package",
        "tools:py3.13": "would need Python 3.12, as .python-version says",
        "tools:py3.11": "would need Python ≥ 3.12, < 3.15",
    }


def test_what_is_no_python_package_is_listed() -> None:
    now = datetime(2026, 11, 22, 9, tzinfo=UTC)
    told = list(tell_choice(choose("conda"), now))
    assert "not mapped  ffmpeg: it is a library or a program of the system: install it in the Dockerfile" in told
