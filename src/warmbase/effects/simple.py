"""What the page of a package index says of a package: JSON (PEP 691, PEP 700, PEP 714) or HTML (PEP 503)."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any
from urllib.parse import unquote, urldefrag, urljoin, urlsplit

from warmbase.errors import PackagesError

PAGE_TYPE = "application/vnd.pypi.simple.v1+json"
"""The media type of pages in JSON."""

ACCEPTED = f"{PAGE_TYPE}, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.01"
"""What to ask an index for: JSON says more."""


@dataclass(frozen=True, kw_only=True, slots=True)
class IndexFile:
    """A file as an index offers it. `time` is its upload time, RFC 3339 or "". `metadata` are the hashes of its
    metadata, which the index then has beside it (PEP 658), and None where it has not. `yanked` says why the file is
    yanked, and is None for one that is not."""

    name: str
    address: str
    hashes: Mapping[str, str] = field(default_factory=dict, hash=False)
    requires_python: str = ""
    time: str = ""
    size: int = 0
    metadata: Mapping[str, str] | None = field(default=None, hash=False)
    yanked: str | None = None

    def to_json(self, address: str = "") -> dict[str, Any]:
        """The file as PEP 691 has it, at another `address` where one is given."""
        entry: dict[str, Any] = {"filename": self.name, "url": address or self.address, "hashes": dict(self.hashes)}
        if self.requires_python:
            entry["requires-python"] = self.requires_python
        if self.time:
            entry["upload-time"] = self.time
        if self.size:
            entry["size"] = self.size
        if self.metadata is not None:
            entry["core-metadata"] = dict(self.metadata) or True
        if self.yanked is not None:
            entry["yanked"] = self.yanked or True
        return entry


def read_page(content: bytes, media_type: str, address: str) -> tuple[IndexFile, ...]:
    """The files on the page at `address`. Raises PackagesError for what is no such page."""
    try:
        if media_type.partition(";")[0].strip().endswith("json"):
            return tuple(files_from_json(json.loads(content)["files"], address))
        page = _Html(address)
        page.feed(content.decode())
        page.close()
        return tuple(page.files)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise PackagesError(
            f"{address} answers with what is no page of an index: {type(error).__name__}",
            next_step="see that the address is that of the simple index, which often ends in /simple",
        ) from None


def files_from_json(files: Iterable[Mapping[str, Any]], address: str) -> Iterator[IndexFile]:
    """The files that a page at `address` lists."""
    for entry in files:
        metadata = entry.get("core-metadata", entry.get("dist-info-metadata", False))
        yanked = entry.get("yanked", False)
        yield IndexFile(
            name=str(entry["filename"]),
            address=urljoin(address, entry["url"]),
            hashes=dict(entry.get("hashes") or {}),
            requires_python=entry.get("requires-python") or "",
            time=entry.get("upload-time") or "",
            size=entry.get("size") or 0,
            metadata=(metadata if isinstance(metadata, dict) else {}) if metadata else None,
            yanked=None if yanked is False or yanked is None else yanked if isinstance(yanked, str) else "",
        )


class _Html(HTMLParser):
    """The anchors of a page."""

    def __init__(self, address: str) -> None:
        super().__init__()
        self._base = address
        self.files: list[IndexFile] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take what an anchor, or the base of all, says."""
        said = dict(attrs)
        href = said.get("href")
        if not href:
            return
        if tag == "base":
            self._base = urljoin(self._base, href)
        elif tag == "a":
            self.files.append(_file_of(href, said, self._base))


def _file_of(href: str, said: Mapping[str, str | None], base: str) -> IndexFile:
    address, fragment = urldefrag(urljoin(base, href))
    metadata = said.get("data-core-metadata", said.get("data-dist-info-metadata"))
    known = "data-core-metadata" in said or "data-dist-info-metadata" in said
    return IndexFile(
        name=unquote(urlsplit(address).path.rpartition("/")[2]),
        address=address,
        hashes=_hash_of(fragment),
        requires_python=said.get("data-requires-python") or "",
        metadata=_hash_of(metadata or "") if known and metadata != "false" else None,
        yanked=(said["data-yanked"] or "") if "data-yanked" in said else None,
    )


def _hash_of(text: str) -> dict[str, str]:
    """What "sha256=…" says."""
    name, equals, digest = text.partition("=")
    return {name: digest} if equals and digest else {}
