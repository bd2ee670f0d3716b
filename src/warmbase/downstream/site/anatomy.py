"""The layers of a base: a picture of their sizes, and the same as a table, which the picture is drawn from. Pure."""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Literal

from warmbase.downstream.listing import Base
from warmbase.downstream.site.frame import row, short, table
from warmbase.downstream.site.model import Shelf, main_platform
from warmbase.downstream.words import count
from warmbase.nightly.report.markup import Markup, tag
from warmbase.oci.sizes import in_bytes
from warmbase.publish.offer import OfferedLayer, OfferedPackage, OfferedPlatform

Part = Literal["shared", "packages", "warmbase", "system", "unknown"]
"""What a layer is for: Python packages that are a layer of other bases too, or of this one alone; what warmbase adds
beside them; the foundation; or one of these, where it is not known which packages lie in which layer."""

PARTS: Mapping[Part, str] = {
    "shared": "Python packages, in other bases too",
    "packages": "Python packages, in this base alone",
    "warmbase": "uv, and what describes the image",
    "system": "the foundation",
    "unknown": "not known: the foundation or Python packages",
}

_OURS = {"contract": "what describes the image"}
"""What the history calls layers that have no package, for people; and "uv 0.13.8"."""

_UNKNOWN = -1
_NAMED = 3
_LONGEST = 72


def anatomy_section(shelf: Shelf, base: Base) -> Markup:
    """The section: a platform's picture at a time, where there are several."""
    main = main_platform(base)
    platforms = sorted(base.offer.platforms, key=lambda each: (each is not main, each.platform))
    names = [each.platform for each in platforms]
    boxes = [
        tag(
            "label",
            tag("input", type_="radio", name="anatomy", value=name, checked="checked" if name == names[0] else ""),
            tag("span", name),
            class_="pill",
        )
        for name in names
    ]
    choice = [tag("fieldset", tag("legend", "Platform", class_="unseen"), *boxes, class_="choice", hidden="hidden")]
    return tag(
        "section",
        tag("h2", "Size by layer"),
        *(choice if len(names) > 1 else []),
        *(_platform(shelf, each, several=len(names) > 1) for each in platforms),
        class_="card",
        id="anatomy",
    )


def part_of(layer: OfferedLayer, *, has_packages: bool, others: int, is_whole: bool) -> Part:
    """What a layer is for, by what lies in it, how many others have it, and what the image's history says of it.
    `is_whole` where the layer of every package is known."""
    if has_packages:
        return "shared" if others else "packages"
    if layer.words in _OURS or layer.words.startswith("uv "):
        return "warmbase"
    return "system" if is_whole else "unknown"


def _platform(shelf: Shelf, platform: OfferedPlatform, *, several: bool) -> Markup:
    inside: dict[int, list[OfferedPackage]] = {}
    for package, place in zip(platform.packages, platform.places, strict=True):
        inside.setdefault(place, []).append(package)
    holders = shelf.holders.get(platform.platform, {})
    sizes = dict.fromkeys(PARTS, 0)
    rows: list[Markup] = []
    for number, layer in sorted(enumerate(platform.layers), key=lambda each: (-each[1].size, each[0])):
        others = holders.get(layer.digest, 1) - 1
        part = part_of(layer, has_packages=number in inside, others=others, is_whole=_UNKNOWN not in inside)
        sizes[part] += layer.size
        label = _label(layer, inside.get(number, []))
        rows.append(_row(label, layer.size, part, others))
    caption = f"Layers of {platform.platform}"
    listed = table(caption, ("layer", "size", "for", "also in"), rows)
    total = f"{in_bytes(platform.size)} in {len(platform.layers)} layers, compressed, as a pull moves them."
    return tag(
        "div",
        tag("h3", platform.platform) if several else "",
        tag("p", total, class_="quiet"),
        tag("div", class_="treemap", data_words=f"{caption}, by size: {_told(sizes)}"),
        tag("ul", *_legend(sizes), class_="legend", hidden="hidden"),  # until a script draws what it tells of
        tag("details", tag("summary", "The same as a table"), listed, open="open"),
        class_="platform",
        data_platform=platform.platform,
    )


@lru_cache(maxsize=10_000)
def _row(label: str, size: int, part: Part, others: int) -> Markup:
    also = count(others, "other base") if others else "none"
    return row(
        label,
        tag("span", in_bytes(size), class_="number"),
        PARTS[part],
        also,
        data_size=str(size),
        data_part=part,
    )


def _label(layer: OfferedLayer, packages: list[OfferedPackage]) -> str:
    if not packages:
        words = _OURS.get(layer.words) or " ".join(layer.words.split()) or short(layer.digest)
        return words if len(words) <= _LONGEST else f"{words[: _LONGEST - 1]}…"
    largest = sorted(packages, key=lambda each: (-each.size, each.name))
    named = ", ".join(f"{each.name} {each.version}" for each in largest[:_NAMED])
    more = f" and {len(packages) - _NAMED} more" if len(packages) > _NAMED else ""
    return f"{named}{more}"


def _legend(sizes: Mapping[Part, int]) -> Iterator[Markup]:
    for part, size in sizes.items():
        if size:
            yield tag("li", tag("span", class_=f"swatch part-{part}"), PARTS[part], " ", tag("b", in_bytes(size)))


def _told(sizes: Mapping[Part, int]) -> str:
    return ", ".join(f"{PARTS[part]} {in_bytes(size)}" for part, size in sizes.items() if size)
