"""Which variants a command line means.

    data  ·  data:py3.13  ·  data:py3.13-trixie  ·  *:py3.11  ·  team/*

A word is an image, or an image and a tag; both may be globs. The short tag `py3.13` means the variant that
carries it, the one on the image's first foundation.
"""

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase

from warmbase.catalog.model import Catalog, CatalogFoundation, Variant
from warmbase.catalog.problems import quote, suggest_nearest
from warmbase.errors import SelectionError


def select_variants(catalog: Catalog, names: Sequence[str]) -> tuple[Variant, ...]:
    """Return the variants that any of `names` means, in catalog order; all of them for no names.

    Raises `SelectionError` for a name that means no variant.
    """
    if not names:
        return catalog.variants
    chosen: set[str] = set()
    for name in names:
        found = [variant.name for variant in catalog.variants if _means(name, variant)]
        if not found:
            raise _unknown_name(catalog, name)
        chosen.update(found)
    return tuple(variant for variant in catalog.variants if variant.name in chosen)


def _means(name: str, variant: Variant) -> bool:
    image, colon, tag = name.partition(":")
    if not fnmatchcase(variant.image, image):
        return False
    return not colon or any(fnmatchcase(own, tag) for own in variant.tags)


def _unknown_name(catalog: Catalog, name: str) -> SelectionError:
    image = name.partition(":")[0]
    of_image = [variant for variant in catalog.variants if fnmatchcase(variant.image, image)]
    if not of_image:
        nearest = suggest_nearest(image, (known.name for known in catalog.images))
        return SelectionError(f"{catalog.path} has no image {quote(image)}", next_step=nearest)
    known = {f"{image}:{own}" for variant in of_image for own in variant.tags}
    nearest = suggest_nearest(name, known)
    return SelectionError(f"{catalog.path} has no variant {quote(name)}", next_step=nearest)


def foundations_for(variant: Variant, foundations: Iterable[CatalogFoundation]) -> tuple[CatalogFoundation, ...]:
    """The foundations that have the Python of `variant`, its own first."""
    others = (one for one in foundations if one.name != variant.foundation.name and variant.python in one.pythons)
    return (variant.foundation, *others)
