"""uv.lock, as uv writes it: read as uv itself exports it, for every environment."""

from pathlib import Path

import pytest
from tests.projects.samples import ENVIRONMENTS, FOLDER, HERE, needed, sample, versions

from warmbase.downstream.projects.model import Environment, Member, Project
from warmbase.downstream.projects.read import read_project
from warmbase.errors import ProjectError

SMALLEST = """version = 1
requires-python = ">=3.11"

[[package]]
name = "app"
version = "1.0"
source = { virtual = "." }
dependencies = [
    { name = "numpy" },
]

[[package]]
name = "numpy"
version = "2.2.0"
source = { registry = "https://index.example/simple" }
"""


def lock_with(folder: Path, old: str, new: str) -> Path:
    (folder / "uv.lock").write_text(SMALLEST.replace(old, new), encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    ("place", "exported"),
    [
        ("workspace", "workspace/exported.txt"),
        ("workspace/packages/api", "workspace/exported-api.txt"),
        ("forks", "forks/exported.txt"),
        ("virtual", "virtual/exported.txt"),
    ],
)
@pytest.mark.parametrize("environment", ENVIRONMENTS, ids=lambda one: f"{one.python}-{one.platform}")
def test_what_uv_exports_from_a_lock_is_what_is_needed(place: str, exported: str, environment: Environment) -> None:
    found = {need.name: need.version for need in sample(place).needs(environment)}
    expected = {need.name: need.version for need in sample(exported).needs(environment)}
    assert found.keys() == expected.keys()
    assert {name: version for name, version in expected.items() if version}.items() <= found.items()


def test_a_pylock_that_uv_exports_needs_the_same_files() -> None:
    lock, pylock = sample("workspace"), sample("workspace/pylock.toml")
    for environment in ENVIRONMENTS:
        hashes = [
            {need.name: (need.version, {file.sha256 for file in need.files}) for need in project.needs(environment)}
            for project in (lock, pylock)
        ]
        assert hashes[0] == hashes[1]


def test_a_lock_says_what_is_known_of_each_package() -> None:
    project = sample("workspace")
    assert (project.kind, project.name, project.is_locked) == ("uv.lock", "shop", True)
    assert (project.requires_python, project.python) == (">=3.12, <3.15", "3.12")
    pyyaml = needed(project)["pyyaml"]
    wheel = next(file for file in pyyaml.files if "cp312-manylinux2014_x86_64" in file.name)
    assert pyyaml.index == "https://index.example/simple"
    assert wheel.url.startswith("https://files.example/")
    assert len(wheel.sha256) == 64
    assert 100_000 < wheel.size < 2_000_000
    assert pyyaml.files[-1].name == "pyyaml-6.0.3.tar.gz"


def test_files_for_other_systems_are_left_out() -> None:
    names = [file.name for file in needed(sample("workspace"))["pyyaml"].files]
    assert not [name for name in names if "macosx" in name or "win_amd64" in name]


def test_where_a_package_comes_from() -> None:
    found = needed(sample("workspace"))
    assert (found["tidy"].source, found["tidy"].url.partition("?")[0]) == ("git", "git+https://git.example/tidy")
    assert found["sniffio"].source == "url"
    assert found["sniffio"].files[0].name == "sniffio-1.3.1-py3-none-any.whl"
    assert found["iniconfig"].index == "https://company.example/simple"
    assert found["httpx"].extras == ("socks",)


def test_the_packages_that_a_workspace_builds_are_its_members() -> None:
    members = [(member.name, member.folder, member.backend) for member in sample("workspace").members]
    assert members == [
        ("legacy", "vendored/legacy", ("setuptools>=70",)),
        ("shop", ".", ("hatchling>=1.26",)),
        ("shop-api", "packages/api", ("setuptools>=70",)),
        ("shop-core", "packages/core", ("uv_build>=0.8,<1",)),
    ]


