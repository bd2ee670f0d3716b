"""Images as a registry has them: their sizes and their attested bills of materials."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from warmbase.nightly.changes import Bill
from warmbase.nightly.model import Move
from warmbase.publish.model import Place


@dataclass(frozen=True, kw_only=True, slots=True)
class Release:
    """A published index. `layers` is the size of each compressed layer by its digest, for each platform; `bills` lacks
    the platforms for which none is attested."""

    digest: str
    layers: Mapping[str, Mapping[str, int]] = field(hash=False)
    bills: Mapping[str, Bill] = field(hash=False, repr=False)

    @property
    def size(self) -> int:
        """The bytes of all layers, those that platforms share counted once."""
        return sum({digest: size for each in self.layers.values() for digest, size in each.items()}.values())

    def pulled_after(self, other: "Release") -> int:
        """The bytes that whoever has `other` pulls, on the platform on which they are most."""
        return max(
            (
                sum(size for digest, size in each.items() if digest not in other.layers.get(platform, {}))
                for platform, each in self.layers.items()
            ),
            default=0,
        )


def read_release(place: Place, image: str, digest: str) -> Release:
    """The published index `digest` of an image ("data"). Raises RegistryError."""
    raise NotImplementedError


def release_moves(old: Release, new: Release) -> tuple[Move, ...]:
    """What moved from one to the other, as far as their bills say."""
    raise NotImplementedError
