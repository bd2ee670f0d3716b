"""`load_catalog`: from the file to a `Catalog`, or to everything that is wrong with it.

    bytes → source → document → catalog

A catalog that fits the schema is converted in one walk. For one that does not, jsonschema tells what is
wrong, the broken parts are cut out, and the rest is still checked for meaning: people mend a catalog once,
not once per problem.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from warmbase.catalog.compression import resolve_compression
from warmbase.catalog.document import CatalogDocument
from warmbase.catalog.foundations import resolve_foundations, resolve_platforms
from warmbase.catalog.images import ImageContext, resolve_images
from warmbase.catalog.indexes import resolve_indexes, resolve_sources
from warmbase.catalog.managed import offer_managed
from warmbase.catalog.model import Catalog, Position
from warmbase.catalog.problems import DocumentPath, Report
from warmbase.catalog.requirements import PackageSets, RequirementReader
from warmbase.catalog.shape import UnexpectedShapeError, convert
from warmbase.catalog.source import PlainData, Source, read_source
from warmbase.errors import CatalogError

if TYPE_CHECKING:
    from warmbase.catalog.structure import Remainder

_STAND_INS: Mapping[str, PlainData] = {"uv": "0.0.0", "foundations": {}, "images": {}}


def load_catalog(path: Path) -> Catalog:
    """Read, check and resolve the catalog at `path`.

    Raises `CatalogError`, whose `problems` are all that is wrong with it, in the order of the file.
    """
    source = read_source(path)
    report = Report(lambda where, key: source.position(where, key=key), source.problems)
    try:
        catalog = _resolve(source, convert(CatalogDocument, source.data), report)
    except UnexpectedShapeError:
        catalog = _resolve_what_fits(source, report)
    if report.problems:
        raise CatalogError(report.problems)
    return catalog


def _resolve_what_fits(source: Source, report: Report) -> Catalog:
    from warmbase.catalog.structure import salvage

    remainder = salvage(source, _STAND_INS, report)
    if remainder is None:
        raise CatalogError(report.problems)
    return _resolve(source, convert(CatalogDocument, remainder.data), _ReportOnRemainder(report, remainder))


class _ReportOnRemainder(Report):
    """Reports on a document without its broken parts, under the paths of the whole one.

    What surrounds a broken part is left out: a problem there may only follow from it.
    """

    def __init__(self, report: Report, remainder: "Remainder") -> None:
        self._report = report
        self._remainder = remainder
        self._around_broken = {path[:length] for path in remainder.broken for length in range(len(path) + 1)}

    def add(self, path: DocumentPath, message: str, advice: str = "", *, key: bool = False) -> None:
        if (original := self._remainder.original(path)) not in self._around_broken:
            self._report.add(original, message, advice, key=key)

    def position(self, path: DocumentPath) -> Position:
        return self._report.position(self._remainder.original(path))


def _resolve(source: Source, document: CatalogDocument, report: Report) -> Catalog:
    reader = RequirementReader(source, report)
    foundations = offer_managed(
        resolve_foundations(document.foundations, source.file.parent, report), document.images, document.defaults
    )
    platforms = resolve_platforms(document.platforms, report)
    compression = resolve_compression(document.compression, ("compression",), report)
    if not document.images:
        report.add(("images",), "the catalog has no images", "add one, or there is nothing to build")
    declared_indexes = _declared_names(source, "indexes")
    named = [document.sources, *(image.sources for image in document.images.values())]
    indexes = resolve_indexes(document.indexes, named, report)
    context = ImageContext(
        folder=source.file.parent,
        registry=document.registry,
        platforms=platforms,
        compression=compression,
        defaults=document.defaults,
        foundations=foundations,
        declared_foundations=_declared_names(source, "foundations"),
        sets=PackageSets(document.sets, _declared_names(source, "sets"), reader, report),
        reader=reader,
        report=report,
        indexes=indexes,
        declared_indexes=declared_indexes,
        sources=resolve_sources(document.sources, declared_indexes, ("sources",), report),
        declared_images=_declared_names(source, "images"),
    )
    return Catalog(
        path=source.file,
        uv=document.uv,
        registry=document.registry,
        platforms=platforms,
        compression=compression,
        foundations=tuple(foundations.values()),
        images=resolve_images(document.images, context),
        mirrors=tuple(document.mirrors.items()),
        insecure=document.insecure,
        builder=document.builder or "",
        indexes=indexes,
    )


def _declared_names(source: Source, key: str) -> frozenset[str]:
    """Return the names that the document defines under `key`, broken or not."""
    entries = source.data.get(key) if isinstance(source.data, dict) else None
    return frozenset(entries) if isinstance(entries, dict) else frozenset()
