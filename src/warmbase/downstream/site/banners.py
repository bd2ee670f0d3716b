"""What speaks against a base: a yank, an end of life. Pure."""

from collections.abc import Callable, Iterator
from datetime import date

from warmbase.downstream.lifetimes import end_of_life, ending, first_to_end, is_past
from warmbase.downstream.listing import Base, Edition
from warmbase.downstream.site.frame import day_words
from warmbase.nightly.report.markup import Markup, tag

Link = Callable[[str], str]
"""The address of the page of the base that has a name, "" where there is none."""


def banners(base: Base, today: date, link: Link) -> Iterator[Markup]:
    """What is to be read before anything else."""
    if base.yanked:
        yield yank_banner(base, link)
    end = _near_end(base, today)
    if end and is_past(base, today):
        told = f" since {end}: nobody repairs what is found in it."
        yield tag("p", tag("b", "Past its end of life"), told, class_="banner banner-bad", role="note")
    elif end:
        yield tag("p", tag("b", "End of life: "), f"{end}. Fixes end with it.", class_="banner", role="note")


def yank_banner(image: Base | Edition, link: Link) -> Markup:
    """Why an image is not to be used, and where what to take instead is found."""
    instead = [" Take ", _linked(image.instead, link), " instead."] if image.instead else []
    reason = tag("bdi", image.yanked.rstrip("."))
    return tag("p", tag("b", "Yanked: "), reason, ".", *instead, class_="banner banner-bad", role="note")


def warning_chips(base: Base, today: date) -> Iterator[Markup]:
    """The same in a word or two, for lists."""
    if base.yanked:
        yield tag("span", "yanked", class_="chip chip-bad", title=base.yanked)
    end = _near_end(base, today)
    if end:
        past = is_past(base, today)
        said = "end of life" if past else f"ends {end.partition(' (')[0]}"
        yield tag("span", said, class_=f"chip {'chip-bad' if past else 'chip-soon'}", title=end)


def _near_end(base: Base, today: date) -> str:
    """A base's last day and what ends then, where that is near or past. The day is named, as the page may lie long."""
    end = end_of_life(base)
    return f"{day_words(end)} ({first_to_end(base)})" if end and ending(base, today) else ""


def _linked(name: str, link: Link) -> Markup:
    """A name as a link, or else whole, with its digest."""
    found = link(name)
    return tag("a", tag("code", name.partition("@")[0] or name), href=found) if found else tag("code", name)
