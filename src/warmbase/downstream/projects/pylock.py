"""Reading pylock."""

from pathlib import Path

from warmbase.downstream.projects.model import Project


def read_pylock(path: Path) -> Project:
    """Raises ProjectError."""
    raise NotImplementedError
