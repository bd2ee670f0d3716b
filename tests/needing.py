"""Projects as their files describe them, made by hand for what compares them with bases (see `tests.offered`)."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tests.offered import wheel_hash, wheel_name, wheel_size

from warmbase.downstream.projects.model import Environment, Kind, Need, NeededFile, Project


def locked(name: str, version: str, *, file: str = "", size: int = -1, **others: Any) -> Need:
    """A package as a lock has it, with one file: the one that `tests.offered` gives to bases, or another."""
    file = file or wheel_name(name, version)
    size = wheel_size(name) if size < 0 else size
    return Need(
        name=name, version=version, files=(NeededFile(name=file, sha256=wheel_hash(file), size=size),), **others
    )


def wanted(name: str, specifier: str = "") -> Need:
    """A package that is asked for without a lock."""
    return Need(name=name, specifier=specifier)


def project(
    needs: Mapping[str, str] | Iterable[Need], *, kind: Kind = "uv.lock", is_locked: bool | None = None, **others: Any
) -> Project:
    """A project that needs the same everywhere: versions by name, as a lock has them, or needs."""
    made = [locked(*each) for each in needs.items()] if isinstance(needs, Mapping) else list(needs)
    ordered = tuple(sorted(made, key=lambda need: need.name))

    def everywhere(environment: Environment) -> tuple[Need, ...]:
        return ordered

    return Project(
        path=Path("app") / ("requirements.txt" if kind == "requirements.txt" else kind),
        kind=kind,
        name="app",
        needs=everywhere,
        is_locked=kind == "uv.lock" if is_locked is None else is_locked,
        **others,
    )
