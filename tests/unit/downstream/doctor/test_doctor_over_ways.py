"""`doctor` over every way to inherit a base that real builds go through, and over what `adopt` has patched."""

from dataclasses import replace
from pathlib import Path

import pytest
from tests.diagnosed import BASE, IN_PLACE, OWN_VENV, PACKAGES, PLATFORM, TODAY, patient
from tests.e2e.children.projects import PROJECTS, Project
from tests.needing import project
from tests.offered import base, offered, published
from tests.unit.downstream.adopt.test_patching import CASES

from warmbase.cli.doctor import exit_code
from warmbase.downstream.adopt.adopting import prepare_adoption
from warmbase.downstream.adopt.model import Wishes
from warmbase.downstream.adopt.patching import patch_dockerfile
from warmbase.downstream.doctor.examine import examine_project
from warmbase.downstream.doctor.model import Diagnosis

NAMES = ("fastapi", "httpx", "ipykernel", "jupyter-server", "nbclient", "pandas", "pytest", "uvicorn")
VERSIONS = dict.fromkeys(NAMES, "9.0")
LISTED = [*(offered(*each) for each in VERSIONS.items()), offered("hatchling", "1.27.0", use="warm")]
BASES = {f"registry.example/bases/{name}:py3.13": base(f"{name}:py3.13-trixie", LISTED) for name in ("data", "web")}
CHANGED = [way for way in PROJECTS if way.change]
AS_THEY_STAND = [way for way in PROJECTS if not way.change]


def pinned(text: str) -> str:
    """A text with the names of bases as references."""
    for name, one in BASES.items():
        text = text.replace(name, one.reference)
    return text


def examine(way: Project, folder: Path, *, is_changed: bool = False) -> Diagnosis:
    """What doctor says of a way whose project needs what the base has, and has a lock if it is one of uv's."""
    dockerfile = way.copy(folder) / "Dockerfile"
    if is_changed and way.change:
        way.change.apply(folder)
    dockerfile.write_text(pinned(dockerfile.read_text()))
    is_synced, python = (folder / "pyproject.toml").is_file(), folder / ".python-version"
    made = project(VERSIONS if is_synced else {}, kind="uv.lock" if is_synced else "requirements.txt")
    made = replace(made, path=folder / made.path.name, python=python.read_text().strip() if python.is_file() else "")
    listing = published(*BASES.values())
    return examine_project(made, listing, wanted="", dockerfile=None, platform=PLATFORM, today=TODAY)


@pytest.mark.parametrize("way", CHANGED, ids=lambda way: way.name)
def test_a_line_that_has_to_change_is_an_error(way: Project, tmp_path: Path) -> None:
    errors = [each for each in examine(way, tmp_path).findings if each.severity == "error"]
    change = way.change
    assert change
    lines = (tmp_path / change.file).read_text().splitlines()
    places = {str(each.place) for each in errors}
    assert f"{change.file}:{lines.index(pinned(change.line)) + 1}" in places, errors
    after = examine(way, tmp_path / "changed", is_changed=True)
    left = {each.code for each in after.findings if each.severity == "error"}
    assert left <= {"environment"}, "a venv of its own costs copies, but works"


@pytest.mark.parametrize("way", AS_THEY_STAND, ids=lambda way: way.name)
def test_what_works_as_it_stands_is_a_note_at_most(way: Project, tmp_path: Path) -> None:
    diagnosis = examine(way, tmp_path)
    assert diagnosis.severity in (None, "note"), diagnosis.findings
    assert exit_code(diagnosis) == 0


@pytest.mark.parametrize("case", CASES)
def test_what_adopt_has_patched_passes_a_pipeline(case: str, tmp_path: Path) -> None:
    text = f"FROM python:3.12 AS x\nWORKDIR /app\nCOPY . .\n{CASES[case][0]}\nRUN uv sync --frozen\n"
    patched = patch_dockerfile(text, "Dockerfile", BASE).text
    diagnosis = patient(tmp_path, patched, needs=PACKAGES).examine()
    assert exit_code(diagnosis) == 0, (patched, diagnosis.findings)


