"""What a child adds to its base, before anybody has built it."""

from typing import Literal

from warmbase.downstream.match import Match
from warmbase.downstream.projects.model import Project

Way = Literal["sync", "install"]
"""How a child gets its packages: `uv sync --inexact` into the base's venv, or `uv pip install` into it."""


def predict_layer(project: Project, match: Match, *, way: Way = "sync") -> int:
    """The bytes, unpacked, of the layers of a child's steps that install: `match` says what they download."""
    raise NotImplementedError
