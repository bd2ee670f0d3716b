"""Reading conda."""

from pathlib import Path

from warmbase.downstream.projects.model import Project


def read_conda(path: Path) -> Project:
    """Raises ProjectError."""
    raise NotImplementedError
