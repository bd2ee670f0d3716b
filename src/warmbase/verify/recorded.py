"""Images that were verified in an earlier run: the layout has them, and a record vouches for them."""

from dataclasses import dataclass
from pathlib import Path

from warmbase.catalog.model import Variant
from warmbase.image.assemble import RECIPE_LABEL
from warmbase.oci.layout import Layout
from warmbase.oci.manifest import Descriptor, Manifest
from warmbase.verify.model import VerifiedImage, accept_image
from warmbase.verify.record import find_record, hash_smokes


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredImage:
    """An image as a layout holds it; what its fields mean is said by `Image`."""

    variant: Variant
    platform: str
    recipe: str
    manifest: Descriptor
    documents: tuple[bytes, ...]

    @property
    def digest(self) -> str:
        """The manifest's digest."""
        return self.manifest.digest


def find_verified(layout: Layout, variant: Variant, platform: str, records: Path) -> VerifiedImage | None:
    """The image of a variant in `layout`, if all of it is there and one of `records` vouches for it.

    Raises StoreError if the layout or one of the image's checks cannot be read.
    """
    build = next((build for build in layout.builds(variant.name) if str(build.platform) == platform), None)
    if build is None or not layout.is_whole(build):
        return None
    record = find_record(records, build.digest, hash_smokes(variant.smokes))
    if record is None:
        return None
    manifest = layout.read(build)
    image = StoredImage(
        variant=variant,
        platform=platform,
        recipe=build.annotations.get(RECIPE_LABEL, ""),
        manifest=build,
        documents=(manifest, layout.read(Manifest.from_bytes(manifest).config)),
    )
    return accept_image(image, record)
