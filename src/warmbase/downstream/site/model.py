"""What the pages of a site are made of, and where they lie. Values, pure."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

from warmbase.downstream.listing import Base, Edition
from warmbase.publish.offer import OfferedPlatform

_UNUSUAL = re.compile(r"[^a-z0-9._-]|^\.+|\.+$|^(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?=\.|$)")
_MOST_DIGITS = 9
_PREFERRED = "linux/amd64"


@dataclass(frozen=True, kw_only=True, slots=True)
class Shelf:
    """The bases that a site shows, by variant, and what all of its pages ask.

    `editions` are by variant, `today` is the day that ends of life are counted from, `assets` has the path of each file
    that pages load, by its plain name. `layers` has the bases of a platform with their layers there, bytes by digest;
    `holders` in how many bases a layer is.
    """

    source: str
    today: date
    bases: tuple[Base, ...]
    editions: Mapping[str, tuple[Edition, ...]] = field(repr=False)
    assets: Mapping[str, str] = field(repr=False)
    layers: Mapping[str, Sequence[tuple[Base, Mapping[str, int]]]] = field(repr=False)
    holders: Mapping[str, Mapping[str, int]] = field(repr=False)


def page_path(variant: str) -> str:
    """Where the page of a variant lies in the site: "bases/data/py3.13-trixie.html".

    Whatever a listing calls its variants, it is below `bases`, another one for each, on disks too that do not tell
    upper from lower case, or that have names of their own, as Windows has ("Naming Files, Paths, and Namespaces").
    """
    image, _, tag = variant.partition(":")
    parts = [_UNUSUAL.sub(_spelled, part) or "~" for part in (*image.split("/"), tag)]
    return f"bases/{'/'.join(parts)}.html"


def by_number(python: str) -> tuple[int, ...]:
    """Order versions of Python as numbers: 3.9 comes before 3.10."""
    return tuple(int(part[:_MOST_DIGITS]) for part in python.split(".") if part.isdecimal())


def way_up(path: str) -> str:
    """From a page to the site's folder: "../../"."""
    return "../" * path.count("/")


def main_platform(base: Base) -> OfferedPlatform | None:
    """The platform whose sizes stand for the base: what most people run, or else the first."""
    return base.offer.platform(_PREFERRED) or next(iter(base.offer.platforms), None)


def layers_by_platform(bases: Sequence[Base]) -> dict[str, list[tuple[Base, dict[str, int]]]]:
    """The bases of each platform with their layers there, bytes by digest."""
    found: dict[str, list[tuple[Base, dict[str, int]]]] = {}
    for base in bases:
        for platform in base.offer.platforms:
            layers = {layer.digest: layer.size for layer in platform.layers}
            found.setdefault(platform.platform, []).append((base, layers))
    return found


def count_holders(layers: Iterable[tuple[Base, Mapping[str, int]]]) -> Counter[str]:
    """In how many bases each layer is, by its digest."""
    return Counter(digest for _, own in layers for digest in own)


def _spelled(found: re.Match[str]) -> str:
    return "".join(f"~{ord(character):x}" for character in found[0])
