"""What is kept of the cache that uv has filled in a sandbox, as entries of a layer below `opt/uv/cache`.

Everything is filed under the real addresses of the indexes, and what differs between two runs is taken out (see
`uvcache.settle`).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from warmbase.errors import PackagesError
from warmbase.image.promises import CACHE
from warmbase.lock.model import Lock, LockedFile, LockedPackage
from warmbase.oci.tar import Entry, directory, file_of, symlink
from warmbase.packages import uvcache
from warmbase.packages.index import IndexAlias, ServedIndex

SHARED_FOLDER = 0o777
"""Bucket folders admit every user: uv writes into them even for a pure hit."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FilledCache:
    """A uv cache in `folder` that was filled from `indexes` under their `aliases` (by address), in the seconds `run`:
    the first and the last, in Unix time. `hashes` are those of stand-ins, and of what they stand for; pages have
    them as bytes."""

    folder: Path
    indexes: Sequence[ServedIndex]
    aliases: Mapping[str, IndexAlias]
    run: tuple[int, int]
    hashes: Mapping[str, str] = field(default_factory=dict)

    def buckets(self) -> Iterator[tuple[str, str, str]]:
        """For each address: its index's name, its bucket, and the bucket that uv has made for the alias."""
        default = self.indexes[0].addresses[0]
        for index in self.indexes:
            for address in index.addresses:
                made = uvcache.index_bucket(self.aliases[address].url, default)
                yield index.name, uvcache.index_bucket(address, default), made

    def read(self, path: Path, moment: int) -> uvcache.Framed:
        """An entry, settled at `moment`."""
        pairs = {alias.alias.encode(): alias.address.encode() for alias in self.aliases.values()}
        pairs |= {bytes.fromhex(told): bytes.fromhex(meant) for told, meant in self.hashes.items()}
        return uvcache.settle(uvcache.read_framed(path.read_bytes()), hosts=pairs, run=self.run, time=moment)


def settled_entries(cache: FilledCache, lock: Lock, platform: str) -> Iterator[Entry]:
    """Everything to keep: `cache` was told `lock`, and `platform` is the image's.

    Raises UnknownLayoutError, and PackagesError where a wheel of the lock was not looked at.
    """
    yield from _frame(cache)
    moment = moment_of(lock)
    for name, bucket, made in cache.buckets():
        if any(_is_of(package, name) for package in lock.packages) and not _pages(cache, made):
            raise uvcache.UnknownLayoutError("uv keeps the pages of an index in another folder than expected")
        for page in _pages(cache, made):
            settled = uvcache.write_framed(cache.read(page, moment))
            yield file_of(f"{CACHE}/{uvcache.PAGES}/{bucket}/{page.name}", settled, 0o666)
        metadata: dict[str, list[tuple[str, uvcache.Framed]]] = {}
        for path in sorted((cache.folder / uvcache.WHEELS / made).glob("*/*.msgpack")):
            framed = cache.read(path, moment)
            metadata.setdefault(path.parent.name, []).append((path.name.removesuffix(".msgpack"), framed))
        wheels = [(package.name, wheel) for package, wheel in lock.wheels(platform) if _is_of(package, name)]
        yield from _bucket_entries(bucket, metadata, wheels)


def _is_of(package: LockedPackage, index: str) -> bool:
    return package.index == index and not package.source


def moment_of(lock: Lock) -> int:
    """The time at which entries are said to have been made."""
    newest = lock.newest()
    return int(datetime.fromisoformat(newest).timestamp()) if newest else 0


def _frame(cache: FilledCache) -> Iterator[Entry]:
    """What every cache has, and the folders of all buckets."""
    folders = {CACHE, f"{CACHE}/{uvcache.ARCHIVES}", f"{CACHE}/{uvcache.SOURCES}"}
    for _, bucket, _ in cache.buckets():
        parents = Path(bucket).parents
        folders |= {f"{CACHE}/{kind}/{bucket}" for kind in (uvcache.PAGES, uvcache.WHEELS)}
        folders |= {str(Path(CACHE, kind, parent)) for kind in (uvcache.PAGES, uvcache.WHEELS) for parent in parents}
    for folder in sorted(folders):
        yield directory(folder, SHARED_FOLDER)
    yield file_of(f"{CACHE}/CACHEDIR.TAG", (cache.folder / "CACHEDIR.TAG").read_bytes())
    yield file_of(f"{CACHE}/.gitignore", b"*\n")
    yield file_of(f"{CACHE}/.lock", b"", 0o666)
    yield file_of(f"{CACHE}/{uvcache.SOURCES}/.gitignore", b"*\n")
    yield file_of(f"{CACHE}/{uvcache.SOURCES}/.git", b"", 0o666)


def _pages(cache: FilledCache, made: str) -> list[Path]:
    return sorted((cache.folder / uvcache.PAGES / made).glob("*.rkyv"))


def _bucket_entries(
    bucket: str, metadata: Mapping[str, Sequence[tuple[str, uvcache.Framed]]], wheels: Iterable[tuple[str, LockedFile]]
) -> Iterator[Entry]:
    """The metadata of one bucket, and the pointers to the image's own wheels."""
    folder = f"{CACHE}/{uvcache.WHEELS}/{bucket}"
    for name, found in metadata.items():
        yield directory(f"{folder}/{name}", SHARED_FOLDER)
        for stem, framed in found:
            yield file_of(f"{folder}/{name}/{stem}.msgpack", uvcache.write_framed(framed), 0o666)
    up = "../" * len(Path(uvcache.WHEELS, bucket, "name").parts)
    for name, wheel in wheels:
        yield from _pointer(f"{folder}/{name}", up, wheel, metadata.get(name, []))


def _pointer(
    folder: str, up: str, wheel: LockedFile, metadata: Sequence[tuple[str, uvcache.Framed]]
) -> Iterator[Entry]:
    """A wheel's pointer and link, under the stem that uv gave to its metadata; `up` leads from there to the cache."""
    asked = f"/{wheel.name}.metadata".encode()
    for stem, framed in metadata:
        if asked in framed.policy:
            archive = uvcache.archive_id(wheel.sha256)
            data = uvcache.pointer_data(archive=archive, sha256=wheel.sha256, filename=wheel.name, size=wheel.size)
            pointer = uvcache.Framed(data=data, policy=framed.policy)
            yield file_of(f"{folder}/{stem}.http", uvcache.write_framed(pointer), 0o666)
            yield symlink(f"{folder}/{stem}", f"{up}{uvcache.ARCHIVES}/{archive}")
            return
    raise PackagesError(f"uv did not read the metadata of {wheel.name}", next_step="run `warmbase lock --upgrade`")
