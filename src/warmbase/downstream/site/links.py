"""Where the names of bases lead in a site. Pure."""

from warmbase.downstream.listing import Listing
from warmbase.downstream.naming import find_edition, find_listed, take_apart
from warmbase.downstream.site.model import Shelf, page_path
from warmbase.errors import UnknownBaseError

HISTORY = "history"
"""The ID of a page's section on what its base was."""


def page_of(shelf: Shelf, name: str) -> str:
    """The path of the page of what a name means, whatever people and yanks write: see `Published.find`. An earlier
    image is in its base's history. "" where it is none, or several."""
    try:
        found = find_listed(Listing(bases=shelf.bases, source=shelf.source), name)
    except UnknownBaseError:
        return ""
    if found:
        return page_path(found.variant)
    wanted = take_apart(name, {base.place for base in shelf.bases})
    earlier = find_edition(shelf.bases, lambda variant: shelf.editions.get(variant, ()), wanted)
    return f"{page_path(earlier[0].variant)}#{HISTORY}" if earlier else ""
