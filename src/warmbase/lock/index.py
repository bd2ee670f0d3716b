"""Where a file lies below its index, said so that every mirror of the index agrees.

An index lists a file by an address that may be on another host. Indexes of the common kind serve the same path
below their own root too, and their mirrors keep it: two, two and sixty hex digits of a BLAKE2b hash, then the file.
"""

import re
from urllib.parse import unquote, urlsplit, urlunsplit

_HASHED = re.compile(r"/([0-9a-f]{2}/[0-9a-f]{2}/[0-9a-f]{60}/[^/]+)$")


def path_below_index(address: str, index: str) -> str:
    """The path of the file at `address` relative to the root of `index` (the index's address without its last part).

    A file elsewhere than below that root and without the common layout keeps its whole path.
    """
    path = unquote(urlsplit(address).path)
    hashed = _HASHED.search(path)
    if hashed:
        return f"packages/{hashed[1]}"
    root = urlsplit(index).path.rsplit("/", 1)[0] + "/"
    if _same_host(address, index) and path.startswith(root):
        return path.removeprefix(root)
    return path.lstrip("/")


def with_credentials(address: str, index: str) -> str:
    """The address of a file with the user information of its index's address, if it is on the same host.

    uv leaves it out of what it writes.
    """
    user, at, _ = urlsplit(index).netloc.rpartition("@")
    parts = urlsplit(address)
    if not at or "@" in parts.netloc or not _same_host(address, index):
        return address
    return urlunsplit(parts._replace(netloc=f"{user}@{parts.netloc}"))


def without_credentials(index: str) -> str:
    """The address of an index without user information and final slashes: two that are the same serve the same."""
    parts = urlsplit(index)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2])).rstrip("/")


def _same_host(one: str, other: str) -> bool:
    return urlsplit(one).netloc.rpartition("@")[2] == urlsplit(other).netloc.rpartition("@")[2]
