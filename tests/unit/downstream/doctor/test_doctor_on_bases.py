"""`doctor` in a project, against a published base: a finding for each thing that is wrong, none for what is not."""

from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from tests.diagnosed import BASE, IN_PLACE, OWN_VENV, PACKAGES, PYPROJECT, SYNCS, of_an_earlier_day, patient
from tests.needing import locked, wanted
from tests.offered import INDEX, base, published, wheel_hash, wheel_name

from warmbase.downstream.doctor.examine import examine_project
from warmbase.downstream.doctor.telling import summary
from warmbase.downstream.projects.model import Kind, Member, NeededFile
from warmbase.errors import ListingError, ProjectError

ALL = tuple(PACKAGES)
MEMBER = Member(name="app", backend=("hatchling>=1.20",))


def within(dockerfile: str, line: str) -> str:
    """A Dockerfile with a line behind its FROM."""
    first, rest = dockerfile.split("\n", 1)
    return f"{first}\n{line}\n{rest}"


@pytest.mark.parametrize("dockerfile", [IN_PLACE, OWN_VENV], ids=["in place", "own venv of links"])
def test_a_healthy_project_has_no_finding(tmp_path: Path, dockerfile: str) -> None:
    diagnosis = patient(tmp_path, dockerfile, members=(MEMBER,)).examine()
    assert diagnosis.findings == ()
    assert summary(diagnosis) == "healthy: 3 of 3 packages hit, 0 B to download"


@pytest.mark.parametrize(
    "line",
    [
        "ENV UV_COMPILE_BYTECODE=1",
        "ENV UV_LINK_MODE=copy",
        "ENV UV_NO_CACHE=0",
        "ENV UV_PYTHON=3.13",
        "ENV UV_PYTHON=/opt/venv/bin/python",
        "COPY --from=registry.example/uv:0.12.5 /uv /uvx /bin/",
        "COPY --from=registry.example/uv:0.13.8 /uv /usr/local/bin/",
        "RUN --mount=type=cache,target=/root/.cache/uv uv sync --frozen",
        "RUN --mount=type=cache,target=/opt/uv/cache apt-get update",
        f"RUN --mount=type=cache,from={BASE.reference},source=/opt/uv/cache,target=/opt/uv/cache uv sync --frozen",
        "RUN uv pip install --upgrade-strategy=eager numpy",
        "# ENV UV_NO_CACHE=1",
        "RUN uv run python tool.py -n --no-cache --refresh",
        "COPY --from=registry.example/tools /opt/venv /opt/venv",
        "ENV PIP_NO_CACHE_DIR=1",
    ],
)
def test_what_is_harmless_in_place_is_not_found(tmp_path: Path, line: str) -> None:
    assert patient(tmp_path, within(IN_PLACE, line)).examine().findings == ()


# What keeps uv from the base's cache: line of the Dockerfile, code, and the line in which it stands.
HIDING = [
    ("ENV UV_NO_CACHE=1", "no-cache", 2),
    ("ARG UV_NO_CACHE=true", "no-cache", 2),
    ("RUN uv sync --no-cache --frozen", "no-cache", 2),
    ("RUN UV_NO_CACHE=1 uv sync --frozen", "no-cache", 2),
    ("RUN export UV_NO_CACHE=1; uv sync --frozen", "no-cache", 2),
    ('CMD ["uv", "run", "--no-cache", "app"]', "no-cache", 2),
    ("RUN true && \\\n    uv sync -n --frozen", "no-cache", 3),
    ("ENV UV_CACHE_DIR=/root/.cache/uv", "cache-dir", 2),
    ("RUN uv sync --cache-dir /tmp/uv", "cache-dir", 2),
    ("RUN --mount=type=cache,target=/opt/uv/cache uv sync --frozen", "mount", 2),
    ("RUN --mount=type=cache,target=$UV_CACHE_DIR uv sync --frozen", "mount", 2),
    ("RUN --mount=type=tmpfs,target=/opt uv sync --frozen", "mount", 2),
    ("COPY --from=registry.example/uv:0.12.5 /uv /uvx /usr/local/bin/", "other-uv", 2),
    ("COPY --from=registry.example/uv:latest /uv /opt/venv/bin/uv", "other-uv", 2),
    ("RUN pip install uv==0.12.5", "other-uv", 2),
]


