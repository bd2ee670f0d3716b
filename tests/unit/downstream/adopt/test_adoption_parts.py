"""The parts of an adoption: how a project starts, what a build leaves out, what is exported, writing files."""

from pathlib import Path

import pytest
from tests.needing import locked, project, wanted

from warmbase.downstream.adopt.exporting import export_requirements
from warmbase.downstream.adopt.folder import apply_changes, name_within, read_files
from warmbase.downstream.adopt.ignoring import complete_ignored
from warmbase.downstream.adopt.model import Change, ProjectFiles
from warmbase.downstream.adopt.starting import find_start
from warmbase.downstream.adopt.writing import requirements_recipe
from warmbase.downstream.projects.model import Need, NeededFile
from warmbase.errors import ProjectError

STARTS: dict[str, tuple[dict[str, str], set[str], str]] = {
    "its only script": ({"pyproject.toml": '[project.scripts]\ngreet = "a:b"'}, set(), "greet"),
    "the script of its name": ({"pyproject.toml": '[project.scripts]\nother = "a:b"\napp = "a:c"'}, set(), "app"),
    "several scripts": ({"pyproject.toml": '[project.scripts]\none = "a:b"\ntwo = "a:c"'}, set(), ""),
    "FastAPI": (
        {"src/app/main.py": "x = 1\nservice: FastAPI = FastAPI(debug=True)\n"}, {"fastapi", "uvicorn"},
        "uvicorn app.main:service --host 0.0.0.0 --port 8000",
    ),
    "FastAPI without a server": ({"main.py": "app = FastAPI()\n"}, {"fastapi"}, "python main.py"),
    "Flask with gunicorn": (
        {"wsgi.py": "app = Flask(__name__)\n"}, {"flask", "gunicorn"}, "gunicorn --bind 0.0.0.0:8000 wsgi:app",
    ),
    "Flask": ({"app.py": "app = Flask(__name__)\n"}, {"flask"}, "flask --app app:app run --host 0.0.0.0 --port 8000"),
    "Streamlit": ({"app.py": "import streamlit"}, {"streamlit"}, "streamlit run app.py --server.address=0.0.0.0"),
    "Django": ({"manage.py": ""}, {"django"}, "python manage.py runserver 0.0.0.0:8000"),
    "a package with __main__": ({"src/app/__main__.py": ""}, set(), "python -m app"),
    "main.py": ({"main.py": "print()"}, set(), "python main.py"),
    "a notebook": (
        {"notebooks/a.ipynb": "{}"}, {"jupyterlab", "jupyter-server"},
        "jupyter lab --ip=0.0.0.0 --no-browser --allow-root",
    ),
    "nothing that says it": ({"library.py": "", "pyproject.toml": "broken ["}, {"fastapi"}, ""),
}  # fmt: skip


@pytest.mark.parametrize("name", STARTS)
def test_a_project_starts_as_its_files_say(name: str) -> None:
    texts, needed, words = STARTS[name]
    start = find_start(ProjectFiles(texts=texts, names=frozenset(texts)), "app", needed)
    assert " ".join(start.words if start else ()) == words


def test_a_script_is_its_own_start() -> None:
    start = find_start(ProjectFiles(texts={"main.py": ""}, names=frozenset({"main.py"})), "app", (), "report.py")
    assert start
    assert start.words == ("python", "report.py")


def test_a_build_is_not_sent_what_it_does_not_need() -> None:
    lines = complete_ignored(None, ["uv.lock"]).splitlines()
    assert {".git", "**/.venv", "**/__pycache__"} <= set(lines)
    assert complete_ignored("".join(f"{line}\n" for line in lines), ["uv.lock"]).splitlines() == lines


def test_patterns_that_are_there_count_and_stay_first() -> None:
    old = "# ours\n.venv/\n!keep\n*.py[co]\n.*_cache"
    new = complete_ignored(old, [])
    assert new.startswith(f"{old}\n")
    assert "venv" not in new.removeprefix(old)
    assert "ruff" not in new.removeprefix(old)


def test_what_the_build_needs_is_sent_after_all() -> None:
    new = complete_ignored("*\n!src\n", ["uv.lock", "pyproject.toml"])
    assert new.endswith("!pyproject.toml\n!uv.lock\n")
    assert complete_ignored(new, ["uv.lock", "pyproject.toml"]) == new


def test_the_history_is_sent_where_versions_come_from_it() -> None:
    assert ".git\n" not in complete_ignored(None, [], keeps_git=True)


def test_what_is_exported_has_hashes_where_all_have_them() -> None:
    needs = [locked("numpy", "2.3.4"), locked("pandas", "2.2.3", extras=("excel",))]
    text = export_requirements(project(needs, kind="poetry.lock"), needs)
    (file,) = needs[1].files
    assert f"pandas[excel]==2.2.3 \\\n    --hash=sha256:{file.sha256}\n" in text
    needs = [*needs, wanted("requests", ">=2"), Need(name="x", source="git", url="git+https://git.example/x@1")]
    text = export_requirements(project(needs, kind="environment.yml"), needs)
    assert text.splitlines()[1:] == [
        "numpy==2.3.4", "pandas[excel]==2.2.3", "requests>=2", "x @ git+https://git.example/x@1",
    ]  # fmt: skip


