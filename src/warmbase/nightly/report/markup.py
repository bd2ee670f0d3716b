"""HTML, and SVG within it, from values: text is escaped, whoever wrote it."""

import html
from collections.abc import Iterable

_VOID = frozenset({"meta", "link", "br", "input", "rect"})
_SEPARATE = frozenset(
    {"section", "table", "tr", "details", "ul", "li", "header", "main", "footer", "body", "head", "g"}
)


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


def tag(name: str, /, *children: str, **attributes: str) -> Markup:
    """An element. An attribute's `_` stands for `-`, one at its end is dropped (`class_`); empty ones are left out.

    Children are escaped unless they are markup.
    """
    said = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{html.escape(value)}"' for key, value in attributes.items() if value
    )
    end = "\n" if name in _SEPARATE else ""
    if name in _VOID:
        return Markup(f"<{name}{said}>" if name != "rect" else f"<{name}{said}/>")
    return Markup(f"<{name}{said}>{join(children)}</{name}>{end}")


def join(children: Iterable[str]) -> Markup:
    """Children one behind the other."""
    return Markup("".join([child if isinstance(child, Markup) else html.escape(child) for child in children]))
