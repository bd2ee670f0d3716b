"""Package indexes as the catalog names them, and the packages that come from one of them."""

from collections.abc import Iterable, Iterator, Mapping
from urllib.parse import urlsplit

from packaging.utils import canonicalize_name

from warmbase.catalog.document import IndexEntry
from warmbase.catalog.model import DEFAULT_INDEX, PackageIndex
from warmbase.catalog.problems import DocumentPath, Report, quote, suggest_nearest

MOST_ADDRESSES = 20
"""Every address has a name of its own in the sandbox that fills the cache."""


def resolve_indexes(
    entries: Mapping[str, str | IndexEntry], sources: Iterable[Mapping[str, str]], report: Report
) -> tuple[PackageIndex, ...]:
    """The catalog's indexes in its order; `sources` are all that it has anywhere. What is wrong is reported."""
    named = {index for mapping in sources for index in mapping.values()}
    seen: dict[str, str] = {}
    found = []
    for name, entry in entries.items():
        path: DocumentPath = ("indexes", name)
        written = IndexEntry(url=entry) if isinstance(entry, str) else entry
        _check_url(name, written, path, report)
        addresses = [
            _read_address(address, where, name, seen, report) for address, where in _addresses(entry, written, path)
        ]
        url = addresses.pop(0) if written.url else ""
        found.append(PackageIndex(name=name, url=url, mirrors=tuple(addresses), explicit=name in named))
    if len(seen) > MOST_ADDRESSES:
        report.add(("indexes",), f"there are {len(seen)} addresses", f"name at most {MOST_ADDRESSES}")
    return tuple(found)


def resolve_sources(
    written: Mapping[str, str], declared: Iterable[str], path: DocumentPath, report: Report
) -> dict[str, str]:
    """The packages of `sources` at `path` under their normal names, with the indexes that they come from."""
    known = {DEFAULT_INDEX, *declared}
    found: dict[str, str] = {}
    for package, index in written.items():
        name = str(canonicalize_name(package))
        if name in found:
            report.add((*path, package), f"{quote(package)} is there twice", "keep one of the two", key=True)
        if index in known:
            found[name] = index
        else:
            advice = suggest_nearest(index, known - {DEFAULT_INDEX}) or "define it under `indexes`"
            report.add((*path, package), f"there is no index {quote(index)}", advice)
    return found


def _check_url(name: str, entry: IndexEntry, path: DocumentPath, report: Report) -> None:
    if name == DEFAULT_INDEX and entry.url:
        advice = "give its other addresses as `{mirrors: [...]}`; which one is asked here, UV_DEFAULT_INDEX says"
        report.add(path, "`default` is the index that uv uses by itself", advice, key=True)
    if name != DEFAULT_INDEX and not entry.url:
        report.add(path, "the key 'url' is missing", "add the index's address", key=True)


def _addresses(entry: str | IndexEntry, written: IndexEntry, path: DocumentPath) -> Iterator[tuple[str, DocumentPath]]:
    if written.url:
        yield written.url, path if isinstance(entry, str) else (*path, "url")
    yield from ((mirror, (*path, "mirrors", number)) for number, mirror in enumerate(written.mirrors))


def _read_address(address: str, path: DocumentPath, name: str, seen: dict[str, str], report: Report) -> str:
    """The address without final slashes."""
    normal = address.rstrip("/")
    try:
        parts = urlsplit(address)
        host, secret = parts.hostname, "@" in parts.netloc
    except ValueError:
        host, secret, parts = None, False, urlsplit("")
    if secret:
        advice = "take them out; UV_INDEX_<NAME>_USERNAME and UV_INDEX_<NAME>_PASSWORD, netrc or a keyring give them"
        report.add(path, "an address with a user or a password would end up in images", advice)
    elif not host:
        report.add(path, f"{quote(address)} names no host", "write https://host/path")
    elif parts.query or parts.fragment:
        report.add(path, "an index's address has no query and no fragment", "take them out: they may be secret")
    elif normal in seen:
        report.add(path, f"{quote(seen[normal])} has this address too", "keep one of the two")
    seen.setdefault(normal, name)
    return normal
