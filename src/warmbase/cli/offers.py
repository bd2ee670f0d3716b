"""`warmbase list` and `show` where there is no catalog, or with `--index`: what is published, as its artifacts say."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import datetime
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from warmbase.cli.output import print_json, print_table, reporting
from warmbase.cli.published import open_published

if TYPE_CHECKING:
    from warmbase.downstream.listing import Base, Listing
    from warmbase.publish.offer import OfferedPackage, OfferedPlatform

_LONGEST = 60
"""Letters of what a layer has; a pool's packages are many."""


def list_published(names: Sequence[str], index: str, *, as_json: bool) -> None:
    """List the published bases that `names` mean, images or variants; all for none."""
    from warmbase.effects.clock import now

    with reporting(quiet=True) as report:
        listing = open_published(index, Path(), report).listing()
        bases = _select(listing, names)
    today = now()
    if as_json:
        from warmbase.downstream.description import describe_listing

        print_json({**describe_listing(listing), "bases": [_summary(base, today) for base in bases]})
        return
    rows = [
        (base.name, ", ".join(tag for tag in base.tags if f"{base.image}:{tag}" != base.name) or "-",
         base.offer.platforms[0].python if base.offer.platforms else "-",
         ", ".join(each.platform for each in base.offer.platforms), str(_packages(base)), _size(base), base.time[:10],
         _notes(base, today) or base.offer.description)
        for base in bases
    ]  # fmt: skip
    typer.echo(f"{listing.source}, as of {listing.time}")
    print_table(("base", "also", "python", "platforms", "packages", "size", "published", ""), rows)


def show_published(name: str, index: str, *, as_json: bool) -> None:
    """Show one published image."""
    from warmbase.effects.clock import now

    with reporting(quiet=True) as report:
        published = open_published(index, Path(), report)
        base = published.find(name)
    if as_json:
        print_json({"source": published.source, **_details(base, now())})
        return
    for line in _lines(base, now()):
        typer.echo(line)


def _select(listing: "Listing", names: Sequence[str]) -> tuple["Base", ...]:
    from warmbase.downstream.naming import find_listed, no_such_base

    if not names:
        return listing.bases
    chosen: dict[str, Base] = {}
    for name in names:
        own = [base for base in listing.bases if base.image == name or _fits(base, name)]
        found = own or [base for base in (find_listed(listing, name),) if base]
        if not found:
            raise no_such_base(listing, name)
        chosen |= {base.variant: base for base in found}
    return tuple(chosen.values())


def _fits(base: "Base", pattern: str) -> bool:
    return "*" in pattern and any(fnmatchcase(f"{base.image}:{tag}", pattern) for tag in base.tags)


def _lines(base: "Base", today: datetime) -> Iterator[str]:
    from warmbase.downstream.naming import is_partial
    from warmbase.downstream.words import in_columns, spell_age

    offer = base.offer
    yield f"{base.variant}: {offer.description}" if offer.description else base.variant
    yield f"FROM {base.reference}"
    yield f"tags: {', '.join(dict.fromkeys(tag for tag in (*base.tags, base.dated, base.content) if tag))}"
    yield f"published {base.time} ({spell_age(base.time, today)})"
    notes = _notes(base, today)
    yield from ([notes] if notes else [])
    parent = f", from {offer.parent}" if offer.parent else ""
    if is_partial(base):
        yield from ("this index has no more of an earlier image than its packages, a registry does", "")
        yield from in_columns(("package", "version"), [(each.name, each.version) for each in _first_packages(base)])
        return
    yield f"Python {offer.python}, uv {offer.uv}, foundation {offer.foundation}{parent}"
    yield from map(_headline, offer.platforms)
    for platform in offer.platforms[:1]:  # the others have the same packages, but for their files
        rows = [(str(number), size, words) for number, size, words in _layers(platform)]
        yield ""
        yield from in_columns(("layer", "size", platform.platform), rows)
        yield ""
        yield from in_columns(("package", "version", "size", "in", "licence"), _package_rows(platform))


def _first_packages(base: "Base") -> "tuple[OfferedPackage, ...]":
    return base.offer.platforms[0].packages if base.offer.platforms else ()


def _headline(platform: "OfferedPlatform") -> str:
    from warmbase.downstream.words import count
    from warmbase.oci.sizes import in_bytes

    system = f", {platform.system}" if platform.system else ""
    verified = f", verified: {platform.verified}" if platform.verified else ""
    warm = sum(each.use != "venv" for each in platform.packages)
    packages = count(len(platform.packages) - warm, "package") + (f" and {warm} in the cache alone" if warm else "")
    return (
        f"{platform.platform}: {in_bytes(platform.size)} in {count(len(platform.layers), 'layer')},"
        f" Python {platform.python}{system}, {packages},"
        f" {count(len(platform.system_packages), 'system package')}{verified}"
    )


def _layers(platform: "OfferedPlatform") -> Iterator[tuple[int, str, str]]:
    from warmbase.oci.sizes import in_bytes

    for number, layer in enumerate(platform.layers):
        words = layer.words if len(layer.words) <= _LONGEST else f"{layer.words[:_LONGEST].rpartition(',')[0]}, …"
        yield number, in_bytes(layer.size), words


def _package_rows(platform: "OfferedPlatform") -> list[tuple[str, ...]]:
    from warmbase.oci.sizes import in_bytes

    return [
        (each.name, each.version, in_bytes(each.size) if each.size else "-", each.use, ", ".join(each.licences))
        for each in platform.packages
    ]


def _notes(base: "Base", today: datetime) -> str:
    """What speaks against a base."""
    from warmbase.downstream.lifetimes import ending

    instead = f"; use {base.instead} instead" if base.instead else ""
    return "; ".join(
        filter(None, [f"YANKED: {base.yanked}{instead}" if base.yanked else "", ending(base, today.date())])
    )


def _packages(base: "Base") -> int:
    return max((sum(each.use == "venv" for each in own.packages) for own in base.offer.platforms), default=0)


def _size(base: "Base") -> str:
    from warmbase.oci.sizes import in_bytes

    return in_bytes(max((each.size for each in base.offer.platforms), default=0))


def _summary(base: "Base", today: datetime) -> dict[str, Any]:
    from warmbase.downstream.description import describe_base

    sizes = {each.platform: each.size for each in base.offer.platforms}
    return {**describe_base(base, today), "packages": _packages(base), "sizes": sizes}


def _details(base: "Base", today: datetime) -> dict[str, Any]:
    platforms = [
        {
            **{key: value for key, value in asdict(each).items() if key not in ("packages", "places")},
            "size": each.size,
            "packages": [
                {**asdict(package), "layer": place} for package, place in zip(each.packages, each.places, strict=True)
            ],
        }
        for each in base.offer.platforms
    ]
    indexes = {name: list(addresses) for name, addresses in base.offer.indexes.items()}
    return {**_summary(base, today), "contract": base.offer.contract, "indexes": indexes, "platforms": platforms}
