"""Asking uv what a variant would be locked to today, and noting which pages decided it.

uv asks the front (`effects.front`) in the place of the indexes. On one machine that is at the same address every night,
if it can be had, so that uv finds in its cache what it has read before; every page it asks for anew.
"""

import json
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement

from warmbase.catalog.model import DEFAULT_INDEX, Variant
from warmbase.effects.files import make_private, replace_file
from warmbase.effects.front import Front, Place, open_front
from warmbase.effects.indexes import credential_variables, with_login
from warmbase.effects.pages import IndexLogin
from warmbase.effects.uv import Uv
from warmbase.errors import LockError, WarmbaseError
from warmbase.lock.fingerprint import fingerprint_of_resolution
from warmbase.lock.indexes import indexes_of
from warmbase.lock.resolution import OwnResolution
from warmbase.lock.resolve import Resolver
from warmbase.lock.restraint import Restraint
from warmbase.lock.wheels import Libc, supported_tags
from warmbase.nightly.held import Resolved, find_held
from warmbase.nightly.pages import Answer, IndexMemory, PageKey, hash_of
from warmbase.nightly.shelf import Shelf
from warmbase.packages import uvcache
from warmbase.publish.journal import format_time

_PLACE = "front.json"


@dataclass(frozen=True, kw_only=True, slots=True)
class Resolving:
    """Resolves variants with `uv`, from what is on `shelf`; see `open_resolving`. `needs` keeps what was read of the
    metadata of packages."""

    uv: Uv
    front: Front
    shelf: Shelf
    indexes: Mapping[str, IndexLogin]
    cache: Path
    now: datetime
    needs: dict[tuple[str, str, str], tuple[Requirement, ...]] = field(default_factory=dict)

    def resolve(
        self,
        variant: Variant,
        libc: Mapping[str, Libc],
        restraint: Restraint,
        base: Mapping[str, str],
        visitor: str,
    ) -> Answer:
        """What uv says, who is known to the front as `visitor`. Raises WarmbaseError, that of a page where one could
        not be had."""
        uv = self._uv_for(visitor)
        plain = Resolver(uv=uv, cache=self.cache, ask_size=_nothing)
        try:
            resolution = (plain.for_sources(variant) or plain).resolve_own(variant, libc=libc, restraint=restraint)
        except WarmbaseError as error:
            raise next(iter(self.front.failures(visitor)), None) or self._named(error) from None
        for failure in self.front.failures(visitor):
            raise failure
        visited = self.front.visited(visitor)
        cooldown = self._cooldown(restraint)
        origins = self._origins(variant, uv, resolution)
        resolved = Resolved(
            variant=variant,
            restraint=restraint,
            versions={name: version for name, version in resolution.versions().items() if name in origins},
            platforms={name: tuple(files) for name, files in resolution.files.items()},
            releases=lambda name: self.shelf.releases(origins[name], name),
            needs=lambda name, version: self._needs(origins[name], name, version),
            tags={platform: supported_tags(variant.python, platform, libc[platform]) for platform in variant.platforms},
            cooldown=cooldown,
            base=base,
        )
        return Answer(
            asked=format_time(self.now),
            visited=tuple(sorted(visited)),
            content=IndexMemory(pages=self.shelf.found).content_of(visited),
            fingerprint=fingerprint_of_resolution(resolution),
            versions=resolution.versions(),
            origins={name: index for name, index in origins.items() if index},
            held=find_held(resolved),
            until=self._until(visited, restraint, cooldown),
        )

    def _uv_for(self, visitor: str) -> Uv:
        """The uv that asks the front, whom it gives a visitor's name."""
        names = [*(name for name in self.indexes if name), DEFAULT_INDEX]
        credentials = {name: credential_variables(name) for name in names}
        taken = {"UV_DEFAULT_INDEX", "UV_INDEX_URL", *(name for pair in credentials.values() for name in pair)}
        environment = {name: value for name, value in self.uv.environment.items() if name not in taken}
        for user, password in credentials.values():
            environment |= {user: visitor, password: "front"}
        for name in ("NO_PROXY", "no_proxy"):
            environment[name] = ",".join(filter(None, [environment.get(name, ""), "127.0.0.1"]))
        default = with_login(self.front.address(""), visitor, "front")
        named = {name: self.front.address(name) for name in self.indexes if name}
        environment["UV_DEFAULT_INDEX"] = default
        return replace(self.uv, environment=environment, indexes=named, answers={(): default})

    def _origins(self, variant: Variant, uv: Uv, resolution: OwnResolution) -> dict[str, str]:
        """The index that each package comes from; those that come from none are left out."""
        indexes = indexes_of(variant, uv)
        return {
            name: indexes.name_of(name, resolution.records[name, version])
            for name, version in resolution.versions().items()
            if name not in resolution.addresses
        }

    def _needs(self, index: str, name: str, version: str) -> tuple[Requirement, ...]:
        """What uv has read of a package's metadata; nothing where this uv's cache is not known."""
        key = index, name, version
        if key not in self.needs and uvcache.is_known(self.uv.version):
            bucket = uvcache.index_bucket(self.front.address(index), "")
            with suppress(uvcache.UnknownLayoutError):
                read = uvcache.metadata_of(self.cache, bucket, name, version)
                self.needs[key] = tuple(_requirements(read.requires_dist if read else ()))
        return self.needs.get(key, ())

    def _cooldown(self, restraint: Restraint) -> timedelta:
        return self.now - datetime.fromisoformat(restraint.newest) if restraint.newest else timedelta()

    def _until(self, visited: Iterable[PageKey], restraint: Restraint, cooldown: timedelta) -> str:
        """When the first file that is too young comes of age, on a page on which the cooldown alone decides."""
        if not restraint.newest:
            return ""
        newest = datetime.fromisoformat(restraint.newest)
        files = (file for key in visited if key[1] not in restraint.own for file in self._files(key))
        times = (datetime.fromisoformat(file) for file in files if file)
        first = min((time for time in times if time >= newest), default=None)
        return format_time(first + cooldown + timedelta(seconds=1)) if first else ""

    def _files(self, key: PageKey) -> Iterator[str]:
        page = self.shelf.page(*key)
        return (file.time for file in (page.files if page else ()))

    def _named(self, error: WarmbaseError) -> WarmbaseError:
        """The error with real addresses in the place of the front's."""
        addresses = {name: index.address for name, index in self.indexes.items()}
        said, advice = (self.front.tell_real(text, addresses) for text in (error.message, error.next_step))
        return LockError(said, next_step=advice)


