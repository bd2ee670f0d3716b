"""Reading an image of somebody else's: which manifest a platform has, and its layers, taken into the layer store.

OCI's documents and Docker's (image manifest version 2, schema 2) say the same in other words; here they become OCI's.
A layer's blob stays the one that the image has, with its digest, so that a registry which holds it can mount it. Only
one without compression is compressed, and one in zstd where layers are to be gzip.
"""

import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from warmbase.effects.registry.brake import Brake
from warmbase.effects.registry.model import Document, Progress, ignore_progress
from warmbase.errors import FoundationError
from warmbase.foundation.groundwork import Groundwork
from warmbase.layers.blob import BlobWriter, new_blob
from warmbase.layers.codec import Codec, decompress
from warmbase.layers.layer import Layer, Packed
from warmbase.oci.digests import canonical_json, digest_of
from warmbase.oci.manifest import (
    CONFIG,
    DEFAULT_VARIANTS,
    INDEX,
    MANIFEST,
    TAR,
    TAR_GZIP,
    TAR_ZSTD,
    Config,
    Descriptor,
    Index,
    Manifest,
    Platform,
)

_DOCKER = "application/vnd.docker."
_OCI_TYPES = {
    f"{_DOCKER}distribution.manifest.list.v2+json": INDEX,
    f"{_DOCKER}distribution.manifest.v2+json": MANIFEST,
    f"{_DOCKER}container.image.v1+json": CONFIG,
    f"{_DOCKER}image.rootfs.diff.tar": TAR,
    f"{_DOCKER}image.rootfs.diff.tar.gzip": TAR_GZIP,
    f"{_DOCKER}image.rootfs.diff.tar.zstd": TAR_ZSTD,
}
_VARIANTS = {**DEFAULT_VARIANTS, "arm": "v7"}  # what an index that names none means
_TRANSFERS = 4
_DEEPEST = 4


class ImageSource(Protocol):
    """Where an image comes from. `name` says which in messages; all methods raise a WarmbaseError."""

    @property
    def name(self) -> str:
        """The image's name or path."""
        ...

    def root(self) -> Document:
        """What the name points to: a manifest, or an index."""
        ...

    def document(self, descriptor: Descriptor) -> bytes:
        """A manifest's or a config's bytes, checked."""
        ...

    def pull(self, blob: Descriptor, target: Path, *, progress: Progress = ignore_progress) -> None:
        """Write a layer's blob, checked, into the new file `target`."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class PlatformImage:
    """An image for one platform: its manifest in OCI's words, `digest`, which is that of the manifest as it is
    upstream, and `index`, the digest of what the image's name points to."""

    index: str
    digest: str
    manifest: Manifest
    config: Config


def read_image(source: ImageSource, platform: str) -> PlatformImage:
    """What the source's name points to for `platform`. Raises FoundationError with the platforms that there are."""
    return _read(source, source.root(), Platform.parse(platform))


def _read(source: ImageSource, root: Document, wanted: Platform) -> PlatformImage:
    known, unusable = set[str](), list[FoundationError]()
    try:
        for image in _find_images(source, root, wanted, known, unusable):
            if _fits(image.config.platform, wanted):
                return replace(image, index=root.digest)
            known.add(str(image.config.platform))
    except (KeyError, TypeError, ValueError) as error:
        raise FoundationError(f"{source.name} is no image: {error!r}", next_step="see what made it") from error
    if unusable and not known:
        raise unusable[0]
    raise FoundationError(
        f"{source.name} is not there for {wanted}, but for {', '.join(sorted(known)) or 'no platform'}",
        next_step="take the platform out of `platforms`, or name an image that has it",
    )


def _find_images(
    source: ImageSource,
    document: Document,
    wanted: Platform,
    known: set[str],
    unusable: list[FoundationError],
    depth: int = 0,
) -> Iterator[PlatformImage]:
    """The images that may be the one for `wanted`: those of that platform, then those of entries that name none.

    An entry of an index may be an index too (image-index.md, "manifests"). Other platforms are added to `known`, and
    to `unusable` why an entry without a platform is no image: it may be a signature.
    """
    if _oci_type(document.media_type) != INDEX:
        yield read_manifest(source, document)
        return
    if depth == _DEEPEST:
        raise ValueError(f"it has indexes in indexes, {_DEEPEST} deep")
    for entry in sorted(Index.from_bytes(document.content).manifests, key=lambda entry: entry.platform is None):
        if entry.platform and not _fits(entry.platform, wanted):
            known.update({str(entry.platform)} if entry.platform.os != "unknown" else ())  # that is an attestation
            continue
        try:
            inner = Document(content=source.document(entry), media_type=entry.media_type, digest=entry.digest)
            yield from _find_images(source, inner, wanted, known, unusable, depth + 1)
        except FoundationError as error:
            if entry.platform:
                raise
            unusable.append(error)


