"""What is in a base, as tables: Python packages, packages of the system. Pure."""

from collections.abc import Iterator
from functools import lru_cache
from urllib.parse import quote

from warmbase.downstream.listing import Base
from warmbase.downstream.site.frame import row, table
from warmbase.downstream.site.model import main_platform
from warmbase.nightly.report.markup import Markup, join, tag
from warmbase.oci.sizes import in_bytes
from warmbase.publish.offer import OfferedPackage

_USES = {"warm": "cache only"}


def packages_section(base: Base, up: str) -> Markup:
    """The Python packages of all platforms: what differs between them is said."""
    rows = list(_rows(base, up))
    told = f"{len(rows)} of them; a project that locks the same versions downloads none."
    find = tag(
        "p",
        tag("label", "Filter", for_="filter"),
        tag("input", type_="search", id="filter", autocomplete="off", spellcheck="false", aria_controls="packages"),
        tag("span", id="filtered", role="status", class_="quiet"),
        class_="filter",
        hidden="hidden",
    )
    shown = table("Python packages", ("package", "version", "download", "licence"), rows, id_="packages", is_long=True)
    return tag("section", tag("h2", "Python packages"), tag("p", told, class_="quiet"), find, shown, class_="card")


def system_section(base: Base) -> Markup:
    """The system's packages, behind a click: seldom what a base is chosen for."""
    platform = main_platform(base)
    if not platform or not platform.system_packages:
        return Markup("")
    packages = sorted(platform.system_packages, key=lambda each: each.name)
    rows = (row(each.name, each.version, ", ".join(each.licences)) for each in packages)
    shown = table("System packages", ("package", "version", "licence"), rows)
    summary = tag("summary", tag("h2", f"System packages: {len(packages)}"))
    return tag("section", tag("details", summary, shown), class_="card")


def _rows(base: Base, up: str) -> Iterator[Markup]:
    by_name: dict[str, dict[str, OfferedPackage]] = {}
    for platform in base.offer.platforms:
        for package in platform.packages:
            by_name.setdefault(package.name, {})[platform.platform] = package
    everywhere = len(base.offer.platforms)
    main = main_platform(base)
    for name in sorted(by_name):
        on = by_name[name]
        first = on.get(main.platform if main else "") or next(iter(on.values()))
        alike: dict[tuple[str, str], list[str]] = {}
        for platform_name, package in on.items():
            alike.setdefault((package.version, package.use), []).append(platform_name)
        versions = [
            (
                version,
                "" if len(names) == everywhere else ", ".join(names),
                _USES.get(use, ""),
            )
            for (version, use), names in alike.items()
        ]
        yield _row(up, name, tuple(versions), first.size, ", ".join(first.licences))


@lru_cache(maxsize=10_000)
def _row(up: str, name: str, versions: tuple[tuple[str, str, str], ...], size: int, licences: str) -> Markup:
    """A package's row, which is the same for many bases. A version has where it is, and how, unless all have it so."""
    return row(
        tag("a", name, href=f"{up}index.html#query={quote(name)}", title=f"All bases with {name}"),
        join(_version(*version) for version in versions),
        tag("span", in_bytes(size) if size else "", class_="number"),
        licences,
        data_name=name,
        data_size=str(size),
    )


def _version(version: str, where: str, how: str) -> Markup:
    quiet = "; ".join(filter(None, [where, how]))
    return tag("span", version, *([" ", tag("small", quiet)] if quiet else []), class_="version")