def test_a_member_of_a_workspace_needs_its_own_and_not_the_workspaces_groups() -> None:
    project = sample("workspace/packages/api")
    assert project.path == (FOLDER / "workspace/uv.lock").resolve()
    assert project.name == "shop-api"
    assert "starlette" in versions(project)
    assert not {"pytest", "jinja2"} & versions(project).keys()


def test_a_fork_of_a_lock_is_followed_where_it_holds() -> None:
    assert versions(sample("forks"), "3.12.1")["packaging"] == "24.2"
    assert versions(sample("forks"), "3.13.5")["packaging"] == "26.3"


def test_what_a_group_asks_of_conflicting_extras_decides_versions() -> None:
    """The group dev, installed by default, asks for the extra gpu, which asks for a newer pluggy than cpu."""
    assert versions(sample("forks"))["pluggy"] == "1.7.0"


def test_all_members_of_a_workspace_without_a_project_are_needed() -> None:
    project = sample("virtual")
    assert project.name == "virtual"
    assert [member.name for member in project.members] == ["one", "two"]
    assert versions(project) == {"click": "8.5.1", "idna": "3.20", "iniconfig": "2.3.1", "pluggy": "1.7.0"}


def test_a_lock_in_another_form_of_toml_is_read_as_well(tmp_path: Path) -> None:
    text = (FOLDER / "workspace/uv.lock").read_text(encoding="utf-8")
    (tmp_path / "uv.lock").write_text(text.replace("version = 1", "version = 1 # '''", 1), encoding="utf-8")
    as_toml, by_lines = read_project(tmp_path), sample("workspace")
    (tmp_path / "uv.lock").write_text(text.replace("    { url = ", "    {url = "), encoding="utf-8")
    assert as_toml.needs(HERE) == read_project(tmp_path).needs(HERE)
    default = {
        need.name for need in as_toml.needs(HERE)
    }  # without its pyproject.toml a project has the group dev alone
    assert [need for need in by_lines.needs(HERE) if need.name in default] == list(as_toml.needs(HERE))


def test_default_groups_are_those_of_the_settings(tmp_path: Path) -> None:
    for name in ("uv.lock", "pyproject.toml"):
        text = (FOLDER / "forks" / name).read_text(encoding="utf-8")
        (tmp_path / name).write_text(text.replace('["dev", "test"]', "[]"), encoding="utf-8")
    assert not {"pytest", "tomli-w"} & versions(read_project(tmp_path)).keys()


def test_a_lock_alone_is_a_project(tmp_path: Path) -> None:
    project = read_project(lock_with(tmp_path, "", ""))
    assert versions(project) == {"numpy": "2.2.0"}
    assert project.members == (Member(name="app"),)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("version = 1", "version = 2", "version 2 of the format is not known, only 1"),
        ('name = "numpy" }', 'name = "scipy" }', "package[0].dependencies[0]: there is no package 'scipy'"),
        ('name = "app"', "name = 3", "package[0].name: '3' stands where a text belongs"),
        ('"2.2.0"', "[1]", "package[1].version: a list stands where a text belongs"),
        ('{ registry = "https://index.example/simple" }', '"x"', "package[1].source: 'x' stands where a table belongs"),
        ('{ name = "numpy" }', '"numpy"', "package[0].dependencies: a list stands where a list of tables belongs"),
        ('{ name = "numpy" }', '{ name = "numpy", marker = "os" }', "a marker cannot be asked"),
    ],
)
def test_a_damaged_lock_is_refused_with_its_place(tmp_path: Path, old: str, new: str, said: str) -> None:
    with pytest.raises(ProjectError) as caught:
        _ask(read_project(lock_with(tmp_path, old, new)))
    assert str(tmp_path / "uv.lock") in caught.value.message
    assert said in caught.value.message
    assert "`uv lock`" in caught.value.next_step


def _ask(project: Project) -> None:
    project.needs(HERE)
