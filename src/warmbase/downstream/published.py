"""What is published somewhere, as the commands for people ask for it: whoever reads a registry or an index.json."""

from collections.abc import Mapping
from typing import Protocol

from warmbase.downstream.listing import Base, Edition, Listing


class Published(Protocol):
    """The bases of one place. All methods raise ListingError where it cannot be read."""

    @property
    def source(self) -> str:
        """Where it is read, for people: "registry.example/bases", or the address of an index.json."""
        ...

    def listing(self) -> Listing:
        """The newest of each variant, yanks included."""
        ...

    def editions(self, variant: str) -> tuple[Edition, ...]:
        """What a variant was and is, the newest first; nothing for one that is not there."""
        ...

    def histories(self) -> Mapping[str, tuple[Edition, ...]]:
        """The same for all variants, read at once. Where that fails and the listing was kept, there are none, and a
        warning says so."""
        ...

    def find(self, text: str) -> Base:
        """The base that a text names: a short name ("data:py3.13", "data" where it has one variant), a full reference,
        any tag of its own, or a digest ("sha256:…", "data@sha256:…"), also of an earlier image.

        Raises ListingError, with the nearest names, where there is none.
        """
        ...
