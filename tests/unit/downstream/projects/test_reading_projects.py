"""Which file of a folder describes a project, and what is said where none does."""

import os
from pathlib import Path

import pytest
from tests.projects.samples import FOLDER, HERE, sample, versions, write

from warmbase.downstream.projects.document import Origin
from warmbase.downstream.projects.environment import MarkerError, admits, environment_of
from warmbase.downstream.projects.read import read_project
from warmbase.errors import ProjectError

APP = '[project]\nname = "app"\ndependencies = ["numpy"]\n'
PIPFILE = '{"_meta": {}, "default": {}}'
IN_ORDER = {
    "uv.lock": "version = 1\n",
    "pylock.toml": 'lock-version = "1.0"\n',
    "poetry.lock": '[metadata]\npython-versions = "*"\n',
    "Pipfile.lock": PIPFILE,
    "requirements.txt": "numpy\n",
    "environment.yml": "dependencies: []\n",
    "pyproject.toml": APP,
    "requirements-dev.txt": "numpy\n",
    "requirements.in": "numpy\n",
}


def test_the_most_exact_file_of_a_folder_is_read(tmp_path: Path) -> None:
    for name, text in IN_ORDER.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    found = []
    for name in IN_ORDER:
        found.append(read_project(tmp_path).path.name)
        (tmp_path / name).unlink()
    assert found == list(IN_ORDER)


@pytest.mark.parametrize("name", ["pylock.gpu.toml", "requirements-gpu.txt", "environment.yaml"])
def test_the_only_file_with_a_name_of_its_own_is_read(tmp_path: Path, name: str) -> None:
    text = next(text for known, text in IN_ORDER.items() if known[:6] == name[:6])
    (tmp_path / name).write_text(text, encoding="utf-8")
    assert read_project(tmp_path).path.name == name


def test_of_several_files_one_has_to_be_named(tmp_path: Path) -> None:
    write(tmp_path, **{"requirements-a_txt": "numpy\n", "requirements-b_txt": "numpy\n"})
    with pytest.raises(ProjectError, match=r"'requirements-a\.txt' and .* may all describe") as caught:
        read_project(tmp_path)
    assert caught.value.next_step.startswith("give the path of one of them")


def test_a_pyproject_with_settings_alone_is_no_project(tmp_path: Path) -> None:
    write(tmp_path, pyproject_toml="[tool.ruff]\nline-length = 100\n")
    with pytest.raises(ProjectError, match="there is no project here") as caught:
        read_project(tmp_path)
    assert "environment.yml" in caught.value.next_step
    with pytest.raises(ProjectError, match="no \\[project\\]") as caught:
        read_project(tmp_path / "pyproject.toml")
    assert "uv add" in caught.value.next_step


@pytest.mark.parametrize("name", ["missing.txt", "notes.md", "missing.py", "Cargo.lock"])
def test_what_is_not_there_or_not_known_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ProjectError) as caught:
        read_project(tmp_path / name)
    assert str(tmp_path / name) in caught.value.message
    assert caught.value.next_step


@pytest.mark.parametrize("name", ["missing", "missing.txt", "missing/app"])
def test_a_path_where_nothing_is_is_said_to_be_so(tmp_path: Path, name: str) -> None:
    with pytest.raises(ProjectError) as caught:
        read_project(tmp_path / name)
    assert caught.value.message == f"there is no {tmp_path / name}"
    assert caught.value.next_step == "see that the path is right; without one the current folder is read"


def test_what_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "requirements.txt")
    with pytest.raises(ProjectError, match="is no file"):
        read_project(tmp_path / "requirements.txt")


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("Pipfile", "run `pipenv lock`"),
        ("setup.py", "run `uv pip compile setup.py --output-file requirements.txt`"),
        ("setup.cfg", "run `uv pip compile setup.cfg --output-file requirements.txt`"),
        ("report.py", "give the path of the script, "),
    ],
)
def test_a_folder_with_what_is_nearly_a_project_says_what_makes_it_one(tmp_path: Path, name: str, advice: str) -> None:
    (tmp_path / name).write_text("", encoding="utf-8")
    with pytest.raises(ProjectError, match="there is no project here") as caught:
        read_project(tmp_path)
    assert advice in caught.value.next_step


@pytest.mark.parametrize(
    ("path", "named", "also"),
    [
        ("workspace", {"jinja2", "pyyaml", "pytest"}, "markupsafe"),
        ("pipenv", {"click", "httpx", "pyyaml", "tidy"}, "anyio"),
        ("pip", {"click", "httpx", "iniconfig", "pyyaml"}, "anyio"),
        ("poetry2", {"click", "httpx"}, "anyio"),
    ],
)
def test_what_a_project_names_itself_is_told_from_what_that_needs(path: str, named: set[str], also: str) -> None:
    project = sample(path)
    assert named <= project.direct
    assert also not in project.direct
    assert also in versions(project)


