"""All files of a site, from what is published. Pure, but for reading the scripts and styles that lie beside it.

What pages load has its content's hash in its name: a page goes with its own script and style also while a site is
replaced, and one that a browser or a server has kept until the site after that (see `writing`).
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

from warmbase.downstream.index import NAME, index_to_json, render_index
from warmbase.downstream.listing import Base, Edition, Listing
from warmbase.downstream.site.basepage import base_page
from warmbase.downstream.site.front import front_page
from warmbase.downstream.site.model import Shelf, by_number, count_holders, layers_by_platform, page_path
from warmbase.downstream.site.releases import search_script

ASSETS = Path(__file__).with_name("assets")
VENDORED = Path(__file__).with_name("vendored")

_NO_JEKYLL = ".nojekyll"
"""GitHub Pages then leaves no file out because of its name ("Bypassing Jekyll on GitHub Pages")."""

_OWN = ("site.css", "icon.svg", "versions.js", "page.js", "front.js", "base.js")


def render_site(listing: Listing, editions: Mapping[str, Sequence[Edition]]) -> dict[str, bytes]:
    """Every file of the site by its path, the first page last: what it links to is there before it is.

    `editions` are by variant, the newest first. `index.json` is the machine-readable twin of all of it.
    """
    bases = tuple(sorted(listing.bases, key=_in_order))
    places = {base.place for base in bases}
    source = places.pop() if len(places) == 1 else listing.source  # not whose file it was read from
    newest = max((base.time for base in bases), default="1970-01-01")
    script = search_script(bases).encode()
    files, assets = _assets({"data.js": script})
    layers = layers_by_platform(bases)
    shelf = Shelf(
        source=source,
        today=date.fromisoformat((listing.time or newest)[:10]),
        bases=bases,
        editions={variant: tuple(each) for variant, each in editions.items()},
        assets=assets,
        layers=layers,
        holders={platform: count_holders(those) for platform, those in layers.items()},
    )
    files |= {page_path(base.variant): base_page(shelf, base).encode() for base in bases}
    index = render_index(index_to_json(replace(listing, bases=bases, source=source), editions))
    return {**files, _NO_JEKYLL: b"", NAME: index, "index.html": front_page(shelf).encode()}


def vendored() -> list[dict[str, Any]]:
    """The libraries that the site brings along: names, versions, licences, hashes."""
    document: dict[str, list[dict[str, Any]]] = json.loads((VENDORED / "vendored.json").read_bytes())
    return document["libraries"]


def _assets(made: Mapping[str, bytes]) -> tuple[dict[str, bytes], dict[str, str]]:
    """What pages load: files by path, and paths by plain name."""
    libraries = vendored()
    contents = {name: (ASSETS / name).read_bytes() for name in _OWN} | dict(made)
    contents |= {each["file"]: (VENDORED / each["file"]).read_bytes() for each in libraries}
    contents["licences.txt"] = "\n\n".join(_licence(each) for each in libraries).encode()
    paths = {name: _hashed(name, content) for name, content in sorted(contents.items())}
    return {paths[name]: contents[name] for name in paths}, paths


def _hashed(name: str, content: bytes) -> str:
    stem, _, ending = name.rpartition(".")
    return f"assets/{stem}-{hashlib.sha256(content).hexdigest()[:10]}.{ending}"


def _licence(library: Mapping[str, Any]) -> str:
    text = (VENDORED / library["licence_file"]).read_text(encoding="utf-8")
    return f"{library['name']} {library['version']} ({library['licence']})\n\n{text}"


def _in_order(base: Base) -> tuple[str, list[int], int, str]:
    """By image, the newest Python first, and of one Python what has the shortest name."""
    return base.image, [-part for part in by_number(base.offer.python)], len(base.name), base.variant
