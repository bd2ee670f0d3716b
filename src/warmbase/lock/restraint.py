"""What a resolution must leave alone: releases that are too young, pins of the catalog, and versions that broke.

uv is told by `exclude-newer`, `exclude-newer-package` and constraints. A cooldown is about what is new to a lock and
never takes back what a lock has: a package whose locked files are younger than the cooldown admits has a limit of its
own, just after them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from warmbase.catalog.model import Variant
from warmbase.lock.model import Lock


@dataclass(frozen=True, kw_only=True, slots=True)
class Restraint:
    """`newest` is the RFC 3339 time from which on files do not count, "" for no limit; `own` has the limit of each
    package that has another one, by normalized name. `constraints` are requirements (PEP 508) that hold for packages
    which are needed anyway."""

    newest: str = ""
    own: Mapping[str, str] = field(default_factory=dict, hash=False)
    constraints: tuple[str, ...] = ()


FREE = Restraint()
"""Nothing is left alone."""


def restrain(
    variant: Variant, now: datetime, baseline: Lock | None, broken: Sequence[tuple[str, str]] = ()
) -> Restraint:
    """What holds for locking `variant` at the time `now`, when its lock was `baseline`; `broken` are names and versions
    that must not be taken."""
    raise NotImplementedError
