"""Resolving a variant with uv.

uv resolves twice. First for the variant's own platforms and Python: that decides every version. Then with those
versions given and all platforms allowed: that adds the packages which a universal lock of a child needs to know
(`colorama` for Windows, say), as index pages only, and every platform's files of the others.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from packaging.tags import Tag
from packaging.utils import canonicalize_name
from packaging.version import Version

from warmbase.catalog.model import Variant
from warmbase.effects.uv import Uv
from warmbase.errors import LockError, ProcessError
from warmbase.lock.groups import group_packages
from warmbase.lock.index import path_below_index, with_credentials, without_credentials
from warmbase.lock.markers import environment_marker, marker_environment
from warmbase.lock.missing import MissingWheel, explain_missing
from warmbase.lock.model import Lock, LockedFile, LockedPackage, hash_inputs
from warmbase.lock.project import Key, LockedProject, ProjectText, Record, locked_project
from warmbase.lock.wheels import Libc, choose_wheels, runs_on_python, supported_tags
from warmbase.packages import uvcache

Metadata = Mapping[Key, uvcache.CoreMetadata]
Tags = Mapping[str, list[Tag]]
"""The tags that each platform accepts, best first."""

AskSize = Callable[[str], int]
"""Asks an index for the size in bytes of the file at an address; 0 where it does not say."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Upgrade:
    """What of previous locks and pins may move: everything, the foundations, the named packages, or (the default) only
    what must."""

    everything: bool = False
    foundations: bool = False
    packages: tuple[str, ...] = ()

    @property
    def moves_foundations(self) -> bool:
        """Whether foundations that have a pin get a new one."""
        return self.everything or self.foundations

    def pins(self, previous: Lock | None) -> dict[str, str]:
        """The versions that stay if they can."""
        if previous is None or self.everything:
            return {}
        kept = (package for package in previous.packages if package.use != "index")
        return {package.name: package.version for package in kept if package.name not in self.packages}