def test_a_lock_alone_does_not_say_what_the_project_names(tmp_path: Path) -> None:
    (tmp_path / "Pipfile.lock").write_text(PIPFILE, encoding="utf-8")
    assert read_project(tmp_path).direct == frozenset()
    (tmp_path / "Pipfile").write_text("[packages", encoding="utf-8")
    assert read_project(tmp_path).direct == frozenset()


def test_a_lock_above_that_knows_nothing_of_a_folder_is_not_its(tmp_path: Path) -> None:
    write(tmp_path, uv_lock="version = 1\n", inner__pyproject_toml=APP)
    assert read_project(tmp_path / "inner").kind == "pyproject.toml"


def test_the_python_that_a_member_asks_for_stands_with_it_or_with_its_workspace(tmp_path: Path) -> None:
    assert sample("workspace/packages/api").python == "3.12"
    write(tmp_path, pyproject_toml=APP)
    (tmp_path / ".python-version").write_text("\n# ours\n3.13\n3.12\n", encoding="utf-8")
    assert read_project(tmp_path).python == "3.13"


def test_a_script_needs_what_its_block_says() -> None:
    project = sample("script/report.py")
    assert (project.kind, project.name, project.requires_python) == ("script", "report", ">=3.12")
    assert versions(project) == {"click": "<9,>=8", "idna": "<4", "pyyaml": ""}
    assert not project.is_locked


def test_a_script_with_a_lock_needs_what_that_says() -> None:
    project = sample("script/billing.py")
    assert (project.kind, project.path.name, project.is_locked) == ("script", "billing.py", True)
    assert versions(project) == {"click": "8.5.1", "idna": "3.20", "pyyaml": "6.0.3"}
    assert sample("script/billing.py.lock").needs(HERE) == project.needs(HERE)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("import this\n", "it has no block `# /// script`"),
        ("# /// script\n# x = 1\n# ///\n\n# /// script\n# x = 1\n# ///\n", "one block `# /// script` at most"),
        ("pass\n\n# /// script\n# dependencies = [\n#   'a'\n# x\n# ///\n", "script.py:6: this is not TOML"),
        ("# /// script\n# dependencies = ['a=>1']\n# ///\n", "dependencies: 'a=>1' is not a requirement"),
    ],
)
def test_a_script_without_a_right_block_is_refused(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ProjectError) as caught:
        read_project(write(tmp_path, script_py=text) / "script.py")
    assert said in caught.value.message
    assert "uv add --script script.py" in caught.value.next_step


def test_a_file_is_read_up_to_a_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("warmbase.downstream.projects.document.LARGEST_FILE", 10)
    write(tmp_path, requirements_txt="numpy==1.26.4\n")
    with pytest.raises(ProjectError, match="more than 10 bytes"):
        Origin(path=tmp_path / "requirements.txt", remedy="").read_text()


def test_an_environment_has_the_pythons_patch_level_where_it_is_known() -> None:
    assert environment_of("3.13", "linux/amd64").markers["python_full_version"] == "3.13.0"
    arm = environment_of("3.13.5", "linux/arm64").markers
    assert (arm["python_full_version"], arm["python_version"]) == ("3.13.5", "3.13")
    assert arm["platform_machine"] == "aarch64"
    assert environment_of("3.13.5", "linux/riscv64").markers["platform_machine"] == "riscv64"


@pytest.mark.parametrize(
    ("marker", "holds"),
    [
        ("", True),
        ("python_full_version >= '3.12' and sys_platform == 'linux'", True),
        ("platform_machine == 'aarch64'", False),
        ("extra == 'cpu' and extra != 'gpu'", True),
        ("extra == 'gpu' or extra == 'cpu'", True),
        ("'cpu' in extras and 'dev' not in dependency_groups", False),
        ("'dev' in dependency_groups", True),
    ],
)
def test_a_marker_is_asked_for_all_extras_and_groups_at_once(marker: str, holds: bool) -> None:
    assert admits(marker, HERE, frozenset({"cpu"}), frozenset({"dev"})) is holds


@pytest.mark.parametrize("marker", ["os", "sys_platform ~= 'x'", "(" * 2000, "x == 'y'"])
def test_what_is_no_marker_is_refused(marker: str) -> None:
    with pytest.raises(MarkerError):
        admits(marker, HERE)


def test_no_sample_names_a_real_host() -> None:
    texts = (
        path.read_text(encoding="utf-8") for path in FOLDER.rglob("*") if path.suffix in {".lock", ".toml", ".txt"}
    )
    hosts = {word.split("/")[0].rpartition("@")[2] for text in texts for word in text.split("://")[1:]}
    assert {host for host in hosts if not host.endswith(".example")} == set()
