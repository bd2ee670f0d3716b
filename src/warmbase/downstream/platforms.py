"""The platform that a base is chosen for where nobody says it."""

from collections.abc import Iterable

from warmbase.downstream.listing import Base
from warmbase.effects.platforms import native_platform


def default_platform(bases: Iterable[Base]) -> str:
    """That of this machine's containers; the only one there is, where all bases have the same one."""
    platforms = {each.platform for base in bases for each in base.offer.platforms}
    return platforms.pop() if len(platforms) == 1 else native_platform()