@pytest.mark.parametrize(("line", "code", "number"), HIDING)
def test_what_hides_the_cache_is_found_where_it_stands(tmp_path: Path, line: str, code: str, number: int) -> None:
    found = patient(tmp_path, within(IN_PLACE, line)).only_finding()
    severity = "warning" if code == "other-uv" else "note"
    assert (found.code, found.severity, str(found.place)) == (code, severity, f"Dockerfile:{number}")
    assert "costs nothing yet" in found.message


@pytest.mark.parametrize(("line", "code", "number"), HIDING)
def test_what_hides_the_cache_costs_what_is_not_installed(tmp_path: Path, line: str, code: str, number: int) -> None:
    case = patient(tmp_path, within(OWN_VENV, line))
    found = case.only_finding()
    assert (found.code, found.severity, found.packages) == (code, "error", ALL)
    assert {verdict.outcome for verdict in case.examine().verdicts} == {"downloaded"}


def test_what_hides_the_cache_costs_the_build_backend(tmp_path: Path) -> None:
    found = patient(tmp_path, within(IN_PLACE, "ENV UV_NO_CACHE=1"), members=(MEMBER,)).only_finding()
    assert (found.code, found.severity, found.packages) == ("no-cache", "error", ("hatchling",))


def test_a_backend_that_the_base_has_not_is_told_apart_from_one_that_is_hidden(tmp_path: Path) -> None:
    member = Member(name="app", backend=("hatchling>=1.20", "setuptools>=70", "no requirement"))
    case = patient(tmp_path, within(IN_PLACE, "ENV UV_NO_CACHE=1"), members=(member,))
    found = {finding.code: finding.packages for finding in case.examine().findings}
    assert found == {"no-cache": ("hatchling",), "backend": ("setuptools",)}


def test_the_settings_of_files_count_as_variables_do(tmp_path: Path) -> None:
    files = {"pyproject.toml": f"{PYPROJECT}\n[tool.uv]\nno-cache = true\n"}
    found = patient(tmp_path, OWN_VENV, files=files).only_finding()
    assert (found.code, str(found.place), found.fix) == (
        "no-cache",
        "pyproject.toml:7",
        "take out `no-cache = true`",
    )
    overruled = within(OWN_VENV, "ENV UV_NO_CACHE=0")
    assert patient(tmp_path, overruled, files=files).examine().findings == ()
    assert patient(tmp_path, OWN_VENV, files={**files, "uv.toml": "offline = false\n"}).examine().findings == ()


@pytest.mark.parametrize(
    ("line", "code", "words"),
    [
        ("ENV UV_PROJECT_ENVIRONMENT=/app/.venv", "environment", "take out `ENV UV_PROJECT_ENVIRONMENT=/app/.venv`"),
        ("ENV UV_PROJECT_ENVIRONMENT=.venv\nENV UV_LINK_MODE=copy", "link-mode", "with UV_LINK_MODE=symlink"),
        ("ENV VIRTUAL_ENV=/app/.venv\nRUN uv sync --active", "environment", "take out `ENV VIRTUAL_ENV=/app/.venv`"),
    ],
)
def test_what_makes_copies_is_found(tmp_path: Path, line: str, code: str, words: str) -> None:
    case = patient(tmp_path, within(IN_PLACE, line))
    found = case.only_finding()
    assert (found.code, found.severity, found.packages) == (code, "error", ALL)
    assert words in found.fix
    assert {verdict.outcome for verdict in case.examine().verdicts} == {"copied"}


def test_a_venv_of_another_stage_is_found(tmp_path: Path) -> None:
    found = patient(tmp_path, within(IN_PLACE, "COPY --from=builder /app/.venv /app/.venv")).only_finding()
    assert (found.code, found.severity, str(found.place)) == ("copied-venv", "error", "Dockerfile:2")


