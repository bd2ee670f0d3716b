"""A foundation as an image of its own, for a builder to start containers from."""

from pathlib import Path

from warmbase.foundation.groundwork import FoundationLayers
from warmbase.oci.layout import BlobSource, LayoutImage, publish_to_layout
from warmbase.oci.manifest import CONFIG, MANIFEST, Config, Manifest, Platform, describe


def export_foundation(made: FoundationLayers, folder: Path, blobs: BlobSource) -> str:
    """Write a foundation, whatever its kind, into the OCI layout at `folder`; what a builder calls it there.

    That is a named context as in Docker's manual ("docker buildx build", --build-context). Raises StoreError.
    """
    foundation = made.foundation
    platform = Platform.parse(foundation.platform)
    config = Config(
        platform=platform,
        created=foundation.created,
        diff_ids=tuple(layer.diff_id for layer in made.layers),
        run=foundation.run,
    ).to_bytes()
    layers = tuple(layer.descriptor() for layer in made.layers)
    manifest = Manifest(config=describe(config, CONFIG), layers=layers).to_bytes()
    root = describe(manifest, MANIFEST, platform)
    image = LayoutImage(
        image="foundation", tags=(foundation.name,), root=root, documents=(manifest, config), layers=layers
    )
    publish_to_layout(folder, [image], blobs)
    return f"oci-layout://{folder}@{root.digest}"