# What does not work on a base: the lines of a Dockerfile, the finding's code, and what its fix has.
BREAKING = [
    ("RUN uv venv --clear /opt/venv", "emptied-venv", "take out"),
    ("RUN rm -rf /opt/venv && uv venv /opt/venv", "emptied-venv", "take out `rm -rf /opt/venv`"),
    ("COPY . .\nRUN uv venv", "venv-over-venv", "uv venv .venv"),
    ("RUN virtualenv /opt/venv", "venv-over-venv", "take out"),
    ("RUN uv pip install --system pandas", "system", "take out `--system`"),
    ("ENV UV_SYSTEM_PYTHON=1\nRUN uv pip install pandas", "system", "take out `UV_SYSTEM_PYTHON=1`"),
    ('CMD ["/app/.venv/bin/gunicorn", "app:app"]', "no-venv", "write `gunicorn`"),
    ('CMD ["sh", "-c", "exec .venv/bin/python app.py"]', "no-venv", "write `python`"),
    ("RUN . .venv/bin/activate && make", "no-venv", "take out `. .venv/bin/activate`"),
    ("FROM registry.example/python:3.13\nCOPY --from=0 /app/.venv /venv", "no-venv", "COPY --from=0 /opt/venv /venv"),
    ("RUN pip install pandas==2.0", "named", "pandas==2.2.3"),
]


@pytest.mark.parametrize(("lines", "code", "fix"), BREAKING)
def test_what_breaks_on_a_base_is_an_error(lines: str, code: str, fix: str, tmp_path: Path) -> None:
    found = patient(tmp_path, f"{IN_PLACE}{lines}\n").only_finding()
    assert (found.code, found.severity) == (code, "error")
    assert fix in found.fix


@pytest.mark.parametrize(
    "lines",
    [
        "RUN uv venv .venv",
        "RUN uv venv --allow-existing /opt/venv",
        "RUN python -m venv /srv/venv && /srv/venv/bin/python -m this",
        "COPY --from=registry.example/tools /srv/venv /opt/venv\nCMD /opt/venv/bin/app",
        "RUN ln -s /opt/venv /app/.venv\nCMD /app/.venv/bin/app",
        "FROM registry.example/python:3.13\nCOPY --from=0 /opt/venv /app/.venv\nCMD /app/.venv/bin/app",
        "RUN uv cache prune --ci",
        "RUN uv sync --frozen --inexact && uv cache clean",
        "RUN uv cache clean numpy && uv sync --frozen --inexact",
        "RUN pip install pandas 'numpy>=2' uv==0.13.8",
        "RUN uv tool install pandas",
    ],
)
def test_what_is_beside_the_base_s_venv_is_not_found(lines: str, tmp_path: Path) -> None:
    assert patient(tmp_path, f"{IN_PLACE}{lines}\n").examine().findings == ()


@pytest.mark.parametrize(
    "line",
    [
        "RUN if test -e x; then uv sync --inexact --no-cache; fi",
        "RUN time uv sync --inexact --no-cache",
        "RUN env UV_NO_CACHE=1 uv sync --inexact",
        "RUN sudo -E -u app uv sync --inexact --no-cache",
        'RUN bash -c "uv sync --inexact --no-cache"',
        "RUN uv --directory /app sync --inexact --no-cache",
        "RUN uv --no-cache pip install pandas",
        "RUN python -m uv sync --inexact --no-cache",
    ],
)
def test_uv_is_found_behind_ordinary_shell(line: str, tmp_path: Path) -> None:
    found = patient(tmp_path, f"{IN_PLACE}{line}\n").only_finding()
    assert (found.code, found.place.line) == ("no-cache", IN_PLACE.count("\n") + 1)


@pytest.mark.parametrize(
    "lines",
    [
        'ADD https://astral.sh/uv/0.8.0/install.sh /i.sh\nRUN sh /i.sh && rm /i.sh\nENV PATH="/root/.local/bin/:$PATH"',
        'RUN curl -LsSf https://astral.sh/uv/0.8.0/install.sh | sh\nENV PATH="/root/.local/bin:$PATH"',
        "RUN curl -LsSf https://astral.sh/uv/0.8.0/install.sh | env UV_INSTALL_DIR=/usr/local/bin sh",
        "RUN --mount=from=ghcr.example/astral-sh/uv:0.8.0,source=/uv,target=/usr/local/bin/uv uv sync --inexact",
        "FROM ghcr.example/astral-sh/uv:0.8.0 AS uv\n" + IN_PLACE + "COPY --from=uv /uv /opt/venv/bin/",
    ],
)
def test_another_uv_is_found_as_people_install_it(lines: str, tmp_path: Path) -> None:
    found = patient(tmp_path, f"{IN_PLACE}{lines}\n").only_finding()
    assert (found.code, found.severity) == ("other-uv", "warning")
    assert "uv 0.8.0" in found.message


