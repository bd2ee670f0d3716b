"""What speaks against a base: a yank, an end of life. Pure."""

from collections.abc import Callable, Iterator
from datetime import date

from warmbase.downstream.lifetimes import ending, is_past
from warmbase.downstream.listing import Base
from warmbase.nightly.report.markup import Markup, join, tag

Link = Callable[[str], str]
"""The address of the page of the base that has a name, "" where there is none."""


def banners(base: Base, today: date, link: Link) -> Iterator[Markup]:
    """What is to be read before anything else."""
    if base.yanked:
        instead = [" Take ", _linked(base.instead, link), " instead."] if base.instead else []
        said = join([tag("b", "Yanked: "), f"{base.yanked.rstrip('.')}.", *instead])
        yield tag("p", said, class_="banner banner-bad", role="note")
    words = ending(base, today)
    if words:
        kind = "banner banner-bad" if is_past(base, today) else "banner"
        yield tag("p", tag("b", "End of life: "), f"{words}. Fixes end with it.", class_=kind, role="note")


def warning_chips(base: Base, today: date) -> Iterator[Markup]:
    """The same in a word or two, for lists."""
    if base.yanked:
        yield tag("span", "yanked", class_="chip chip-bad", title=base.yanked)
    words = ending(base, today)
    if words:
        past = is_past(base, today)
        said = "end of life" if past else words.partition(" (")[0]
        yield tag("span", said, class_=f"chip {'chip-bad' if past else 'chip-soon'}", title=words)


def _linked(name: str, link: Link) -> Markup:
    found = link(name)
    return tag("a", tag("code", name), href=found) if found else tag("code", name)
