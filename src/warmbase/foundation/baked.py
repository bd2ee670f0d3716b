"""What one bake of all Dockerfile foundations of a run came to."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from warmbase.errors import FoundationError
from warmbase.foundation.pins import DockerfilePin

BakeKey = tuple[str, str, str]
"""A foundation's name, a platform and a Python version."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Baked:
    """The pins of what was built, or needed no building; and why something could not be built. What was built is in the
    layer store."""

    pins: Mapping[BakeKey, DockerfilePin] = field(default_factory=dict)
    failures: Mapping[BakeKey, FoundationError] = field(default_factory=dict)

    def pin(self, name: str, platform: str, python: str) -> DockerfilePin:
        """The pin of a foundation. Raises FoundationError where it has none."""
        pin = self.pins.get((name, platform, python))
        if pin is None:
            raise self.failure(name, platform, python)
        return pin

    def failure(self, name: str, platform: str, python: str = "") -> FoundationError:
        """Why a foundation is not there, whichever Python it is for if none is named."""
        keys = [key for key in self.failures if key[:2] == (name, platform) and python in ("", key[2])]
        if keys:
            return self.failures[keys[0]]
        return FoundationError(
            f"the layers of foundation {name} for {platform} are not on this machine",
            next_step="run `warmbase build`, which builds its Dockerfile",
        )


NOTHING_BAKED = Baked()
