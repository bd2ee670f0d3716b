"""Small verified variants to publish, whose blobs lie in a folder, and a look at what a registry then has."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from warmbase.catalog.model import DebianFoundation, ImageConfig, Variant
from warmbase.effects.registry.model import Registry
from warmbase.foundation.pins import DebianPin
from warmbase.image.assemble import LOCK_LABEL, RECIPE_LABEL
from warmbase.lock.model import Lock, LockedPackage
from warmbase.oci.digests import digest_of, hex_of
from warmbase.oci.manifest import (
    CONFIG,
    INDEX,
    MANIFEST,
    TAR_ZSTD,
    Config,
    Descriptor,
    Index,
    Manifest,
    Platform,
    describe,
)
from warmbase.oci.records import record_manifest
from warmbase.plan import BuildStep
from warmbase.publish.model import PublishableVariant
from warmbase.verify.model import STATIC_ONLY, VERIFIER_REVISION, Finding, Verification, VerifiedImage, accept_image
from warmbase.verify.recorded import StoredImage

AMD64, ARM64 = "linux/amd64", "linux/arm64"
DAY = datetime(2026, 11, 21, 12, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True, slots=True)
class Attested:
    """An attestation that says which manifest it is about."""

    manifest: bytes
    descriptor: Descriptor
    blobs: tuple[tuple[Descriptor, bytes], ...]


def attest(step: BuildStep, manifest: bytes, blobs: object) -> Attested:
    """A tiny attestation in BuildKit's form."""
    record = record_manifest("test", {"about": digest_of(manifest)})
    described = replace(
        record.descriptor(),
        platform=Platform(os="unknown", architecture="unknown"),
        annotations={
            "vnd.docker.reference.type": "attestation-manifest",
            "vnd.docker.reference.digest": digest_of(manifest),
        },
    )
    return Attested(manifest=record.manifest, descriptor=described, blobs=record.blobs)


def package(name: str, version: str) -> LockedPackage:
    """A package that is installed on AMD64, and whose file nobody needs."""
    return LockedPackage(
        name=name,
        version=version,
        use="venv",
        requires_dist=(),
        requires_python="",
        extras=(),
        files=(),
        wheels=((AMD64, f"{name}-{version}-py3-none-any.whl"),),
    )


def lock_of(versions: Mapping[str, str]) -> Lock:
    packages = tuple(package(name, version) for name, version in versions.items())
    return Lock(variant="", python="3.13", inputs="", uv=package("uv", "0.13.8"), packages=packages)


