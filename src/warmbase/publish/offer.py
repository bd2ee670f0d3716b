"""An offer: what a published variant gives to a project. A value, and its document. Pure.

It is read out of the image itself when that is published (its manifest and labels, the last layer's base.json, the
attested bill of materials, the lock), and kept packed with the journal's entry (`baseline`), so that whoever chooses
reads one small document per variant and not the images. What only the journal says, tags and times, is the entry's.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True, slots=True)
class OfferedPackage:
    """A Python package of an image. `use` is "venv" or "warm" (in the cache alone).

    `file` is the name of the file that was installed or compiled, `sha256` its hash ("" where it comes from no index),
    `size` its bytes, as they would be downloaded. `source` is the address of what comes from no index, `index` the
    catalog's name of its index ("" uv's own). Equal ones of several images may be one object.
    """

    name: str
    version: str
    use: str = "venv"
    file: str = ""
    sha256: str = ""
    size: int = 0
    source: str = ""
    index: str = ""
    licences: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class SystemPackage:
    """A package of the system, such as Debian's libc6."""

    name: str
    version: str
    licences: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class OfferedLayer:
    """A layer as it is pulled: the compressed blob's digest and bytes, and what the image's history says of it."""

    digest: str
    size: int
    words: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class OfferedPlatform:
    """The image of one platform: its manifest's digest, its layers from the lowest, and what is in it, by name.

    `places` has, for each of `packages`, the number of the layer it lies in: the lowest 0, -1 where that is not known.
    `verified` says how the image was looked at before it was published: "run", "run under qemu", "static only".
    """

    platform: str
    digest: str
    python: str
    system: str = ""
    layers: tuple[OfferedLayer, ...] = ()
    packages: tuple[OfferedPackage, ...] = ()
    places: tuple[int, ...] = field(default=(), repr=False)
    system_packages: tuple[SystemPackage, ...] = field(default=(), repr=False)
    verified: str = ""

    @property
    def size(self) -> int:
        """The bytes that a pull moves at most."""
        return sum({layer.digest: layer.size for layer in self.layers}.values())


@dataclass(frozen=True, kw_only=True, slots=True)
class Offer:
    """What a variant gives. `python` is the minor version, "3.13" (a platform has the full one, and `system` as
    "debian 13"); `uv` made the cache, which answers for the addresses in `indexes` (catalog's name → addresses, "" uv's
    own). `created` is the image's time, `parent` the variant that it is from."""

    variant: str
    description: str
    python: str
    foundation: str
    uv: str
    contract: int
    created: str
    parent: str = ""
    indexes: Mapping[str, tuple[str, ...]] = field(default_factory=dict, hash=False)
    platforms: tuple[OfferedPlatform, ...] = ()

    def platform(self, name: str) -> OfferedPlatform | None:
        """What is there for a platform, None for nothing."""
        return next((each for each in self.platforms if each.platform == name), None)
