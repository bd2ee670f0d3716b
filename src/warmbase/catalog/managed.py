"""Managed Pythons: a foundation that has one offers whatever versions images ask for."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from warmbase.catalog.document import DefaultsEntry, ImageEntry
from warmbase.catalog.model import CatalogFoundation, DebianFoundation
from warmbase.catalog.problems import DocumentPath, Report


def offer_managed(
    foundations: Mapping[str, CatalogFoundation], images: Mapping[str, ImageEntry], defaults: DefaultsEntry
) -> dict[str, CatalogFoundation]:
    """The foundations, those with a managed Python offering what the images on them ask for, the oldest first."""
    asked: dict[str, set[str]] = {name: set() for name in foundations}
    for image in images.values():
        if image.from_:  # it has what the other image asks for
            continue
        pythons = (defaults.python if image.python is None else image.python) or ()
        for name in _foundations_of(image) or _foundations_of(defaults):
            asked.setdefault(name, set()).update(pythons)
    return {name: _offer(foundation, asked[name]) for name, foundation in foundations.items()}


def drop_unasked(
    foundations: Sequence[tuple[CatalogFoundation, DocumentPath]], image: DocumentPath, report: Report
) -> list[tuple[CatalogFoundation, DocumentPath]]:
    """Those of the `foundations` of an image that asks for no Python from which one follows; report the others.

    Each comes with the path that names it; `image` is the image's own.
    """
    for foundation, path in foundations:
        if foundation.managed:
            own = path[: len(image)] == image
            message = f"which Python is meant on {foundation.name}, where it is managed, is not said"
            advice = 'add `python: ["3.…"]` to the image or to `defaults`'
            report.add(path if own else image, message, advice, key=not own)
    return [(foundation, path) for foundation, path in foundations if not foundation.managed]


def _foundations_of(entry: DefaultsEntry) -> tuple[str, ...]:
    return (entry.foundation,) if entry.foundation is not None else entry.foundations or ()


def _offer(foundation: CatalogFoundation, asked: set[str]) -> CatalogFoundation:
    if not foundation.managed:
        return foundation
    pythons = tuple(sorted(asked, key=lambda version: [int(part) for part in version.split(".")]))
    if isinstance(foundation, DebianFoundation):
        return replace(foundation, asked=pythons)
    return replace(foundation, pythons=pythons)
