"""Where images come from: a registry, an OCI layout, or an archive of either kind.

OCI image layouts are image-layout.md of the OCI image specification, as a folder or as a tar of one. What `docker save`
writes is either such a tar too, or has a `manifest.json` alone (moby, image/spec/v1.2.md, "Combined Image JSON +
Filesystem Changeset Format"); its layers then are plain tars.
"""

import hashlib
import json
import os
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any, Protocol

from warmbase.catalog.model import ImageFoundation, LayoutFoundation
from warmbase.effects.registry.model import Document, Progress, Registries, Registry, ignore_progress
from warmbase.errors import FoundationError, StoreError
from warmbase.foundation.upstream import ImageSource
from warmbase.oci.digests import CHUNK, digest_of, hex_of
from warmbase.oci.layout import ref_name
from warmbase.oci.manifest import (
    CONFIG,
    CONTAINERD_NAME,
    INDEX,
    MANIFEST,
    TAR,
    TAR_GZIP,
    Descriptor,
    Index,
    Manifest,
    describe,
)
from warmbase.oci.reference import Reference
from warmbase.oci.tar import Entry, read_entries

UPGRADE = "run `warmbase lock --upgrade-foundation`, which pins what is there now"


def open_source(
    wanted: ImageFoundation | LayoutFoundation, text: str, registries: Callable[[], Registries], *, digest: str = ""
) -> ImageSource:
    """The source of a foundation's image that `text` names (`reference`); with `digest`, of the pinned manifest.

    Raises FoundationError for a path that holds neither a layout nor an archive.
    """
    if isinstance(wanted, ImageFoundation):
        reference = Reference.parse(text)
        if digest:
            reference = reference.at(digest=digest)
        return RegistryImage(registry=registries().at(reference.registry), reference=reference)
    return open_layout(wanted.folder, text, digest=digest)


