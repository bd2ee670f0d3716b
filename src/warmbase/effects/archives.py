"""The files in which Debian archives say what they have, asked for with validators (RFC 9110, section 13)."""

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol
from urllib.parse import unquote, urlsplit

from warmbase.effects.http import conditions_for, validator_of

if TYPE_CHECKING:
    import httpx

_TOGETHER = 4
_TIMEOUT = 30  # seconds


@dataclass(frozen=True, kw_only=True, slots=True)
class Release:
    """A Release file: None as the `content` that the asker knows already. `validator` is what the archive wants back to
    say that it is unchanged, "" where it has none."""

    content: bytes | None = field(repr=False)
    validator: str = ""


class Archives(Protocol):
    """Reads Release files. `ask_archives` is the real one."""

    def __call__(self, known: Mapping[str, str]) -> Mapping[str, Release]:
        """Read what lies at addresses; see `ask_archives`."""
        ...


def ask_archives(known: Mapping[str, str]) -> Mapping[str, Release]:
    """Ask for the files at addresses, each with the validator of what is known of it, "" for nothing.

    What cannot be read is left out: apt says why when it is asked.
    """
    if not known:
        return {}
    files = [address for address in known if urlsplit(address).scheme == "file"]
    others = [address for address in known if address not in files]
    found = {address: _read(address) for address in files}
    if others:
        found |= _ask_web(others, known)
    return {address: release for address, release in found.items() if release}


def _read(address: str) -> Release | None:
    try:
        return Release(content=Path(unquote(urlsplit(address).path)).read_bytes())
    except OSError:
        return None


def _ask_web(addresses: Sequence[str], known: Mapping[str, str]) -> dict[str, Release | None]:
    from warmbase.effects.registry.registries import open_http

    pool = ThreadPoolExecutor(min(_TOGETHER, len(addresses)), thread_name_prefix="archive")
    with open_http(os.environ) as client, pool:
        answers = pool.map(lambda address: _ask(client, address, known[address]), addresses)
        return dict(zip(addresses, answers, strict=True))


def _ask(client: "httpx.Client", address: str, validator: str) -> Release | None:
    import httpx

    try:
        response = client.get(address, headers=conditions_for(validator), follow_redirects=True)
    except (httpx.HTTPError, httpx.InvalidURL):
        return None
    if response.status_code == httpx.codes.NOT_MODIFIED and validator:
        return Release(content=None, validator=validator)
    if response.status_code != httpx.codes.OK:
        return None
    return Release(content=response.content, validator=validator_of(response.headers))