def test_an_installer_whose_uv_nobody_searches_first_is_not_found(tmp_path: Path) -> None:
    line = "RUN curl -LsSf https://astral.sh/uv/0.8.0/install.sh | sh"
    assert patient(tmp_path, f"{IN_PLACE}{line}\n").examine().findings == ()


def test_what_commands_install_beside_the_project_counts(tmp_path: Path) -> None:
    files = {"dev.txt": "pandas\nnumpy==2.0\n"}
    lines = "RUN pip install flask==2.0 -r dev.txt\nRUN uvx ruff@0.5 check\n"
    diagnosis = patient(tmp_path, f"{IN_PLACE}{lines}", files=files).examine()
    assert [(each.severity, each.packages, each.place.line) for each in diagnosis.findings] == [
        ("error", ("numpy",), 7),
        ("note", ("flask",), 7),
        ("note", ("ruff",), 8),
    ]
    assert (diagnosis.hits, len(diagnosis.verdicts)) == (3, 6)


def test_adopt_notes_what_steps_install_beside_the_project(tmp_path: Path) -> None:
    text = f"{IN_PLACE}RUN pip install flask==2.0 pandas numpy==2.0\nFROM node:22\nRUN pip install flask\n"
    case = patient(tmp_path, text)
    notes = [note for note in prepare_adoption(case.project, BASE, Wishes(), None).adoption.notes if note.number == 7]
    assert [(note.text.partition(":")[2], note.line) for note in notes] == [
        (" the base has it not", ""),
        (" the base has 2.3.4", "numpy==2.3.4"),
    ]


def test_what_the_project_needs_itself_is_told_once(tmp_path: Path) -> None:
    files = {"exported.txt": "pandas==2.0\n"}
    text = f"{IN_PLACE}RUN pip install -r /app/exported.txt\n"
    found = patient(tmp_path, text, {**PACKAGES, "pandas": "2.0"}, files).only_finding()
    assert (found.code, found.packages) == ("version", ("pandas",))


def test_an_emptied_cache_costs_what_is_installed_after_it(tmp_path: Path) -> None:
    found = patient(tmp_path, OWN_VENV.replace("COPY . .", "RUN uv cache clean")).only_finding()
    assert (found.code, found.severity, found.packages) == ("buckets", "error", tuple(PACKAGES))


def test_an_environment_for_another_image_is_meant_to_have_files(tmp_path: Path) -> None:
    text = OWN_VENV.replace(" UV_LINK_MODE=symlink", "")
    assert patient(tmp_path, text).examine().severity == "error"
    last = "FROM registry.example/python:3.13\nCOPY --from=0 /app/.venv /app/.venv\n"
    assert patient(tmp_path, text + last).examine().severity == "note"


def test_a_platform_that_the_base_has_not_is_an_error(tmp_path: Path) -> None:
    other = IN_PLACE.replace("FROM ", "FROM --platform=linux/arm64 ")
    found = patient(tmp_path, other).only_finding()
    assert (found.code, found.severity, found.place.line) == ("platform", "error", 1)
    (note,) = (each for each in patch_dockerfile(other, "Dockerfile", BASE).notes if each.is_blocking)
    assert note.text == found.message == "the base is not there for linux/arm64, only for linux/amd64"
    both = base(BASE.variant, BASE.offer.platforms[0].packages, platforms=("linux/amd64", "linux/arm64"))
    assert patient(tmp_path, other.replace(BASE.reference, both.reference)).examine(both).platform == "linux/arm64"
    variable = IN_PLACE.replace("FROM ", "FROM --platform=$BUILDPLATFORM ")
    assert patient(tmp_path, variable).examine().findings == ()
