"""The documents of an image, as frozen values that become canonical JSON.

OCI image specification v1.1: descriptor.md, manifest.md, image-index.md, config.md, annotations.md. What a
document holds beyond the fields here is kept only where it matters to us: the config's `config` object is
carried as it is, because a foundation's health check or stop signal belongs to its children too.
"""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from warmbase.oci.digests import Json, canonical_json, digest_of

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
TAR = "application/vnd.oci.image.layer.v1.tar"
TAR_GZIP = "application/vnd.oci.image.layer.v1.tar+gzip"
TAR_ZSTD = "application/vnd.oci.image.layer.v1.tar+zstd"

REF_NAME = "org.opencontainers.image.ref.name"
CONTAINERD_NAME = "io.containerd.image.name"
"""The full name under which Docker's containerd store and `ctr` load an entry of a layout."""

DEFAULT_VARIANTS: Mapping[str, str] = {"amd64": "v1", "arm64": "v8"}
"""What an architecture without a variant means; containerd leaves these out of a normal name."""

Annotations = Mapping[str, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Platform:
    """An operating system and a CPU architecture in Go's words, e.g. linux, arm64, v8."""

    os: str = "linux"
    architecture: str = "amd64"
    variant: str = ""

    def __str__(self) -> str:
        return "/".join(part for part in (self.os, self.architecture, self.variant) if part)

    @classmethod
    def parse(cls, text: str) -> "Platform":
        """The platform of "os/architecture[/variant]". Raises ValueError."""
        parts = text.split("/")
        if len(parts) not in (2, 3) or not all(parts):
            raise ValueError(f"not a platform: {text!r}; write it like linux/amd64 or linux/arm/v7")
        return cls(os=parts[0], architecture=parts[1], variant="".join(parts[2:]))

    def to_json(self) -> dict[str, Json]:
        """The fields of a descriptor's `platform`, or of a config."""
        return _without_empty(os=self.os, architecture=self.architecture, variant=self.variant)


@dataclass(frozen=True, kw_only=True, slots=True)
class Descriptor:
    """What points to content: its type, digest and size in bytes; `data` may be the content itself, where it is small
    (descriptor.md, "Embedded Content")."""

    media_type: str
    digest: str
    size: int
    platform: Platform | None = None
    annotations: Annotations = field(default_factory=dict, hash=False)
    artifact_type: str = ""
    data: bytes = field(default=b"", repr=False)

    def to_json(self) -> dict[str, Json]:
        """The descriptor's JSON object."""
        return {
            "mediaType": self.media_type,
            "digest": self.digest,
            "size": self.size,
            **_without_empty(
                artifactType=self.artifact_type,
                annotations=self.annotations,
                platform=self.platform.to_json() if self.platform else None,
                data=base64.b64encode(self.data).decode(),
            ),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Descriptor":
        """Read a descriptor's JSON object. Raises KeyError, TypeError or ValueError where it is none."""
        platform = _mapping(value).get("platform")
        return cls(
            media_type=_text(value["mediaType"]),
            digest=_text(value["digest"]),
            size=int(value["size"]),
            platform=_platform(platform) if platform else None,
            annotations=_mapping(value.get("annotations") or {}),
            artifact_type=value.get("artifactType", ""),
            data=base64.b64decode(value.get("data", "")),
        )

    @property
    def embedded(self) -> bytes | None:
        """The content, where it came along and is what the digest says."""
        return self.data if self.data and digest_of(self.data) == self.digest else None


@dataclass(frozen=True, kw_only=True, slots=True)
class History:
    """How a layer came to be; `empty_layer` marks a step that has no layer."""

    created: str = ""
    created_by: str = ""
    comment: str = ""
    empty_layer: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """An image's config: platform, creation time (RFC 3339), what a container starts as, and its layers.

    `run` is the `config` object: Env, Entrypoint, Cmd, User, WorkingDir, Labels and so on. Each history
    entry without `empty_layer` stands for one of `diff_ids`, in order.
    """

    platform: Platform
    created: str
    diff_ids: tuple[str, ...]
    run: Mapping[str, Json] = field(default_factory=dict, hash=False)
    history: tuple[History, ...] = ()

    def to_bytes(self) -> bytes:
        """The document. Raises ValueError if the history does not fit the layers."""
        steps = sum(not step.empty_layer for step in self.history)
        if self.history and steps != len(self.diff_ids):
            raise ValueError(f"the history names {steps} layers, the image has {len(self.diff_ids)}")
        document: dict[str, Json] = {
            **self.platform.to_json(),
            **_without_empty(created=self.created),
            "config": self.run,
            "rootfs": {"type": "layers", "diff_ids": self.diff_ids},
            "history": [
                _without_empty(
                    created=step.created,
                    created_by=step.created_by,
                    comment=step.comment,
                    empty_layer=step.empty_layer,
                )
                for step in self.history
            ],
        }
        return canonical_json(document)

    @classmethod
    def from_bytes(cls, content: bytes) -> "Config":
        """Read a config document. Raises ValueError, KeyError or TypeError where it is none."""
        value = _object(content)
        return cls(
            platform=_platform(value),
            created=_text(value.get("created") or ""),
            diff_ids=tuple(_text(diff_id) for diff_id in value["rootfs"]["diff_ids"]),
            run=_mapping(value.get("config") or {}),
            history=tuple(
                History(
                    created=step.get("created") or "",
                    created_by=step.get("created_by", ""),
                    comment=step.get("comment", ""),
                    empty_layer=step.get("empty_layer", False),
                )
                for step in map(_mapping, value.get("history") or ())
            ),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Manifest:
    """An image for one platform: its config and its layers, lowest first."""

    config: Descriptor
    layers: tuple[Descriptor, ...]
    annotations: Annotations = field(default_factory=dict, hash=False)
    artifact_type: str = ""
    subject: Descriptor | None = None

    def to_bytes(self) -> bytes:
        """The document."""
        return canonical_json(
            {
                "schemaVersion": 2,
                "mediaType": MANIFEST,
                "config": self.config.to_json(),
                "layers": [layer.to_json() for layer in self.layers],
                **_without_empty(
                    artifactType=self.artifact_type,
                    annotations=self.annotations,
                    subject=self.subject.to_json() if self.subject else None,
                ),
            }
        )

    @classmethod
    def from_bytes(cls, content: bytes) -> "Manifest":
        """Read an image manifest. Raises ValueError, KeyError or TypeError where it is none."""
        value = _object(content)
        subject = value.get("subject")
        return cls(
            config=Descriptor.from_json(value["config"]),
            layers=tuple(Descriptor.from_json(layer) for layer in value["layers"]),
            annotations=value.get("annotations") or {},
            artifact_type=value.get("artifactType", ""),
            subject=Descriptor.from_json(subject) if subject else None,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Index:
    """A list of manifests: the platforms of an image, or the entries of a layout."""

    manifests: tuple[Descriptor, ...]
    annotations: Annotations = field(default_factory=dict, hash=False)

    def to_bytes(self) -> bytes:
        """The document."""
        return canonical_json(
            {
                "schemaVersion": 2,
                "mediaType": INDEX,
                "manifests": [manifest.to_json() for manifest in self.manifests],
                **_without_empty(annotations=self.annotations),
            }
        )

    @classmethod
    def from_bytes(cls, content: bytes) -> "Index":
        """Read an index. Raises ValueError, KeyError or TypeError where it is none."""
        value = _object(content)
        return cls(
            manifests=tuple(Descriptor.from_json(manifest) for manifest in value["manifests"]),
            annotations=value.get("annotations") or {},
        )


def variables_of(run: Mapping[str, Json]) -> dict[str, str]:
    """The variables of a config's `config` object: what a container starts with."""
    pairs = run.get("Env") or ()
    return dict(str(pair).partition("=")[::2] for pair in pairs) if isinstance(pairs, list) else {}


def loader_variables(run: Mapping[str, Json]) -> dict[str, str]:
    """What an image's config object, `run`, tells its dynamic loader (ld.so(8)): without it programs may not start."""
    return {name: value for name, value in variables_of(run).items() if name in ("LD_LIBRARY_PATH", "LD_PRELOAD")}


def is_index(media_type: str) -> bool:
    """Whether a media type is that of an index, or of what Docker calls a manifest list."""
    return "image.index" in media_type or "manifest.list" in media_type


def describe(content: bytes, media_type: str, platform: Platform | None = None) -> Descriptor:
    """The descriptor of a document in memory."""
    return Descriptor(media_type=media_type, digest=digest_of(content), size=len(content), platform=platform)


def _platform(value: Mapping[str, Any]) -> Platform:
    found = _mapping(value)
    return Platform(os=found["os"], architecture=found["architecture"], variant=found.get("variant", ""))


def _object(content: bytes) -> dict[str, Any]:
    return _mapping(json.loads(content))


def _mapping(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise TypeError(f"a JSON object is expected, not {type(value).__name__}")
    return cast("dict[str, Any]", value)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"a text is expected, not {type(value).__name__}")
    return value


def _without_empty(**fields: Json) -> dict[str, Json]:
    return {key: value for key, value in fields.items() if value}