def test_a_venv_is_named_where_the_dockerfile_has_it(tmp_path: Path) -> None:
    dockerfile = within(IN_PLACE, "ENV UV_PROJECT_ENVIRONMENT=.venv").replace("/app", "/srv/report")
    (verdict, *_) = patient(tmp_path, dockerfile).examine().verdicts
    assert verdict.why == "it goes into /srv/report/.venv, and not into /opt/venv, which has it"


def test_an_exact_sync_is_a_note_where_it_takes_something_out(tmp_path: Path) -> None:
    case = patient(tmp_path, within(IN_PLACE, "RUN uv sync --frozen"), {"pandas": "2.2.3"})
    found = case.only_finding()
    assert (found.code, found.severity, str(found.place)) == ("exact", "note", "Dockerfile:2")
    assert found.fix == "uv sync --frozen --inexact"
    assert patient(tmp_path, within(OWN_VENV, "RUN uv sync"), {"pandas": "2.2.3"}).examine().findings == ()


def test_refreshing_is_a_warning_until_something_is_not_installed(tmp_path: Path) -> None:
    line = "RUN uv sync --frozen --refresh"
    assert patient(tmp_path, within(IN_PLACE, line)).only_finding().severity == "warning"
    found = patient(tmp_path, within(OWN_VENV, line)).only_finding()
    assert (found.code, found.severity, found.packages) == ("refresh", "error", ALL)
    found = patient(tmp_path, within(IN_PLACE, "RUN uv sync --frozen --reinstall")).only_finding()
    assert (found.code, found.severity, found.packages, found.fix) == (
        "reinstall",
        "error",
        ALL,
        "take out `--reinstall`",
    )
    line = "RUN uv sync --frozen --refresh-package pandas"
    assert patient(tmp_path, within(OWN_VENV, line)).only_finding().packages == ("pandas",)


def test_another_version_names_the_command_that_takes_the_base_s(tmp_path: Path) -> None:
    found = patient(tmp_path, needs=PACKAGES | {"pandas": "2.3.0"}).only_finding()
    assert (found.code, found.severity, found.packages) == ("version", "error", ("pandas",))
    assert "the project has 2.3.0, the base 2.2.3" in found.message
    assert found.fix == "uv lock --upgrade-package pandas==2.2.3"
    assert str(found.place) == "uv.lock:6"


@pytest.mark.parametrize("dockerfile", [IN_PLACE, OWN_VENV])
def test_what_differs_is_told_beside_what_hides_the_cache(tmp_path: Path, dockerfile: str) -> None:
    needs = [*(locked(*each) for each in (PACKAGES | {"pandas": "2.3.0"}).items()), locked("polars", "1.0")]
    case = patient(tmp_path, within(dockerfile, "ENV UV_NO_CACHE=1"), needs)
    found = {finding.code: finding.packages for finding in case.examine().findings}
    hidden = () if dockerfile == IN_PLACE else ("numpy", "tzdata")
    assert found == {"no-cache": hidden, "version": ("pandas",), "missing": ("polars",)}


def test_what_the_base_has_not_is_nobody_s_mistake(tmp_path: Path) -> None:
    diagnosis = patient(
        tmp_path, needs=[*(locked(*each) for each in PACKAGES.items()), locked("polars", "1.0", size=7)]
    ).examine()
    (found,) = diagnosis.findings
    assert (found.code, found.severity) == ("missing", "note")
    assert summary(diagnosis) == "healthy: 3 of 4 packages hit, 7 B to download"


PANDAS = wheel_name("pandas", "2.2.3")


