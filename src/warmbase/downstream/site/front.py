"""The first page: all bases by image, and what searches and filters them. Pure."""

from collections.abc import Iterator, Mapping
from itertools import groupby

from warmbase.downstream.listing import Base
from warmbase.downstream.site.banners import warning_chips
from warmbase.downstream.site.frame import asking, copied, frame_page, sentence, when
from warmbase.downstream.site.model import Shelf, by_number, main_platform, page_path
from warmbase.downstream.site.releases import examples
from warmbase.downstream.words import count
from warmbase.nightly.report.markup import Markup, join, tag
from warmbase.oci.sizes import in_bytes

SCRIPTS = ("minisearch.min.js", "data.js", "versions.js", "page.js", "front.js")

_SIZES = (100, 250, 500, 1000, 2000, 5000)  # MB
_SORTS = {"name": "name", "size": "smallest first", "time": "newest first"}


def front_page(shelf: Shelf) -> str:
    """The page. Its bases stand in the order of the listing, which the search's data has too."""
    images = len({base.image for base in shelf.bases})
    packages = {each.name for base in shelf.bases for platform in base.offer.platforms for each in platform.packages}
    counted = f"{count(len(shelf.bases), 'base')} of {count(images, 'image')}, with {count(len(packages), 'package')}"
    main = [
        tag(
            "div",
            tag("h1", "Find the base that has what you need"),
            tag("p", f"{counted}. Inherit one, and your build downloads nothing that it has.", class_="lead"),
            _search(shelf),
            class_="hero",
        ),
        tag("p", f"{count(len(shelf.bases), 'base')}.", id="count", role="status"),
        tag("div", id="versions", class_="versions", hidden="hidden"),
        tag("div", *_images(shelf), id="results"),
        _from_a_terminal(shelf) if shelf.bases else _nothing_yet(),
    ]
    return frame_page(
        shelf,
        "index.html",
        title=f"Base images of {shelf.source}",
        description=f"{counted}: search them by package and version.",
        scripts=SCRIPTS,
        main=join(main),
    )


def _from_a_terminal(shelf: Shelf) -> Markup:
    told = "In a project's folder, this reads its lock or its requirements and says which base serves it best, and why:"
    command = copied(asking(shelf, "warmbase choose"), "command")
    return tag("section", tag("h2", "Let your project choose"), tag("p", told), command, class_="card")


def _nothing_yet() -> Markup:
    return tag("p", "Nothing is published here yet: ", tag("code", "warmbase publish"), " does it.")


def _search(shelf: Shelf) -> Markup:
    tries = examples(shelf.bases)
    field = tag(
        "input",
        type_="search",
        id="query",
        name="query",
        autocomplete="off",
        autocapitalize="off",
        spellcheck="false",
        enterkeyhint="search",
        placeholder=tries[0] if tries else "numpy",
        aria_describedby="hint",
        aria_controls="results",
    )
    tried = [
        part for each in tries for part in (" ", tag("button", each, type_="button", class_="try", data_query=each))
    ]
    pythons = sorted({base.offer.python for base in shelf.bases}, key=by_number)
    platforms = sorted({each.platform for base in shelf.bases for each in base.offer.platforms})
    filters = [
        _choice("Any Python of", "python", {python: python for python in pythons}),
        _choice("Runs on all of", "platform", {name: name.removeprefix("linux/") for name in platforms}),
        _select("Size", "size", {"any": "any", **{f"{size}": _up_to(size) for size in _offered_sizes(shelf)}}),
        _select("Order", "order", _SORTS),
    ]
    form = tag(
        "form",
        tag("label", "Search packages, versions and images", for_="query"),
        tag("div", field, tag("kbd", "/", aria_hidden="true"), class_="field"),
        tag("p", "Try", *tried, id="hint", class_="hint"),
        tag("div", *filters, class_="filters"),
        role="search",
        id="search",
        hidden="hidden",
    )
    return join([form, tag("noscript", tag("p", "The search needs JavaScript; all bases are below.", class_="note"))])


def _choice(words: str, name: str, values: Mapping[str, str]) -> Markup:
    """Values of which several can be wanted. The words say whether one of them does or it takes all."""
    boxes = [
        tag("label", tag("input", type_="checkbox", name=name, value=value), tag("span", said), class_="pill")
        for value, said in values.items()
    ]
    return tag("fieldset", tag("legend", words), *boxes)


def _select(words: str, name: str, values: Mapping[str, str]) -> Markup:
    options = [tag("option", said, value=value) for value, said in values.items()]
    return tag("label", tag("span", words), tag("select", *options, name=name, id=name), class_="select")


def _offered_sizes(shelf: Shelf) -> Iterator[int]:
    """The bounds that some bases keep and others do not."""
    sizes = [platform.size for base in shelf.bases if (platform := main_platform(base))]
    yield from (size for size in _SIZES if sizes and min(sizes) <= size * 1_000_000 < max(sizes))


def _images(shelf: Shelf) -> Iterator[Markup]:
    numbered = groupby(enumerate(shelf.bases), key=lambda each: each[1].image)
    for number, (image, own) in enumerate(numbered):
        bases = list(own)
        described = bases[0][1].offer.description
        rows = [_base(shelf, base, position) for position, base in bases]
        yield tag(
            "section",
            tag("h2", image, id=f"image-{number}"),
            tag("p", sentence(described), class_="quiet") if described else "",
            tag("ul", *rows),
            class_="image",
            aria_labelledby=f"image-{number}",
        )


def _base(shelf: Shelf, base: Base, number: int) -> Markup:
    platform = main_platform(base)
    facts = [
        f"Python {platform.python if platform else base.offer.python}",
        sentence(platform.system, end="") if platform else "",
        ", ".join(each.platform.removeprefix("linux/") for each in base.offer.platforms),
    ]
    warnings = list(warning_chips(base, shelf.today))
    return tag(
        "li",
        tag("a", base.name, href=page_path(base.variant)),
        tag("span", " · ".join(filter(None, facts)), class_="facts"),
        tag("span", in_bytes(platform.size) if platform else "", class_="size"),
        when(base.time),
        tag("span", *warnings, class_="warnings") if warnings else "",
        id=f"b{number}",
    )


def _up_to(size: int) -> str:
    return f"≤ {in_bytes(size * 1_000_000).replace('.0 ', ' ').replace('.00 ', ' ')}"
