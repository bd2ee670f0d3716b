"""The listing: the bases that are published somewhere, as those who choose see them. Values, pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from warmbase.publish.offer import Offer


@dataclass(frozen=True, kw_only=True, slots=True)
class Edition:
    """An earlier or the present image of a base: when it was published, by which action, under which dated tag; what
    changed in words, and what it had (Python package → version). `yanked` and `instead` are as a `Base` has them."""

    time: str
    action: str
    digest: str
    dated: str = ""
    content: str = ""
    changes: str = ""
    size: int = 0
    packages: Mapping[str, str] = field(default_factory=dict, hash=False)
    yanked: str = ""
    instead: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Base:
    """A published variant. `place` is "registry.example/bases", `tags` its rolling ones, the fullest first, `digest`
    the index that they name, `time` when that was published (RFC 3339, UTC).

    `yanked` says why it is not to be used ("" where nothing is said against it), `instead` what to take in its place.
    `history` has the newest first, and only where it was asked for.
    """

    place: str
    variant: str
    tags: tuple[str, ...]
    digest: str
    time: str
    offer: Offer
    dated: str = ""
    content: str = ""
    yanked: str = ""
    instead: str = ""
    history: tuple[Edition, ...] = ()

    @property
    def image(self) -> str:
        """The image's name, e.g. "data"."""
        return self.variant.partition(":")[0]

    @property
    def name(self) -> str:
        """The shortest name: "data:py3.13"."""
        return f"{self.image}:{min(self.tags, key=len)}"

    @property
    def reference(self) -> str:
        """What FROM takes: the shortest tag, and the digest that keeps it fixed."""
        return f"{self.place}/{self.name}@{self.digest}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Listing:
    """All bases of a place, by variant. `source` says where it was read, `time` when (RFC 3339)."""

    bases: tuple[Base, ...]
    source: str
    time: str = ""
