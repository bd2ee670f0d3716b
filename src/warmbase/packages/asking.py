"""Projects in a sandbox that have uv look at everything in a lock.

One asks for what the catalog installs; the `uv.lock` that a project can start from is its lock. The other asks for all
that is in the cache, as `uv pip` does.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from warmbase.lock.indexes import index_tables
from warmbase.lock.model import Lock

ALL = "all/pyproject.toml"
"""The second project, below the folder of the first."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Asking:
    """What is asked for in the name of `lock`; `requirements` and `warm` are the catalog's, as PEP 508 text, and
    `tables` what both projects say besides (TOML)."""

    lock: Lock
    requirements: Sequence[str]
    warm: Sequence[str]
    tables: str = ""

    def write(self, folder: Path, addresses: Mapping[str, str]) -> None:
        """Write both projects into `folder`. `addresses` are those of the lock's indexes but uv's own, by name."""
        tables = index_tables({name: (address, False) for name, address in addresses.items()}, {}) + self.tables
        (folder / "all").mkdir(parents=True)
        (folder / "pyproject.toml").write_text(self._project(self.requirements) + tables)
        (folder / ALL).write_text(self._project([*self.requirements, *self.warm]) + tables)

    def _project(self, requirements: Sequence[str]) -> str:
        return (
            '[project]\nname = "app"\nversion = "0.1.0"\n'
            f'requires-python = ">={self.lock.python}"\ndependencies = {json.dumps(list(requirements))}\n'
        )
