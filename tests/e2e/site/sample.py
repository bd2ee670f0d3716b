"""`python -m tests.e2e.site.sample HOST/PATH`: write index.json anew, the sample that the README's pictures show.

It is what the repository's own catalog publishes, read from a registry; the place and the addresses of package indexes
are left out, as they are those of whoever wrote it.
"""

import sys
from dataclasses import replace
from pathlib import Path

from warmbase.cli.published import open_published
from warmbase.downstream.index import index_to_json, render_index
from warmbase.downstream.listing import Base, Listing
from warmbase.events import Event

SAMPLE = Path(__file__).with_name("index.json")
PLACE = "registry.example/bases"


def write_sample(index: str) -> None:
    """Read what is published, and write it to the sample."""
    published = open_published(index, SAMPLE.parent, _ignore)
    listing = published.listing()
    editions = published.histories()
    shown = Listing(bases=tuple(map(_anywhere, listing.bases)), source=PLACE, time=listing.time)
    SAMPLE.write_bytes(render_index(index_to_json(shown, editions)) + b"\n")


def _anywhere(base: Base) -> Base:
    return replace(base, place=PLACE, offer=replace(base.offer, indexes={}))


def _ignore(event: Event) -> None:
    """Reading has nothing to say."""


if __name__ == "__main__":
    write_sample(sys.argv[1])
