"""Images that are made `from` another image of the catalog, and add to it.

A child stands on its parent variant by variant: it has the same foundation, the same Python and all that the parent
asks for, and adds requirements, sets, labels and the rest of its own. `defaults` have had their say in the parent. What
it could change only by giving up the parent's layers (compression, another index for a package) it cannot change.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import fields, replace
from itertools import groupby

from packaging.utils import canonicalize_name

from warmbase.catalog.document import ImageEntry
from warmbase.catalog.model import Image, ImageConfig, Variant
from warmbase.catalog.problems import DocumentPath, Report, list_words, quote, suggest_nearest
from warmbase.catalog.product import Pair, Product
from warmbase.catalog.requirements import drop_duplicates

MOST_GENERATIONS = 8
"""How many images may be from each other: each has layers of its own, of which an image can only have so many."""


def lineage(variant: Variant) -> tuple[Variant, ...]:
    """All that a variant is made from, the first of them first, and the variant itself."""
    return (*(lineage(variant.made_from) if variant.made_from else ()), variant)


def parents_first(variants: Iterable[Variant]) -> tuple[Variant, ...]:
    """The variants in the same order, but each after the one that it is made from, if that is among them."""
    chosen = {variant.name: variant for variant in variants}
    ordered: dict[str, Variant] = {}
    for variant in chosen.values():
        ordered |= {one.name: chosen[one.name] for one in lineage(variant) if one.name in chosen}
    return tuple(ordered.values())


def generations(variants: Iterable[Variant]) -> Iterator[tuple[Variant, ...]]:
    """Those of the variants that are made from none, those that are made from those, and so on."""
    ordered = sorted(variants, key=lambda variant: len(lineage(variant)))
    for _, generation in groupby(ordered, key=lambda variant: len(lineage(variant))):
        yield tuple(generation)


def with_parents(variants: Iterable[Variant]) -> tuple[Variant, ...]:
    """The variants and all that they are made from, each after that."""
    chosen = tuple(variants)
    return parents_first((*(one for variant in chosen for one in lineage(variant)), *chosen))


def order_images(entries: Mapping[str, ImageEntry], declared: Collection[str], report: Report) -> tuple[str, ...]:
    """The names of the images, each after the one that it is `from`; report those that are from none or in a circle.

    `declared` are the names that the document has, whatever became of their entries.
    """
    ordered: dict[str, int] = {}  # with how many there are from each other, up to it
    for start in entries:
        trail: list[str] = []
        name: str | None = start
        while name is not None and name in entries and name not in ordered and name not in trail:
            trail.append(name)
            name = entries[name].from_
        if name in trail:
            circle = " → ".join([*trail[trail.index(name) :], name])
            message = f"images are from each other: {circle}"
            report.add(("images", trail[-1], "from"), message, "let one of them be from none")
        elif name is not None and name not in declared:
            advice = suggest_nearest(name, set(declared) - {trail[-1]})
            report.add(("images", trail[-1], "from"), f"there is no image {quote(name)}", advice)
        for child in reversed(trail):
            ordered[child] = ordered.get(entries[child].from_ or "", 0) + 1
            if ordered[child] == MOST_GENERATIONS + 1:
                message = f"{MOST_GENERATIONS:,} images are from each other before this one"
                report.add(("images", child, "from"), message, "let it be from an earlier one of them")
    return tuple(ordered)


def narrow_pairs(parent: Image, product: Product, report: Report) -> list[Pair]:
    """The pairs of foundation and Python of `parent` that a child has; report whatever it asks for beyond them.

    `product` has what the child names: no foundations mean all of the parent's, as do no Pythons.
    """
    offered = [Pair(foundation=variant.foundation, python=variant.python) for variant in parent.variants]
    if not offered:  # the reason is reported where the parent is
        return []
    foundations = list(dict.fromkeys(pair.foundation.name for pair in offered))
    pythons = list(dict.fromkeys(pair.python for pair in offered))
    for foundation, path in product.foundations:
        if foundation.name not in foundations:
            message = f"{quote(parent.name)}, which the image is from, is not on {foundation.name}"
            report.add(path, message, f"it is on {list_words(foundations)}")
    for index, python in enumerate(product.pythons):
        if python not in pythons:
            message = f"{quote(parent.name)}, which the image is from, has no Python {python}"
            report.add((*product.python_path, index), message, f"it has {list_words(pythons)}")
    asked = [foundation.name for foundation, _ in product.foundations] or foundations
    versions = list(product.pythons) or pythons
    found = [pair for pair in offered if pair.foundation.name in asked and pair.python in versions]
    for match, path in product.excludes:
        if not any(pair.fits(match) for pair in found):
            report.add(path, "this excludes nothing: the image has no such pair", "correct it or take it out")
    kept = [pair for pair in found if not any(pair.fits(match) for match, _ in product.excludes)]
    if found and not kept:
        report.add(product.path, "`exclude` leaves no variant of the image", "exclude less", key=True)
    return sorted(kept, key=lambda pair: (asked.index(pair.foundation.name), versions.index(pair.python)))


def inherit(own: Variant, parent: Variant) -> Variant:
    """The variant of a child: what `own` says, added to all that `parent` has."""
    requirements = drop_duplicates((*parent.requirements, *own.requirements))
    places = dict(own.no_binary_at) | dict(parent.no_binary_at)
    return replace(
        own,
        requirements=requirements,
        warm=drop_duplicates((*parent.warm, *own.warm), known=requirements),
        winners=tuple({**dict(own.winners), **dict(parent.winners), **dict(own.winners)}.items()),
        sets=tuple(dict.fromkeys((*parent.sets, *own.sets))),
        config=_inherit_config(own.config, parent.config),
        labels=tuple(sorted({**dict(parent.labels), **dict(own.labels)}.items())),
        compression=parent.compression,
        build_packages=tuple(dict.fromkeys((*parent.build_packages, *own.build_packages))),
        no_binary=tuple(sorted({*parent.no_binary, *own.no_binary})),
        no_binary_at=tuple(sorted(places.items(), key=lambda item: item[0])),
        made_from=parent,
    )


def inherit_sources(written: Mapping[str, str], parent: Image, path: DocumentPath, report: Report) -> Mapping[str, str]:
    """The indexes that the parent's packages come from; report what the child's `sources` at `path` say otherwise."""
    inherited = dict(parent.variants[0].sources) if parent.variants else {}
    for package, index in written.items():
        known = inherited.get(canonicalize_name(package), index)
        if known != index:
            message = f"{quote(parent.name)}, which the image is from, has {package} from the index {quote(known)}"
            report.add((*path, package), message, "take it out here, or change it there")
    return inherited


def _inherit_config(own: ImageConfig, parent: ImageConfig) -> ImageConfig:
    said = {item.name: getattr(own, item.name) for item in fields(own)}
    return replace(parent, **{name: value for name, value in said.items() if value is not None})
