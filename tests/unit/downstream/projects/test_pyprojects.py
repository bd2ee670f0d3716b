"""pyproject.toml without a lock: what it asks for directly, for uv and for poetry."""

from pathlib import Path

import pytest
from tests.projects.samples import needed, sample, versions, write

from warmbase.downstream.projects.model import Project, Unknown
from warmbase.downstream.projects.poetryspec import to_specifier
from warmbase.downstream.projects.read import read_project
from warmbase.errors import ProjectError

APP = '[project]\nname = "My.App"\n'


def project_of(folder: Path, text: str) -> Project:
    return read_project(write(folder, pyproject_toml=text))


def test_a_workspace_is_read_without_its_lock() -> None:
    project = sample("workspace/pyproject.toml")
    assert not project.is_locked
    assert versions(project) == {
        "click": "", "httpx": ">=0.28", "jinja2": "<4,>=3.1", "pathspec": "", "pytest": ">=8", "pytz": "",
        "pyyaml": ">=6", "sniffio": "", "tidy": "",
    }  # fmt: skip
    assert needed(project)["tidy"].url == "git+https://git.example/tidy@v0.3.0"
    assert {member.name for member in project.members} == {"shop", "shop-api", "shop-core", "legacy"}


def test_a_workspace_without_a_project_needs_what_all_members_do() -> None:
    assert versions(sample("virtual/pyproject.toml")) == {"click": "", "idna": "", "iniconfig": "", "pluggy": ""}


def test_groups_extras_and_constraints_are_uvs() -> None:
    assert versions(sample("forks/pyproject.toml")) == {
        "click": ">=8", "iniconfig": "<2.1", "packaging": "<25", "pathspec": "", "pluggy": ">=1.5", "pytest": "",
        "tomli-w": "<1.1",
    }  # fmt: skip


def test_an_override_replaces_what_it_names(tmp_path: Path) -> None:
    text = f'{APP}dependencies = ["numpy<2", "pandas[excel]"]\n[tool.uv]\noverride-dependencies = ["numpy>=2"]\n'
    assert versions(project_of(tmp_path, text)) == {"numpy": ">=2", "pandas": ""}


def test_the_index_of_a_source_is_the_one_that_it_names(tmp_path: Path) -> None:
    text = (
        f'{APP}dependencies = ["torch"]\n[tool.uv.sources]\nTorch = [{{ index = "gpu" }}]\n'
        '[[tool.uv.index]]\nname = "gpu"\nurl = "https://ann:secret@company.example/gpu/"\n'
    )
    assert needed(project_of(tmp_path, text))["torch"].index == "https://company.example/gpu"


def test_a_source_holds_where_its_marker_does_and_not_for_extras(tmp_path: Path) -> None:
    text = (
        f'{APP}dependencies = ["torch>=2"]\n[[tool.uv.index]]\nname = "arm"\nurl = "https://company.example/arm"\n'
        "[tool.uv.sources]\ntorch = [\n"
        """  { index = "arm", marker = "platform_machine == 'aarch64'" },\n"""
        """  { url = "https://files.example/torch-2.0-py3-none-any.whl", extra = "old" },\n]\n"""
    )
    project = project_of(tmp_path, text)
    here, arm = needed(project)["torch"], needed(project, platform="linux/arm64")["torch"]
    assert [(need.specifier, need.index, need.source) for need in (here, arm)] == [
        (">=2", "", "index"),
        (">=2", "https://company.example/arm", "index"),
    ]


def test_dependencies_that_the_backend_finds_are_unknown(tmp_path: Path) -> None:
    project = project_of(tmp_path, f'{APP}dynamic = ["dependencies"]\n')
    assert project.unknown == (Unknown(name="dependencies", why="pyproject.toml leaves them to the build backend"),)
    assert project.name == "my-app"


def test_poetrys_own_way_of_naming_dependencies() -> None:
    project = sample("poetry1/pyproject.toml")
    assert project.requires_python == "<4,>=3.11"
    assert versions(project) == {"click": "<9,>=8", "httpx": "<0.29,>=0.28", "packaging": "<25", "pytest": "<9,>=8"}
    assert versions(project, "3.13.5")["packaging"] == ">=25"
    assert needed(project)["httpx"].extras == ("socks",)


@pytest.mark.parametrize(
    ("written", "admitted"),
    [
        ("^1.2.3", ">=1.2.3,<2"),
        ("^0.2.3", ">=0.2.3,<0.3"),
        ("^0.0.3", ">=0.0.3,<0.0.4"),
        ("^0", ">=0,<1"),
        ("~1.2.3", ">=1.2.3,<1.3"),
        ("~1", ">=1,<2"),
        ("1.2.*", "==1.2.*"),
        ("*", ""),
        ("1.2.3", "==1.2.3"),
        ("=1.2.3", "==1.2.3"),
        (">=1.2,<3", ">=1.2,<3"),
        (">=1.2 <3", ">=1.2,<3"),
        ("~=1.4", "~=1.4"),
        (">=1,!=1.5", ">=1,!=1.5"),
        ("^1.0 || ^3.1", ">=1.0,<4"),
        ("<1 | >=2,<3", "<3"),
        ("1.1.* || 1.4.*", ">=1.1,<1.5"),
        ("1.2 || 1.4", ">=1.2,<=1.4"),
    ],
)
def test_poetrys_constraints_in_the_words_of_pep_440(written: str, admitted: str) -> None:
    assert set(filter(None, str(to_specifier(written)).split(","))) == set(filter(None, admitted.split(",")))


@pytest.mark.parametrize("written", ["^^1", "^x", ">=1 and <2", "1..2"])
def test_what_is_no_constraint_is_refused(written: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        to_specifier(written)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f'{APP}dependencies = ["numpy=>1"]\n', "project.dependencies: 'numpy=>1' is not a requirement"),
        (f"{APP}dependencies = 3\n", "project.dependencies: '3' stands where a list of texts belongs"),
        (f'{APP}[dependency-groups]\ndev = [{{ include-group = "dev" }}]\n', "the group 'dev' includes itself"),
        (f'{APP}[dependency-groups]\ndev = [{{ include-group = "x" }}]\n', "there is no group 'x'"),
        (
            '[tool.poetry]\nname="a"\n[tool.poetry.dependencies]\na = "^^1"\n',
            "tool.poetry.dependencies.a: '^^1' is not",
        ),
        (
            f'{APP}dependencies=["b"]\n[tool.uv.sources]\nb = {{ path = "b", marker = "(" }}\n',
            "tool.uv.sources.b.marker: ",
        ),
        ("project = [\n", "pyproject.toml:1: this is not TOML"),
        (f'{APP}\nname = "b"\n', "pyproject.toml:4: this is not TOML"),
        (f"{APP}x = " + "[" * 20_000, "it nests too deep"),
    ],
)
def test_what_is_wrong_is_refused_with_its_place(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ProjectError) as caught:
        project_of(tmp_path, text)
    assert said in caught.value.message
    assert caught.value.next_step
