"""What is in an index: its platforms, and the config of each."""

from collections.abc import Callable, Mapping

from warmbase.effects.registry.model import Registry
from warmbase.errors import PublishError, RegistryError
from warmbase.oci.manifest import Config, Descriptor, Index, Manifest
from warmbase.oci.records import UNKNOWN_PLATFORM

Read = Callable[[Descriptor], bytes]
"""Gives the bytes of a manifest or a config."""

ATTESTED = "vnd.docker.reference.digest"
"""Names, in an index, the image that an attestation is about (BuildKit, "Image Attestation Storage")."""

Images = Mapping[str, tuple[str, str]]
"""The digests of the manifest and of the config of each platform's image.

A config names the uncompressed layers and how an image is run; how layers are compressed does not change it.
"""


def platforms_of(index: bytes) -> dict[str, Descriptor]:
    """The images of an index by platform; attestations are none. Raises ValueError for what is no index."""
    try:
        manifests = Index.from_bytes(index).manifests
    except (KeyError, TypeError) as error:
        raise ValueError(f"not an index: {error}") from error
    return {
        str(manifest.platform): manifest for manifest in manifests if manifest.platform not in (None, UNKNOWN_PLATFORM)
    }


def diff_ids_of(config: bytes) -> tuple[str, ...]:
    """The uncompressed layers of an image. Raises ValueError for what is no config."""
    try:
        return Config.from_bytes(config).diff_ids
    except (KeyError, TypeError) as error:
        raise ValueError(f"not a config: {error}") from error


def attestations_of(index: bytes) -> dict[str, str]:
    """The digest of what an index attests of each of its images, by the image's digest."""
    return {
        manifest.annotations[ATTESTED]: manifest.digest
        for manifest in Index.from_bytes(index).manifests
        if ATTESTED in manifest.annotations
    }


def images_of(index: bytes, read: Read) -> Images:
    """The digests of the manifest and of the config of each platform's image."""
    return {
        platform: (manifest.digest, Manifest.from_bytes(read(manifest)).config.digest)
        for platform, manifest in platforms_of(index).items()
    }


def read_from(registry: Registry, repository: str) -> Read:
    """Reads from a repository; raises RegistryError for what is not there."""

    def read(wanted: Descriptor) -> bytes:
        if "manifest" not in wanted.media_type:
            return registry.read_blob(repository, wanted)
        manifest = registry.read_manifest(repository, wanted.digest)
        if manifest is None:
            raise RegistryError(
                f"{registry.host}/{repository} lacks {wanted.digest}, which an index of it names",
                next_step="delete the tags of that index, and publish again",
            )
        return manifest.content

    return read


def check_same_content(name: str, ours: Images, index: bytes, read: Read) -> None:
    """See that an index has our images, or images that differ from them in how layers are compressed alone.

    `name` is where the index was found. Raises PublishError where it has others.
    """
    theirs = platforms_of(index)
    different = sorted(ours.keys() ^ theirs.keys())
    for platform in ours.keys() & theirs.keys():
        digest, config = ours[platform]
        if theirs[platform].digest != digest and Manifest.from_bytes(read(theirs[platform])).config.digest != config:
            different.append(platform)
    if different:
        raise PublishError(
            f"{name} has other images for {', '.join(sorted(different))} than those to be published; such a tag never"
            " moves",
            next_step="the same recipe must give the same image: see who else writes to that repository, build again,"
            " and compare if it stays so",
        )
