"""OCI image layouts (image-layout.md): a folder of blobs and an index of named entries.

    oci-layout  index.json  blobs/sha256/<hex>

Blobs are hardlinked from where they lie, or copied onto another file system, and `index.json` is replaced
last: whoever reads sees the old images or the new ones, whole. Writers of one layout wait for each other.

A name has one entry: readers such as skopeo refuse a second one. Where builds for several platforms have been
published under it, one after the other or together, the entry is the index of all of them.
"""

import fcntl
import os
import shutil
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from warmbase.effects.files import new_file, replace_file
from warmbase.errors import StoreError
from warmbase.oci.digests import digest_of, digest_of_file, hex_of
from warmbase.oci.manifest import CONTAINERD_NAME, INDEX, MANIFEST, REF_NAME, Descriptor, Index, Manifest, describe

_NAMES = (REF_NAME, CONTAINERD_NAME)
_LAYOUT_FILE = b'{"imageLayoutVersion":"1.0.0"}'


class BlobSource(Protocol):
    """Where the layers of an image lie."""

    def blob_path(self, digest: str) -> Path:
        """The blob's file."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LayoutImage:
    """An image to publish.

    `image` and `tags` name it, e.g. "data" and ("py3.13-trixie", "py3.13"); `registry` is the prefix of its
    full name. `root` describes its manifest, or the index of its platforms. `documents` are the bytes of all
    its manifests, indexes and configs, `layers` the descriptors of what the blob source holds.
    """

    image: str
    tags: tuple[str, ...]
    root: Descriptor
    documents: tuple[bytes, ...]
    layers: tuple[Descriptor, ...]
    registry: str = "docker.io/library"


@dataclass(frozen=True, kw_only=True, slots=True)
class Layout:
    """A layout that was read: its folder and its index."""

    path: Path
    index: Index

    @property
    def names(self) -> tuple[str, ...]:
        """The reference names of the entries, e.g. "data:py3.13"."""
        return tuple(ref_name(entry) for entry in self.index.manifests if ref_name(entry))

    def find(self, name: str) -> Descriptor | None:
        """The entry of a reference name."""
        return next((entry for entry in self.index.manifests if ref_name(entry) == name), None)

    def full_name(self, name: str) -> str:
        """The name, with its registry, under which an engine loads the entry of a reference name; "" for none."""
        entry = self.find(name)
        return entry.annotations.get(CONTAINERD_NAME, "") if entry else ""

    def builds(self, name: str) -> tuple[Descriptor, ...]:
        """The manifests under a reference name, one for each platform, with the annotations of their images.

        Raises StoreError if the index of the platforms is damaged.
        """
        entry = self.find(name)
        return _builds(self, entry) if entry else ()

    def blob_path(self, digest: str) -> Path:
        """Where a blob lies."""
        return self.path / "blobs" / "sha256" / hex_of(digest)

    def read(self, descriptor: Descriptor) -> bytes:
        """A document's bytes. Raises StoreError if they are missing or are not what the descriptor says."""
        path = self.blob_path(descriptor.digest)
        with _reported(self.path):
            content = path.read_bytes()
        if len(content) != descriptor.size or digest_of(content) != descriptor.digest:
            raise _no_layout(self.path, f"the blob {descriptor.digest} is damaged")
        return content

    def blobs(self, manifest: Descriptor) -> tuple[Descriptor, ...]:
        """The manifest, its config and its layers. Raises StoreError if the manifest is missing or damaged."""
        try:
            read = Manifest.from_bytes(self.read(manifest))
        except (KeyError, TypeError, ValueError) as error:
            raise _no_layout(self.path, f"{manifest.digest} is no manifest: {error}") from error
        return (manifest, read.config, *read.layers)

    def is_whole(self, manifest: Descriptor) -> bool:
        """Whether every blob of an image is there and has its size. No layer is read."""
        try:
            return all(self.blob_path(blob.digest).stat().st_size == blob.size for blob in self.blobs(manifest))
        except (OSError, StoreError):
            return False


def ref_name(entry: Descriptor) -> str:
    """The reference name of a layout's entry, or nothing."""
    return entry.annotations.get(REF_NAME, "")


def read_layout(path: Path) -> Layout:
    """Read the layout in the folder `path`. Raises StoreError if there is none or it cannot be used."""
    with _reported(path):
        version = (path / "oci-layout").read_bytes()
        content = (path / "index.json").read_bytes()
    if b'"1.' not in version:
        raise _no_layout(path, f"its oci-layout file says {version[:80]!r}")
    try:
        return Layout(path=path, index=Index.from_bytes(content))
    except (KeyError, TypeError, ValueError) as error:
        raise _no_layout(path, str(error)) from error