@contextmanager
def open_resolving(
    uv: Uv, shelf: Shelf, indexes: Mapping[str, IndexLogin], folder: Path, now: datetime
) -> Iterator[Resolving]:
    """What resolves variants while the context lasts; `folder` keeps uv's cache and where the front was."""
    paths = {name: hash_of([name, index.address])[:12] for name, index in indexes.items()}
    with ExitStack() as stack:
        try:
            front = stack.enter_context(open_front(shelf, paths, _read_place(folder)))
            cache = folder / "uv"
            _keep_place(folder, front.place)
        except OSError:  # another survey is there
            front = stack.enter_context(open_front(shelf, paths))
            cache = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="warmbase-night-"))) / "uv"
        yield Resolving(uv=uv, front=front, shelf=shelf, indexes=indexes, cache=cache, now=now)


def _read_place(folder: Path) -> Place | None:
    try:
        return Place(**json.loads((folder / _PLACE).read_bytes()))
    except (OSError, ValueError, TypeError):
        return None


def _keep_place(folder: Path, place: Place) -> None:
    make_private(folder)
    replace_file(folder / _PLACE, json.dumps({"port": place.port, "secret": place.secret}).encode())


def _requirements(texts: Iterable[str]) -> Iterator[Requirement]:
    """Those that can be read."""
    for text in texts:
        with suppress(InvalidRequirement):
            yield Requirement(text)


def _nothing(_: str) -> int:
    """A size that nobody needs: nothing of what is resolved becomes a lock."""
    return 0