@pytest.mark.parametrize(
    ("need", "code"),
    [
        (locked("pandas", "2.2.3", file="pandas-2.2.3-cp313-cp313-manylinux_2_28_x86_64.whl"), "file"),
        (locked("pandas", "2.2.3", file="pandas-2.2.3-cp312-cp312-manylinux_2_28_x86_64.whl"), "tags"),
        (locked("pandas", "2.2.3", file="pandas-2.2.3.tar.gz"), "tags"),
        (replace(locked("pandas", "2.2.3"), files=(NeededFile(name=PANDAS, sha256=wheel_hash("other")),)), "hash"),
        (replace(locked("pandas", "2.2.3"), files=(NeededFile(name="", sha256=wheel_hash("other")),)), "hash"),
        (locked("pandas", "2.2.3", index="https://mirror.example/simple"), "index"),
    ],
)
def test_uv_takes_the_very_file_from_the_cache_alone(tmp_path: Path, need: object, code: str) -> None:
    needs = [need, locked("numpy", "2.3.4"), locked("tzdata", "2025.2")]
    found = patient(tmp_path, OWN_VENV, needs=needs).only_finding()
    assert (found.code, found.severity, found.packages) == (code, "error", ("pandas",))
    assert str(found.place) == "uv.lock:6"
    in_place = patient(tmp_path, IN_PLACE, needs=needs)
    assert in_place.examine().findings == (), "uv does not ask what is installed for its file"


MIRROR = "https://mirror.example/simple"


@pytest.mark.parametrize(
    ("line", "settings"),
    [
        (f"ENV UV_DEFAULT_INDEX={MIRROR}", ""),
        (f"RUN uv sync --index-url {MIRROR}", ""),
        ("RUN uv sync --no-index", ""),
        ("", f'[[tool.uv.index]]\nurl = "{MIRROR}"\ndefault = true\n'),
        ("", f'[tool.uv]\nindex-url = "{MIRROR}"\n'),
    ],
)
def test_uv_looks_for_a_lock_s_index_among_those_that_it_was_told(tmp_path: Path, line: str, settings: str) -> None:
    needs = [locked(*each, index=INDEX) for each in PACKAGES.items()]
    files = {"pyproject.toml": PYPROJECT + settings}
    found = patient(tmp_path, within(OWN_VENV, line), needs, files).only_finding()
    assert (found.code, found.severity, found.packages) == ("index", "error", ALL)
    assert str(found.place) == ("Dockerfile:2" if line else "pyproject.toml:6")
    more = within(OWN_VENV, f"ENV UV_INDEX=mirror={MIRROR}")
    assert patient(tmp_path, more, needs, {"pyproject.toml": PYPROJECT}).examine().findings == ()


def test_a_mirror_for_which_the_base_answers_has_to_be_told_to_uv(tmp_path: Path) -> None:
    both = replace(BASE, offer=replace(BASE.offer, indexes={"": (INDEX, MIRROR)}))
    needs = [locked(*each, index=MIRROR) for each in PACKAGES.items()]
    found = patient(tmp_path, OWN_VENV, needs).only_finding(both)
    assert (found.code, found.severity, found.packages) == ("index-not-told", "error", ALL)
    settings = f'[[tool.uv.index]]\nurl = "{MIRROR}"\ndefault = true\n'
    told = patient(tmp_path, OWN_VENV, needs, {"pyproject.toml": PYPROJECT + settings})
    assert told.examine(both).findings == ()


def test_a_wheel_that_uv_prefers_to_the_base_s_is_found(tmp_path: Path) -> None:
    other = "pandas-2.2.3-cp313-cp313-manylinux_2_28_x86_64.whl"
    files = (*locked("pandas", "2.2.3").files, NeededFile(name=other, sha256=wheel_hash(other)))
    found = patient(tmp_path, OWN_VENV, needs=[replace(locked("pandas", "2.2.3"), files=files)]).only_finding()
    assert found.code == "file"
    assert "uv prefers it" in found.message


