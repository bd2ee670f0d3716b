"""Where a file lies below its index, said so that every mirror of the index agrees.

An index lists a file by an address that may be on another host. Indexes of the common kind serve the same path
below their own root too, and their mirrors keep it: two, two and sixty hex digits of a BLAKE2b hash, then the file.
"""

import re
from collections.abc import Iterable
from urllib.parse import unquote, urlsplit, urlunsplit

from warmbase.catalog.model import DEFAULT_INDEX, PackageIndex, Variant
from warmbase.effects.indexes import same_host, without_credentials
from warmbase.lock.model import Lock

_HASHED = re.compile(r"/([0-9a-f]{2}/[0-9a-f]{2}/[0-9a-f]{60}/[^/]+)$")


def path_below_index(address: str, index: str, *, whole: bool = False) -> str:
    """The path of the file at `address` relative to the root of `index` (the index's address without its last part).

    A file elsewhere than below that root and without the common layout keeps its whole path. With `whole`, as for an
    index that the catalog names, no layout is taken for granted: such a file keeps what leads to it, a path that begins
    with '/', or its address where it is on another host, without credentials, query and fragment.
    """
    path = unquote(urlsplit(address).path)
    hashed = None if whole else _HASHED.search(path)
    if hashed:
        return f"packages/{hashed[1]}"
    root = urlsplit(index).path.rsplit("/", 1)[0] + "/"
    if same_host(address, index) and path.startswith(root):
        return path.removeprefix(root)
    if whole:
        return path if same_host(address, index) else without_credentials(_bare(address))
    return path.lstrip("/")


def used_indexes(indexes: Iterable[PackageIndex], lock: Lock) -> tuple[PackageIndex, ...]:
    """Those of the catalog's indexes of which an image shows something: all that packages of its lock come from, and
    the default one where it has mirrors."""
    names = {package.index or DEFAULT_INDEX for package in lock.packages} | {DEFAULT_INDEX}
    return tuple(index for index in indexes if index.name in names and (index.url or index.mirrors))


def name_in_locks(index: str) -> str:
    """What locks say for the catalog's `index`."""
    return "" if index == DEFAULT_INDEX else index


def fits_sources(variant: Variant, lock: Lock) -> bool:
    """Whether every package of the lock comes from an index that the catalog admits for it now.

    What it says of packages that the lock does not have is of no matter.
    """
    sources = dict(variant.sources)
    searched = {"", *(index.name for index in variant.indexes if index.url and not index.explicit)}
    return all(
        package.index == name_in_locks(sources[package.name]) if package.name in sources else package.index in searched
        for package in lock.packages
        if not package.source
    )


def _bare(address: str) -> str:
    return urlunsplit(urlsplit(address)._replace(query="", fragment=""))
