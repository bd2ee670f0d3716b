"""What is published, read from an `index.json`: a file, or an address that is asked whether it has changed."""

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from warmbase.downstream.index import editions_from_json, index_from_json, parse_index
from warmbase.downstream.kept import Keeper, Kept
from warmbase.downstream.listing import Base, Edition, Listing
from warmbase.downstream.naming import as_base, find_edition, find_listed, no_such_base, nothing_published, take_apart
from warmbase.errors import ListingError, mask_userinfo
from warmbase.events import Report, Warned


class IndexListing:
    """See `Published`. `read` gives the text of the index that `source` names; it raises ListingError."""

    def __init__(self, source: str, read: Callable[[], bytes]) -> None:
        self.source = shown(source)
        self._read = read

    @cached_property
    def _document(self) -> Mapping[str, Any]:
        return parse_index(self._read(), self.source)

    @cached_property
    def _listing(self) -> Listing:
        listing = index_from_json(self._document, self.source)
        if not listing.bases:
            raise nothing_published(self.source)
        return listing

    def listing(self) -> Listing:
        """See `Published`."""
        return self._listing

    def editions(self, variant: str) -> tuple[Edition, ...]:
        """See `Published`."""
        return editions_from_json(self._document, variant, self.source)

    def histories(self) -> dict[str, tuple[Edition, ...]]:
        """See `Published`."""
        return {base.variant: self.editions(base.variant) for base in self._listing.bases}

    def find(self, text: str) -> Base:
        """See `Published`. Of an earlier image only what its edition says is known."""
        found = find_listed(self._listing, text)
        if found:
            return found
        wanted = take_apart(text, {base.place for base in self._listing.bases})
        earlier = find_edition(self._listing.bases, self.editions, wanted)
        if earlier:
            return as_base(*earlier)
        raise no_such_base(self._listing, text)


def shown(address: str) -> str:
    """An address as people may see it: without a login and without its query, in which there may be one."""
    return mask_userinfo(address.partition("?")[0])


def keeper_of(address: str, folder: Path) -> Keeper:
    """What keeps the index at an address."""
    return Keeper(folder=folder, source=shown(address), secret=address.partition("?")[2])


def read_file(path: Path) -> bytes:
    """The text of an index. Raises ListingError."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise ListingError(
            f"{path} cannot be read: {error.strerror or error}",
            next_step="name an index.json, or the folder that `warmbase site` wrote",
        ) from error


def read_address(address: str, folder: Path, clock: Callable[[], datetime], report: Report) -> bytes:
    """The text of the index at an address, which `folder` keeps: where the server cannot be reached it is told with a
    warning. Raises ListingError."""
    from warmbase.effects.http import fetch

    source = shown(address)
    keeper = keeper_of(address, folder)
    kept, now = keeper.read(), clock()
    if kept and kept.is_fresh(now):
        return kept.content
    try:
        fetched = fetch(address, str(kept.stamp.get("validator", "")) if kept else "")
    except ListingError as error:
        if kept is None:
            raise
        said = f"{error.message}; what is told was read at {kept.asked:%Y-%m-%d %H:%M} UTC"
        report(Warned(subject=source, message=said))
        return kept.content
    content = kept.content if fetched.content is None and kept else fetched.content or b""
    keeper.write(Kept(asked=now, stamp={"validator": fetched.validator}, content=content))
    return content
