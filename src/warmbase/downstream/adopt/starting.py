"""How a project starts, as far as its files say it: the CMD of a Dockerfile that is written for it. Pure."""

import re
import tomllib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from warmbase.downstream.adopt.model import ProjectFiles

_APPLICATION = re.compile(r"^(\w+)(?:\s*:\s*[\w.]+)?\s*=\s*(FastAPI|Starlette|Flask|Quart)\(", re.MULTILINE)
_USUAL = ("main.py", "app.py", "server.py", "wsgi.py", "asgi.py", "api.py")
_PORT = 8000


@dataclass(frozen=True, kw_only=True, slots=True)
class Start:
    """The words of a start, and the port that it listens on (0 none)."""

    words: tuple[str, ...]
    port: int = 0


def find_start(files: ProjectFiles, name: str, needed: Collection[str], script: str = "") -> Start | None:
    """How the project `name`, which needs the packages `needed`, starts; None where its files do not say.

    A single file with a script's dependencies is its own start. Else, in this order: a script of `[project.scripts]`,
    a web application that is made in one of the usual files, Django's manage.py, a package's `__main__`, main.py, and
    a Jupyter server for notebooks.
    """
    if script:
        return Start(words=("python", script))
    return next(iter(_candidates(files, name, needed)), None)


def _candidates(files: ProjectFiles, name: str, needed: Collection[str]) -> Iterator[Start]:
    scripts = _scripts(files.texts.get("pyproject.toml", ""))
    chosen = name if name in scripts else next(iter(scripts), "") if len(scripts) == 1 else ""
    if chosen:
        yield Start(words=(chosen,))
    for path, text in sorted(files.texts.items(), key=lambda item: (item[0].count("/"), _rank(item[0]), item[0])):
        found = _APPLICATION.search(text) if path.endswith(".py") else None
        if found:
            yield from _server(_module(path), found[1], found[2], needed)
    if "streamlit" in needed:
        for path in _present(files, "streamlit_app.py", "app.py", "main.py"):
            yield Start(words=("streamlit", "run", path, "--server.address=0.0.0.0"), port=8501)
    if "django" in needed and "manage.py" in files.names:
        yield Start(words=("python", "manage.py", "runserver", f"0.0.0.0:{_PORT}"), port=_PORT)
    module = re.sub(r"[-.]+", "_", name)
    for folder in (module, f"src/{module}"):
        if f"{folder}/__main__.py" in files.names:
            yield Start(words=("python", "-m", module))
    for path in _present(files, "main.py", "app.py", "run.py"):
        yield Start(words=("python", path))
    if any(path.endswith(".ipynb") for path in files.names):
        for package, command in (("jupyterlab", "lab"), ("notebook", "notebook"), ("jupyter-server", "server")):
            if package in needed:
                yield Start(words=("jupyter", command, "--ip=0.0.0.0", "--no-browser", "--allow-root"), port=8888)


def _server(module: str, variable: str, kind: str, needed: Collection[str]) -> Iterator[Start]:
    """What serves an application that `module` has in `variable`."""
    address = ("--host", "0.0.0.0", "--port", str(_PORT))  # noqa: S104  in a container
    target = f"{module}:{variable}"
    if kind != "Flask" and "uvicorn" in needed:
        yield Start(words=("uvicorn", target, *address), port=_PORT)
    elif kind != "Flask" and "hypercorn" in needed:
        yield Start(words=("hypercorn", "--bind", f"0.0.0.0:{_PORT}", target), port=_PORT)
    elif kind == "Flask" and "gunicorn" in needed:
        yield Start(words=("gunicorn", "--bind", f"0.0.0.0:{_PORT}", target), port=_PORT)
    elif kind == "Flask":
        yield Start(words=("flask", "--app", target, "run", *address), port=_PORT)


def _scripts(pyproject: str) -> Mapping[str, Any]:
    try:
        project = tomllib.loads(pyproject).get("project", {})
    except (tomllib.TOMLDecodeError, RecursionError):
        return {}
    scripts = project.get("scripts", {}) if isinstance(project, dict) else {}
    return scripts if isinstance(scripts, dict) else {}


def _module(path: str) -> str:
    return path.removeprefix("src/").removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def _rank(path: str) -> int:
    last = path.rpartition("/")[2]
    return _USUAL.index(last) if last in _USUAL else len(_USUAL)


def _present(files: ProjectFiles, *names: str) -> Iterator[str]:
    return (name for name in names if name in files.names)