@dataclass(frozen=True, kw_only=True, slots=True)
class _Resolution:
    """What uv came to: the packages of the image and who needs them, and those of a universal lock."""

    own: Mapping[Key, Record]
    uses: Mapping[str, tuple[str, tuple[str, ...]]]  # name → (use, platforms)
    universal: Mapping[Key, Record] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Resolver:
    """Resolves variants. `cache` is a uv cache kept between locks."""

    uv: Uv
    cache: Path
    ask_size: AskSize

    def resolve(self, variant: Variant, *, libc: Mapping[str, Libc], previous: Lock | None, upgrade: Upgrade) -> Lock:
        """Resolve `variant`; what `previous` pins stays unless the catalog or `upgrade` says otherwise.

        `libc` is each platform's C library. Raises LockError with uv's own explanation and the places in
        the catalog that it speaks of.
        """
        index = self.uv.serving_index()
        tags = {platform: supported_tags(variant.python, platform, libc[platform]) for platform in variant.platforms}
        try:
            resolution = self._resolve(variant, upgrade.pins(previous), index)
        except ProcessError as error:
            missing, seen = self._find_missing(variant, upgrade.pins(previous), index, tags)
            if missing:
                raise explain_missing(variant, missing, seen, self.uv, self.cache, libc) from None
            raise _explain(variant, error) from None
        records = {**resolution.own, **resolution.universal}
        metadata = self._read_metadata()
        known = {(package.name, package.version): package for package in (previous.packages if previous else ())}
        packages, lacking = [], list[MissingWheel]()
        for key in sorted(records):
            use, platforms = resolution.uses[key[0]] if key in resolution.own else ("index", ())
            fresh = _lock_package(key, records[key], variant, metadata, index)
            wheels = choose_wheels((file.name for file in fresh.files), platforms, tags)
            lacking += _lacking(key, platforms, wheels)
            fresh = replace(fresh, use=use, wheels=tuple(sorted(wheels.items())))
            old = known.get(key)
            packages.append(replace(old, use=use) if old and old.wheels == fresh.wheels else fresh)
        if lacking:  # uv does not ask for which C library a wheel is
            raise explain_missing(variant, lacking, records, self.uv, self.cache, libc)
        return Lock(
            variant=variant.name,
            python=variant.python,
            inputs=variant_inputs(variant, self.uv.version),
            uv=self._lock_uv(variant, tags, libc, index, previous),
            packages=group_packages(self._measure(packages, records, index), variant),
        )

    def _resolve(self, variant: Variant, pins: Mapping[str, str], index: str) -> _Resolution:
        """Raises ProcessError with uv's explanation.

        Where the newest version of a package lacks a wheel for one platform, uv takes an older one there. An image is
        to be the same on all of its platforms, so the older one is then asked for on all.
        """
        newest: dict[str, str] = {}
        while True:
            text = _project_text(variant, newest, required=True)
            with locked_project(text, self.uv, self.cache, pins=pins, index=index) as project:
                own = project.records
                newest, before = {**newest, **_oldest_of_several(own)}, newest
                if newest == before:
                    uses = {name: ("warm", on) for name, on in _needed(project, variant, warm=True).items()}
                    uses |= {name: ("venv", on) for name, on in _needed(project, variant, warm=False).items()}
                    break
        _check_sources(variant, own, index)
        return _Resolution(own=own, uses=uses, universal=self._resolve_universally(variant, own, index))

    def _find_missing(
        self, variant: Variant, pins: Mapping[str, str], index: str, tags: Tags
    ) -> tuple[list[MissingWheel], Mapping[Key, Record]]:
        """What could be resolved but for the wheels of a platform that it lacks, and all that was resolved; nothing
        where that is not why."""
        text = _project_text(variant, {}, required=False)
        try:
            with locked_project(text, self.uv, self.cache, pins=pins, index=index) as project:
                needed = _needed(project, variant, warm=True)
                found = []
                for key, record in project.records.items():
                    platforms = needed.get(key[0], ())
                    names = (_file_name(file["url"]) for file in record.get("wheels", ()))
                    found += _lacking(key, platforms, choose_wheels(names, platforms, tags))
                return found, project.records
        except ProcessError:
            return [], {}

    def _resolve_universally(self, variant: Variant, own: Mapping[Key, Record], index: str) -> Mapping[Key, Record]:
        """Everything that a universal lock made in a child reads; nothing where there is no such lock.

        Pythons newer than the image's are tried first, because most projects allow them.
        """
        versions = dict(own.keys())
        for environment in (f"python_version >= '{variant.python}'", f"python_version == '{variant.python}'"):
            text = ProjectText(
                dependencies=tuple(requirement.text for requirement in (*variant.requirements, *variant.warm)),
                environments=(environment,),
                constraints=tuple(f"{name}=={version}" for name, version in sorted(versions.items())),
            )
            try:
                with locked_project(text, self.uv, self.cache, pins=versions, index=index) as project:
                    _check_sources(variant, project.records, index)
                    return project.records
            except ProcessError:
                continue
        return {}

    def _read_metadata(self) -> Metadata:
        """What uv has learnt of packages' metadata; nothing where its cache is not known (see `uvcache`)."""
        found: dict[Key, uvcache.CoreMetadata] = {}
        if not uvcache.is_known(self.uv.version):
            return found
        for entry in self.cache.glob(f"{uvcache.WHEELS}/**/*.msgpack"):
            metadata = uvcache.read_metadata(entry.read_bytes())
            found[str(canonicalize_name(metadata.name)), metadata.version] = metadata
        return found

    def _lock_uv(
        self, variant: Variant, tags: Tags, libc: Mapping[str, Libc], index: str, previous: Lock | None
    ) -> LockedPackage:
        """The wheels of uv itself. Its tags admit every Python, so it is a package of no variant."""
        if previous and previous.uv.version == self.uv.version and {p for p, _ in previous.uv.wheels} == set(tags):
            return previous.uv
        key = ("uv", self.uv.version)
        text = ProjectText(dependencies=(f"uv=={self.uv.version}",))
        with locked_project(text, self.uv, self.cache, pins={}, index=index) as project:
            record = project.records[key]
            _check_sources(variant, {key: record}, index)
        locked = _lock_package(key, record, variant, self._read_metadata(), index)
        wheels = choose_wheels((file.name for file in locked.files), tags, tags)
        lacking = _lacking(key, tags, wheels)
        if lacking:
            raise explain_missing(variant, lacking, {}, self.uv, self.cache, libc)
        files = tuple(file for file in locked.files if file.name in wheels.values())
        locked = replace(locked, wheels=tuple(sorted(wheels.items())), files=files)
        return self._measure([locked], {key: record}, index)[0]

    def _measure(
        self, packages: Iterable[LockedPackage], records: Mapping[Key, Record], index: str
    ) -> list[LockedPackage]:
        """Ask for the sizes that the index's pages did not give, so that a lock is the same from any mirror."""
        packages = list(packages)
        unknown = {file.name for package in packages for file in package.files if not file.size}
        addresses = {
            _file_name(file["url"]): with_credentials(file["url"], index)
            for package in packages
            for file in _offered(records[package.name, package.version])
            if _file_name(file["url"]) in unknown
        }
        with ThreadPoolExecutor(8) as pool:
            sizes = dict(zip(addresses, pool.map(self.ask_size, addresses.values()), strict=True))
        return [
            replace(p, files=tuple(replace(f, size=f.size or sizes.get(f.name, 0)) for f in p.files)) for p in packages
        ]


def variant_inputs(variant: Variant, uv_version: str) -> str:
    """The hash of everything in the catalog that decides a variant's lock."""
    return hash_inputs(
        {
            "requirements": sorted([requirement.text, requirement.group] for requirement in variant.requirements),
            "sets": list(variant.sets),
            "warm": sorted(requirement.text for requirement in variant.warm),
            "python": variant.python,
            "platforms": list(variant.platforms),
            "uv": uv_version,
        }
    )


