"""From layers to an image: the config and the manifest, which name them (OCI image specification, config.md).

An image is created when its newest input was, not when somebody built it: the same inputs give the same digest.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from warmbase.catalog.model import Variant
from warmbase.image.contract import ENVIRONMENT
from warmbase.layers.layer import Layer
from warmbase.oci.digests import Json
from warmbase.oci.layout import LayoutImage
from warmbase.oci.manifest import CONFIG, MANIFEST, Config, Descriptor, History, Manifest, Platform, describe

RECIPE_LABEL = "dev.warmbase.recipe"
PYTHON_LABEL = "dev.warmbase.python"
UV_LABEL = "dev.warmbase.uv"
LOCK_LABEL = "dev.warmbase.lock"


@dataclass(frozen=True, kw_only=True, slots=True)
class Provenance:
    """What an image states of its origin. `created` is RFC 3339 text, `lock` the lock's SHA-256."""

    recipe: str
    lock: str
    created: str
    python: str
    uv: str
    foundation: str


class Image(Protocol):
    """An image of one variant for one platform: its documents are the bytes of its manifest, then of its config."""

    @property
    def variant(self) -> Variant: ...

    @property
    def platform(self) -> str: ...

    @property
    def recipe(self) -> str: ...

    @property
    def manifest(self) -> Descriptor: ...

    @property
    def documents(self) -> tuple[bytes, ...]: ...

    @property
    def digest(self) -> str:
        """The manifest's digest."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class BuiltImage:
    """An image of one variant for one platform, all of its layers in the store. It is not verified yet."""

    variant: Variant
    platform: str
    recipe: str
    manifest: Descriptor
    documents: tuple[bytes, ...]
    layers: tuple[Layer, ...]

    @property
    def digest(self) -> str:
        """The manifest's digest."""
        return self.manifest.digest

    @property
    def size(self) -> int:
        """The compressed size of all layers in bytes."""
        return sum(layer.size for layer in self.layers)

    def layout_image(self, registry: str) -> LayoutImage:
        """The image as a layout takes it; `registry` is the prefix of its full name."""
        return LayoutImage(
            image=self.variant.image,
            tags=self.variant.tags,
            root=self.manifest,
            documents=self.documents,
            layers=tuple(layer.descriptor() for layer in self.layers),
            registry=registry,
        )


def assemble_image(
    variant: Variant, platform: str, layers: Sequence[tuple[Layer, str]], provenance: Provenance
) -> BuiltImage:
    """Make the config and the manifest of `layers`: pairs of a layer and the words for its history, lowest first."""
    labels = image_labels(variant, provenance)
    config = Config(
        platform=Platform.parse(platform),
        created=provenance.created,
        diff_ids=tuple(layer.diff_id for layer, _ in layers),
        run=_run(variant, labels),
        history=tuple(History(created=provenance.created, created_by=f"warmbase: {words}") for _, words in layers),
    )
    config_bytes = config.to_bytes()
    manifest = Manifest(
        config=describe(config_bytes, CONFIG),
        layers=tuple(layer.descriptor() for layer, _ in layers),
        annotations={name: value for name, value in labels.items() if name.startswith("org.opencontainers.")},
    )
    manifest_bytes = manifest.to_bytes()
    descriptor = describe(manifest_bytes, MANIFEST, Platform.parse(platform))
    return BuiltImage(
        variant=variant,
        platform=platform,
        recipe=provenance.recipe,
        manifest=Descriptor(
            media_type=descriptor.media_type,
            digest=descriptor.digest,
            size=descriptor.size,
            platform=descriptor.platform,
            annotations={RECIPE_LABEL: provenance.recipe},
        ),
        documents=(manifest_bytes, config_bytes),
        layers=tuple(layer for layer, _ in layers),
    )


def image_labels(variant: Variant, provenance: Provenance) -> Mapping[str, str]:
    """The labels, which are the manifest's annotations too (annotations.md, "Pre-Defined Annotation Keys")."""
    labels = {
        "org.opencontainers.image.title": variant.name,
        "org.opencontainers.image.description": variant.description,
        "org.opencontainers.image.version": variant.tag,
        "org.opencontainers.image.created": provenance.created,
        "org.opencontainers.image.base.name": provenance.foundation,
        RECIPE_LABEL: provenance.recipe,
        LOCK_LABEL: provenance.lock,
        PYTHON_LABEL: provenance.python,
        UV_LABEL: provenance.uv,
        **dict(variant.labels),
    }
    return {name: value for name, value in sorted(labels.items()) if value}


def _run(variant: Variant, labels: Mapping[str, str]) -> dict[str, Json]:
    """The part of the config that says what a container starts as; what is not set stays out."""
    config = variant.config
    run: dict[str, Json] = {
        "Env": [f"{name}={value}" for name, value in ENVIRONMENT.items()],
        "User": config.user,
        "WorkingDir": config.workdir or "/",
        "Entrypoint": list(config.entrypoint or ()),
        "Cmd": list(config.command or ()) or ["python"],
        "Labels": dict(labels),
    }
    return {name: value for name, value in run.items() if value}
