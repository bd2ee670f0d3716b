"""pylock.toml, poetry.lock and Pipfile.lock, as their tools write them."""

from pathlib import Path

import pytest
from tests.projects.samples import FOLDER, HERE, needed, sample, versions, write

from warmbase.downstream.projects.environment import environment_of
from warmbase.downstream.projects.read import read_project
from warmbase.errors import ProjectError

IN_EVERY_LEDGER = {
    "anyio": "4.16.0", "certifi": "2026.10.18", "click": "8.5.1", "h11": "0.16.0", "httpcore": "1.0.9",
    "httpx": "0.28.1", "idna": "3.20", "iniconfig": "2.3.1", "pluggy": "1.7.0", "pygments": "2.21.0",
    "pytest": "8.4.2", "socksio": "1.0.0", "typing-extensions": "4.16.0",
}  # fmt: skip


def copied(name: str, folder: Path, *left_out: str) -> Path:
    for path in (FOLDER / name).iterdir():
        if path.is_file() and path.name not in left_out:
            (folder / path.name).write_text(path.read_text(encoding="utf-8"), encoding="utf-8")
    return folder


def test_what_pip_locks_is_read() -> None:
    project = sample("piplock")
    assert (project.kind, project.is_locked) == ("pylock.toml", True)
    click = needed(project)["click"]
    assert (click.version, click.files[0].name) == ("8.5.1", "click-8.5.1-py3-none-any.whl")
    assert len(click.files[0].sha256) == 64


def test_a_pylock_has_groups_and_extras(tmp_path: Path) -> None:
    packages = "".join(
        f'[[packages]]\nname = "{name}"\nversion = "1"\nmarker = "{marker}"\n'
        for name, marker in {
            "dev": "'dev' in dependency_groups",
            "docs": "'docs' in dependency_groups",
            "plain": "'plot' not in extras and python_version < '3.13'",
            "plot": "'plot' in extras",
        }.items()
    )
    write(tmp_path, pylock_toml=f'lock-version = "1.0"\ndefault-groups = ["dev"]\n{packages}')
    assert versions(read_project(tmp_path)).keys() == {"dev", "plain"}
    assert versions(read_project(tmp_path), "3.13.5").keys() == {"dev"}


def test_poetry_2_installs_its_main_and_mandatory_groups() -> None:
    project = sample("poetry2")
    assert (project.kind, project.name, project.requires_python) == ("poetry.lock", "ledger", "<4.0,>=3.11")
    assert versions(project) == IN_EVERY_LEDGER | {"packaging": "26.3"}
    assert versions(project, "3.11.9") == IN_EVERY_LEDGER | {"packaging": "26.3", "tomli-w": "1.2.0"}
    assert [(member.name, member.folder) for member in project.members] == [("ledger", "."), ("util", "libs/util")]
    assert needed(project)["click"].index == "https://index.example/simple"


def test_poetry_1_is_walked_from_its_pyproject() -> None:
    project = sample("poetry1")
    assert project.requires_python == "<4,>=3.11"
    assert versions(project) == IN_EVERY_LEDGER | {"packaging": "24.2"}
    assert versions(project, "3.13.5") == IN_EVERY_LEDGER | {"packaging": "26.3"}
    assert [file.name for file in needed(project)["click"].files] == [
        "click-8.5.1-py3-none-any.whl",
        "click-8.5.1.tar.gz",
    ]


def test_a_lock_of_poetry_1_alone_needs_all_that_is_not_optional(tmp_path: Path) -> None:
    names = {need.name for need in read_project(copied("poetry1", tmp_path, "pyproject.toml")).needs(HERE)}
    assert names >= IN_EVERY_LEDGER.keys() | {"tzdata", "colorama"}
    assert "cycler" not in names


def test_a_lock_of_poetry_2_alone_needs_every_group(tmp_path: Path) -> None:
    names = {need.name for need in read_project(copied("poetry2", tmp_path, "pyproject.toml")).needs(HERE)}
    assert names >= IN_EVERY_LEDGER.keys() | {"tzdata"}
    assert not {"cycler", "colorama"} & names


def test_the_files_of_an_old_poetry_lock_stand_at_its_end(tmp_path: Path) -> None:
    sha256 = "ab" * 32
    text = (
        '[[package]]\nname = "idna"\nversion = "3.4"\noptional = false\n'
        '[metadata]\nlock-version = "1.1"\npython-versions = "*"\n'
        f'[metadata.files]\nidna = [\n    {{file = "idna-3.4-py3-none-any.whl", hash = "sha256:{sha256}"}},\n]\n'
    )
    project = read_project(write(tmp_path, poetry_lock=text))
    assert project.requires_python == ""
    assert [(file.name, file.sha256) for file in needed(project)["idna"].files] == [
        ("idna-3.4-py3-none-any.whl", sha256)
    ]


def test_what_pipenv_locks_is_needed_without_its_development_packages() -> None:
    project = sample("pipenv")
    assert (project.kind, project.requires_python, project.is_locked) == ("Pipfile.lock", "==3.11.*", True)
    found = needed(project)
    assert "pytest" not in found
    assert (found["pyyaml"].version, found["pyyaml"].index) == ("6.0.2", "https://index.example/simple")
    assert {len(file.sha256) for file in found["pyyaml"].files} == {64}
    assert found["httpx"].extras == ("socks",)
    assert (found["tidy"].source, found["tidy"].url[:32]) == ("git", "git+https://git.example/tidy@38c")


@pytest.mark.parametrize(
    ("name", "old", "new", "said"),
    [
        ("poetry2/poetry.lock", 'name = "anyio"', "name = []", "package[0].name: an empty list stands where a text"),
        (
            "poetry2/poetry.lock",
            'python-versions = ">=3.11,<4.0"',
            'python-versions = "^^"',
            "metadata.python-versions",
        ),
        ("poetry2/poetry.lock", 'sys_platform == \\"win32\\"', "(", "a marker cannot be asked"),
        ("piplock/pylock.toml", 'lock-version = "1.0"', 'lock-version = "2.0"', "lock-version: the version '2.0'"),
        ("pipenv/Pipfile.lock", '"==4.16.0"', '"4,,"', "default.anyio: "),
        ("pipenv/Pipfile.lock", '"version": "==4.16.0"', '"version": ]', "Pipfile.lock:"),
        (
            "pipenv/Pipfile.lock",
            '"hashes": [',
            '"hashes": [3,',
            "default.anyio.hashes: a list stands where a list of texts",
        ),
    ],
)
def test_a_damaged_lock_is_refused_with_its_place(tmp_path: Path, name: str, old: str, new: str, said: str) -> None:
    text = (FOLDER / name).read_text(encoding="utf-8")
    assert old in text
    path = tmp_path / Path(name).name
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(ProjectError) as caught:
        read_project(path).needs(environment_of("3.12.1", "linux/amd64"))
    assert f"{path}" in caught.value.message
    assert said in caught.value.message
    assert "anew" in caught.value.next_step
