"""Package indexes as the catalog names them, and the packages that come from one of them."""

import re
from collections.abc import Iterable, Iterator, Mapping
from urllib.parse import SplitResult, unquote, urlsplit

from packaging.utils import canonicalize_name

from warmbase.catalog.document import IndexEntry
from warmbase.catalog.model import DEFAULT_INDEX, PackageIndex
from warmbase.catalog.problems import DocumentPath, Report, quote, suggest_nearest
from warmbase.effects.indexes import credential_variables
from warmbase.packages.uvcache import index_bucket

MOST_ADDRESSES = 20
"""Every address has a name of its own in the sandbox that fills the cache."""

_PATH = re.compile(r"(/([A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})+)*/*")
"""Paths of which nobody's reader of addresses makes others (RFC 3986, section 3.3, without empty segments)."""


def resolve_indexes(
    entries: Mapping[str, str | IndexEntry], sources: Iterable[Mapping[str, str]], report: Report
) -> tuple[PackageIndex, ...]:
    """The catalog's indexes in its order; `sources` are all that it has anywhere. What is wrong is reported."""
    named = {index for mapping in sources for index in mapping.values()}
    seen: dict[str, str] = {}
    variables: dict[str, str] = {}
    found = []
    for name, entry in entries.items():
        path: DocumentPath = ("indexes", name)
        written = IndexEntry(url=entry) if isinstance(entry, str) else entry
        _check_url(name, written, path, report)
        _check_variables(name, path, variables, report)
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


def _check_variables(name: str, path: DocumentPath, seen: dict[str, str], report: Report) -> None:
    """Two indexes must not have their credentials in the same variables: the one would get the other's."""
    user = credential_variables(name)[0]
    if seen.setdefault(user, name) != name:
        advice = "give one of the two a name of other letters and digits"
        report.add(path, f"{quote(seen[user])} has its credentials in {user}, too", advice, key=True)


def _addresses(entry: str | IndexEntry, written: IndexEntry, path: DocumentPath) -> Iterator[tuple[str, DocumentPath]]:
    if written.url:
        yield written.url, path if isinstance(entry, str) else (*path, "url")
    yield from ((mirror, (*path, "mirrors", number)) for number, mirror in enumerate(written.mirrors))


def _read_address(address: str, path: DocumentPath, name: str, seen: dict[str, str], report: Report) -> str:
    """The address without final slashes."""
    normal = address.rstrip("/")
    try:
        parts = urlsplit(address)
        _ = parts.port
    except ValueError:  # brackets that are no IPv6 address, or a port that is none
        report.add(path, f"{quote(address)} is no address", "write https://host/path")
        return normal
    if problem := _find_problem(address, parts):
        report.add(path, *problem)
        return normal
    bucket = index_bucket(address, "")
    if bucket in seen:
        report.add(path, f"{quote(seen[bucket])} has this address too", "keep one of the two")
    seen.setdefault(bucket, name)
    return normal


def _find_problem(address: str, parts: SplitResult) -> tuple[str, str] | None:
    """What is wrong with an address, and what to do."""
    if "@" in parts.netloc:
        advice = "take them out; UV_INDEX_<NAME>_USERNAME and UV_INDEX_<NAME>_PASSWORD, netrc or a keyring give them"
        return "an address with a user or a password would end up in images", advice
    if not parts.hostname:
        return f"{quote(address)} names no host", "write https://host/path"
    if parts.query or parts.fragment:
        return "an index's address has no query and no fragment", "take them out: they may be secret"
    segments = [unquote(segment) for segment in parts.path.split("/")]
    if not address.isascii() or not _PATH.fullmatch(parts.path) or {".", ".."} & set(segments):
        return f"{quote(address)} is written in a way that programs read differently", (
            "write it with letters, digits, -._~!$&'()*+,;=:@ and percent-encoded bytes, without . and .. and //"
        )
    return None
