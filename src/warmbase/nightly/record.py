"""Keeping the state: immutable records in a repository of the registry, and a copy on this machine."""

from datetime import datetime
from pathlib import Path

from warmbase.nightly.state import State
from warmbase.publish.model import Place


def read_state(place: Place, folder: Path) -> State:
    """The state at a place, merged from its records and this machine's copy in `folder` (of any number of places).

    One request where the copy holds all records. Raises RegistryError; a copy that cannot be read counts as none.
    """
    raise NotImplementedError


def write_state(place: Place, folder: Path, state: State, ended: datetime) -> State:
    """Keep a state in the registry and in `folder`; the state with the record's tag. Raises RegistryError."""
    raise NotImplementedError


def keep_state(place: Place, folder: Path, state: State) -> None:
    """Keep a state in `folder` alone, after a night on which nothing changed. A folder that cannot be written to is
    passed over: the copy only saves requests."""
    raise NotImplementedError