def publish_to_layout(
    path: Path, images: Sequence[LayoutImage], source: BlobSource, wanted: Collection[str] | None = None
) -> Layout:
    """Write images into the layout in the folder `path`, which is made if it is missing.

    An image for one platform replaces the build for that platform under its names and keeps the others; an
    image whose root is an index replaces all. Entries of other names stay, or of those only the ones named in
    `wanted` ("image:tag"). Nothing is removed from the blobs; see `collect_garbage`. Raises StoreError.
    """
    with _reported(path):
        (path / "blobs" / "sha256").mkdir(parents=True, exist_ok=True)
        with _writing(path):
            if not (path / "oci-layout").exists():
                _write(path / "oci-layout", _LAYOUT_FILE)
                _write(path / "index.json", Index(manifests=()).to_bytes())
            layout = read_layout(path)
            entries = {
                ref_name(entry): entry
                for entry in layout.index.manifests
                if wanted is None or ref_name(entry) in wanted
            }
            for image in images:
                _add_blobs(layout, image, source)
                for entry in _entries(image):
                    name = ref_name(entry)
                    entries[name] = _join(layout, entries[name], entry) if name in entries else entry
            index = Index(
                manifests=tuple(entries[name] for name in sorted(entries)),
                annotations=layout.index.annotations,
            )
            if index != layout.index:
                _write(path / "index.json", index.to_bytes())
            return Layout(path=path, index=index)


def collect_garbage(path: Path) -> int:
    """Remove the blobs that no entry of the layout leads to; returns the freed bytes. Raises StoreError."""
    with _reported(path), _writing(path):
        layout = read_layout(path)
        needed = {hex_of(digest) for entry in layout.index.manifests for digest in _reachable(layout, entry)}
        freed = 0
        for blob in (path / "blobs" / "sha256").iterdir():
            if blob.name not in needed:
                freed += blob.stat().st_size
                blob.unlink()
        return freed


def _reachable(layout: Layout, descriptor: Descriptor) -> Iterator[str]:
    yield descriptor.digest
    try:
        if descriptor.media_type == INDEX:
            for manifest in Index.from_bytes(layout.read(descriptor)).manifests:
                yield from _reachable(layout, manifest)
        elif descriptor.media_type == MANIFEST:
            yield from (blob.digest for blob in layout.blobs(descriptor))
    except (KeyError, TypeError, ValueError) as error:
        raise _no_layout(layout.path, f"{descriptor.digest} is no manifest: {error}") from error


def _entries(image: LayoutImage) -> Iterator[Descriptor]:
    for tag in image.tags:
        name = f"{image.image}:{tag}"
        yield replace(
            image.root,
            annotations={
                **image.root.annotations,
                REF_NAME: name,
                CONTAINERD_NAME: f"{image.registry}/{name}",
            },
        )


def _builds(layout: Layout, entry: Descriptor) -> tuple[Descriptor, ...]:
    if entry.media_type == INDEX:
        try:
            return Index.from_bytes(layout.read(entry)).manifests
        except (KeyError, TypeError, ValueError) as error:
            raise _no_layout(layout.path, f"{entry.digest} is no index: {error}") from error
    return (replace(entry, annotations=_without_names(entry)),)


def _join(layout: Layout, old: Descriptor, new: Descriptor) -> Descriptor:
    """The entry that holds the new build and the old ones for other platforms."""
    others = [build for build in _builds(layout, old) if build.platform not in (None, new.platform)]
    if new.platform is None or not others:
        return new
    builds = [*others, replace(new, annotations=_without_names(new))]
    document = Index(manifests=tuple(sorted(builds, key=lambda build: str(build.platform)))).to_bytes()
    _add_document(layout, document)
    names = {key: value for key, value in new.annotations.items() if key in _NAMES}
    return replace(describe(document, INDEX), annotations=names)


def _without_names(entry: Descriptor) -> dict[str, str]:
    return {key: value for key, value in entry.annotations.items() if key not in _NAMES}


def _add_blobs(layout: Layout, image: LayoutImage, source: BlobSource) -> None:
    for layer in image.layers:
        _add_blob(layout.blob_path(layer.digest), source.blob_path(layer.digest), layer)
    for document in image.documents:
        _add_document(layout, document)


def _add_document(layout: Layout, document: bytes) -> None:
    target = layout.blob_path(digest_of(document))
    if not target.exists() or target.read_bytes() != document:
        _write(target, document)


def _add_blob(target: Path, source: Path, layer: Descriptor) -> None:
    if not source.exists() or source.stat().st_size != layer.size:
        raise StoreError(
            f"the layer {layer.digest} is not whole in the layer store",
            next_step="run the build again: it makes the layer anew",
        )
    if target.exists() and target.samefile(source):
        return
    with new_file(target.parent) as temporary:
        temporary.unlink()
        try:
            temporary.hardlink_to(source)
        except OSError:  # another file system, or one without hardlinks
            if target.exists() and digest_of_file(target) == layer.digest:
                return
            shutil.copyfile(source, temporary)
            temporary.chmod(0o444)
            if digest_of_file(temporary) != layer.digest:
                raise _no_layout(target.parent.parent.parent, f"the copy of {source} is damaged") from None
        temporary.replace(target)


def _write(path: Path, content: bytes) -> None:
    replace_file(path, content, durable=True)


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    # The folder itself is locked: a file for it would be a foreign one in the layout.
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def _reported(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise _no_layout(path, f"{error.filename or path}: {error.strerror or error}") from error


def _no_layout(path: Path, reason: str) -> StoreError:
    return StoreError(
        f"cannot use the OCI layout {path}: {reason}",
        next_step="remove the folder, or choose another one, and run again",
    )