def describe_variant(
    image: str, *, platforms: Sequence[str] = (AMD64,), foundation: str = "trixie", first: bool = True
) -> Variant:
    """A variant of which nothing is made."""
    return Variant(
        image=image,
        python="3.13",
        foundation=DebianFoundation(name=foundation, suite=foundation, python="3.13"),
        first=first,
        description=f"The image {image}.",
        requirements=(),
        warm=(),
        winners=(),
        sets=(),
        smoke=None,
        config=ImageConfig(),
        labels=(),
        platforms=tuple(platforms),
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Shelf:
    """Where variants come from: `folder` keeps the blobs of all that were made."""

    folder: Path

    def blob_path(self, digest: str) -> Path:
        return self.folder / hex_of(digest)

    def variant(
        self,
        image: str = "data",
        *,
        layers: Sequence[str] = ("one",),
        packing: str = "",
        platforms: Sequence[str] = (AMD64,),
        run: bool = True,
        foundation: str = "trixie",
        first: bool = True,
        versions: Mapping[str, str] | None = None,
        base: str = "",
        entrypoint: str = "",
    ) -> PublishableVariant:
        """A variant whose recipe its layers decide; `packing` changes the compressed bytes alone."""
        variant = describe_variant(image, platforms=platforms, foundation=foundation, first=first)
        lock = lock_of(versions or {"numpy": f"{len(layers)}.0"})
        images = [
            (
                self._step(variant, platform, lock),
                self._verified(variant, platform, [*layers], packing, run=run, base=base, entrypoint=entrypoint),
            )
            for platform in sorted(platforms)
        ]
        return PublishableVariant(variant=variant, images=tuple(images))

    def _step(self, variant: Variant, platform: str, lock: Lock) -> BuildStep:
        return BuildStep(
            variant=variant,
            platform=platform,
            lock=lock,
            pin=DebianPin(suite="trixie", platform=platform, epoch=0, archives=(), packages=()),
            native=None,
            foundation="",
            uv="u" * 64,
            wheels=(),
            contract="",
        )

    def _verified(
        self,
        variant: Variant,
        platform: str,
        layers: Sequence[str],
        packing: str,
        *,
        run: bool,
        base: str,
        entrypoint: str,
    ) -> VerifiedImage:
        described = [self._put(f"{packing}{content}".encode()) for content in layers]
        recipe = digest_of(f"{variant.name} {platform} {layers}".encode())[7:]
        labels = {RECIPE_LABEL: recipe, LOCK_LABEL: "lock"}
        diff_ids = tuple(digest_of(content.encode()) for content in layers)
        started = {"Entrypoint": [entrypoint]} if entrypoint else {}
        config = Config(
            platform=Platform.parse(platform), created="", diff_ids=diff_ids, run={"Labels": labels, **started}
        )
        document = config.to_bytes()
        annotations = {"org.opencontainers.image.title": variant.name}
        if base:
            annotations |= {
                "org.opencontainers.image.base.name": base,
                "org.opencontainers.image.base.digest": digest_of(base.encode()),
            }
        manifest = Manifest(config=describe(document, CONFIG), layers=tuple(described), annotations=annotations)
        content = manifest.to_bytes()
        descriptor = replace(describe(content, MANIFEST, Platform.parse(platform)), annotations={RECIPE_LABEL: recipe})
        image = StoredImage(
            variant=variant, platform=platform, recipe=recipe, manifest=descriptor, documents=(content, document)
        )
        verification = Verification(
            digest=descriptor.digest,
            platform=platform,
            revision=VERIFIER_REVISION,
            runner="namespaces" if run else STATIC_ONLY,
            smoke="",
            findings=(Finding(check="files", outcome="passed"),),
        )
        return accept_image(image, verification)

    def _put(self, content: bytes) -> Descriptor:
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.blob_path(digest_of(content))
        if not path.exists():
            path.write_bytes(content)
        return describe(content, TAR_ZSTD)


@dataclass
class Clock:
    """A clock that moves on by a minute whenever it is asked, from `now`."""

    now: datetime = DAY
    step: timedelta = timedelta(minutes=1)
    _count: Iterator[int] = field(default_factory=itertools.count)

    def __call__(self) -> datetime:
        return self.now + next(self._count) * self.step


def tags_of(registry: Registry, repository: str) -> dict[str, str]:
    """What each tag of a repository names."""
    found = {tag: registry.find_manifest(repository, tag) for tag in registry.tags(repository)}
    return {tag: manifest.digest for tag, manifest in found.items() if manifest}


def check_whole(registry: Registry, repository: str) -> None:
    """Whatever a tag of the repository leads to is there."""
    tags = {digest: tag for tag, digest in tags_of(registry, repository).items()}
    for digest, tag in tags.items():
        named = registry.read_manifest(repository, digest)
        assert named, tag
        is_index = named.media_type == INDEX
        for part in [child.digest for child in Index.from_bytes(named.content).manifests] if is_index else [digest]:
            manifest = registry.read_manifest(repository, part)
            assert manifest, f"{tag} lacks {part}"
            read = Manifest.from_bytes(manifest.content)
            for blob in (read.config, *read.layers):
                assert registry.has_blob(repository, blob.digest), f"{tag} lacks {blob.digest}"
