"""From layers to an image: the config and the manifest, which name them (OCI image specification, config.md).

An image is created when its newest input was, not when somebody built it: the same inputs give the same digest.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from warmbase.catalog.model import Variant
from warmbase.foundation.model import Base, Foundation
from warmbase.image.start import container_config
from warmbase.layers.layer import Layer
from warmbase.oci.layout import LayoutImage
from warmbase.oci.manifest import CONFIG, MANIFEST, Config, Descriptor, History, Manifest, Platform, describe

RECIPE_LABEL = "dev.warmbase.recipe"
PYTHON_LABEL = "dev.warmbase.python"
ARCHIVE_LABEL = "dev.warmbase.python.archive"
UV_LABEL = "dev.warmbase.uv"
LOCK_LABEL = "dev.warmbase.lock"
FROM_LABEL = "dev.warmbase.from"


@dataclass(frozen=True, kw_only=True, slots=True)
class Provenance:
    """What an image states of its origin. `created` is RFC 3339 text, `lock` the lock's SHA-256.

    `foundation` is a Debian foundation's name, or that of the image which it is, `base_digest` that image's digest.
    `archive` names what a managed Python was installed from.
    """

    recipe: str
    lock: str
    created: str
    python: str
    uv: str
    foundation: str
    base_digest: str = ""
    archive: str = ""


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
    """An image of one variant for one platform, all of its layers in the store. It is not verified yet.

    `base` is the image that it stands on, whose layers are its own first ones.
    """

    variant: Variant
    platform: str
    recipe: str
    manifest: Descriptor
    documents: tuple[bytes, ...]
    layers: tuple[Layer, ...]
    base: Base | None = None

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
    variant: Variant,
    platform: str,
    layers: Sequence[tuple[Layer, str]],
    provenance: Provenance,
    foundation: Foundation | None = None,
) -> BuiltImage:
    """Make the config and the manifest of `layers`: pairs of a layer and the words for its history, lowest first.

    What `foundation` has as an image, a history and what its containers start as, is taken over.
    """
    labels = image_labels(variant, provenance)
    config = Config(
        platform=Platform.parse(platform),
        created=provenance.created,
        diff_ids=tuple(layer.diff_id for layer, _ in layers),
        run=container_config(variant.config, labels, foundation.run if foundation else {}),
        history=_history([words for _, words in layers], provenance.created, foundation),
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
        base=foundation.base if foundation else None,
    )


def _history(words: Sequence[str], created: str, foundation: Foundation | None) -> tuple[History, ...]:
    """The foundation's own history, where it has one that fits its layers, and a line for each layer above."""
    inherited: tuple[History, ...] = ()
    if foundation and foundation.base:
        count = len(foundation.base.layers)
        if sum(not step.empty_layer for step in foundation.history) == count:
            inherited, words = foundation.history, words[count:]
    return (*inherited, *(History(created=created, created_by=f"warmbase: {one}") for one in words))


def image_labels(variant: Variant, provenance: Provenance) -> Mapping[str, str]:
    """The labels, which are the manifest's annotations too (annotations.md, "Pre-Defined Annotation Keys")."""
    labels = {
        "org.opencontainers.image.title": variant.name,
        "org.opencontainers.image.description": variant.description,
        "org.opencontainers.image.version": variant.tag,
        "org.opencontainers.image.created": provenance.created,
        "org.opencontainers.image.base.name": provenance.foundation,
        "org.opencontainers.image.base.digest": provenance.base_digest,
        RECIPE_LABEL: provenance.recipe,
        LOCK_LABEL: provenance.lock,
        PYTHON_LABEL: provenance.python,
        ARCHIVE_LABEL: provenance.archive,
        UV_LABEL: provenance.uv,
        FROM_LABEL: variant.parent,
        **dict(variant.labels),
    }
    return {name: value for name, value in sorted(labels.items()) if value}
