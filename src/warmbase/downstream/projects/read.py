"""Reading a project: which file of a folder describes it, and the reader of each format.

Of a folder the first of these is read, for the most exact answer:

| file | written by |
| --- | --- |
| `uv.lock` (also that of the workspace that the folder is a member of) | `uv lock` |
| `pylock.toml`, or the only `pylock.*.toml` | PEP 751: `uv export`, `pip lock` |
| `poetry.lock` | `poetry lock` |
| `Pipfile.lock` | `pipenv lock` |
| `requirements.txt` | people, `uv pip compile`, `pip freeze` |
| `environment.yml`, `environment.yaml` | people, `conda env export` |
| `pyproject.toml` with a project in it | people |
| the only `requirements*.txt`, or else the only `requirements*.in` | people |

A file may also be given by itself: any of these, whatever stands around its format's name (`requirements-gpu.txt`,
`environment-dev.yml`), or a script with a block of PEP 723 (its `.py.lock` counts where it has one).
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from fnmatch import fnmatch
from pathlib import Path

from warmbase.catalog.problems import list_words
from warmbase.downstream.projects.direct import direct_names
from warmbase.downstream.projects.document import Origin, is_file, is_folder, is_there
from warmbase.downstream.projects.model import Project
from warmbase.downstream.projects.pyproject import FILE as PYPROJECT
from warmbase.downstream.projects.pyproject import names_dependencies, open_pyproject, project_name
from warmbase.downstream.projects.requirements import read_requirements
from warmbase.downstream.projects.script import read_script
from warmbase.downstream.projects.uvlock import read_as_member, read_uv_lock
from warmbase.downstream.projects.workspace import read_pyproject
from warmbase.errors import ProjectError

PYTHON_VERSION = ".python-version"


def read_project(path: Path) -> Project:
    """The project in a folder, or as one file describes it. Raises ProjectError; so does what it needs, where a marker
    turns out to be wrong only when it is asked."""
    project = _read_folder(path) if is_folder(path) else _read_file(path)
    python = _asked_python(path if is_folder(path) else path.parent, project.folder)
    return replace(project, python=python, direct=direct_names(project))


def _read_folder(folder: Path) -> Project:
    for lock in _present(folder, "uv.lock"):
        return read_uv_lock(lock)
    project = _read_in_workspace(folder)
    file = next(_candidates(folder), None) if project is None else None
    if project is None and file is None:
        raise ProjectError(
            f"{folder}: there is no project here, for no file says what it needs", next_step=_what_helps(folder)
        )
    return project or _read_file(file or folder)


def _what_helps(folder: Path) -> str:
    """What makes a folder readable, by what is in it."""
    for name, advice in _NEARLY.items():
        if is_file(folder / name):
            return f"{name} is read by other tools: {advice}"
    scripts = sorted(path.name for path in folder.glob("*.py"))
    if len(scripts) == 1:
        return f"give the path of the script, {folder / scripts[0]}, if it says what it needs (PEP 723)"
    return f"give the path of a project's folder, or of the file that names its packages: {_KNOWN}"


def _read_in_workspace(folder: Path) -> Project | None:
    """The project in a folder as a member of the workspace around it; None where it is in none."""
    lock = next((parent / "uv.lock" for parent in folder.resolve().parents if is_file(parent / "uv.lock")), None)
    pyproject = open_pyproject(folder) if lock else None
    return read_as_member(lock, project_name(pyproject)) if lock and pyproject else None


def _candidates(folder: Path) -> Iterator[Path]:
    """The files of a folder that may describe its project, the best first; later ones are not looked for in vain."""
    yield from _present(folder, "pylock.toml")
    yield from _alone(folder, "pylock.*.toml")
    yield from _present(
        folder, "poetry.lock", "Pipfile.lock", "requirements.txt", "environment.yml", "environment.yaml"
    )
    pyproject = open_pyproject(folder)
    if pyproject is not None and names_dependencies(pyproject):
        yield folder / PYPROJECT
    yield from _alone(folder, "requirements*.txt")
    yield from _alone(folder, "requirements*.in")


def _present(folder: Path, *names: str) -> Iterator[Path]:
    return (folder / name for name in names if is_file(folder / name))


def _alone(folder: Path, pattern: str) -> Iterator[Path]:
    found = sorted(folder.glob(pattern))
    if len(found) > 1:
        raise ProjectError(
            f"{folder}: {list_words(path.name for path in found)} may all describe the project",
            next_step=f"give the path of one of them, e.g. {found[0]}",
        )
    yield from found


def _read_file(path: Path) -> Project:
    """The project as one file describes it, in the format that its name says."""
    if not is_file(path):
        message = f"{path} is no file" if is_there(path) else f"there is no {path}"
        raise ProjectError(message, next_step="see that the path is right; without one the current folder is read")
    for pattern, reader in _READERS.items():
        if fnmatch(path.name, pattern):
            return reader(path)
    raise ProjectError(
        f"{path}: it is not known how to read what a project needs from a file of this name",
        next_step=f"give the path of one of these: {_KNOWN}",
    )


def _read_pylock(path: Path) -> Project:
    from warmbase.downstream.projects.pylock import read_pylock

    return read_pylock(path)


def _read_poetry_lock(path: Path) -> Project:
    from warmbase.downstream.projects.poetry import read_poetry_lock

    return read_poetry_lock(path)


def _read_pipfile_lock(path: Path) -> Project:
    from warmbase.downstream.projects.pipfile import read_pipfile_lock

    return read_pipfile_lock(path)


def _read_conda(path: Path) -> Project:
    from warmbase.downstream.projects.conda import read_conda

    return read_conda(path)


_READERS: Mapping[str, Callable[[Path], Project]] = {
    "*.py": read_script,
    "*.py.lock": lambda path: read_script(path.with_suffix("")),
    "uv.lock": read_uv_lock,
    "pylock*.toml": _read_pylock,
    "poetry.lock": _read_poetry_lock,
    "Pipfile.lock": _read_pipfile_lock,
    PYPROJECT: read_pyproject,
    "*.yml": _read_conda,
    "*.yaml": _read_conda,
    "*.txt": read_requirements,
    "*.in": read_requirements,
}
_NEARLY: Mapping[str, str] = {
    "Pipfile": "run `pipenv lock`",
    "setup.py": "run `uv pip compile setup.py --output-file requirements.txt`",
    "setup.cfg": "run `uv pip compile setup.cfg --output-file requirements.txt`",
}
_KNOWN = "uv.lock, pylock.toml, poetry.lock, Pipfile.lock, requirements.txt, environment.yml, pyproject.toml, script.py"


def _asked_python(*folders: Path) -> str:
    """The first request for a Python in the `.python-version` of the first of some folders that has one, "" if none."""
    for folder in folders:
        path = folder / PYTHON_VERSION
        if is_file(path):
            text = Origin(path=path, remedy=f"write a version such as 3.13 into {PYTHON_VERSION}").read_text()
            lines = (line.strip() for line in text.splitlines())
            return next((line for line in lines if line and not line.startswith("#")), "")
    return ""
