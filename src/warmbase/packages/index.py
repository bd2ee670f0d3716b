"""The indexes of a lock: what package indexes say about exactly the locked versions (PEP 691, PEP 658, PEP 700).

They are served to uv inside a sandbox, each under an alias of its real address that has the same length, so that the
alias can be replaced in what uv caches. Pages give `max-age=0`: an online uv asks the real index again and sees every
version; an offline one resolves to the base's own.
"""

import base64
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin, urlsplit

from warmbase.catalog.model import DEFAULT_INDEX, PackageIndex
from warmbase.effects.simple import PAGE_TYPE
from warmbase.errors import PackagesError
from warmbase.lock.model import LockedFile, LockedPackage
from warmbase.packages.standin import has_stand_in, stand_in

_LONGEST_LABEL = 63  # RFC 1035, section 2.3.4
_LETTERS = "wvutsrqponmlkjihgfedcbayzx"


@dataclass(frozen=True, kw_only=True, slots=True)
class ServedIndex:
    """An index that the image's cache answers for: the name that the lock has for it, and all its `addresses`, the one
    that the image's own locks name first."""

    name: str
    addresses: tuple[str, ...]


def served_indexes(indexes: Iterable[PackageIndex], default: str) -> tuple[ServedIndex, ...]:
    """The indexes of an image: uv's own, whose address is `default`, and those of the catalog that it uses."""
    by_name = {index.name: index for index in indexes}
    own = by_name.pop(DEFAULT_INDEX, PackageIndex(name=DEFAULT_INDEX))
    public = ServedIndex(name="", addresses=tuple(dict.fromkeys((default, *own.mirrors))))
    others = (ServedIndex(name=one.name, addresses=(one.url, *one.mirrors)) for one in by_name.values())
    return public, *others


@dataclass(frozen=True, kw_only=True, slots=True)
class IndexAlias:
    """A loopback address of the same length as an index's scheme and host: `address` stands for the real one,
    `alias` is where the sandbox finds it, `host` its name there and `path` the index's path on both."""

    address: str
    alias: str
    host: str
    path: str

    @property
    def url(self) -> str:
        """The index's address under the alias."""
        return self.alias + self.path


def alias_indexes(addresses: Iterable[str]) -> dict[str, IndexAlias]:
    """The alias of each of `addresses`; no two hosts share one."""
    letters: dict[str, str] = {}
    aliases = {}
    for address in addresses:
        host = "{0.scheme}://{0.netloc}".format(urlsplit(address))
        if host not in letters and len(letters) == len(_LETTERS):
            raise PackagesError(
                f"the lock's packages are on more than {len(_LETTERS)} hosts", next_step="name fewer mirrors"
            )
        letter = letters.setdefault(host, _LETTERS[len(letters) % len(_LETTERS)])
        aliases[address] = alias_index(address, letter)
    return aliases


def alias_index(index: str, letter: str = _LETTERS[0]) -> IndexAlias:
    """Make the alias of `index` (http or https). Port 80 of a host name that is as long as it has to be."""
    parts = urlsplit(index)
    address = f"{parts.scheme}://{parts.netloc}"
    if "@" in parts.netloc:
        raise PackagesError(
            "the index's address holds credentials", next_step="keep them in netrc or in the environment"
        )
    length = len(address) - len("http://")
    labels = length // _LONGEST_LABEL + 1
    letters, more = divmod(length - labels + 1, labels)
    host = ".".join(letter * (letters + (number < more)) for number in range(labels))
    return IndexAlias(address=address, alias=f"http://{host}", host=host, path=parts.path.rstrip("/"))


def file_hosts(packages: Iterable[LockedPackage]) -> list[str]:
    """The addresses of files that are on other hosts than their index."""
    return [file.path for package in packages for file in package.files if "://" in file.path]


def index_responses(
    packages: Sequence[LockedPackage], index: IndexAlias, elsewhere: Mapping[str, IndexAlias] | None = None
) -> Mapping[str, Mapping[str, str]]:
    """Everything that the index answers about its `packages`: host and path → body, media type and Cache-Control.

    `elsewhere` are the aliases of files that are on other hosts, by address.
    """
    by_name: dict[str, list[LockedPackage]] = {}
    for package in packages:
        by_name.setdefault(package.name, []).append(package)
    responses = {}
    for name, versions in by_name.items():
        page = f"{index.url}/{name}/"
        addresses = {file: _address(file, elsewhere or {}) for package in versions for file in package.files}
        body = json.dumps(_page(name, versions, addresses))
        responses[_asked(page)] = _response(PAGE_TYPE, body, "max-age=0")
        for package in versions:
            metadata = package.metadata()
            for file in package.files:
                if file.is_wheel:
                    response = _response("binary/octet-stream", metadata, "max-age=365000000, immutable, public")
                    responses[_asked(urljoin(page, addresses[file]) + ".metadata")] = response
                elif has_stand_in(package, file):
                    where, answer = answer_file(urljoin(page, addresses[file]), stand_in(package, file))
                    responses[where] = answer
    return responses


def answer_file(address: str, content: bytes) -> tuple[str, dict[str, str]]:
    """The response to a request for the file at `address`."""
    response = _response("application/octet-stream", "", "max-age=365000000, immutable, public")
    return _asked(address), response | {"base64": base64.b64encode(content).decode()}


def _asked(address: str) -> str:
    """What a request for an address names: a host and a path."""
    return address.partition("://")[2]


def _address(file: LockedFile, elsewhere: Mapping[str, IndexAlias]) -> str:
    """Where a file is, from its page."""
    if "://" in file.path:
        return elsewhere[file.path].url
    return file.path if file.path.startswith("/") else f"../../{file.path}"


def _response(kind: str, body: str, cache: str) -> dict[str, str]:
    return {"type": kind, "body": body, "cache": cache}


def _page(name: str, versions: list[LockedPackage], addresses: Mapping[LockedFile, str]) -> dict[str, Any]:
    files = [_file(file, package, addresses[file]) for package in versions for file in package.files]
    return {
        "meta": {"api-version": "1.1"},
        "name": name,
        "versions": [package.version for package in versions],
        "files": files,
    }


def _file(file: LockedFile, package: LockedPackage, address: str) -> dict[str, Any]:
    sha256 = hashlib.sha256(stand_in(package, file)).hexdigest() if has_stand_in(package, file) else file.sha256
    entry: dict[str, Any] = {
        "filename": file.name,
        "url": address,
        "hashes": {"sha256": sha256},
        "size": file.size,
        "upload-time": file.time,
        "requires-python": package.requires_python,
        "core-metadata": {"sha256": hashlib.sha256(package.metadata().encode()).hexdigest()} if file.is_wheel else None,
        "yanked": False,
    }
    return {key: value for key, value in entry.items() if value or value is False}
