"""Images become variants: foundations times Python versions, with defaults, sets and overrides applied.

An image's own lists replace those of `defaults`; its mappings are merged over them. Overrides come last and
only add.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name

from warmbase.catalog.compression import resolve_compression
from warmbase.catalog.document import ConfigEntry, DefaultsEntry, ImageEntry, MatchEntry, OverrideEntry
from warmbase.catalog.files import find_file
from warmbase.catalog.indexes import resolve_sources
from warmbase.catalog.managed import drop_unasked
from warmbase.catalog.model import (
    CatalogFoundation,
    CatalogRequirement,
    Compression,
    Image,
    ImageConfig,
    PackageIndex,
    Position,
    Variant,
)
from warmbase.catalog.parents import inherit, inherit_sources, narrow_pairs, order_images
from warmbase.catalog.policy import apply_policy, resolve_policy
from warmbase.catalog.problems import DocumentPath, Report, list_words, quote, suggest_nearest
from warmbase.catalog.product import Pair, Product, check_product
from warmbase.catalog.requirements import PackageSets, RequirementReader, drop_duplicates

MOST_VARIANTS = 2_000
LONGEST_REPOSITORY = 255  # OCI distribution specification: a limit that many implementations share
# Folders and repositories beside those of images: of the pins, of the journal, of the layers that machines share.
RESERVED = {
    "foundations": "the layers of foundations",
    "warmbase-journal": "the journal",
    "warmbase-layers": "shared layers",
}

# Written by warmbase itself, from what it knows better (OCI image specification, annotations.md)
OWN_LABELS = frozenset(
    f"org.opencontainers.image.{name}"
    for name in (
        "title",
        "description",
        "version",
        "created",
        "source",
        "revision",
        "base.name",
        "base.digest",
    )
)
OWN_LABEL_PREFIXES = ("dev.warmbase.", "io.containerd.", "com.docker.", "io.docker.", "org.dockerproject.")


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageContext:
    """What all images of a catalog are made from."""

    folder: Path
    registry: str | None
    platforms: tuple[str, ...]
    compression: Compression
    defaults: DefaultsEntry
    foundations: Mapping[str, CatalogFoundation]
    declared_foundations: frozenset[str]
    sets: PackageSets
    reader: RequirementReader
    report: Report
    indexes: tuple[PackageIndex, ...] = ()
    declared_indexes: frozenset[str] = frozenset()
    sources: Mapping[str, str] = field(default_factory=dict)  # of all images
    declared_images: frozenset[str] = frozenset()


def resolve_images(entries: Mapping[str, ImageEntry], context: ImageContext) -> tuple[Image, ...]:
    """Return the images that can be used, with their variants; report what is wrong."""
    _DefaultsResolver(context).check()
    images: dict[str, Image] = {}
    variants = 0
    for name in order_images(entries, context.declared_images, context.report):
        entry = entries[name]
        parent = images.get(entry.from_ or "")
        image = _ImageResolver(name, entry, context, parent).resolve(MOST_VARIANTS - variants)
        if image is None:
            message = f"the catalog makes more than {MOST_VARIANTS:,} variants"
            context.report.add(("images",), message, "split it", key=True)
            break
        variants += len(image.variants)
        images[name] = image
    return tuple(images[name] for name in entries if name in images)


class _EntryResolver:
    """Reads the settings of one entry, each with the path where it is written."""

    path: DocumentPath

    def __init__(self, entry: DefaultsEntry, context: ImageContext) -> None:
        self.entry = entry
        self.context = context
        self.report = context.report

    def written(self, key: str) -> tuple[Any, DocumentPath]:
        """Return the value of `key` (empty if it is nowhere) and its path."""
        own = getattr(self.entry, key)
        if own is not None:
            return own, (*self.path, key)
        inherited = getattr(self.context.defaults, key)
        return (() if inherited is None else inherited), ("defaults", key)

    def read(self, key: str) -> tuple[CatalogRequirement, ...]:
        return self.context.reader.read(*self.written(key))

    def foundation_names(self) -> tuple[tuple[str, DocumentPath], ...]:
        """Return the names of the entry's foundations that are declared, each with its path."""
        for entry, path in ((self.entry, self.path), (self.context.defaults, ("defaults",))):
            if entry.foundation is not None and entry.foundations is not None:
                self.report.add((*path, "foundation"), "`foundations` is there as well", "keep one", key=True)
            if entry.foundation is not None:
                named = [(entry.foundation, (*path, "foundation"))]
            elif entry.foundations is not None:
                named = [(it, (*path, "foundations", i)) for i, it in enumerate(entry.foundations)]
            else:
                continue
            return tuple(pair for pair in named if self.check_foundation(*pair))
        return ()

    def check_foundation(self, name: str, path: DocumentPath) -> bool:
        declared = self.context.declared_foundations
        if name not in declared:
            advice = suggest_nearest(name, declared) or "define it under `foundations`"
            self.report.add(path, f"there is no foundation {quote(name)}", advice)
        return name in declared

    def matches(self, key: str) -> Iterator[tuple[MatchEntry, Any, DocumentPath]]:
        """Yield what `exclude` or `overrides` match, with the entry and the path of the match."""
        entries, path = self.written(key)
        for index, entry in enumerate(entries):
            where: DocumentPath = (*path, index)
            match = entry
            if isinstance(entry, OverrideEntry):
                match, where = entry.match, (*where, "match")
            if match.foundation is None or self.check_foundation(match.foundation, (*where, "foundation")):
                yield match, entry, where

    def check_labels(self, labels: Mapping[str, str], path: DocumentPath) -> None:
        for name in labels:
            if name in OWN_LABELS or name.startswith(OWN_LABEL_PREFIXES):
                message = f"the label {quote(name)} is not yours to set"
                self.report.add((*path, name), message, "choose a name below your own domain", key=True)

    def check_content(self) -> None:
        """Report what is wrong with the entry's own words, whether or not a variant uses them."""
        self.context.sets.check_names(*self.written("sets"))
        for key in ("requirements", "warm", "backends"):
            self.read(key)
        self.check_labels(self.entry.labels, (*self.path, "labels"))
        for pattern in self.entry.winners:
            if ".." in pattern.split("/"):
                self.report.add(
                    (*self.path, "winners", pattern), "a path must not leave the venv", "take the '..' out", key=True
                )
        overrides, path = self.written("overrides")
        for index, override in enumerate(overrides):
            where: DocumentPath = (*path, index)
            self.context.sets.check_names(override.sets, (*where, "sets"))
            self.context.reader.read(override.requirements, (*where, "requirements"))
            self.context.reader.read(override.warm, (*where, "warm"))
            self.check_labels(override.labels, (*where, "labels"))


