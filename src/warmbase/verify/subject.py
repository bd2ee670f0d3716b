"""Who is examined and who acts: an image with its lock, and the users that the contract names."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from packaging.utils import canonicalize_name

from warmbase.image.assemble import BuiltImage
from warmbase.image.promises import VENV
from warmbase.lock.index import used_indexes
from warmbase.lock.indexes import index_tables
from warmbase.lock.model import Lock, LockedPackage
from warmbase.oci.manifest import Config

BIN = f"/{VENV}/bin"
PYTHON = f"{BIN}/python"
INSIDE = "/run/warmbase"
"""Where a sandbox finds the programs of `verify.inside`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class User:
    """Somebody who runs commands: `id` is "uid:gid" in numbers; `home` is made for them if `owns_home`."""

    id: str
    home: str
    owns_home: bool = False


ROOT = User(id="0:0", home="/root")
ANY_UID = User(id="12345:0", home="/tmp")  # noqa: S108 - the image's own; as OpenShift runs containers
OWN_GROUP = User(id="1000:1000", home="/home/app", owns_home=True)  # as `useradd app` makes one

IMAGE_USER = User(id="", home="")
"""Stands for whom the image's containers start as; only the image itself can say who that is."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Subject:
    """An image under examination; `environment` is what its containers start with."""

    image: BuiltImage
    lock: Lock
    environment: Mapping[str, str] = field(hash=False)

    @property
    def user(self) -> str:
        """Whom the image's containers start as, in the config's words; "" for root."""
        user = str(Config.from_bytes(self.image.documents[1]).run.get("User") or "")
        return "" if user.partition(":")[0] in ("root", "0") else user

    @property
    def requirements(self) -> tuple[str, ...]:
        """What the catalog asks for, as PEP 508 text."""
        return tuple(requirement.text for requirement in self.image.variant.requirements)

    @property
    def indexed(self) -> tuple[str, ...]:
        """Those of `requirements` that an index answers."""
        return tuple(r.text for r in self.image.variant.requirements if not r.requirement.url)

    @property
    def index_tables(self) -> str:
        """What a project says (TOML) so that uv looks into the catalog's own indexes."""
        used = used_indexes(self.image.variant.indexes, self.lock)
        return index_tables({index.name: (index.url, False) for index in used if index.url}, {})

    @property
    def cold(self) -> bool:
        """Whether a package is in the venv for which the cache has no answer without a network."""
        return not all(map(self._is_warm, self.lock.installed(self.image.platform)))

    def _is_warm(self, package: LockedPackage) -> bool:
        """Not so is what comes from no index, and what is compiled in spite of a wheel, which a project gets."""
        return not package.source and package.name not in self.image.variant.no_binary

    @property
    def top_level(self) -> tuple[str, ...]:
        """The names of the packages that the catalog asks for and that this platform gets."""
        installed = {package.name for package in self.lock.installed(self.image.platform) if package.use == "venv"}
        names = (canonicalize_name(r.requirement.name) for r in self.image.variant.requirements)
        return tuple(dict.fromkeys(name for name in names if name in installed))

    @property
    def cached(self) -> frozenset[str]:
        """The names of all packages whose wheels are in the cache."""
        return frozenset(package.name for package in self.lock.installed(self.image.platform))

    def smallest(self, count: int) -> tuple[LockedPackage, ...]:
        """The `count` packages of the top level that cost least to install: without requirements, then small."""

        def cost(package: LockedPackage) -> tuple[bool, int, str]:
            file = package.file(self.image.platform)
            needs = any("extra ==" not in requirement for requirement in package.requires_dist)
            return needs, file.size if file else 0, package.name

        packages = [package for package in self.lock.packages if package.name in self.top_level]
        warm = (p for p in packages if p.is_needed(self.image.platform) and self._is_warm(p))
        return tuple(sorted(warm, key=cost)[:count])

    def variables(self, user: User, extra: Mapping[str, str] | None = None) -> dict[str, str]:
        """The exact environment of a command."""
        return {**self.environment, "HOME": user.home, **(extra or {})}
