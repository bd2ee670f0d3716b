"""Records: small JSON documents that are kept in a registry as artifacts.

A record is a plain OCI image manifest (image specification, manifest.md, "Guidelines for Artifact Usage") whose first
layer is the document; other layers are larger documents, packed, and what it keeps from the registry's garbage
collection. Its config is an image's, for the platform unknown/unknown: GitLab refuses manifests whose config has a
media type that it does not know. Equal documents make equal bytes.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from warmbase.oci.digests import Json, canonical_json, digest_of
from warmbase.oci.manifest import CONFIG, MANIFEST, Annotations, Config, Descriptor, Manifest, Platform, describe

UNKNOWN_PLATFORM = Platform(os="unknown", architecture="unknown")
"""The platform of what is no image; engines that look for their own pass it over."""

RECORD_CONFIG = Config(platform=UNKNOWN_PLATFORM, created="", diff_ids=()).to_bytes()
"""The config of every record: it says nothing, and a repository needs it once."""

Layers = Sequence[tuple[Descriptor, bytes]]
"""Layers of a record with their content."""

_LEVEL = 6
_EMBEDDED = 64 << 10  # bytes; a manifest of 4 MiB is what every registry has to take (distribution-spec 1.1)
_LARGEST = 256 << 20  # of what is packed; states and locks of thousands of packages stay far below


@dataclass(frozen=True, kw_only=True, slots=True)
class Record:
    """A record as a registry takes it: the manifest's bytes, and the blobs that go first."""

    manifest: bytes = field(repr=False)
    blobs: tuple[tuple[Descriptor, bytes], ...] = field(repr=False)

    def descriptor(self) -> Descriptor:
        """What points to the record."""
        return describe(self.manifest, MANIFEST)

    @property
    def digest(self) -> str:
        """The manifest's digest."""
        return digest_of(self.manifest)


def artifact_type(kind: str) -> str:
    """The media type of a kind of record: "journal" → "application/vnd.warmbase.journal.v1+json"."""
    return f"application/vnd.warmbase.{kind}.v1+json"


def plain_image(
    layers: Layers,
    *,
    kept: Sequence[Descriptor] = (),
    artifact: str = "",
    subject: Descriptor | None = None,
    annotations: Annotations | None = None,
) -> Record:
    """Documents as an image for no platform.

    `kept` are layers of other images: being named here keeps them in the repository, where they have to be already.
    """
    descriptors = (*(layer for layer, _ in layers), *kept)
    described = describe(RECORD_CONFIG, CONFIG)
    manifest = Manifest(
        config=described,
        layers=descriptors,
        annotations=annotations or {},
        artifact_type=artifact,
        subject=subject,
    )
    return Record(manifest=manifest.to_bytes(), blobs=((described, RECORD_CONFIG), *layers))


def record_manifest(
    kind: str,
    document: Json,
    *,
    more: Layers = (),
    kept: Sequence[Descriptor] = (),
    subject: Descriptor | None = None,
    annotations: Annotations | None = None,
    is_embedded: bool = False,
) -> Record:
    """The record of a JSON document; `more` are further layers, `kept` as for `plain_image`. `subject` is the manifest,
    in the same repository, that it is about. With `is_embedded` the manifest has the document itself, if it is small:
    who reads many saves a request each."""
    content = canonical_json(document)
    kind_type = artifact_type(kind)
    layer = describe(content, kind_type)
    layers = [(embed(layer, content) if is_embedded else layer, content), *more]
    return plain_image(layers, kept=kept, artifact=kind_type, subject=subject, annotations=annotations)


def document_layer(kind: str, manifest: bytes) -> Descriptor:
    """Where the document of a record lies. Raises ValueError if `manifest` is no record of this kind."""
    return record_layers(kind, manifest)[0]


def record_layers(kind: str, manifest: bytes) -> tuple[Descriptor, ...]:
    """The layers of a record, the first of which is its document. Raises ValueError if it is no record of this kind."""
    try:
        layers = Manifest.from_bytes(manifest).layers
        document = layers[0]
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise ValueError(f"not a record: {error}") from error
    if document.media_type != artifact_type(kind):
        raise ValueError(f"a record of {document.media_type}, not of {artifact_type(kind)}")
    return layers


def embed(layer: Descriptor, content: bytes) -> Descriptor:
    """What points to content that comes along with it, unless that is large."""
    return replace(layer, data=content) if len(content) <= _EMBEDDED else layer


def packed_type(kind: str) -> str:
    """The media type of a packed document: "lock" → "application/vnd.warmbase.lock.v1.json+zstd"."""
    return f"application/vnd.warmbase.{kind}.v1.json+zstd"


def pack(kind: str, content: bytes) -> tuple[Descriptor, bytes]:
    """A packed document as a layer. The same content and version of zstd make the same bytes."""
    import zstandard

    packed = zstandard.ZstdCompressor(level=_LEVEL).compress(content)
    return describe(packed, packed_type(kind)), packed


def unpack(content: bytes) -> bytes:
    """The content of a packed document. Raises ValueError for what is none."""
    import zstandard

    try:
        size = zstandard.frame_content_size(content)
        if not 0 <= size <= _LARGEST:
            raise ValueError(f"a packed document of {size} bytes")
        return zstandard.ZstdDecompressor().decompress(content)
    except zstandard.ZstdError as error:
        raise ValueError(f"not a packed document: {error}") from error


def packed_layers(manifest: bytes) -> Mapping[str, Descriptor]:
    """The layers after the first of a record's manifest, by media type. Raises ValueError for what is no manifest."""
    try:
        return {layer.media_type: layer for layer in Manifest.from_bytes(manifest).layers[1:]}
    except (KeyError, TypeError) as error:
        raise ValueError(f"not a record: {error}") from error


def parse_document(content: bytes) -> Mapping[str, Any]:
    """The JSON object of a record. Raises ValueError where it is something else."""
    value = json.loads(content)
    if not isinstance(value, dict):
        raise ValueError(f"a JSON object is expected, not {type(value).__name__}")  # noqa: TRY004 - it is input
    return value