class _DefaultsResolver(_EntryResolver):
    path = ("defaults",)

    def __init__(self, context: ImageContext) -> None:
        super().__init__(context.defaults, context)

    def check(self) -> None:
        self.check_content()
        self.foundation_names()
        for key in ("exclude", "overrides"):
            for _ in self.matches(key):
                pass


class _ImageResolver(_EntryResolver):
    entry: ImageEntry

    def __init__(self, name: str, entry: ImageEntry, context: ImageContext, parent: Image | None) -> None:
        super().__init__(entry, replace(context, defaults=DefaultsEntry()) if entry.from_ else context)
        self.name = name
        self.parent = parent
        self.path = ("images", name)

    def resolve(self, most: int) -> Image | None:
        """Return the image, or None if it has more than `most` variants."""
        self.check_name()
        self.check_content()
        pairs = self.pairs(most)
        if pairs is None:
            return None
        overrides = self.overrides(pairs)
        self.check_packages()
        smoke = self.smoke()
        compression = self.compression()
        sources = self.sources()
        policy = resolve_policy(self.entry, self.path, self.context.defaults, self.parent, self.report)
        seen: set[str] = set()
        variants = []
        for pair in pairs:
            applied = [override for match, override in overrides if pair.fits(match)]
            made = self.variant(pair, applied, smoke=smoke, first=pair.python not in seen)
            made = replace(made, compression=compression, indexes=self.context.indexes, sources=sources)
            variants.append(apply_policy(self.inherit(made), policy, self.report))
            seen.add(pair.python)
        return Image(name=self.name, description=self.entry.description, variants=tuple(variants))

    def inherit(self, variant: Variant) -> Variant:
        parents = self.parent.variants if self.parent else ()
        same = (it for it in parents if (it.foundation, it.python) == (variant.foundation, variant.python))
        return next((inherit(variant, parent) for parent in same), variant)

    def compression(self) -> Compression:
        written = self.entry.compression
        if written is not None and self.entry.from_:
            message = f"its layers are compressed as those of {quote(self.entry.from_)}, which the image is from"
            self.report.add((*self.path, "compression"), message, "take it out here", key=True)
        if written is None:
            return self.context.compression
        return resolve_compression(written, (*self.path, "compression"), self.report)

    def sources(self) -> tuple[tuple[str, str], ...]:
        path = (*self.path, "sources")
        own = resolve_sources(self.entry.sources, self.context.declared_indexes, path, self.report)
        inherited = inherit_sources(self.entry.sources, self.parent, path, self.report) if self.parent else {}
        return tuple(sorted({**self.context.sources, **own, **inherited}.items()))

    def check_name(self) -> None:
        first = self.name.split("/")[0]
        if first in RESERVED:
            message = f"the name {quote(first)} is reserved for {RESERVED[first]}"
            self.report.add(self.path, message, "choose another name", key=True)
        _, _, parent = (self.context.registry or "").partition("/")
        length = len(f"{parent}/{self.name}" if parent else self.name)
        if length > LONGEST_REPOSITORY:
            message = f"the repository's name has {length} characters"
            self.report.add(self.path, message, f"use at most {LONGEST_REPOSITORY}", key=True)

    def check_packages(self) -> None:
        """An image is for its packages: one without any is a mistake. What is written but wrong is reported anyway.

        One that is from another has that one's."""
        if self.entry.from_:
            return
        written = [self.written(key)[0] for key in ("requirements", "warm")]
        sets = list(self.written("sets")[0])
        for override in self.written("overrides")[0]:
            written += [override.requirements, override.warm]
            sets += override.sets
        if not any(written) and not self.context.sets.say_anything(sets):
            advice = "name some under `requirements` or `sets`, here or in `defaults`"
            self.report.add(self.path, "the image has no packages", advice, key=True)

    def pairs(self, most: int) -> list[Pair] | None:
        """Return the variants' foundations and versions, or None if there are more than `most`."""
        named = self.foundation_names()
        if self.entry.from_ and not self.parent:
            return []
        if not named and not self.parent:
            if not self.written("foundations")[0] and not self.written("foundation")[0]:
                advice = "write `foundations: [...]` here or in `defaults`"
                self.report.add(self.path, "the image has no foundation", advice, key=True)
            return []
        known = [(self.context.foundations[name], path) for name, path in named if name in self.context.foundations]
        pythons, python_path = self.written("python")
        if not pythons and not self.parent:
            known = drop_unasked(known, self.path, self.report)
        product = Product(
            path=self.path,
            foundations=known,
            pythons=pythons,
            python_path=python_path,
            excludes=[(match, path) for match, _, path in self.matches("exclude")],
        )
        if product.size > MOST_VARIANTS:
            return None
        if self.parent:
            narrowed = narrow_pairs(self.parent, product, self.report)
            return narrowed if len(narrowed) <= most else None
        if len(known) == len(named):  # else the reason is reported elsewhere
            check_product(product, self.report)
        variants = product.variants()
        return variants if len(variants) <= most else None

    def overrides(self, pairs: Sequence[Pair]) -> list[tuple[MatchEntry, OverrideEntry]]:
        found = []
        for match, override, path in self.matches("overrides"):
            found.append((match, override))
            if pairs and path[0] != "defaults" and not any(pair.fits(match) for pair in pairs):
                tags = list_words(f"py{pair.python}-{pair.foundation.name}" for pair in pairs)
                self.report.add(path, "this matches no variant of the image", f"its variants are {tags}")
        return found

    def smoke(self) -> Path | None:
        text = self.entry.smoke or f"bases/{self.name}/smoke.py"
        path: DocumentPath = (*self.path, "smoke") if self.entry.smoke else self.path
        return find_file(self.context.folder, text, path, self.report, required=bool(self.entry.smoke))

    def variant(self, pair: Pair, overrides: Sequence[OverrideEntry], *, smoke: Path | None, first: bool) -> Variant:
        defaults, sets = self.context.defaults, self.context.sets
        set_names = sets.expand((*self.written("sets")[0], *(name for it in overrides for name in it.sets)))
        requirements = drop_duplicates(
            (
                *sets.requirements(set_names),
                *self.read("requirements"),
                *self.added("requirements", overrides),
            )
        )
        warm = (*self.read("warm"), *self.read("backends"), *self.added("warm", overrides))
        labels = dict(defaults.labels) | dict(self.entry.labels)
        for override in overrides:
            labels |= override.labels
        winners = {
            **self.entry.winners,
            **{k: v for k, v in defaults.winners.items() if k not in self.entry.winners},
        }
        never = self.no_binary(overrides)
        return Variant(
            image=self.name,
            python=pair.python,
            foundation=pair.foundation,
            first=first,
            description=self.entry.description,
            requirements=requirements,
            warm=drop_duplicates(warm, known=requirements),
            winners=tuple((path, canonicalize_name(package)) for path, package in winners.items()),
            sets=set_names,
            smoke=smoke,
            config=_merge_config(defaults.config, self.entry.config, *(it.config for it in overrides)),
            labels=tuple(sorted(labels.items())),
            platforms=self.context.platforms,
            build_packages=self.gathered("build_packages", overrides),
            no_binary=tuple(sorted(never)),
            no_binary_at=tuple(sorted(never.items())),
        )

    def gathered(self, key: str, overrides: Sequence[OverrideEntry]) -> tuple[str, ...]:
        """Return the names under `key` with those that the applied overrides add, each once."""
        added = (name for override in overrides for name in getattr(override, key))
        return tuple(dict.fromkeys((*self.written(key)[0], *added)))

    def no_binary(self, overrides: Sequence[OverrideEntry]) -> dict[str, Position]:
        """The packages that are to be compiled, each with the place that says so first."""
        names, path = self.written("no_binary")
        found = [(name, (*path, index)) for index, name in enumerate(names)]
        everything, path = self.written("overrides")
        for number, override in enumerate(everything):
            if any(override is applied for applied in overrides):
                found += [(name, (*path, number, "no_binary", index)) for index, name in enumerate(override.no_binary)]
        return {canonicalize_name(name): self.report.position(where) for name, where in reversed(found)}

    def added(self, key: str, overrides: Sequence[OverrideEntry]) -> Iterator[CatalogRequirement]:
        """Yield the requirements that the applied overrides add under `key`."""
        everything, path = self.written("overrides")
        for index, override in enumerate(everything):
            if any(override is applied for applied in overrides):
                yield from self.context.reader.read(getattr(override, key), (*path, index, key))


def _merge_config(*entries: ConfigEntry | None) -> ImageConfig:
    merged: dict[str, Any] = {}
    for entry in entries:
        if entry is not None:
            values = {item.name: getattr(entry, item.name) for item in fields(entry)}
            merged |= {name: value for name, value in values.items() if value is not None}
    return ImageConfig(**merged)
