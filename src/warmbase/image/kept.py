"""The images of a catalog in an OCI layout: which are there, and what is there without being one of them."""

from collections.abc import Mapping
from pathlib import Path

from warmbase.catalog.model import Catalog
from warmbase.image.assemble import RECIPE_LABEL
from warmbase.oci.layout import collect_garbage, publish_to_layout, read_layout

DEFAULT_REGISTRY = "docker.io/library"


def finish_layout(catalog: Catalog, output: Path) -> None:
    """Remove from the layout what the catalog no longer names, and the blobs that nothing needs any more."""
    wanted = [f"{variant.image}:{tag}" for variant in catalog.variants for tag in variant.tags]
    publish_to_layout(output, [], _NoBlobs(), wanted)
    collect_garbage(output)


def read_existing(output: Path, catalog: Catalog) -> Mapping[tuple[str, str], tuple[str, str]]:
    """The whole images in the layout: (variant, platform) → (recipe, digest). Empty where there is no layout.

    An image is whole if all of its tags name it, with the catalog's registry, and all of its blobs are there and have
    their sizes; only a verification reads them.
    """
    if not (output / "index.json").exists():
        return {}
    layout = read_layout(output)
    found = {}
    registry = catalog.registry or DEFAULT_REGISTRY
    for variant in catalog.variants:
        names = [f"{variant.image}:{tag}" for tag in variant.tags]
        first, *others = (layout.builds(name) for name in names)
        if any(layout.full_name(name) != f"{registry}/{name}" for name in names):
            continue
        if any([build.digest for build in other] != [build.digest for build in first] for other in others):
            continue
        for build in first:
            if layout.is_whole(build):
                found[variant.name, str(build.platform)] = (build.annotations.get(RECIPE_LABEL, ""), build.digest)
    return found


class _NoBlobs:
    """The blob source of a change that adds no image."""

    def blob_path(self, digest: str) -> Path:
        raise LookupError(digest)