def test_a_hash_is_one_of_any_file() -> None:
    need = Need(
        name="a", version="1", files=(NeededFile(name="", sha256="b" * 64), NeededFile(name="", sha256="a" * 64))
    )
    text = export_requirements(project([need], kind="Pipfile.lock"), [need])
    assert text.endswith(f"a==1 \\\n    --hash=sha256:{'a' * 64} \\\n    --hash=sha256:{'b' * 64}\n")


def test_a_requirements_file_brings_what_it_includes() -> None:
    recipe = requirements_recipe(
        "requirements.txt", "-r base.txt\n-c https://a.example/c.txt\n--constraint=pins/c.txt\na\n"
    )
    assert recipe.files == ("requirements.txt", "base.txt", "pins/c.txt")
    assert not recipe.needs_all
    assert requirements_recipe("requirements.txt", "-e .\n").needs_all
    assert requirements_recipe("requirements.txt", "./libs/a\n").needs_all


def test_changes_are_written_together(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"old\r\n")
    (tmp_path / "a").chmod(0o755)
    changes = [Change(path="a", old="old\r\n", new="new\r\n"), Change(path="b/c", old=None, new="there\n")]
    apply_changes(tmp_path, changes)
    assert (tmp_path / "a").read_bytes() == b"new\r\n"
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o755
    assert (tmp_path / "b" / "c").read_text() == "there\n"


def test_nothing_is_written_where_a_file_has_changed_meanwhile(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("old")
    (tmp_path / "b").write_text("mine")
    changes = [Change(path="a", old="old", new="new"), Change(path="b", old="theirs", new="new")]
    with pytest.raises(ProjectError, match="has changed meanwhile"):
        apply_changes(tmp_path, changes)
    assert (tmp_path / "a").read_text() == "old"


def test_nothing_is_written_where_one_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("old")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "file").touch()
    changes = [Change(path="a", old="old", new="new"), Change(path="new", old=None, new="x")]
    (tmp_path / "new").symlink_to(tmp_path / "folder")
    with pytest.raises(ProjectError, match="is a link"):
        apply_changes(tmp_path, changes)
    changes[1] = Change(path="a/below", old=None, new="x")
    with pytest.raises(OSError, match="a"):
        apply_changes(tmp_path, changes)
    assert (tmp_path / "a").read_text() == "old"
    assert not list(tmp_path.glob(".new-*"))


@pytest.mark.parametrize("after", [1, 2])
def test_an_interruption_puts_everything_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: int) -> None:
    (tmp_path / "a").write_text("old")
    replace, count = Path.replace, 0

    def interrupted(path: Path, target: Path) -> Path:
        nonlocal count
        count += 1
        done = replace(path, target)
        if count == after:
            raise KeyboardInterrupt
        return done

    monkeypatch.setattr(Path, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        apply_changes(tmp_path, [Change(path="a", old="old", new="new"), Change(path="b", old=None, new="x")])
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"a": "old"}


def test_a_file_outside_of_the_folder_is_never_written(tmp_path: Path) -> None:
    (tmp_path / "project").mkdir()
    with pytest.raises(ProjectError, match="link"):
        apply_changes(tmp_path / "project", [Change(path="../b", old=None, new="x")])
    assert not (tmp_path / "b").exists()


def test_a_dockerfile_outside_of_the_project_is_refused_before_anything_is_shown(tmp_path: Path) -> None:
    folder = tmp_path / "svc"
    folder.mkdir()
    with pytest.raises(ProjectError, match="outside"):
        name_within(folder, "../docker/Dockerfile")
    assert name_within(folder, str(folder / "docker" / "Dockerfile")) == "docker/Dockerfile"
    assert name_within(folder, "./a/../Dockerfile") == "Dockerfile"


def test_what_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_bytes(b"\xff\xfe")
    with pytest.raises(ProjectError, match="is not a text"):
        read_files(tmp_path, "Dockerfile", "uv.lock")


def test_a_folder_is_no_dockerfile(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").mkdir()
    with pytest.raises(ProjectError, match="Dockerfile is a folder") as refused:
        read_files(tmp_path, "Dockerfile", "uv.lock")
    assert "--dockerfile" in refused.value.next_step


def test_environments_and_hidden_folders_are_not_looked_into(tmp_path: Path) -> None:
    for path in ("app/main.py", "env/pyvenv.cfg", "env/x.py", ".git/y.py", "node_modules/z.py", "a/b/c/d/deep.py"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    assert read_files(tmp_path, "Dockerfile", "uv.lock").names == {"app/main.py"}
