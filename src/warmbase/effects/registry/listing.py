"""Lists that come in pages: tags and referrers (distribution-spec 1.1, "Listing Tags", "Listing Referrers")."""

import re
from collections.abc import Collection, Iterator
from dataclasses import replace

from warmbase.effects.registry.transport import Answer, Request, Transport
from warmbase.errors import RegistryError

_NEXT = re.compile(r"<([^>]*)>((?:\s*;[^,]*)?)")  # RFC 8288, section 3
_MOST_PAGES = 10_000


def follow_pages(transport: Transport, request: Request, *, ok: Collection[int]) -> Iterator[Answer]:
    """The answers to `request` and to the next pages that Link headers name."""
    for _ in range(_MOST_PAGES):
        answer = transport.ask(request, ok=ok)
        yield answer
        following = next_page(answer.headers.get("Link", ""))
        if not following or answer.status != 200:
            return
        request = replace(request, url=transport.follow(answer.url, following, request.doing))
    raise RegistryError(
        f"{request.doing}: the list has no end",
        next_step="see whether a proxy before the registry drops the query of addresses",
    )


def next_page(link: str) -> str:
    """The address with rel="next" in a Link header; empty where there is none."""
    for target, parameters in _NEXT.findall(link):
        if re.search(r';\s*rel="?next"?\s*(?:;|$)', parameters):
            return str(target)
    return ""
