"""How well a base serves a project. Values and a pure comparison."""

from dataclasses import dataclass
from typing import Literal

from warmbase.downstream.listing import Base
from warmbase.downstream.projects.model import Need
from warmbase.publish.offer import OfferedPackage

Fit = Literal["file", "version", "constraint"]
"""How a package of the base serves: the very file that the lock has, the same version, or one that is admitted."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Hit:
    """A need that a base serves."""

    need: Need
    package: OfferedPackage
    fit: Fit


@dataclass(frozen=True, kw_only=True, slots=True)
class Miss:
    """A need that a base does not serve. `has` is the version that it has instead ("" none), `why` says it in words,
    `size` is what will be downloaded (0 where that is not known)."""

    need: Need
    why: str
    has: str = ""
    size: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Match:
    """A base against a project on a platform. `obstacle` says why it cannot be used at all ("" where it can): its
    Python, its platform. `unneeded` is in the base's venv and not in the project. `saved` and `left` are bytes of files
    that are, and are not, downloaded; `layer` the predicted bytes of what the child adds, uncompressed."""

    base: Base
    platform: str
    obstacle: str = ""
    hits: tuple[Hit, ...] = ()
    misses: tuple[Miss, ...] = ()
    unneeded: tuple[OfferedPackage, ...] = ()
    saved: int = 0
    left: int = 0
    layer: int = 0