def read_manifest(source: ImageSource, document: Document) -> PlatformImage:
    """The image whose manifest `document` is. Raises FoundationError for one that cannot be used."""
    if _oci_type(document.media_type) != MANIFEST:
        raise FoundationError(
            f"{source.name} is a {document.media_type}, which is no image",
            next_step="name an image; one in Docker's first schema has to be pushed anew",
        )
    try:
        manifest = Manifest.from_bytes(document.content)
        config = Config.from_bytes(source.document(manifest.config))
    except (KeyError, TypeError, ValueError) as error:
        raise FoundationError(f"{source.name} has a damaged manifest: {error!r}", next_step="push it anew") from error
    layers = tuple(replace(layer, media_type=_oci_type(layer.media_type)) for layer in manifest.layers)
    other = sorted({layer.media_type for layer in layers} - {TAR, TAR_GZIP, TAR_ZSTD})
    if other or not layers or len(layers) != len(config.diff_ids):
        what = f"layers of type {other[0]}" if other else f"{len(layers)} layers, its config {len(config.diff_ids)}"
        raise FoundationError(f"{source.name} has {what}", next_step="name an image that a container can be run from")
    return PlatformImage(
        index=document.digest, digest=document.digest, manifest=replace(manifest, layers=layers), config=config
    )


def take_layers(source: ImageSource, image: PlatformImage, ground: Groundwork) -> tuple[Layer, ...]:
    """The image's layers, lowest first, in the store; those that are missing are pulled, several at once.

    The first failure, or Ctrl-C, ends the others.
    """
    pairs = list(zip(image.manifest.layers, image.config.diff_ids, strict=True))
    brake = Brake()
    with ground.store.workspace() as work, ThreadPoolExecutor(_TRANSFERS, thread_name_prefix="pull") as pool:
        jobs = [
            pool.submit(_take, source, blob, diff_id, ground, work / f"layer-{number}", brake)
            for number, (blob, diff_id) in enumerate(pairs)
        ]
        try:
            for done, job in enumerate(as_completed(jobs)):
                job.result()
                ground.advance(done + 1, len(jobs))
        except BaseException:
            brake.pull()
            pool.shutdown(cancel_futures=True)
            raise
        return tuple(job.result() for job in jobs)


def again(layer: Layer, link: Path, ground: Groundwork) -> Packed:
    """A layer of the store as if it were fresh, `link` being its blob, to be kept under another recipe too."""
    link.hardlink_to(ground.store.blob_path(layer.digest))
    return _packed(link, layer.descriptor(), layer.diff_id, layer.unpacked_size)


def _take(source: ImageSource, blob: Descriptor, diff_id: str, ground: Groundwork, target: Path, brake: Brake) -> Layer:
    recipe = _upstream_recipe(blob, ground.codec)
    known = ground.store.get(recipe)
    if known and known.diff_id == diff_id:
        return known
    source.pull(blob, target, progress=brake.check)
    found, size = _measure(source, target, blob, brake)
    if found != diff_id:
        raise FoundationError(
            f"{source.name}: the layer {blob.digest} holds {found}, its config says {diff_id}",
            next_step="push the image anew: it is damaged where it comes from",
        )
    if _is_compressed_here(blob, ground.codec):
        target, blob = _compress(target, blob.media_type, ground.codec, brake)
    return ground.store.put(recipe, _packed(target, blob, diff_id, size))


def _upstream_recipe(blob: Descriptor, codec: Codec) -> str:
    """The key of a layer that was made elsewhere: its digest says it all, unless it is compressed here."""
    made_here = codec.facts if _is_compressed_here(blob, codec) else None
    return digest_of(canonical_json({"kind": "upstream", "digest": blob.digest, "codec": made_here}))[7:]


def _is_compressed_here(blob: Descriptor, codec: Codec) -> bool:
    """Whether a layer is not compressed, or in a way that those who chose gzip cannot read."""
    return blob.media_type == TAR or (blob.media_type == TAR_ZSTD and codec.media_type == TAR_GZIP)


def _measure(source: ImageSource, path: Path, blob: Descriptor, brake: Brake) -> tuple[str, int]:
    """(diff_id, size) of a layer's tar."""
    hash_, size = hashlib.sha256(), 0
    try:
        with path.open("rb") as file:
            for chunk in decompress(file, blob.media_type):
                brake.check()
                hash_.update(chunk)
                size += len(chunk)
    except ValueError as error:
        raise FoundationError(
            f"{source.name}: the layer {blob.digest} cannot be unpacked: {error}", next_step="push the image anew"
        ) from error
    return f"sha256:{hash_.hexdigest()}", size


def _compress(layer: Path, media_type: str, codec: Codec, brake: Brake) -> tuple[Path, Descriptor]:
    with layer.open("rb") as source, new_blob(layer.parent) as file:
        blob, stream = BlobWriter(file, codec), codec.compressor()
        for chunk in decompress(source, media_type):
            brake.check()
            blob.add_raw(stream.compress(memoryview(chunk)))
        blob.add_raw(stream.flush())
    digest = f"sha256:{blob.hash.hexdigest()}"
    return Path(file.name), Descriptor(media_type=codec.media_type, digest=digest, size=blob.size)


def _packed(path: Path, blob: Descriptor, diff_id: str, size: int) -> Packed:
    return Packed(
        blob=path,
        diff_id=diff_id,
        digest=blob.digest,
        size=blob.size,
        unpacked_size=size,
        media_type=blob.media_type,
        body=(0, 0),  # it is no part of a pool
        directories=(),
    )


def _fits(platform: Platform, wanted: Platform) -> bool:
    def normal(one: Platform) -> tuple[str, str, str]:
        return one.os, one.architecture, one.variant or _VARIANTS.get(one.architecture, "")

    return normal(platform) == normal(wanted)


def _oci_type(media_type: str) -> str:
    return _OCI_TYPES.get(media_type, media_type)
