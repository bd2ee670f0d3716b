"""Where the packages of one variant come from: uv's own index, and those that the catalog names.

uv is told by the `[[tool.uv.index]]` and `[tool.uv.sources]` of its scratch projects, and says it in uv.lock by
addresses. Locks say it by the catalog's names.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from warmbase.catalog.model import DEFAULT_INDEX, PackageIndex, Variant
from warmbase.effects.indexes import credential_variables, without_credentials
from warmbase.effects.uv import Uv
from warmbase.errors import LockError
from warmbase.lock.index import name_in_locks

_REFUSED = re.compile(r"\b(401 Unauthorized|403 Forbidden)\b")  # reqwest's words for the two statuses


@dataclass(frozen=True, kw_only=True, slots=True)
class Indexes:
    """The catalog's `indexes` and `sources` for one variant. `addresses` are where they are asked from here, by name
    ("" is uv's own), without credentials."""

    indexes: tuple[PackageIndex, ...]
    sources: Mapping[str, str]
    addresses: Mapping[str, str]
    variant: str

    def name_of(self, package: str, record: Mapping[str, Any]) -> str:
        """The catalog's name of the index that a record of uv.lock comes from, "" for uv's own, and for what comes from
        none. Raises LockError.

        Where uv's own is, here, at the same address as one of the catalog's, what the catalog says decides.
        """
        if "registry" not in record["source"]:
            return ""
        source = without_credentials(str(record["source"]["registry"]))
        explicit = [index.name for index in self.indexes if index.explicit]
        searched = [name for name in self.addresses if name and name not in explicit]
        named = [name_in_locks(self.sources[package])] if package in self.sources else []
        for name in (*named, *searched, "", *explicit):
            if source == self.addresses.get(name):
                return name
        known = next((one.name for one in self.indexes if source in one.mirrors), None)
        if known is not None:
            return name_in_locks(known)
        raise LockError(
            f"{self.variant}: {package} {record['version']} comes from an index which the catalog lacks: {source}",
            next_step="name it under `indexes:` in the catalog, or take it out of uv's settings (UV_INDEX,"
            " UV_EXTRA_INDEX_URL, uv.toml)",
        )

    def strayed(self, records: Iterable[tuple[tuple[str, str], Mapping[str, Any]]]) -> frozenset[str]:
        """The packages that come from another index than `sources` says. Raises LockError."""
        return frozenset(
            name
            for (name, _), record in records
            if name in self.sources and self.name_of(name, record) != name_in_locks(self.sources[name])
        )

    def address_for(self, package: str, index: str) -> str:
        """The address to look for a package at, that a previous lock has from `index`."""
        return self.addresses.get(name_in_locks(self.sources.get(package, index)), self.addresses[""])

    def public(self) -> "Indexes":
        """uv's own index alone."""
        return replace(self, indexes=(), sources={})

    def tables(self) -> str:
        """What a scratch project says of indexes and sources (TOML)."""
        wanted = {index.name: (self.addresses[index.name], index.explicit) for index in self.indexes if index.url}
        if DEFAULT_INDEX in self.sources.values():
            wanted[DEFAULT_INDEX] = (self.addresses[""], False)
        return index_tables(wanted, self.sources)


def indexes_of(variant: Variant, uv: Uv) -> Indexes:
    """Where the packages of `variant` come from when `uv` asks."""
    names = [index.name for index in variant.indexes if index.url]
    return Indexes(
        indexes=variant.indexes,
        sources=dict(variant.sources),
        addresses={name: uv.address_of(name) for name in ("", *names)},
        variant=variant.name,
    )


def index_tables(indexes: Mapping[str, tuple[str, bool]], sources: Mapping[str, str]) -> str:
    """The TOML tables of indexes (name → address, whether it is explicit) and of `sources`.

    Basic strings of TOML and JSON are written alike for what addresses and names contain.
    """
    lines: list[str] = []
    for name, (address, explicit) in indexes.items():
        lines += ["[[tool.uv.index]]", f"name = {json.dumps(name)}", f"url = {json.dumps(address)}"]
        lines += ["default = true"] if name == DEFAULT_INDEX else ["explicit = true"] if explicit else []
    if sources:
        lines.append("[tool.uv.sources]")
        lines += [f"{json.dumps(name)} = {{ index = {json.dumps(index)} }}" for name, index in sorted(sources.items())]
    return "".join(f"{line}\n" for line in lines)


def explain_refusal(said: str, addresses: Mapping[str, str]) -> str:
    """Which of the indexes at `addresses` (by name, "" is uv's own) refused uv, by what it says, and how to give
    credentials for it; "" where none did."""
    lines = [line for line in said.splitlines() if _REFUSED.search(line)]
    remedies = []
    for name, address in addresses.items():
        if not any(address.partition("://")[2] in line for line in lines):
            continue
        user, password = credential_variables(name)
        remedies.append(
            f"give the credentials for the index '{name}' in {user} and {password}, in netrc, or in a keyring"
            f" ({user} and UV_KEYRING_PROVIDER=subprocess)"
            if name
            else "give the credentials for uv's own index in the address in UV_DEFAULT_INDEX, or in netrc"
        )
    return "; ".join(remedies)
