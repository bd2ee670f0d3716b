"""The types of `images.yaml` as it is written; the JSON Schema is generated from them.

A field's name is the key in the document, its default means that the key may be left out, its metadata is
what editors show. What a type cannot say (a set that exists, a Python that the foundation offers) is
checked in `images.py` and its neighbours.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal

from warmbase.catalog.dockerfile import DockerfileKeys
from warmbase.catalog.shape import UNIQUE, WholeNumber, about
from warmbase.catalog.texts import (
    AbsolutePath,
    ArchiveAddress,
    BuilderName,
    Day,
    DebianPackage,
    Duration,
    FoundationName,
    FoundationPython,
    ImageName,
    ImageReference,
    IndexAddress,
    IndexName,
    LabelName,
    LayoutPath,
    PackageName,
    Platform,
    PythonVersion,
    Registry,
    RegistryHost,
    RelativePath,
    Requirement,
    Sentence,
    SetName,
    Suite,
    SystemPackage,
    User,
    UvVersion,
    VersionSpecifier,
    WinnerPath,
)

HowOften = Literal["nightly", "weekly", "monthly", "never"]
CodecName = Literal["zstd", "gzip"]


@dataclass(frozen=True, kw_only=True, slots=True)
class CompressionEntry:
    """How layers are compressed."""

    codec: CodecName = field(
        default="zstd", metadata=about("zstd, or gzip for clients older than Docker 23 and containerd 1.5.")
    )
    level: Annotated[int, WholeNumber(least=1, most=22)] = field(
        default=1, metadata=about("1 is fastest; gzip ends at 9, zstd at 22.")
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class FoundationEntry(DockerfileKeys):
    """What variants stand on: a root filesystem with Python. It has one of the keys `debian`, `image`, `oci` and
    `dockerfile`."""

    debian: Suite | None = field(
        default=None, metadata=about("The Debian suite to make it from, e.g. trixie, with the suite's own Python.")
    )
    image: ImageReference | None = field(
        default=None,
        metadata=about("An image in a registry, as in FROM; {python} in it becomes the Python version."),
    )
    oci: LayoutPath | None = field(
        default=None,
        metadata=about(
            "An OCI layout (a folder, or a tar of one) or what `docker save` wrote; {python} becomes the Python "
            "version. Where it holds several images, :name says which."
        ),
    )
    python: FoundationPython | Annotated[tuple[PythonVersion, ...], UNIQUE] | None = field(
        default=None,
        metadata=about(
            "The Python versions that it offers, left out for Debian's releases, whose Python is known; or managed: a "
            "Python that uv manages is put on it, in the versions that images ask for."
        ),
    )
    packages: Annotated[tuple[DebianPackage, ...], UNIQUE] = field(
        default=(), metadata=about("Debian packages to add to the minimal system.")
    )
    mirror: ArchiveAddress | None = field(
        default=None, metadata=about("The archive to install from, instead of mmdebstrap's own choice.")
    )
    snapshot: ArchiveAddress | None = field(
        default=None,
        metadata=about("An archive that keeps old versions; {timestamp} in it becomes the time of the lock."),
    )
    keyring: RelativePath | None = field(
        default=None,
        metadata=about("The keys that `mirror` is signed with, instead of Debian's: what `gpg --export` writes."),
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class IndexEntry:
    """A package index and its other addresses. One that has none may be written as its address alone."""

    url: IndexAddress | None = field(
        default=None, metadata=about("Where it is; left out for `default`, the index that uv uses by itself.")
    )
    mirrors: Annotated[tuple[IndexAddress, ...], UNIQUE] = field(
        default=(),
        metadata=about("Further addresses of the same index: children whose uv.lock names one hit the cache too."),
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class SetEntry:
    """A package set that includes others. A set without `include` may be written as a plain list."""

    include: Annotated[tuple[SetName, ...], UNIQUE] = field(
        default=(), metadata=about("Sets whose requirements come before this set's own.")
    )
    requirements: tuple[Requirement, ...] = field(default=(), metadata=about("PEP 508 requirements."))


@dataclass(frozen=True, kw_only=True, slots=True)
class ConfigEntry:
    """What a container of the image starts as. What is left out stays as the foundation has it."""

    user: User | None = field(default=None, metadata=about("User name or uid, and :group."))
    workdir: AbsolutePath | None = field(default=None, metadata=about("The working directory."))
    entrypoint: tuple[str, ...] | None = field(default=None, metadata=about("The entry point, as a list."))
    command: tuple[str, ...] | None = field(default=None, metadata=about("The default command, as a list."))


@dataclass(frozen=True, kw_only=True, slots=True)
class MatchEntry:
    """Names variants by what they have; all that is given must hold."""

    foundation: FoundationName | None = field(default=None, metadata=about("The foundation's name."))
    python: PythonVersion | None = field(default=None, metadata=about('The Python version, e.g. "3.13".'))


@dataclass(frozen=True, kw_only=True, slots=True)
class OverrideEntry:
    """What some variants of an image have in addition."""

    match: MatchEntry = field(metadata=about("The variants that this is for."))
    requirements: tuple[Requirement, ...] = field(default=(), metadata=about("Requirements to add."))
    sets: Annotated[tuple[SetName, ...], UNIQUE] = field(default=(), metadata=about("Sets to add."))
    warm: tuple[Requirement, ...] = field(default=(), metadata=about("Requirements to add to the cache only."))
    build_packages: Annotated[tuple[SystemPackage, ...], UNIQUE] = field(
        default=(), metadata=about("System packages to add to what compiling needs.")
    )
    no_binary: Annotated[tuple[PackageName, ...], UNIQUE] = field(
        default=(), metadata=about("Packages to compile, whatever wheels they have.")
    )
    labels: Mapping[LabelName, str] = field(default_factory=dict, metadata=about("Labels to add or replace."))
    config: ConfigEntry | None = field(default=None, metadata=about("Configuration to add or replace."))


@dataclass(frozen=True, kw_only=True, slots=True)
class RefreshEntry:
    """How often the nightly job takes what is newer. Weekly is the first night on or after Monday, monthly the first
    one of a month, in UTC; what people changed in the catalog never waits. What is left out is taken nightly."""

    security: HowOften | None = field(
        default=None,
        metadata=about("What an archive's security suite offers, and packages that their index has withdrawn."),
    )
    packages: HowOften | None = field(default=None, metadata=about("Python packages."))
    foundation: HowOften | None = field(
        default=None, metadata=about("All else that an image stands on: its base image, and the system's packages.")
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class CooldownEntry:
    """How old a release must be before a lock takes it. What a lock has stays, however young it is."""

    time: Duration = field(metadata=about("The age of a file on its index, e.g. 3 days."))
    exempt: Annotated[tuple[PackageName, ...], UNIQUE] = field(
        default=(), metadata=about("Packages that are taken at once.")
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class PinEntry:
    """Versions of a package that alone are taken, wherever it comes from in an image, and why."""

    version: VersionSpecifier = field(metadata=about("The versions that are admitted, e.g. <2.5."))
    reason: Sentence = field(metadata=about("Why; reports of what is held back say it."))
    until: Day | None = field(
        default=None, metadata=about("The last day (UTC) on which the pin counts; left out: for ever.")
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class DefaultsEntry:
    """What every image has unless it says otherwise: its lists replace these, its mappings are merged in."""

    foundation: FoundationName | None = field(default=None, metadata=about("Short for one of `foundations`."))
    foundations: Annotated[tuple[FoundationName, ...], UNIQUE] | None = field(
        default=None, metadata=about("The foundations to build on; the first gets the short tags.")
    )
    python: Annotated[tuple[PythonVersion, ...], UNIQUE] | None = field(
        default=None, metadata=about("The Python versions; left out: what each foundation offers.")
    )
    exclude: tuple[MatchEntry, ...] | None = field(
        default=None, metadata=about("Pairs of foundation and Python that are not built.")
    )
    sets: Annotated[tuple[SetName, ...], UNIQUE] | None = field(
        default=None, metadata=about("Package sets, installed in the venv.")
    )
    requirements: tuple[Requirement, ...] | None = field(
        default=None, metadata=about("Further requirements, installed in the venv.")
    )
    warm: tuple[Requirement, ...] | None = field(
        default=None, metadata=about("Requirements that go into the cache only.")
    )
    backends: tuple[Requirement, ...] | None = field(
        default=None,
        metadata=about("Build backends, and what they ask for at build time; in the cache only."),
    )
    build_packages: Annotated[tuple[SystemPackage, ...], UNIQUE] | None = field(
        default=None,
        metadata=about("System packages that compiling needs, such as gcc and libpq-dev; they are in no image."),
    )
    no_binary: Annotated[tuple[PackageName, ...], UNIQUE] | None = field(
        default=None, metadata=about("Packages that are compiled, whatever wheels they have.")
    )
    winners: Mapping[WinnerPath, PackageName] = field(
        default_factory=dict,
        metadata=about("Path or glob → the package whose file wins where two wheels differ."),
    )
    labels: Mapping[LabelName, str] = field(default_factory=dict, metadata=about("Labels of the image."))
    config: ConfigEntry | None = field(default=None, metadata=about("What a container starts as."))
    overrides: tuple[OverrideEntry, ...] | None = field(
        default=None, metadata=about("What some variants have in addition.")
    )
    refresh: RefreshEntry | None = field(
        default=None, metadata=about("How often the nightly job takes what is newer; left out: every night.")
    )
    cooldown: Duration | CooldownEntry | None = field(
        default=None, metadata=about("How old a release must be before a lock takes it, e.g. 3 days.")
    )
    pins: Mapping[PackageName, PinEntry] = field(
        default_factory=dict, metadata=about("Package → the versions that alone are taken, and why.")
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageEntry(DefaultsEntry):
    """One image: a repository, with a variant for each pair of foundation and Python."""

    description: str = field(default="", metadata=about("What the image is for, in a sentence."))
    from_: ImageName | None = field(
        default=None,
        metadata=about(
            "Another image of the catalog that this one adds to: it has its layers, its variants, all that it asks for "
            "and its checks, and nothing from `defaults`."
        ),
    )
    smoke: RelativePath | None = field(
        default=None, metadata=about("The check run in every variant; bases/<image>/smoke.py if it exists.")
    )
    sources: Mapping[PackageName, IndexName] = field(
        default_factory=dict, metadata=about("Package → the index that it comes from, in this image.")
    )
    compression: CodecName | CompressionEntry | None = field(
        default=None, metadata=about("How its layers are compressed, where that is not as in all other images.")
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class CatalogDocument:
    """The catalog of base images that warmbase builds."""

    uv: UvVersion = field(metadata=about("The uv that makes the cache and is shipped in every image."))
    foundations: Mapping[FoundationName, FoundationEntry] = field(metadata=about("What variants stand on."))
    images: Mapping[ImageName, ImageEntry] = field(metadata=about("The images, by repository name."))
    registry: Registry | None = field(default=None, metadata=about("Where images are published: host[:port][/path]."))
    mirrors: Mapping[RegistryHost, Registry] = field(
        default_factory=dict,
        metadata=about("Registry → where its images are pulled from instead, e.g. docker.io: mirror.example/hub."),
    )
    insecure: Annotated[tuple[RegistryHost, ...], UNIQUE] = field(
        default=(), metadata=about("Registries to speak to without TLS; localhost always is one.")
    )
    builder: BuilderName | None = field(
        default=None,
        metadata=about("The Buildx builder that runs steps in containers; left out: the current one."),
    )
    platforms: Annotated[tuple[Platform, ...], UNIQUE] = field(
        default=("linux/amd64",), metadata=about("The platforms that every variant is built for.")
    )
    compression: CodecName | CompressionEntry = field(
        default=CompressionEntry(), metadata=about("How layers are compressed, in short: zstd or gzip.")
    )
    sets: Mapping[SetName, tuple[Requirement, ...] | SetEntry] = field(
        default_factory=dict, metadata=about("Named lists of requirements that images include.")
    )
    indexes: Mapping[IndexName, IndexAddress | IndexEntry] = field(
        default_factory=dict,
        metadata=about("Package indexes beside uv's own, which is `default`. Credentials stand in uv's variables."),
    )
    sources: Mapping[PackageName, IndexName] = field(
        default_factory=dict, metadata=about("Package → the index that it comes from, e.g. torch: pytorch-cpu.")
    )
    defaults: DefaultsEntry = field(default=DefaultsEntry(), metadata=about("What every image has."))
