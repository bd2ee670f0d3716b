"""Images of a layout as one tar that `docker load` and `podman load` take.

The tar is an OCI layout (image-layout.md) that carries a `manifest.json` too, the list of images of Docker's own
archive format (Docker image specification v1.2, "Combined Image JSON + Filesystem Changeset Format"). Docker's
containerd store reads the layout, and so the image keeps its digest; Docker's older graph-driver store knows only
`manifest.json`. Podman would read the layout first and take one image of it, so it is given `manifest.json` alone.

Nothing is written to disk: the tar is made while it is read.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from warmbase.errors import StoreError
from warmbase.oci.digests import CHUNK, canonical_json, hex_of
from warmbase.oci.manifest import CONTAINERD_NAME, REF_NAME, Descriptor, Index, Manifest
from warmbase.oci.tar import BLOCK, END_OF_ARCHIVE, Entry, arrange, file_of, header


@dataclass(frozen=True, kw_only=True, slots=True)
class ArchivedImage:
    """An image to archive: its manifest, for one platform, and its full names, e.g. "localhost:5000/core:py3.13"."""

    manifest: Descriptor
    names: tuple[str, ...]


class Blobs(Protocol):
    """Where the blobs of images lie; a `Layout` is one."""

    def blob_path(self, digest: str) -> Path:
        """The blob's file, whether it exists or not."""
        ...

    def read(self, descriptor: Descriptor) -> bytes:
        """A document. Raises StoreError if it is missing or damaged."""
        ...


def known_ids(layout: Blobs, image: ArchivedImage) -> tuple[str, str]:
    """What engines call the image by: its manifest's digest in a containerd store, its config's in others."""
    return image.manifest.digest, Manifest.from_bytes(layout.read(image.manifest)).config.digest


def archive_entries(layout: Blobs, images: Sequence[ArchivedImage], *, with_layout: bool = True) -> tuple[Entry, ...]:
    """The entries of the tar, in order; without the OCI layout's own two files unless `with_layout`.

    Raises StoreError where a blob is missing or damaged.
    """
    blobs: dict[str, Entry] = {}
    listed = []
    for image in images:
        manifest = Manifest.from_bytes(layout.read(image.manifest))
        for descriptor in (image.manifest, manifest.config, *manifest.layers):
            blobs[descriptor.digest] = _blob(layout, descriptor)
        listed.append(
            {
                "Config": _blob_name(manifest.config.digest),
                "RepoTags": image.names,
                "Layers": [_blob_name(layer.digest) for layer in manifest.layers],
            }
        )
    documents = [file_of("manifest.json", canonical_json(listed))]
    if with_layout:
        index = Index(manifests=tuple(entry for image in images for entry in _named(image)))
        documents += [
            file_of("index.json", index.to_bytes()),
            file_of("oci-layout", canonical_json({"imageLayoutVersion": "1.0.0"})),
        ]
    directories, files = arrange((*documents, *blobs.values()))
    return directories + files


def stream_tar(entries: Iterable[Entry]) -> Iterator[bytes]:
    """The tar of `entries`, in pieces of at most 1 MiB. Raises StoreError if a file is not as long as its entry."""
    for entry in entries:
        yield header(entry)
        if entry.kind == "file":
            yield from _content(entry)
            yield END_OF_ARCHIVE[: -entry.size % BLOCK]
    yield END_OF_ARCHIVE


def _content(entry: Entry) -> Iterator[bytes]:
    if isinstance(entry.source, bytes):
        yield entry.source
        return
    missing = entry.size
    with open(entry.source, "rb") as file:  # noqa: PTH123  a path or its text
        while missing and (piece := file.read(min(CHUNK, missing))):
            missing -= len(piece)
            yield piece
    if missing:
        raise _damaged(str(entry.source))


def _named(image: ArchivedImage) -> Iterator[Descriptor]:
    for name in image.names:
        yield replace(
            image.manifest,
            annotations={**image.manifest.annotations, REF_NAME: name.rpartition(":")[2], CONTAINERD_NAME: name},
        )


def _blob(layout: Blobs, descriptor: Descriptor) -> Entry:
    path = layout.blob_path(descriptor.digest)
    if not path.is_file() or path.stat().st_size != descriptor.size:
        raise _damaged(str(path))
    name = _blob_name(descriptor.digest)
    return Entry(path=name, kind="file", mode=0o644, size=descriptor.size, source=path)


def _blob_name(digest: str) -> str:
    return f"blobs/sha256/{hex_of(digest)}"


def _damaged(path: str) -> StoreError:
    return StoreError(f"the blob {path} is missing or not whole", next_step="remove the layout, and build again")
