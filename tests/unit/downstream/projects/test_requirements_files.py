"""Requirements files, as tools write them and as people do."""

from pathlib import Path

import pytest
from tests.projects.samples import FOLDER, needed, sample, versions, write

from warmbase.downstream.projects.model import Unknown
from warmbase.downstream.projects.read import read_project
from warmbase.errors import ProjectError

HASH = "0123456789abcdef" * 4


def test_what_uv_compiles_with_hashes_is_locked() -> None:
    project = sample("pip/requirements.txt")
    assert project.is_locked
    assert versions(project)["click"] == "8.5.1"
    assert [len(file.sha256) for file in needed(project)["click"].files] == [64, 64]


def test_an_export_with_what_is_exact_by_its_address_is_locked() -> None:
    assert sample("workspace/requirements.txt").is_locked


def test_versions_without_hashes_are_not_locked(tmp_path: Path) -> None:
    project = read_project(write(tmp_path, requirements_txt="numpy==1.26.4\n"))
    assert not project.is_locked
    assert versions(project) == {"numpy": "1.26.4"}
    assert needed(project)["numpy"].files == ()


def test_one_range_among_hashes_is_not_locked(tmp_path: Path) -> None:
    text = f"numpy==1.26.4 --hash=sha256:{HASH}\npandas>=2\n"
    assert not read_project(write(tmp_path, requirements_txt=text)).is_locked


def test_what_people_write_is_read() -> None:
    project = sample("byhand")
    assert versions(project) == {
        "lonely": "",
        "numpy": "1.26.4",
        "other-thing": "",
        "pandas": "<3,>=2.2",
        "polars": "<2,>=1.0",
        "requests": "<2.32,>=2",
        "sqlalchemy": "~=2.0",
        "tidy": "",
    }
    assert needed(project)["pandas"].extras == ("excel",)
    assert needed(project)["tidy"].url == "git+https://git.example/tidy@v0.3.0"
    assert project.unknown == (
        Unknown(name="./vendored", why="there is no Python package in this folder"),
        Unknown(name="https://files.example/archive/main.zip", why="its address does not say which package it is"),
    )


def test_no_login_of_an_index_is_kept() -> None:
    assert needed(sample("byhand"))["pandas"].index == "https://company.example/simple"
    assert "secret" not in repr(sample("byhand").needs)


def test_a_member_brings_its_own_dependencies(tmp_path: Path) -> None:
    project = '[project]\nname = "app"\nrequires-python = ">=3.12"\ndependencies = ["numpy>=2"]\n'
    extra = '[project.optional-dependencies]\nplot = ["matplotlib"]\n'
    write(tmp_path, requirements_txt="-e .[plot]\nnumpy<3\n", pyproject_toml=project + extra)
    found = read_project(tmp_path)
    assert (found.name, found.requires_python) == ("app", ">=3.12")
    assert [member.folder for member in found.members] == ["."]
    assert versions(found) == {"matplotlib": "", "numpy": "<3,>=2"}


def test_a_hash_of_another_kind_says_nothing(tmp_path: Path) -> None:
    write(tmp_path, requirements_txt=f"a==1 --hash=md5:{HASH[:32]} --hash=sha256:{HASH}\n")
    assert [file.sha256 for file in needed(read_project(tmp_path))["a"].files] == [HASH]


def test_what_powershell_writes_is_read(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("numpy==1.26.4\r\n", encoding="utf-16")
    assert versions(read_project(tmp_path)) == {"numpy": "1.26.4"}


def test_a_file_at_an_address_is_listed_and_not_fetched(tmp_path: Path) -> None:
    write(tmp_path, requirements_txt="-r https://ann:secret@files.example/base.txt\nnumpy\n")
    (unknown,) = read_project(tmp_path).unknown
    assert (unknown.name, unknown.why) == ("https://***@files.example/base.txt", "a file at an address is not read")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("numpy\n\nnumpy=>1\n", "requirements.txt:3: 'numpy=>1' is not a requirement"),
        ("a \\\n ,b\n", "requirements.txt:1: 'a   ,b' is not a requirement"),
        ("-r missing.txt\n", "requirements.txt:1: there is no file "),
        ("a; sys_platform ~= 'x'\n", "requirements.txt:1: 'a; sys_platform ~= 'x'' is not a requirement"),
        ("a" * 5000 + "\n", "it has more than 4,000 characters"),
        ("a; " + "(" * 3000 + "\n", "is not a requirement"),
        ("a @ https://ann:secret@files.example/a.whl ; (\n", "https://***@files.example"),
    ],
)
def test_a_wrong_line_is_refused_with_its_number(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ProjectError) as caught:
        read_project(write(tmp_path, requirements_txt=text))
    assert said in caught.value.message
    assert "secret" not in str(caught.value)
    assert caught.value.next_step


def test_a_file_that_is_not_utf8_is_refused_with_the_line(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_bytes(b"numpy\n# caf\xe9\n")
    with pytest.raises(ProjectError, match=r"requirements\.txt:2: byte 0xe9 is not UTF-8"):
        read_project(tmp_path)


def test_files_that_name_each_other_are_read_once() -> None:
    assert "-r requirements.txt" in (FOLDER / "byhand/base.txt").read_text(encoding="utf-8")
    assert len(sample("byhand/base.txt").unknown) == 2
