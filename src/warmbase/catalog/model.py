"""What a catalog says, as frozen values. The loader makes them; every later stage reads them.

A catalog is a cross product written once: an image names foundations and Python versions, and each pair
that the foundation offers and `exclude` does not remove is a variant. Everything that a variant needs is
resolved here (defaults, sets, overrides), so that no later stage knows how the YAML was written.
"""

from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Literal

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
    version of the suite's own interpreter, e.g. "3.13", and "" where it is `managed`: then the system has no Python of
    its own, and `asked` are the versions that images ask for. `keyring` is a file with the keys that the mirror is
    signed with, None for Debian's.
    """

    name: str
    suite: str
    python: str
    packages: tuple[str, ...] = ()
    mirror: str | None = None
    snapshot: str | None = None
    managed: bool = False
    asked: tuple[str, ...] = ()
    keyring: Path | None = None

    @property
    def pythons(self) -> tuple[str, ...]:
        """The Python versions that it offers."""
        return self.asked if self.managed else (self.python,)


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageFoundation:
    """An image in a registry. `image` is its name as the catalog has it, `pythons` what it offers."""

    name: str
    image: str
    pythons: tuple[str, ...]
    managed: bool = False

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
    managed: bool = False

    def reference(self, python: str) -> str:
        """The path of the image with this Python, as the catalog has it."""
        return self.oci.replace(PYTHON_FIELD, python)


@dataclass(frozen=True, kw_only=True, slots=True)
class BuildSecret:
    """A secret of a build by its id: a variable `env` of the environment, or the content of `file`."""

    id: str
    env: str = ""
    file: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class DockerfileFoundation:
    """What a Dockerfile makes. `dockerfile` is its path relative to `folder`, the catalog's; the folder that it lies in
    is its build context. `target` is the stage to build, "" the last one; `args`, `contexts`, `secrets` and `ssh` are
    as the catalog has them, paths relative to `folder`. `hashes` keeps what was read of its files for each Python: they
    are the same for a whole run.
    """

    name: str
    dockerfile: str
    folder: Path
    pythons: tuple[str, ...]
    managed: bool = False
    target: str = ""
    args: tuple[tuple[str, str], ...] = ()
    contexts: tuple[tuple[str, str], ...] = ()
    secrets: tuple[BuildSecret, ...] = ()
    ssh: tuple[str, ...] = ()
    hashes: dict[str, str] = field(default_factory=dict, init=False, repr=False, compare=False)

    @property
    def file(self) -> Path:
        """The Dockerfile."""
        return self.folder / self.dockerfile

    @property
    def context(self) -> Path:
        """The folder that its steps copy from."""
        return self.file.parent

    def arguments(self, python: str) -> dict[str, str]:
        """The build arguments for this Python."""
        return {name: value.replace(PYTHON_FIELD, python) for name, value in self.args}


CatalogFoundation = DebianFoundation | ImageFoundation | LayoutFoundation | DockerfileFoundation
"""What variants stand on. Each has a `name` and the `pythons` that it offers.

Where it is `managed`, a Python that uv manages is put on it, whatever it has itself, in the versions that images ask
for: those are then its `pythons`.
"""


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


DEFAULT_INDEX = "default"
"""The name of uv's own index in the catalog; locks leave it out."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PackageIndex:
    """A package index. `url` is empty for uv's own (`DEFAULT_INDEX`), whose address uv knows; `mirrors` are further
    addresses of the same index that the locks of children may name. No address holds credentials or ends in '/'.

    One that `sources` anywhere in the catalog names is `explicit`: only what names it comes from it. Any other is
    searched before uv's own, in the catalog's order, and the first that has a package at all is the package's
    (uv's index strategy first-index): nobody can put another one of that name into a public index.
    """

    name: str
    url: str = ""
    mirrors: tuple[str, ...] = ()
    explicit: bool = False


def _addresses(indexes: tuple[PackageIndex, ...]) -> dict[str, str]:
    return {index.name: index.url for index in indexes if index.url}


HowOften = Literal["nightly", "weekly", "monthly", "never"]
"""How often something newer is taken: every night, on the first night of an ISO week, of a month (UTC), or only when
somebody asks for it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Refresh:
    """How often the nightly job takes what is newer, by what it comes from (`nightly.model.Axis`)."""

    security: HowOften = "nightly"
    packages: HowOften = "nightly"
    foundation: HowOften = "nightly"


@dataclass(frozen=True, kw_only=True, slots=True)
class Cooldown:
    """How old a file of an index must be before a lock takes it, but for those of the `exempt` packages, by normalized
    name."""

    time: timedelta = timedelta()
    exempt: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class PackagePin:
    """Versions of a package, by its normalized name, that alone are admitted, and why. `version` is as in PEP 440's
    specifiers; `until` is the last day (UTC) on which the pin counts, None for ever."""

    package: str
    version: str
    reason: str
    until: date | None = None
    position: Position = field(compare=False)


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
    indexes: tuple[PackageIndex, ...] = ()  # all of the catalog's
    sources: tuple[tuple[str, str], ...] = ()  # (package, the name of the index that it comes from), sorted
    build_packages: tuple[str, ...] = ()  # of the foundation's system, where packages are compiled
    no_binary: tuple[str, ...] = ()  # packages that are compiled whatever wheels they have, by normalized name
    no_binary_at: tuple[tuple[str, Position], ...] = field(default=(), compare=False)  # where each is named
    refresh: Refresh = Refresh()
    cooldown: Cooldown = Cooldown()
    pins: tuple[PackagePin, ...] = ()  # sorted by package
    made_from: "Variant | None" = None  # the one whose image it adds to, with the same foundation and Python

    @property
    def parent(self) -> str:
        """The name of the variant that it is made from, "" for none."""
        return self.made_from.name if self.made_from else ""

    @property
    def smokes(self) -> tuple[Path, ...]:
        """The checks of all that it is made from, the first of them first, then its own."""
        inherited = self.made_from.smokes if self.made_from else ()
        return tuple(dict.fromkeys((*inherited, *([self.smoke] if self.smoke else ()))))

    @property
    def index_addresses(self) -> dict[str, str]:
        """The addresses of the catalog's own indexes, by name."""
        return _addresses(self.indexes)

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
    """A whole catalog. `path` is the file, its folder holds `bases/`; `uv` the pinned uv version. `locks` is the folder
    that locks and pins lie in instead of that `bases/`.

    `mirrors` are pairs: a registry's host, and where its images are pulled from instead. `insecure` are the hosts that
    are spoken to without TLS. `builder` is the Buildx builder to use, "" for the current one.
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
    builder: str = ""
    indexes: tuple[PackageIndex, ...] = ()
    locks: Path | None = None

    @property
    def index_addresses(self) -> dict[str, str]:
        """The addresses of the catalog's own indexes, by name."""
        return _addresses(self.indexes)

    @property
    def folder(self) -> Path:
        """The folder that paths of the catalog are relative to."""
        return self.path.parent

    @property
    def variants(self) -> tuple[Variant, ...]:
        """Every variant of every image, in catalog order."""
        return tuple(variant for image in self.images for variant in image.variants)
