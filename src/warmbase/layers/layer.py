"""What a layer is: a blob and everything that images, pools and registries need to know of it."""

from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from warmbase.oci.digests import Json, hex_of
from warmbase.oci.manifest import Descriptor
from warmbase.oci.tar import Entry, Xattrs, directory


@dataclass(frozen=True, kw_only=True, slots=True)
class Directory:
    """A directory of a layer."""

    path: str
    mode: int
    xattrs: Xattrs = ()

    def entry(self) -> Entry:
        """The directory as an entry of a tar."""
        return directory(self.path, self.mode, self.xattrs)


@dataclass(frozen=True, kw_only=True, slots=True)
class Packed:
    """A fresh blob, not yet in the store: where it lies and what is in it.

    `diff_id` is the digest of the uncompressed tar (OCI image specification, config.md), `digest` and `size`
    are the blob's. `body` is the byte range in the blob, start and end, of the compressed entries that are
    not directories: what a pool copies. `directories` are the entries before it.
    """

    blob: Path
    diff_id: str
    digest: str
    size: int
    unpacked_size: int
    media_type: str
    body: tuple[int, int]
    directories: tuple[Directory, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Layer:
    """A layer in the store. Fields as in `Packed`; `recipe` is its key, `notes` what its maker attached."""

    recipe: str
    diff_id: str
    digest: str
    size: int
    unpacked_size: int
    media_type: str
    body: tuple[int, int]
    directories: tuple[Directory, ...]
    notes: Mapping[str, Json] = field(default_factory=dict, hash=False)

    @classmethod
    def of(cls, recipe: str, packed: Packed, notes: Mapping[str, Json]) -> "Layer":
        """The layer that a fresh blob becomes under a recipe."""
        return cls(
            recipe=recipe,
            diff_id=packed.diff_id,
            digest=packed.digest,
            size=packed.size,
            unpacked_size=packed.unpacked_size,
            media_type=packed.media_type,
            body=packed.body,
            directories=packed.directories,
            notes=notes,
        )

    def descriptor(self) -> Descriptor:
        """The layer's descriptor in a manifest."""
        return Descriptor(media_type=self.media_type, digest=self.digest, size=self.size)

    def to_json(self) -> dict[str, Json]:
        """The layer as JSON, for the store and for a registry."""
        return {
            "recipe": self.recipe,
            "diff_id": self.diff_id,
            "digest": self.digest,
            "size": self.size,
            "unpacked_size": self.unpacked_size,
            "media_type": self.media_type,
            "body": self.body,
            "directories": [
                [item.path, item.mode, [[name, b64encode(value).decode()] for name, value in item.xattrs]]
                for item in self.directories
            ],
            "notes": self.notes,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Layer":
        """Read what `to_json` wrote. Raises KeyError, TypeError or ValueError where it is something else."""
        hex_of(value["digest"])
        hex_of(value["diff_id"])
        start, end = value["body"]
        return cls(
            recipe=value["recipe"],
            diff_id=value["diff_id"],
            digest=value["digest"],
            size=int(value["size"]),
            unpacked_size=int(value["unpacked_size"]),
            media_type=value["media_type"],
            body=(int(start), int(end)),
            directories=tuple(
                Directory(
                    path=path,
                    mode=int(mode),
                    xattrs=tuple((name, b64decode(text, validate=True)) for name, text in xattrs),
                )
                for path, mode, xattrs in value["directories"]
            ),
            notes=value["notes"],
        )
