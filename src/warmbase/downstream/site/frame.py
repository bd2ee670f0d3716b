"""The frame that all pages of a site have, and the parts that several of them are made of. Pure.

Their policy lets them load the site's own files and nothing else (Content Security Policy Level 3, section 2.3).
Nothing in them is a script or a style, whatever a package calls itself: text is escaped, and the policy has no
'unsafe-inline'.
"""

import shlex
from collections.abc import Iterable, Sequence
from datetime import date

from warmbase.downstream.listing import Base
from warmbase.downstream.site.model import Shelf, way_up
from warmbase.nightly.report.markup import Markup, join, tag

_POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'"


def frame_page(shelf: Shelf, path: str, *, title: str, description: str, scripts: Iterable[str], main: Markup) -> str:
    """A whole page. `scripts` are the plain names of the assets that it runs, in their order."""
    up = way_up(path)
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("meta", name="referrer", content="no-referrer"),
        tag("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        tag("meta", name="description", content=description),
        tag("title", title),
        tag("link", rel="icon", type_="image/svg+xml", href=f"{up}{shelf.assets['icon.svg']}"),
        tag("link", rel="stylesheet", href=f"{up}{shelf.assets['site.css']}"),
        *(tag("script", src=f"{up}{shelf.assets[name]}", defer="defer") for name in scripts),
    )
    body = tag(
        "body",
        tag("a", "Skip to the content", class_="skip", href="#content"),
        tag(
            "header",
            tag(
                "a",
                tag("span", class_="mark", aria_hidden="true"),
                "Base images",
                class_="brand",
                href=f"{up}index.html",
            ),
            tag("span", shelf.source, class_="source"),
            class_="top",
        ),
        tag("main", main, id="content"),
        _footer(shelf, up),
    )
    return f"<!doctype html>\n{tag('html', head, body, lang='en')}\n"


def table(
    caption: str, headings: Sequence[str], rows: Iterable[Markup], *, id_: str = "", is_long: bool = False
) -> Markup:
    """A table that scrolls by itself where it is too wide, or too long. Its caption is for those who hear it."""
    head = tag("thead", tag("tr", *(tag("th", heading, scope="col") for heading in headings)))
    inner = tag("table", tag("caption", caption, class_="unseen"), head, tag("tbody", *rows), id=id_)
    return tag("div", inner, class_="wide long" if is_long else "wide", tabindex="0", role="region", aria_label=caption)


def row(*cells: str, **attributes: str) -> Markup:
    """A row of a table. The first cell is what it is about."""
    first, *rest = cells
    return tag("tr", tag("th", first, scope="row"), *(tag("td", cell) for cell in rest), **attributes)


def copied(text: str, what: str) -> Markup:
    """Text to copy. The button comes from a script; without one it can be selected."""
    return tag("div", tag("pre", tag("code", text), tabindex="0"), class_="copied", data_what=what)


def asking(shelf: Shelf, command: str) -> str:
    """A command that works where nothing else says where the bases are published."""
    return f"{command} --index {shlex.quote(shelf.source)}"


def when(time: str) -> Markup:
    """A moment (RFC 3339, UTC) as its day."""
    return tag("time", day_words(date.fromisoformat(time[:10])), datetime=time)


def sentence(words: str, *, end: str = ".") -> str:
    """Words with a capital letter and an end."""
    return f"{words[:1].upper()}{words[1:]}{'' if words.endswith(end) else end}"


def day_words(day: date) -> str:
    """A day as people read it: "20 Nov 2026"."""
    return f"{day.day} {day:%b %Y}"


def from_line(base: Base) -> str:
    """The line of a Dockerfile that inherits a base, fixed to what was published."""
    return f"FROM {base.reference}"


def short(digest: str) -> str:
    """A digest's first digits."""
    return digest[:19]


def _footer(shelf: Shelf, up: str) -> Markup:
    links = join(
        [
            tag("a", "index.json", href=f"{up}index.json"),
            " · ",
            tag("a", "licences", href=f"{up}{shelf.assets['licences.txt']}"),
        ]
    )
    read = ["Read from ", tag("code", shelf.source), f" on {day_words(shelf.today)}."]
    return tag("footer", tag("p", *read, " Written by ", tag("code", "warmbase site"), "."), tag("p", links))
