"""The projects that lie here, read."""

from collections.abc import Mapping
from pathlib import Path

from warmbase.downstream.projects.environment import environment_of
from warmbase.downstream.projects.model import Need, Project
from warmbase.downstream.projects.read import read_project

FOLDER = Path(__file__).parent
ENVIRONMENTS = tuple(
    environment_of(python, platform)
    for python in ("3.11.9", "3.12.1", "3.13.5", "3.14.0")
    for platform in ("linux/amd64", "linux/arm64")
)
HERE = environment_of("3.12.1", "linux/amd64")


def sample(name: str) -> Project:
    """The project in one of the folders, or of one of the files."""
    return read_project(FOLDER / name)


def needed(project: Project, python: str = "3.12.1", platform: str = "linux/amd64") -> Mapping[str, Need]:
    """What a project needs, by name."""
    return {need.name: need for need in project.needs(environment_of(python, platform))}


def versions(project: Project, python: str = "3.12.1", platform: str = "linux/amd64") -> Mapping[str, str]:
    """The version that a project needs of each package, or the bounds in which it has to be."""
    return {name: need.version or need.specifier for name, need in needed(project, python, platform).items()}


def write(folder: Path, **texts: str) -> Path:
    """Write files into a folder; a name's `__` stands for a slash and a `_` for its last dot."""
    for name, text in texts.items():
        *parents, last = name.split("__")
        stem, _, ending = last.rpartition("_")
        path = folder.joinpath(*parents, f"{stem}.{ending}")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder
