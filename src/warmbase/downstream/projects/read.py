"""Reading a project from a folder or a file."""

from pathlib import Path

from warmbase.downstream.projects.model import Project


def read_project(path: Path) -> Project:
    """The project in a folder, or as one file describes it. Raises ProjectError."""
    raise NotImplementedError
