"""From what uv.lock says of a package to what our lock says of it."""

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from warmbase.catalog.model import Variant
from warmbase.effects.uv import Uv
from warmbase.errors import LockError
from warmbase.lock.built import requirements_of
from warmbase.lock.index import path_below_index
from warmbase.lock.indexes import Indexes
from warmbase.lock.model import LockedFile, LockedPackage
from warmbase.lock.project import Key, Record
from warmbase.lock.wheels import runs_on_python
from warmbase.packages import uvcache

AskSize = Callable[[str], int]
"""Asks an index for the size in bytes of the file at an address; 0 where it does not say."""

MeasureFile = Callable[[str], tuple[str, int]]
"""Downloads the file at an address: its SHA-256 and its size. Raises PackagesError."""

_SHA256 = "sha256:"


@dataclass(frozen=True, kw_only=True, slots=True)
class Metadata:
    """What uv has learnt of packages' metadata, by its bucket of an index, name and version; nothing where its cache is
    not known (see `uvcache`)."""

    known: bool
    found: Mapping[tuple[str, Key], uvcache.CoreMetadata]

    def of(self, key: Key, bucket: str) -> uvcache.CoreMetadata | None:
        """The metadata of one package; bare where uv's cache is not known, None where uv has read none."""
        if not self.known:
            name, version = key
            return uvcache.CoreMetadata(name=name, version=version, requires_dist=(), requires_python="", extras=())
        return self.found.get((bucket, key))


def read_metadata(cache: Path, uv: Uv) -> Metadata:
    """Read all metadata in uv's `cache`."""
    found: dict[tuple[str, Key], uvcache.CoreMetadata] = {}
    known = uvcache.is_known(uv.version)
    sources = (
        (uvcache.read_source_metadata(path.read_bytes()), bucket)
        for path, bucket in uvcache.find_source_metadata(cache)
    )
    wheels = ((uvcache.read_metadata(path.read_bytes()), bucket) for path, bucket in uvcache.find_metadata(cache))
    for metadata, bucket in (*sources, *wheels) if known else ():  # of one that has both, wheels say it
        found[bucket, (str(canonicalize_name(metadata.name)), metadata.version)] = metadata
    return Metadata(known=known, found=found)


def lock_package(
    key: Key, record: Record, variant: Variant, metadata: Metadata, indexes: Indexes, uv: Uv
) -> LockedPackage:
    """The package as its index has it, of its files those that the variant's Python can use on any platform.

    A file's hash is empty where the index gives none of SHA-256. Raises LockError.
    """
    name, version = key
    index = indexes.name_of(name, record)
    address = indexes.addresses[index]
    core = metadata.of(key, uvcache.index_bucket(address, uv.default_index()))
    if core is None and record.get("sdist"):  # uv does not keep what a source's pyproject.toml says itself
        needs, extras = tuple(requirements_of(record)), tuple(sorted(record.get("optional-dependencies", {})))
        core = uvcache.CoreMetadata(name=name, version=version, requires_dist=needs, requires_python="", extras=extras)
    if core is None:
        raise LockError(
            f"{variant.name}: uv resolved {name} {version} without reading its metadata from a wheel",
            next_step=f"name a version of {name} that has wheels",
        )
    files = (_locked_file(file, index, address) for file in offered(record))
    return LockedPackage(
        name=name,
        version=version,
        use="index",
        requires_dist=core.requires_dist,
        requires_python=core.requires_python,
        extras=core.extras,
        files=tuple(sorted((f for f in files if runs_on_python(f.name, variant.python)), key=lambda f: f.name)),
        index=index,
    )


def measure_files(
    packages: Iterable[LockedPackage],
    records: Mapping[Key, Record],
    uv: Uv,
    ask_size: AskSize,
    measure: MeasureFile,
) -> list[LockedPackage]:
    """Ask for the sizes and hashes that the indexes' pages did not give, so that a lock is the same from any mirror."""
    packages = list(packages)
    addresses = {
        (package.name, file_name(file["url"])): uv.file_address(file["url"], package.index)
        for package in packages
        for file in offered(records.get((package.name, package.version), {}))
    }

    def complete(package: LockedPackage, file: LockedFile) -> LockedFile:
        address = addresses.get((package.name, file.name))
        if address is None or (file.size and file.sha256):
            return file
        if file.sha256:
            return replace(file, size=ask_size(address))
        sha256, size = measure(address)
        return replace(file, sha256=sha256, size=size)

    with ThreadPoolExecutor(8) as pool:
        pending = [(package, [pool.submit(complete, package, file) for file in package.files]) for package in packages]
        return [replace(package, files=tuple(file.result() for file in files)) for package, files in pending]


def is_same(old: LockedPackage, fresh: LockedPackage) -> bool:
    """Whether a new lock may keep what a previous one says of a package: what a source needs may be told otherwise by
    another Python."""
    if any(not name.endswith(".whl") for _, name in fresh.wheels) and _needs(old) != _needs(fresh):
        return False
    return all(getattr(old, name) == getattr(fresh, name) for name in ("wheels", "index", "source", "asked"))


def offered(record: Record) -> tuple[Mapping[str, Any], ...]:
    """The files of a package in uv.lock: its wheels, and its source distribution."""
    return (*record.get("wheels", ()), *filter(None, [record.get("sdist")]))


def file_name(address: str) -> str:
    """The name of the file at an address."""
    return unquote(address.rsplit("/", 1)[1])


def _needs(package: LockedPackage) -> set[str]:
    return {str(canonicalize_name(Requirement(text).name)) for text in package.requires_dist}


def _locked_file(file: Mapping[str, Any], index: str, address: str) -> LockedFile:
    digest = str(file.get("hash", ""))
    return LockedFile(
        name=file_name(file["url"]),
        sha256=digest.removeprefix(_SHA256) if digest.startswith(_SHA256) else "",
        path=path_below_index(file["url"], address, whole=bool(index)),
        size=file.get("size", 0),
        time=file.get("upload-time", ""),
    )