def open_layout(folder: Path, text: str, *, digest: str = "") -> ImageSource:
    """The source at `text`, a path relative to `folder`, with `:name` where it holds several images."""
    path, image = folder / text, ""
    if not path.exists():
        place, _, image = text.partition(":")
        path = folder / place
    files: Files
    if path.is_dir():
        files = FolderFiles(folder=path)
    elif path.is_file():
        files = TarFiles(path=path)
    else:
        raise FoundationError(f"there is no OCI layout and no archive at {path}", next_step="put it there")
    name = f"{path}:{image}" if image else str(path)
    if files.has("index.json"):
        return LayoutImage(name=name, files=files, image=image, digest=digest)
    if files.has("manifest.json"):
        return DockerArchive(name=name, files=files, image=image, digest=digest)
    raise FoundationError(
        f"{path} is no OCI layout and no archive of `docker save`: it has no index.json and no manifest.json",
        next_step="write one with `skopeo copy docker://IMAGE oci:FOLDER`, or with `docker save`",
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class RegistryImage:
    """An image in a registry."""

    registry: Registry
    reference: Reference

    @property
    def name(self) -> str:
        """See `ImageSource`."""
        return str(self.reference)

    def root(self) -> Document:
        """See `ImageSource`."""
        found = self.registry.read_manifest(self.reference.repository, self.reference.reference)
        if found is None:
            remedy = UPGRADE if self.reference.digest else "correct the name in the catalog, or log in to the registry"
            raise FoundationError(f"{self.name} does not exist", next_step=remedy)
        return found

    def document(self, descriptor: Descriptor) -> bytes:
        """See `ImageSource`."""
        if "manifest" not in descriptor.media_type and "index" not in descriptor.media_type:
            return self.registry.read_blob(self.reference.repository, descriptor)
        found = self.registry.read_manifest(self.reference.repository, descriptor.digest)
        if found is None:
            raise FoundationError(
                f"{self.name} names {descriptor.digest}, which does not exist", next_step="push the image anew"
            )
        return found.content

    def pull(self, blob: Descriptor, target: Path, *, progress: Progress = ignore_progress) -> None:
        """See `ImageSource`."""
        self.registry.pull_blob(self.reference.repository, blob, target, progress=progress)


class Files(Protocol):
    """The files of a folder or of a tar, by their relative paths."""

    def has(self, path: str) -> bool:
        """Whether there is such a file."""
        ...

    def read(self, path: str) -> bytes:
        """The content of a small file. Raises FoundationError."""
        ...

    def copy(self, path: str, target: Path | None, progress: Progress = ignore_progress) -> tuple[str, int, bytes]:
        """Copy a file to the new file `target`, if given. Returns its digest, size and first bytes."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class FolderFiles:
    """The files of a folder. What is said in it names nothing outside of it."""

    folder: Path

    def has(self, path: str) -> bool:
        """See `Files`. Raises FoundationError for a path that leads out of the folder, as all its methods do."""
        return self._place(path).is_file()

    def read(self, path: str) -> bytes:
        """See `Files`."""
        place = self._place(path)
        try:
            return place.read_bytes()
        except OSError as error:
            raise _unreadable(place, error) from error

    def copy(self, path: str, target: Path | None, progress: Progress = ignore_progress) -> tuple[str, int, bytes]:
        """See `Files`."""
        return _copy(self._place(path), 0, None, target, progress)

    def _place(self, path: str) -> Path:
        place = Path(os.path.realpath(self.folder / path))
        if not place.is_relative_to(os.path.realpath(self.folder)):
            raise FoundationError(
                f"{self.folder} says that {path} is a part of it, but that is {place}",
                next_step="copy the image there as a whole, e.g. with `skopeo copy`",
            )
        return place


@dataclass(frozen=True, kw_only=True)
class TarFiles:
    """The files of an uncompressed tar."""

    path: Path

    @cached_property
    def _entries(self) -> Mapping[str, Entry]:
        try:
            return {entry.path: entry for entry in read_entries(self.path)}
        except StoreError as error:
            remedy = "write it without compression, as `docker save` and `skopeo copy` do"
            raise FoundationError(error.message, next_step=remedy) from error

    def has(self, path: str) -> bool:
        """See `Files`."""
        return path in self._entries

    def read(self, path: str) -> bytes:
        """See `Files`."""
        entry = self._find(path)
        try:
            with self.path.open("rb") as file:
                file.seek(entry.offset or 0)
                return file.read(entry.size)
        except OSError as error:
            raise _unreadable(self.path, error) from error

    def copy(self, path: str, target: Path | None, progress: Progress = ignore_progress) -> tuple[str, int, bytes]:
        """See `Files`."""
        entry = self._find(path)
        return _copy(self.path, entry.offset or 0, entry.size, target, progress)

    def _find(self, path: str) -> Entry:
        """The entry of a file; `docker save` links layers that are the same."""
        entry = self._entries.get(path)
        for _ in range(len(self._entries)):
            if entry is None or entry.kind == "file":
                break
            above = "" if entry.kind == "hardlink" else entry.path.rpartition("/")[0]
            entry = self._entries.get(_normal(f"{above}/{entry.target}"))
        if entry is None or entry.kind != "file":
            raise FoundationError(f"{self.path} has no {path}", next_step="write the archive anew")
        return entry


@dataclass(frozen=True, kw_only=True, slots=True)
class LayoutImage:
    """An image in an OCI layout: the one called `image`, or the only one."""

    name: str
    files: Files
    image: str = ""
    digest: str = ""

    def root(self) -> Document:
        """See `ImageSource`."""
        content = self.files.read("index.json")
        try:
            entries = Index.from_bytes(content).manifests
        except (KeyError, TypeError, ValueError) as error:
            raise _unusable(self.name, "index.json", error) from error
        if self.digest == digest_of(content):
            return Document(content=content, media_type=INDEX, digest=self.digest)
        if self.digest:
            return self._pinned()
        wanted = {self.image, _full_name(self.image)}
        named = [one for one in entries if not self.image or wanted & _names_of(one)]
        if len(named) == 1:
            entry = named[0]
            return Document(content=self.document(entry), media_type=entry.media_type, digest=entry.digest)
        names = {name for one in entries for name in _names_of(one)}
        if self.image or names or not entries:
            raise _several(self.name, len(named), names)
        return Document(content=content, media_type=INDEX, digest=digest_of(content))

    def document(self, descriptor: Descriptor) -> bytes:
        """See `ImageSource`."""
        content = self.files.read(_blob(descriptor.digest))
        if digest_of(content) != descriptor.digest:
            raise _damaged(self.name, descriptor.digest)
        return content

    def pull(self, blob: Descriptor, target: Path, *, progress: Progress = ignore_progress) -> None:
        """See `ImageSource`."""
        if self.files.copy(_blob(blob.digest), target, progress)[0] != blob.digest:
            raise _damaged(self.name, blob.digest)

    def _pinned(self) -> Document:
        if not self.files.has(_blob(self.digest)):
            raise FoundationError(f"{self.name} no longer has the pinned image {self.digest}", next_step=UPGRADE)
        content = self.files.read(_blob(self.digest))
        if digest_of(content) != self.digest:
            raise _damaged(self.name, self.digest)
        document = json.loads(content)  # OCI's documents need not say which they are
        media_type = document.get("mediaType", INDEX if "manifests" in document else MANIFEST)
        return Document(content=content, media_type=media_type, digest=self.digest)


@dataclass(frozen=True, kw_only=True)
class DockerArchive:
    """An image in what `docker save` writes. Its manifest is made here, from the files; the same ones give the same."""

    name: str
    files: Files
    image: str = ""
    digest: str = ""
    _paths: dict[str, str] = field(default_factory=dict, init=False, repr=False, compare=False)

    def root(self) -> Document:
        """See `ImageSource`."""
        try:
            entry = self._entry(json.loads(self.files.read("manifest.json")))
            config = self.files.read(str(entry["Config"]))
            self._paths[digest_of(config)] = str(entry["Config"])
            layers = tuple(self._layer(str(path)) for path in entry["Layers"])
        except (KeyError, TypeError, ValueError) as error:
            raise _unusable(self.name, "manifest.json", error) from error
        content = Manifest(config=describe(config, CONFIG), layers=layers).to_bytes()
        if self.digest not in ("", digest_of(content)):
            raise FoundationError(f"{self.name} no longer has the pinned image {self.digest}", next_step=UPGRADE)
        return Document(content=content, media_type=MANIFEST, digest=digest_of(content))

    def document(self, descriptor: Descriptor) -> bytes:
        """See `ImageSource`."""
        return self.files.read(self._paths[descriptor.digest])

    def pull(self, blob: Descriptor, target: Path, *, progress: Progress = ignore_progress) -> None:
        """See `ImageSource`."""
        if self.files.copy(self._paths[blob.digest], target, progress)[0] != blob.digest:
            raise _damaged(self.name, blob.digest)

    def _entry(self, entries: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
        named = [one for one in entries if not self.image or self.image in (one.get("RepoTags") or ())]
        if len(named) != 1:
            raise _several(self.name, len(named), {tag for one in entries for tag in one.get("RepoTags") or ()})
        return named[0]

    def _layer(self, path: str) -> Descriptor:
        digest, size, head = self.files.copy(path, None)
        self._paths[digest] = path
        return Descriptor(media_type=TAR_GZIP if head.startswith(b"\x1f\x8b") else TAR, digest=digest, size=size)


def _names_of(entry: Descriptor) -> set[str]:
    return {ref_name(entry), entry.annotations.get(CONTAINERD_NAME, "")} - {""}


def _full_name(image: str) -> str:
    """What `docker save` calls the image beside its short name, e.g. docker.io/library/python:3.13."""
    try:
        return str(Reference.parse(image))
    except ValueError:
        return image


def _blob(digest: str) -> str:
    return f"blobs/sha256/{hex_of(digest)}"


def _copy(
    source: Path, start: int, size: int | None, target: Path | None, progress: Progress
) -> tuple[str, int, bytes]:
    hash_, copied, head = hashlib.sha256(), 0, b""
    try:
        with source.open("rb") as file, (target or Path("/dev/null")).open("wb") as out:
            file.seek(start)
            while chunk := file.read(CHUNK if size is None else min(CHUNK, size - copied)):
                head = head or chunk[:16]
                hash_.update(chunk)
                out.write(chunk)
                copied += len(chunk)
                progress(len(chunk))
    except OSError as error:
        raise _unreadable(source, error) from error
    return f"sha256:{hash_.hexdigest()}", copied, head


def _normal(path: str) -> str:
    parts: list[str] = []
    for part in PurePosixPath(path).parts:
        if part == "..":
            del parts[-1:]
        elif part != "/":
            parts.append(part)
    return "/".join(parts)


def _several(name: str, found: int, known: Collection[str]) -> FoundationError:
    return FoundationError(
        f"{name} means {found} images; there are {', '.join(sorted(known)) or 'none with a name'}",
        next_step="name one of them in the catalog: `oci: path:name`",
    )


def _unreadable(path: Path, error: OSError) -> FoundationError:
    return FoundationError(f"{error.filename or path} cannot be read: {error.strerror}", next_step="put it in order")


def _unusable(name: str, file: str, error: Exception) -> FoundationError:
    return FoundationError(f"{name} has a damaged {file}: {error!r}", next_step="copy the image there anew")


def _damaged(name: str, digest: str) -> FoundationError:
    return FoundationError(f"{name} is damaged: {digest} has another content", next_step="copy the image there anew")
