"""What a catalog says, as frozen values. The loader makes them; every later stage reads them.

A catalog is a cross product written once: an image names foundations and Python versions, and each pair
that the foundation offers and `exclude` does not remove is a variant. Everything that a variant needs is
resolved here (defaults, sets, overrides), so that no later stage knows how the YAML was written.
"""

from dataclasses import dataclass, field
from pathlib import Path

from packaging.requirements import Requirement

PYTHON_FIELD = "{python}"
"""What becomes the Python version in the name of a foundation's image."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Position:
    """A place in a YAML file: line and column count from 1."""

    file: Path
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, kw_only=True, slots=True)
class CatalogRequirement:
    """A PEP 508 requirement and the place in the catalog that asks for it.

    `group` is the name of the set that brings it, "" where an image or an override does.
    """

    requirement: Requirement = field(hash=False)
    text: str
    position: Position = field(compare=False)
    group: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class DebianFoundation:
    """A root filesystem made by mmdebstrap from a Debian archive.

    `packages` are added to the minimal system; `mirror` replaces mmdebstrap's own default, `snapshot` is an
    archive that keeps old versions (`{timestamp}` in it becomes the pin's time); `python` is the minor
    version of the suite's own interpreter, e.g. "3.13".
    """

    name: str
    suite: str
    python: str
    packages: tuple[str, ...] = ()
    mirror: str | None = None
    snapshot: str | None = None

    @property
    def pythons(self) -> tuple[str, ...]:
        """The Python versions that it offers."""
        return (self.python,)


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageFoundation:
    """An image in a registry. `image` is its name as the catalog has it, `pythons` what it offers."""

    name: str
    image: str
    pythons: tuple[str, ...]

    def reference(self, python: str) -> str:
        """The name of the image with this Python."""
        return self.image.replace(PYTHON_FIELD, python)


@dataclass(frozen=True, kw_only=True, slots=True)
class LayoutFoundation:
    """An image in an OCI layout or an archive. `oci` is its path as the catalog has it, relative to `folder`."""

    name: str
    oci: str
    folder: Path
    pythons: tuple[str, ...]

    def reference(self, python: str) -> str:
        """The path of the image with this Python, as the catalog has it."""
        return self.oci.replace(PYTHON_FIELD, python)


CatalogFoundation = DebianFoundation | ImageFoundation | LayoutFoundation
"""What variants stand on. Each has a `name` and the `pythons` that it offers."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageConfig:
    """What a container of the image starts as (OCI image specification, config.md); None: as the foundation has it."""

    user: str | None = None
    workdir: str | None = None
    entrypoint: tuple[str, ...] | None = None
    command: tuple[str, ...] | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Compression:
    """How layers are compressed. `codec` is "zstd" or "gzip"."""

    codec: str = "zstd"
    level: int = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Variant:
    """One image for one Python version on one foundation: what is locked, built, verified and tagged."""

    image: str
    python: str
    foundation: CatalogFoundation
    first: bool  # the foundation is the first of the image's that offers this Python: it gets the short name
    description: str
    requirements: tuple[CatalogRequirement, ...]
    warm: tuple[CatalogRequirement, ...]  # in the cache only: the `warm` requirements and the build backends
    winners: tuple[tuple[str, str], ...]  # (path or glob below the venv, the package whose file wins)
    sets: tuple[str, ...]  # the sets that the variant includes, in order
    smoke: Path | None
    config: ImageConfig
    labels: tuple[tuple[str, str], ...]
    platforms: tuple[str, ...]
    compression: Compression = Compression()
    build_packages: tuple[str, ...] = ()  # of the foundation's system, where packages are compiled
    no_binary: tuple[str, ...] = ()  # packages that are compiled whatever wheels they have, by normalized name

    @property
    def tag(self) -> str:
        """The rolling tag, e.g. "py3.13-trixie"."""
        return f"py{self.python}-{self.foundation.name}"

    @property
    def name(self) -> str:
        """The variant's full name, e.g. "data:py3.13-trixie"."""
        return f"{self.image}:{self.tag}"

    @property
    def tags(self) -> tuple[str, ...]:
        """The rolling tag and, for the first foundation, its short name."""
        return (self.tag, f"py{self.python}") if self.first else (self.tag,)


@dataclass(frozen=True, kw_only=True, slots=True)
class Image:
    """One named entry of the catalog and its variants, in the order of foundations, then Python versions."""

    name: str
    description: str
    variants: tuple[Variant, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Catalog:
    """A whole catalog. `path` is the file, its folder holds `bases/`; `uv` the pinned uv version.

    `mirrors` are pairs: a registry's host, and where its images are pulled from instead. `insecure` are the hosts that
    are spoken to without TLS.
    """

    path: Path
    uv: str
    registry: str | None
    platforms: tuple[str, ...]
    compression: Compression
    foundations: tuple[CatalogFoundation, ...]
    images: tuple[Image, ...]
    mirrors: tuple[tuple[str, str], ...] = ()
    insecure: tuple[str, ...] = ()

    @property
    def folder(self) -> Path:
        """The folder that paths of the catalog are relative to."""
        return self.path.parent

    @property
    def variants(self) -> tuple[Variant, ...]:
        """Every variant of every image, in catalog order."""
        return tuple(variant for image in self.images for variant in image.variants)
