"""What is in a base, as tables: Python packages, packages of the system. Pure."""

from collections.abc import Iterator

from warmbase.downstream.listing import Base
from warmbase.downstream.site.frame import row, table
from warmbase.downstream.site.model import main_platform
from warmbase.nightly.report.markup import Markup, join, tag
from warmbase.oci.sizes import in_bytes
from warmbase.publish.offer import OfferedPackage

_Alike = dict[tuple[str, str], list[str]]
"""Platforms by the version and the use that a package has there."""


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
    shown = table("Python packages", ("package", "version", "download", "licence"), rows, id_="packages")
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
        alike: _Alike = {}
        for platform_name, package in on.items():
            alike.setdefault((package.version, package.use), []).append(platform_name)
        versions = [_version(*key, [] if len(names) == everywhere else names) for key, names in alike.items()]
        yield row(
            tag("a", name, href=f"{up}index.html#query={name}", title=f"All bases with {name}"),
            join(versions),
            tag("span", in_bytes(first.size) if first.size else "", class_="number"),
            ", ".join(first.licences),
            data_name=name,
            data_size=str(first.size),
        )


def _version(version: str, use: str, platforms: list[str]) -> Markup:
    notes = [", ".join(platforms), "in the cache alone" if use == "warm" else ""]
    quiet = "; ".join(filter(None, notes))
    return tag("span", version, *([" ", tag("small", quiet)] if quiet else []), class_="version")
