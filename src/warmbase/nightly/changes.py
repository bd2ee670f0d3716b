"""What moved between two images, or two locks: packages of Python and of the system, Python itself and uv. Pure.

The bill of materials says what is in an image (`image.bill`, CycloneDX 1.6), whoever reads it: it is in the image and
attested beside it.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from warmbase.lock.model import Lock
from warmbase.nightly.model import Move

Bill = Mapping[str, Any]
"""A bill of materials as JSON."""


def moves(old: Mapping[str, Bill], new: Mapping[str, Bill]) -> tuple[Move, ...]:
    """What moved from the bills `old` to `new`, both by platform; what moved alike on several platforms is said once.

    Python's packages first, then the system's, then Python and uv, each by name. Links are the new version's own.
    """
    raise NotImplementedError


def lock_moves(old: Lock | None, new: Lock) -> tuple[Move, ...]:
    """What of Python's packages, and of uv, moved from one lock to another; all, where there was none."""
    raise NotImplementedError


def changed(moved: Sequence[Move]) -> tuple[str, ...]:
    """The names of Python's packages that are there before and after, and moved: what a bisection is about."""
    raise NotImplementedError
