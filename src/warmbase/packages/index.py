"""The index of a lock: what a package index says about exactly the locked versions (PEP 691, PEP 658, PEP 700).

It is served to uv inside a sandbox, under an alias of the real index's address that has the same length, so that the
alias can be replaced in what uv caches. Pages give `max-age=0`: an online uv asks the real index again and sees every
version; an offline one resolves to the base's own.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from warmbase.errors import PackagesError
from warmbase.lock.model import Lock, LockedFile, LockedPackage

PAGE_TYPE = "application/vnd.pypi.simple.v1+json"

_LONGEST_LABEL = 63  # RFC 1035, section 2.3.4


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


def alias_index(index: str) -> IndexAlias:
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
    host = ".".join("w" * (letters + (number < more)) for number in range(labels))
    return IndexAlias(address=address, alias=f"http://{host}", host=host, path=parts.path.rstrip("/"))


def index_responses(lock: Lock, index: IndexAlias) -> Mapping[str, Mapping[str, str]]:
    """Everything that the index answers: path → body, media type and Cache-Control."""
    by_name: dict[str, list[LockedPackage]] = {}
    for package in lock.packages:
        by_name.setdefault(package.name, []).append(package)
    root = index.path.rsplit("/", 1)[0]
    responses = {}
    for name, versions in by_name.items():
        responses[f"{index.path}/{name}/"] = _response(PAGE_TYPE, json.dumps(_page(name, versions)), "max-age=0")
        for package in versions:
            metadata = package.metadata()
            for file in package.files:
                if file.is_wheel:
                    response = _response("binary/octet-stream", metadata, "max-age=365000000, immutable, public")
                    responses[f"{root}/{file.path}.metadata"] = response
    return responses


def _response(kind: str, body: str, cache: str) -> dict[str, str]:
    return {"type": kind, "body": body, "cache": cache}


def _page(name: str, versions: list[LockedPackage]) -> dict[str, Any]:
    files = [_file(file, package) for package in versions for file in package.files]
    return {
        "meta": {"api-version": "1.1"},
        "name": name,
        "versions": [package.version for package in versions],
        "files": files,
    }


def _file(file: LockedFile, package: LockedPackage) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "filename": file.name,
        "url": f"../../{file.path}",
        "hashes": {"sha256": file.sha256},
        "size": file.size,
        "upload-time": file.time,
        "requires-python": package.requires_python,
        "core-metadata": {"sha256": hashlib.sha256(package.metadata().encode()).hexdigest()} if file.is_wheel else None,
        "yanked": False,
    }
    return {key: value for key, value in entry.items() if value or value is False}
