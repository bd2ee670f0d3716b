"""Reading what an image says of itself: the files of its last layer (see `contract`)."""

import io
from collections.abc import Collection

from warmbase.layers.codec import decompress
from warmbase.layers.untar import TarStream, read_members
from warmbase.oci.digests import digest_of
from warmbase.oci.manifest import Descriptor
from warmbase.oci.tar import BLOCK


def read_files(blob: bytes, layer: Descriptor, paths: Collection[str]) -> dict[str, bytes]:
    """The files at `paths` in a layer with this content, those that there are. Raises ValueError for a damaged one."""
    if digest_of(blob) != layer.digest:
        raise ValueError("it is damaged")
    stream = TarStream(decompress(io.BytesIO(blob), layer.media_type))
    found: dict[str, bytes] = {}
    for member in read_members(stream):
        if member.path in paths:
            found[member.path] = stream.read(member.size)
            stream.skip(-member.size % BLOCK)
        else:
            stream.skip(member.size + -member.size % BLOCK)
        if len(found) == len(paths):
            break
    return found
