"""What is in an index: its platforms, and the layers of each. Pure but for the `read` that it is given."""

from collections.abc import Callable, Iterator, Mapping

from warmbase.errors import PublishError
from warmbase.oci.manifest import Config, Descriptor, Index, Manifest
from warmbase.oci.records import UNKNOWN_PLATFORM

Read = Callable[[Descriptor], bytes]
"""Gives the bytes of a manifest or a config."""


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


def check_same_content(name: str, ours: Mapping[str, tuple[str, tuple[str, ...]]], index: bytes, read: Read) -> None:
    """See that an index has our images, or images whose uncompressed layers are the same.

    `ours` are the digest and the diff_ids of each platform's image, `name` is where the index was found. Raises
    PublishError where it has others.
    """
    theirs = platforms_of(index)
    different = sorted(ours.keys() ^ theirs.keys())
    for platform in ours.keys() & theirs.keys():
        digest, diff_ids = ours[platform]
        if theirs[platform].digest != digest:
            manifest = Manifest.from_bytes(read(theirs[platform]))
            if diff_ids_of(read(manifest.config)) != diff_ids:
                different.append(platform)
    if different:
        raise PublishError(
            f"{name} has other layers for {', '.join(sorted(different))} than those to be published; such a tag never"
            " moves",
            next_step="the same recipe must give the same layers: build again, and compare if it stays so",
        )


def manifests_of(index: bytes, root: Descriptor, read: Read) -> Iterator[tuple[Descriptor, bytes]]:
    """Every manifest that an index leads to, attestations and nested indexes included, children first, itself last."""
    for child in Index.from_bytes(index).manifests:
        content = read(child)
        if b'"manifests"' in content and "index" in child.media_type:
            yield from manifests_of(content, child, read)
        else:
            yield child, content
    yield root, index