@pytest.mark.parametrize(
    ("backend", "words"),
    [
        ("hatchling==1.20.0", "the base's cache has hatchling 1.27.0"),
        ("setuptools", "the base's cache has none"),
    ],
)
def test_a_build_backend_that_is_not_warm_is_found(tmp_path: Path, backend: str, words: str) -> None:
    files = {"pyproject.toml": f'{PYPROJECT}[build-system]\nrequires = ["{backend}"]\n'}
    found = patient(tmp_path, files=files, members=(Member(name="app", backend=(backend,)),)).only_finding()
    assert (found.code, found.severity, str(found.place)) == ("backend", "error", "pyproject.toml:6")
    assert words in found.message


@pytest.mark.parametrize(
    ("more", "line", "place"),
    [
        ({"requires_python": ">=3.14"}, "", "pyproject.toml:4"),
        ({"python": "3.12"}, "", ".python-version:1"),
        ({}, "ENV UV_PYTHON=3.12", "Dockerfile:2"),
        ({}, "RUN uv sync --python 3.12", "Dockerfile:2"),
    ],
)
def test_another_python_is_found_where_it_is_asked_for(
    tmp_path: Path, more: dict[str, Any], line: str, place: str
) -> None:
    found = patient(tmp_path, within(IN_PLACE, line), **more).only_finding()
    assert (found.code, found.severity, str(found.place)) == ("python", "error", place)
    assert "the base has 3.13.9" in found.message


def test_a_uv_that_the_project_does_not_take_is_found(tmp_path: Path) -> None:
    files = {"pyproject.toml": f'{PYPROJECT}[tool.uv]\nrequired-version = ">=0.14"\n'}
    found = patient(tmp_path, files=files).only_finding()
    assert (found.code, found.severity, str(found.place)) == ("uv-required", "error", "pyproject.toml:6")


def test_a_project_without_a_lock_is_told_what_keeps_it_on_the_base(tmp_path: Path) -> None:
    needs = [wanted("pandas", ">=2.2")]
    found = patient(tmp_path, needs=needs, kind="pyproject.toml").only_finding()
    assert (found.code, found.severity, found.fix) == ("no-lock", "warning", "warmbase adopt --base data:py3.13")
    files = {"pyproject.toml": f'{PYPROJECT}[tool.uv]\nconstraint-dependencies = ["pandas==2.2.3"]\n'}
    assert patient(tmp_path, needs=needs, kind="pyproject.toml", files=files).examine().findings == ()


@pytest.mark.parametrize(
    ("kind", "text", "line"),
    [
        ("pyproject.toml", f'{PYPROJECT}dependencies = ["numpy", "pandas>=3"]\n', 5),
        ("pyproject.toml", f'{PYPROJECT}dependencies = [\n  "numpy",\n  "pandas>=3",\n]\n', 7),
        ("requirements.txt", "numpy\npandas >= 3\n", 2),
        ("environment.yml", "dependencies:\n  - numpy\n  - pandas>=3\n", 3),
        ("script", '# /// script\n# dependencies = [\n#   "pandas>=3",\n# ]\n# ///\n', 3),
    ],
)
def test_a_bound_of_the_project_is_found_where_it_stands(tmp_path: Path, kind: Kind, text: str, line: int) -> None:
    case = patient(tmp_path, needs=[wanted("numpy"), wanted("pandas", ">=3")], kind=kind, files={kind: text})
    found = next(finding for finding in case.examine().findings if finding.severity == "error")
    assert (found.code, found.packages, str(found.place)) == ("bound", ("pandas",), f"{kind}:{line}")
    assert "the project wants ≥ 3, the base has 2.2.3" in found.message


def test_requirements_are_installed_where_uv_pip_installs(tmp_path: Path) -> None:
    dockerfile = f"FROM {BASE.reference}\nRUN uv pip install -r requirements.txt\n"
    needs = [wanted("pandas", ">=2.2"), wanted("numpy")]
    assert patient(tmp_path, dockerfile, needs, kind="requirements.txt").examine().findings == ()
    for line, code in (
        ("ENV UV_SYSTEM_PYTHON=1", "system"),
        ("ENV VIRTUAL_ENV=/app/.venv", "environment"),
        ("RUN uv venv", "environment"),
    ):
        found = patient(tmp_path, within(dockerfile, line), needs, kind="requirements.txt").only_finding()
        assert (found.code, found.packages, str(found.place)) == (code, ("numpy", "pandas"), "Dockerfile:2")


