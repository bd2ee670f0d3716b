"""Reading poetry."""

from pathlib import Path

from warmbase.downstream.projects.model import Project


def read_poetry_lock(path: Path) -> Project:
    """Raises ProjectError."""
    raise NotImplementedError
