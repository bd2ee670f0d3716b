"""The history of a base, with what changed each time. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache

from warmbase.downstream.listing import Edition
from warmbase.downstream.site.banners import Link, yank_banner
from warmbase.downstream.site.frame import row, short, table, when
from warmbase.downstream.site.links import HISTORY
from warmbase.nightly.changes import Direction, direction, package_moves
from warmbase.nightly.model import Move
from warmbase.nightly.report.markup import Markup, join, tag
from warmbase.nightly.report.tables import count_moves
from warmbase.oci.sizes import in_bytes

_SHOWN = 10
_ARROWS = {"up": "↑", "down": "↓", "added": "+", "removed": "−"}


def history_section(editions: Sequence[Edition], link: Link) -> Markup:
    """What was published, the newest first, and how it differs from what was there before."""
    if not editions:
        return Markup("")
    before = [*editions[1:], None]
    items = [_edition(edition, old, link) for edition, old in zip(editions, before, strict=True)]
    rest = items[_SHOWN:]
    earlier = [tag("details", tag("summary", f"{len(rest)} earlier ones"), tag("ol", *rest))] if rest else []
    return tag("section", tag("h2", "History"), tag("ol", *items[:_SHOWN]), *earlier, class_="card history", id=HISTORY)


def _edition(edition: Edition, before: Edition | None, link: Link) -> Markup:
    moved = _moves(before.packages, edition.packages) if before and before.packages and edition.packages else ()
    counted = f"Packages: {count_moves(moved)}"
    facts = [edition.action, in_bytes(edition.size) if edition.size else "", short(edition.digest)]
    return tag(
        "li",
        tag("p", when(edition.time), " ", tag("code", edition.dated) if edition.dated else "", class_="edition"),
        yank_banner(edition, link) if edition.yanked else "",
        tag("p", tag("bdi", edition.changes)) if edition.changes else "",
        tag("p", " · ".join(filter(None, facts)), class_="quiet"),
        tag("details", tag("summary", counted), _table(edition, moved)) if moved else "",
    )


def _moves(old: Mapping[str, str], new: Mapping[str, str]) -> tuple[Move, ...]:
    """What moved, of the few that are not the same."""
    names = {name for name in old.keys() | new.keys() if old.get(name) != new.get(name)}
    return package_moves(
        {name: old[name] for name in names if name in old}, {name: new[name] for name in names if name in new}
    )


def _table(edition: Edition, moved: Sequence[Move]) -> Markup:
    return table(
        f"What moved with {edition.dated or short(edition.digest)}", ("package", "from", "to", "change"), _rows(moved)
    )


def _rows(moved: Sequence[Move]) -> Iterator[Markup]:
    for move in moved:
        yield _row(move.name, move.old, move.new, direction(move))


@lru_cache(maxsize=10_000)
def _row(name: str, old: str, new: str, where: Direction) -> Markup:
    arrow = tag("span", _ARROWS[where], class_=f"arrow arrow-{where}", aria_hidden="true")
    return row(name, old or "-", new or "-", join([arrow, " ", where]))