def test_a_stage_is_read_with_those_that_it_stands_on(tmp_path: Path) -> None:
    dockerfile = f"FROM {BASE.reference} AS tools\nENV UV_NO_CACHE=1\nFROM tools\n{SYNCS}FROM registry.example/x\n"
    found = patient(tmp_path, dockerfile).only_finding()
    assert (found.code, str(found.place)) == ("no-cache", "Dockerfile:2")


def test_a_stage_beside_the_last_counts_too(tmp_path: Path) -> None:
    builder = within(OWN_VENV.replace("UV_LINK_MODE=symlink", "").replace("\n", " AS builder\n", 1), "")
    found = patient(tmp_path, f"{builder}FROM {BASE.reference}\nCOPY --from=builder /app /app\n").only_finding()
    assert (found.code, str(found.place)) == ("environment", "Dockerfile:3")


def test_an_older_base_names_the_newer_one(tmp_path: Path) -> None:
    old = of_an_earlier_day(BASE)
    case = patient(tmp_path, IN_PLACE.replace(BASE.digest, old.digest))
    (found,) = case.examine(BASE, old).findings
    assert (found.code, found.severity, str(found.place)) == ("stale", "warning", "Dockerfile:1")
    assert f"FROM {BASE.reference}" in found.fix


def test_a_line_without_a_digest_is_pinned(tmp_path: Path) -> None:
    case = patient(tmp_path, IN_PLACE.replace(BASE.reference, "data:py3.13"))
    found = case.only_finding()
    assert (found.code, found.severity, found.fix) == ("unpinned", "warning", f"FROM {BASE.reference}")


def test_a_yanked_base_names_what_is_there_instead(tmp_path: Path) -> None:
    yanked = replace(BASE, yanked="its openssl is broken", instead="data:py3.14")
    other = base("data:py3.14-trixie", PACKAGES)
    (found,) = patient(tmp_path).examine(yanked, other).findings
    assert (found.code, found.severity, found.fix) == ("yanked", "error", f"FROM {other.reference}")
    assert "its openssl is broken" in found.message


def test_a_base_past_its_end_names_the_one_that_lasts_longest(tmp_path: Path) -> None:
    others = base("data:py3.14-trixie", PACKAGES), base("data:py3.12-bookworm", PACKAGES)
    (found,) = patient(tmp_path).examine(BASE, *others, today=date(2030, 1, 1)).findings
    assert (found.code, found.severity, found.fix) == ("end-of-life", "error", f"FROM {others[0].reference}")
    (soon,) = patient(tmp_path).examine(BASE, today=date(2029, 8, 1)).findings
    assert (soon.code, soon.severity) == ("ending", "note")


def test_without_a_dockerfile_the_base_is_named(tmp_path: Path) -> None:
    case = patient(tmp_path, "")
    with pytest.raises(ProjectError, match="nothing says which base"):
        case.examine()
    assert case.examine(wanted="data:py3.13").findings == ()
    with pytest.raises(ListingError):
        case.examine(wanted="data:py3.9")


def test_a_platform_that_the_base_has_not_is_said(tmp_path: Path) -> None:
    case = patient(tmp_path)
    with pytest.raises(ListingError, match="only for linux/amd64"):
        examine_project(
            case.project,
            published(BASE),
            wanted="",
            dockerfile=None,
            platform="linux/arm64",
            today=date(2026, 11, 21),
        )


def test_secrets_in_addresses_are_not_told(tmp_path: Path) -> None:
    line = "ENV UV_DEFAULT_INDEX=https://me:hunter22@mirror.example/simple"
    needs = [replace(locked(*each), index="") for each in PACKAGES.items()]
    case = patient(tmp_path, within(OWN_VENV, line), needs)
    found = case.only_finding()
    assert found.code == "index"
    assert "hunter22" not in str(case.examine())
