"""The cross product of an image: which pairs of foundation and Python become variants.

A pair that the foundation does not offer makes no variant, so that `python: ["3.11", "3.13"]` on bookworm
and trixie means what it says. But every foundation and every version that is written must make at least
one, unless `exclude` names it: nothing in a catalog is silently without effect.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from warmbase.catalog.document import MatchEntry
from warmbase.catalog.model import CatalogFoundation
from warmbase.catalog.problems import DocumentPath, Report, list_words


@dataclass(frozen=True, kw_only=True, slots=True)
class Pair:
    """A foundation and a Python version."""

    foundation: CatalogFoundation
    python: str

    @property
    def offered(self) -> bool:
        """Whether the foundation has this Python."""
        return self.python in self.foundation.pythons

    def fits(self, match: MatchEntry) -> bool:
        """Whether all that `match` says holds."""
        return match.foundation in (None, self.foundation.name) and match.python in (None, self.python)


@dataclass(frozen=True, kw_only=True, slots=True)
class Product:
    """What is multiplied, each part with the path where it is written.

    Without `pythons`, each foundation comes with all of its own.
    """

    path: DocumentPath
    foundations: Sequence[tuple[CatalogFoundation, DocumentPath]]
    pythons: Sequence[str]
    python_path: DocumentPath
    excludes: Sequence[tuple[MatchEntry, DocumentPath]]

    @property
    def size(self) -> int:
        """How many pairs there are before any is left out."""
        return sum(len(self.pythons or foundation.pythons) for foundation, _ in self.foundations)

    def pairs(self) -> list[Pair]:
        """Return every pair, in the order of foundations, then of versions."""
        return [
            Pair(foundation=foundation, python=python)
            for foundation, _ in self.foundations
            for python in (self.pythons or foundation.pythons)
        ]

    def wanted(self) -> list[Pair]:
        """Return the pairs that are not excluded."""
        return [pair for pair in self.pairs() if not any(pair.fits(match) for match, _ in self.excludes)]

    def variants(self) -> list[Pair]:
        """Return the pairs that become variants."""
        return [pair for pair in self.wanted() if pair.offered]


def check_product(product: Product, report: Report) -> None:
    """Report whatever in the product has no effect. Every foundation must be known."""
    everything, wanted = product.pairs(), product.wanted()
    for match, path in product.excludes:
        # what defaults exclude need not be in every image
        if path[0] != "defaults" and not any(pair.fits(match) for pair in everything):
            message = "this excludes nothing: the image has no such pair"
            report.add(path, message, "correct it or take it out")
    missing = _report_missing_pythons(product, wanted, report)
    idle = _report_idle_foundations(product, wanted, report) if set(product.pythons) - missing else False
    if not missing and not idle and not product.variants():
        report.add(product.path, "`exclude` leaves no variant of the image", "exclude less", key=True)


def _report_missing_pythons(product: Product, wanted: Sequence[Pair], report: Report) -> set[str]:
    """Report the versions that no foundation offers; return them."""
    offered = {python for foundation, _ in product.foundations for python in foundation.pythons}
    missing = set()
    for index, python in enumerate(product.pythons):
        asked = [pair.foundation for pair in wanted if pair.python == python]
        if asked and python not in offered:
            missing.add(python)
            names = list_words((foundation.name for foundation in asked), conjunction="or")
            offers = ", ".join(f"{foundation.name} offers {_versions(foundation)}" for foundation in asked[:12])
            report.add((*product.python_path, index), f"no Python {python} comes with {names}", offers)
    return missing


def _report_idle_foundations(product: Product, wanted: Sequence[Pair], report: Report) -> bool:
    """Report the foundations that offer none of the versions; say whether there are any."""
    idle = False
    asked = {pair.foundation.name for pair in wanted}
    for foundation, path in product.foundations:
        if foundation.name in asked and not set(foundation.pythons) & set(product.pythons):
            idle = True
            # the image's own words are where it can be mended
            where = path if path[0] == product.path[0] else product.python_path
            message = f"{foundation.name} offers Python {_versions(foundation)}, which `python` does not list"
            advice = "list it, or take the foundation out; without `python` each foundation's own is built"
            report.add(where, message, advice)
    return idle


def _versions(foundation: CatalogFoundation) -> str:
    return " and ".join(foundation.pythons)
