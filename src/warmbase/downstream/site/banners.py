"""What speaks against a base: a yank, an end of life. Pure."""

from collections.abc import Iterator, Mapping
from datetime import date

from warmbase.downstream.lifetimes import ending, is_past
from warmbase.downstream.listing import Base
from warmbase.nightly.report.markup import Markup, join, tag


def banners(base: Base, today: date, pages: Mapping[str, str]) -> Iterator[Markup]:
    """What is to be read before anything else. `pages` has the address of a base's page by each of its names."""
    if base.yanked:
        instead = [" Take ", _linked(base.instead, pages), " instead."] if base.instead else []
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


def _linked(name: str, pages: Mapping[str, str]) -> Markup:
    found = pages.get(name)
    return tag("a", tag("code", name), href=found) if found else tag("code", name)
