"""The page of a base: how to inherit it, and all that is known of it. Pure."""

from collections.abc import Iterator, Sequence

from warmbase.downstream.adopt.writing import sync_recipe, write_dockerfile
from warmbase.downstream.lifetimes import end_of_life
from warmbase.downstream.listing import Base
from warmbase.downstream.site.anatomy import anatomy_section
from warmbase.downstream.site.banners import Link, banners
from warmbase.downstream.site.frame import asking, copied, day_words, frame_page, from_line, row, sentence, table, when
from warmbase.downstream.site.links import page_of
from warmbase.downstream.site.model import Shelf, main_platform, page_path, way_up
from warmbase.downstream.site.packages import packages_section, system_section
from warmbase.downstream.site.past import history_section
from warmbase.downstream.site.sharing import Shared, shared_layers
from warmbase.nightly.report.markup import Markup, join, tag
from warmbase.oci.sizes import in_bytes

SCRIPTS = ("d3-hierarchy.min.js", "page.js", "base.js")

_MOST_SHARED = 8


def base_page(shelf: Shelf, base: Base) -> str:
    """The page."""
    path = page_path(base.variant)
    up = way_up(path)

    def link(name: str) -> str:
        found = page_of(shelf, name)
        return f"{up}{found}" if found else ""

    count = len({each.name for platform in base.offer.platforms for each in platform.packages})
    main = [
        *_hero(shelf, base, link),
        anatomy_section(shelf, base) if base.offer.platforms else Markup(""),
        tag(
            "div",
            tag("div", packages_section(base, up), system_section(base)),
            tag("div", _inherit(shelf, base), _facts(base, link), _shared(base, shared_layers(shelf, base), up)),
            class_="columns",
        ),
        history_section(shelf.editions.get(base.variant, ()), link),
    ]
    return frame_page(
        shelf,
        path,
        title=f"{base.name} · base images of {shelf.source}",
        description=f"{sentence(base.offer.description)} Python {base.offer.python}, {count} packages.",
        scripts=SCRIPTS,
        main=join(main),
    )


def _hero(shelf: Shelf, base: Base, link: Link) -> Iterator[Markup]:
    platform = main_platform(base)
    facts = [
        f"Python {platform.python if platform else base.offer.python}",
        sentence(platform.system, end="") if platform else "",
        f"{in_bytes(platform.size)} to pull" if platform else "",
        *(each.platform for each in base.offer.platforms),
    ]
    back = tag("a", "← All bases", href=f"{way_up(page_path(base.variant))}index.html")
    yield tag(
        "div",
        tag("nav", back, aria_label="Breadcrumb"),
        tag("h1", base.name),
        tag("p", sentence(base.offer.description), class_="lead") if base.offer.description else "",
        tag("ul", *(tag("li", fact, class_="chip") for fact in facts if fact), class_="chips"),
        *banners(base, shelf.today, link),
        copied(from_line(base), "FROM line"),
        class_="hero",
    )


def _inherit(shelf: Shelf, base: Base) -> Markup:
    """The recipe that measured best; `adopt` writes it for the project that it finds."""
    recipe = write_dockerfile(base.reference, sync_recipe(builds=True, has_others=False, has_root=True), start=None)
    versions = [
        "The base's versions are in ",
        tag("code", "/opt/warmbase/constraints.txt"),
        ", and as a lock to start from in ",
        tag("code", "/opt/warmbase/uv.lock"),
        ": what a project locks at the same version is not downloaded.",
    ]
    by_hand = join([copied(recipe.rstrip(), "Dockerfile"), tag("p", *versions, class_="quiet")])
    return tag(
        "section",
        tag("h2", "Inherit it"),
        tag("p", "In a project, this shows what to change, and changes it if you say so:"),
        copied(asking(shelf, f"warmbase adopt --base {base.name}"), "command"),
        tag("details", tag("summary", "By hand, for a project with uv.lock"), by_hand),
        class_="card",
    )


def _facts(base: Base, link: Link) -> Markup:
    end = end_of_life(base)
    parent = base.offer.parent
    verified = [f"{each.platform}: {_looked_at(each.verified)}" for each in base.offer.platforms if each.verified]
    facts: list[tuple[str, Sequence[str]]] = [
        ("Tags", [part for name in base.tags for part in (tag("code", name), " ")]),
        ("Dated tag", [tag("code", base.dated)] if base.dated else []),
        ("Content tag", [tag("code", base.content)] if base.content else []),
        ("Digest", [tag("code", base.digest)]),
        ("Published", [when(base.time)]),
        ("Fixes until", [day_words(end)] if end else []),
        ("uv", [base.offer.uv]),
        ("Foundation", [base.offer.foundation]),
        ("Made from", [tag("a", parent, href=link(parent)) if link(parent) else parent] if parent else []),
        ("Verified", [", ".join(verified)] if verified else []),
    ]
    items = [part for name, value in facts if value for part in (tag("dt", name), tag("dd", *value))]
    return tag("section", tag("h2", "Facts"), tag("dl", *items), class_="card")


def _looked_at(verified: str) -> str:
    """How an image was looked at (see `verify.model.Verification.how`), for those who were not there."""
    if verified == "static only":
        return "tested without starting it"
    return f"started and tested{verified.removeprefix('run')}" if verified.startswith("run") else verified


def _shared(base: Base, shared: Sequence[Shared], up: str) -> Markup:
    if not shared:
        return Markup("")
    rows = [
        row(
            tag("a", each.other.name, href=f"{up}{page_path(each.other.variant)}"),
            tag("span", in_bytes(each.shared), class_="number"),
            tag("span", in_bytes(each.pull), class_="number"),
        )
        for each in shared[:_MOST_SHARED]
    ]
    rest = len(shared) - len(rows)
    more = tag("p", f"{rest} more share less.", class_="quiet") if rest else ""
    shown = table(f"Layers in common with {base.name}", ("base", "in common", "left to pull"), rows)
    told = tag("p", "Layers that both have are pulled and stored once.", class_="quiet")
    return tag("section", tag("h2", "In common with others"), told, shown, more, class_="card")