def _needed(project: LockedProject, variant: Variant, *, warm: bool) -> dict[str, tuple[str, ...]]:
    """Each exported package and the platforms that need it."""
    environments = {platform: marker_environment(variant.python, platform) for platform in variant.platforms}
    needed = {}
    for requirement in project.export(warm=warm):
        marker = requirement.marker
        needed[str(canonicalize_name(requirement.name))] = tuple(
            platform for platform, values in environments.items() if marker is None or marker.evaluate(values)
        )
    return needed


def _lock_package(key: Key, record: Record, variant: Variant, metadata: Metadata, index: str) -> LockedPackage:
    """The package as the index has it, of its files those that the variant's Python can use on any platform."""
    name, version = key
    core = metadata.get(key)
    if core is None and not metadata:  # of a uv whose cache is not known
        core = uvcache.CoreMetadata(name=name, version=version, requires_dist=(), requires_python="", extras=())
    if core is None:
        raise LockError(
            f"{variant.name}: uv resolved {name} {version} without reading its metadata from a wheel",
            next_step=f"name a version of {name} that has wheels",
        )
    files = (_locked_file(file, index) for file in _offered(record))
    return LockedPackage(
        name=name,
        version=version,
        use="index",
        requires_dist=core.requires_dist,
        requires_python=core.requires_python,
        extras=core.extras,
        files=tuple(sorted((f for f in files if runs_on_python(f.name, variant.python)), key=lambda f: f.name)),
    )


def _project_text(variant: Variant, newest: Mapping[str, str], *, required: bool) -> ProjectText:
    """The project of a variant, with no package newer than `newest` says. With `required` uv takes only what has wheels
    for all platforms; without, what has one for any."""
    platforms = tuple(environment_marker(variant.python, platform) for platform in variant.platforms)
    return ProjectText(
        dependencies=tuple(requirement.text for requirement in variant.requirements),
        warm=tuple(requirement.text for requirement in variant.warm),
        environments=platforms if required else (f"python_version == '{variant.python}'",),
        constraints=tuple(f"{name}<={version}" for name, version in sorted(newest.items())),
        wheels_only=True,
        required=required,
    )


def _oldest_of_several(records: Iterable[Key]) -> dict[str, str]:
    """The packages of which there is more than one version, each with the oldest."""
    versions: dict[str, list[Version]] = {}
    for name, version in records:
        versions.setdefault(name, []).append(Version(version))
    return {name: str(min(several)) for name, several in versions.items() if len(several) > 1}


def _lacking(key: Key, platforms: Iterable[str], wheels: Mapping[str, str]) -> list[MissingWheel]:
    name, version = key
    return [MissingWheel(name=name, version=version, platform=one) for one in platforms if one not in wheels]


def _locked_file(file: Mapping[str, Any], index: str) -> LockedFile:
    return LockedFile(
        name=_file_name(file["url"]),
        sha256=file["hash"].removeprefix("sha256:"),
        path=path_below_index(file["url"], index),
        size=file.get("size", 0),
        time=file.get("upload-time", ""),
    )


def _offered(record: Record) -> tuple[Mapping[str, Any], ...]:
    """The files of a package in uv.lock: its wheels, and its source distribution."""
    return (*record.get("wheels", ()), *filter(None, [record.get("sdist")]))


def _file_name(address: str) -> str:
    return unquote(address.rsplit("/", 1)[1])


def _explain(variant: Variant, error: ProcessError) -> LockError:
    """uv's explanation, with the places in the catalog that ask for what it names."""
    asked = [
        requirement
        for requirement in (*variant.requirements, *variant.warm)
        if _names(error.message, requirement.requirement.name)
    ]
    places = "".join(f"\n  {requirement.position}: {requirement.text}" for requirement in asked)
    said = f"{variant.name} cannot be resolved:\n{error.message}"
    return LockError(
        said + (f"\nasked for in the catalog:{places}" if places else ""),
        next_step="loosen or remove one of these requirements and lock again; the other locks are as they were",
    )


def _names(said: str, package: str) -> bool:
    """Whether uv's text names a package: as a word of its own, in uv's spelling or any other (PEP 503)."""
    spelling = "[-_.]+".join(re.escape(part) for part in canonicalize_name(package).split("-"))
    return re.search(rf"(?<![\w.-]){spelling}(?![\w-]|\.\w)", said, re.IGNORECASE) is not None


def _check_sources(variant: Variant, records: Mapping[Key, Record], index: str) -> None:
    """Refuse packages of a second index: a build fetches from one, and an image knows one.

    Raises LockError.
    """
    for (name, version), record in sorted(records.items()):
        source = str(record["source"]["registry"])
        if without_credentials(source) != without_credentials(index):
            raise LockError(
                f"{variant.name}: {name} {version} comes from a second index, {without_credentials(source)};"
                f" all packages have to come from one, here {without_credentials(index)}",
                next_step="set UV_DEFAULT_INDEX to one index that has everything, such as a mirror that stands before"
                " both, and take the second one out of uv's settings (UV_INDEX, UV_EXTRA_INDEX_URL, uv.toml)",
            )
