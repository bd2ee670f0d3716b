"""Resolving a variant with uv.

uv resolves twice. First for the variant's own platforms and Python: that decides every version. Then with those
versions given and all platforms allowed: that adds the packages which a universal lock of a child needs to know
(`colorama` for Windows, say), as index pages only, and every platform's files of the others.
"""

import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from packaging.tags import Tag
from packaging.utils import canonicalize_name
from packaging.version import Version

from warmbase.catalog.model import Variant
from warmbase.effects.http import measure_file
from warmbase.effects.uv import Uv
from warmbase.errors import ProcessError
from warmbase.lock.built import (
    Addresses,
    choose_files,
    is_from_index,
    kept_addresses,
    lock_origin,
    named_to_compile,
    pin_addresses,
)
from warmbase.lock.explain import explain_conflict
from warmbase.lock.groups import group_packages
from warmbase.lock.indexes import Indexes, indexes_of
from warmbase.lock.markers import environment_marker, platforms_needing
from warmbase.lock.missing import MissingWheel, explain_missing, versions_with_wheels
from warmbase.lock.model import Lock, LockedPackage, hash_inputs
from warmbase.lock.once import Once
from warmbase.lock.package import (
    AskSize,
    MeasureFile,
    file_name,
    is_same,
    lock_package,
    measure_files,
    offered,
    read_metadata,
)
from warmbase.lock.project import Key, LockedProject, Pins, ProjectText, Record, lock_project, preferences
from warmbase.lock.resolution import OwnResolution
from warmbase.lock.restraint import FREE, Restraint
from warmbase.lock.wheels import Libc, choose_wheels, supported_tags

Tags = Mapping[str, list[Tag]]
"""The tags that each platform accepts, best first."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Upgrade:
    """What of previous locks and pins may move: everything, the foundations, the named packages, or (the default) only
    what must. With `rebuild` foundations move, and their Dockerfiles are built whatever they stand on. `restraint` is
    what nothing moves past, None what the catalog says (`lock.stage`)."""

    everything: bool = False
    foundations: bool = False
    rebuild: bool = False
    packages: tuple[str, ...] = ()
    restraint: Restraint | None = None

    @property
    def moves_foundations(self) -> bool:
        """Whether foundations that have a pin get a new one."""
        return self.everything or self.foundations or self.rebuild

    def pins(self, previous: Lock | None) -> Pins:
        """The versions that stay if they can."""
        if previous is None or self.everything:
            return {}
        kept = (package for package in previous.packages if package.use != "index" and not package.source)
        return {package.name: (package.version, package.index) for package in kept if package.name not in self.packages}


@dataclass(frozen=True, kw_only=True, slots=True)
class _Question:
    """What uv is asked about a variant, and by what; `asking` is the variant with the addresses that stay."""

    variant: Variant
    asking: Variant
    pins: Pins
    indexes: Indexes
    tags: Tags
    libc: Mapping[str, Libc]
    restraint: Restraint


@dataclass(frozen=True, kw_only=True, slots=True)
class Resolver:
    """Resolves variants. `cache` is a uv cache kept between locks, `python` the interpreter that is asked what sources
    need. What variants have in common is resolved once, whichever thread asks. Of the packages `fresh` the index is
    asked however young the cache's copies are: somebody knows of something newer."""

    uv: Uv
    cache: Path
    ask_size: AskSize
    measure_file: MeasureFile = measure_file
    python: str = sys.executable
    fresh: frozenset[str] = frozenset()
    once: Once = field(default_factory=Once, repr=False, compare=False)

    def for_sources(self, variant: Variant) -> "Resolver | None":
        """A resolver that asks sources with the variant's own minor version of Python, where any may be asked; None
        where there is no such Python on this machine. It has a cache of its own: uv keeps what a source said, and not
        to which Python."""
        minor = f"{sys.version_info.major}.{sys.version_info.minor}"
        if minor == variant.python or not (named_to_compile(variant) or variant.build_packages):
            return self
        python = self.uv.find_python(variant.python, self.cache)
        cache = self.cache.with_name(f"{self.cache.name}-{variant.python}")
        return replace(self, python=python, cache=cache) if python else None

    def resolve(self, variant: Variant, *, libc: Mapping[str, Libc], previous: Lock | None, upgrade: Upgrade) -> Lock:
        """Resolve `variant`; what `previous` pins stays unless the catalog or `upgrade` says otherwise.

        `libc` is each platform's C library. Raises LockError with uv's own explanation and the places in
        the catalog that it speaks of.
        """
        kept = kept_addresses(variant, None if upgrade.everything else previous, upgrade.packages)
        question = self._ask(variant, libc, upgrade.pins(previous), kept, upgrade.restraint or FREE)
        own = self._resolve_somehow(question)
        universal = self._resolve_universally(question, own)
        records = {**own.records, **universal}
        metadata = read_metadata(self.cache, self.uv)
        known = {(package.name, package.version): package for package in (previous.packages if previous else ())}
        packages = []
        for key in sorted(records):
            if is_from_index(records[key]):
                fresh = lock_package(key, records[key], variant, metadata, question.indexes, self.uv)
            elif key[0] in own.addresses:
                fresh = lock_origin(key, records[key], own.addresses[key[0]], variant)
            else:  # other platforms alone need it
                continue
            use = own.uses[key[0]][0] if key in own.records else "index"
            files = own.files[key[0]] if key in own.records else {}
            fresh = replace(fresh, use=use, wheels=tuple(sorted(files.items())))
            old = known.get(key)
            packages.append(replace(old, use=use) if old and is_same(old, fresh) else fresh)
        return Lock(
            variant=variant.name,
            python=variant.python,
            inputs=variant_inputs(variant, self.uv.version),
            uv=self._lock_uv(question, previous),
            packages=group_packages(self._measure(packages, records), variant),
        )

    def resolve_own(
        self, variant: Variant, *, libc: Mapping[str, Libc], restraint: Restraint, pins: Pins | None = None
    ) -> OwnResolution:
        """Resolve what decides the versions of `variant`, and no more than that; versions in `pins` stay if they can.

        Raises LockError as `resolve` does.
        """
        return self._resolve_somehow(self._ask(variant, libc, pins or {}, {}, restraint))

    def _ask(
        self, variant: Variant, libc: Mapping[str, Libc], pins: Pins, kept: Addresses, restraint: Restraint
    ) -> _Question:
        return _Question(
            variant=variant,
            asking=pin_addresses(variant, kept),
            pins=pins,
            indexes=indexes_of(variant, self.uv),
            tags={platform: supported_tags(variant.python, platform, libc[platform]) for platform in variant.platforms},
            libc=libc,
            restraint=restraint,
        )

    def _locked(self, text: ProjectText, pins: Pins, indexes: Indexes) -> LockedProject:
        asked = (str(text), preferences(pins, indexes), indexes.tables())
        key = (asked, tuple(sorted(self.uv.environment.items())), self.python, self.cache, self.fresh)
        lock = partial(lock_project, text, self.uv, self.cache, pins=pins, indexes=indexes, python=self.python)
        return self.once.make(key, partial(lock, fresh=self.fresh))

    def _resolve_somehow(self, question: _Question) -> OwnResolution:
        """With wheels alone but for what is named to be compiled, or else with what can only be compiled.

        Raises LockError with uv's explanation.
        """
        variant = question.variant
        named = named_to_compile(variant)
        try:
            return self._resolve(question, named)
        except ProcessError as error:
            lacking = self._find_sources(question) if variant.build_packages else []
            never = {one.name for one in lacking if not self._has_wheels(one, question)}
            for more in (never, {one.name for one in lacking}):
                with suppress(ProcessError):
                    if more:
                        return self._resolve(question, named | more)
            missing, seen = self._find_missing(question)
            if missing:
                raise explain_missing(variant, missing, seen, self.uv, self.cache, question.libc) from None
            raise explain_conflict(variant, error, question.indexes, question.restraint) from None

    def _has_wheels(self, package: MissingWheel, question: _Question) -> bool:
        """Whether another version has a wheel."""
        uv = self.uv.for_index(package.index)
        python, libc = question.variant.python, question.libc[package.platform]
        return bool(versions_with_wheels(uv, self.cache, package, python, libc))

    def _find_sources(self, question: _Question) -> list[MissingWheel]:
        """What lacks a wheel, and has a source, when uv resolves without minding which of the two it is."""
        text = replace(_project_text(question, {}, frozenset(), required=False), wheels_only=False)
        try:
            project = self._locked(text, question.pins, question.indexes)
        except ProcessError:
            return []
        return [one for one in _find_lacking(project, question) if project.records[one.name, one.version].get("sdist")]

    def _resolve(self, question: _Question, compiled: frozenset[str]) -> OwnResolution:
        """Raises ProcessError with uv's explanation, and LockError for wheels that are missing.

        Where the newest version of a package lacks a wheel for one platform, uv takes an older one there. An image is
        to be the same on all of its platforms, so the older one is then asked for on all.
        """
        newest: dict[str, str] = {}
        while True:
            text = _project_text(question, newest, compiled, required=True)
            project = self._locked(text, question.pins, question.indexes)
            newest, before = {**newest, **_oldest_of_several(project.records)}, newest
            if newest == before:
                return self._choose(question, project)

    def _choose(self, question: _Question, project: LockedProject) -> OwnResolution:
        """What is installed of what uv resolved."""
        variant, everything = question.variant, project.export(warm=True)
        uses = {name: ("warm", on) for name, on in platforms_needing(everything, variant).items()}
        uses |= {name: ("venv", on) for name, on in platforms_needing(project.export(warm=False), variant).items()}
        addresses = {str(canonicalize_name(one.name)): one.url for one in everything if one.url}
        files, lacking = dict[str, Mapping[str, str]](), list[MissingWheel]()
        for key, record in project.records.items():
            name, address = key[0], addresses.get(key[0], "")
            if is_from_index(record):
                names = [file_name(file["url"]) for file in offered(record)]
            elif address:
                names = [file.name for file in lock_origin(key, record, address, variant).files]
            else:  # other platforms alone need it
                continue
            platforms = uses[name][1]
            files[name] = choose_files(name, names, address, platforms, question.tags, variant)
            lacking += _lacking(key, platforms, files[name], question.indexes.name_of(name, record))
        if lacking:  # uv does not ask for which C library a wheel is
            raise explain_missing(variant, lacking, project.records, self.uv, self.cache, question.libc)
        return OwnResolution(
            records=project.records, uses=uses, files=files, addresses=addresses, undated=project.undated
        )

    def _find_missing(self, question: _Question) -> tuple[list[MissingWheel], Mapping[Key, Record]]:
        """What could be resolved but for the wheels of a platform that it lacks, and all that was resolved; nothing
        where that is not why."""
        named = named_to_compile(question.variant)
        text = _project_text(question, {}, named, required=False)
        try:
            project = self._locked(text, question.pins, question.indexes)
        except ProcessError:
            return [], {}
        return [one for one in _find_lacking(project, question) if one.name not in named], project.records

    def _resolve_universally(self, question: _Question, own: OwnResolution) -> Mapping[Key, Record]:
        """Everything that a universal lock made in a child reads; nothing where there is no such lock.

        Pythons newer than the image's are tried first, because most projects allow them.
        """
        variant, indexes = pin_addresses(question.asking, own.addresses), question.indexes
        found = {key: record for key, record in own.records.items() if is_from_index(record)}
        pins = {name: (version, indexes.name_of(name, record)) for (name, version), record in found.items()}
        for environment in (f"python_version >= '{variant.python}'", f"python_version == '{variant.python}'"):
            text = ProjectText(
                dependencies=tuple(requirement.text for requirement in (*variant.requirements, *variant.warm)),
                environments=(environment,),
                constraints=tuple(f"{name}=={version}" for name, version in sorted(own.records)),
                restraint=question.restraint.without_limit(own.undated),
            )
            with suppress(ProcessError):
                return self._locked(text, pins, indexes).records
        return {}

    def _lock_uv(self, question: _Question, previous: Lock | None) -> LockedPackage:
        """The wheels of uv itself. Its tags admit every Python, so it is a package of no variant."""
        variant, tags, indexes = question.variant, question.tags, question.indexes
        if previous and previous.uv.version == self.uv.version and {p for p, _ in previous.uv.wheels} == set(tags):
            return previous.uv
        key = ("uv", self.uv.version)
        text = ProjectText(dependencies=(f"uv=={self.uv.version}",))
        record = self._locked(text, {}, indexes.public()).records[key]
        metadata = read_metadata(self.cache, self.uv)
        locked = lock_package(key, record, variant, metadata, indexes, self.uv)
        wheels = choose_wheels((file.name for file in locked.files), tags, tags)
        lacking = _lacking(key, tags, wheels, "")
        if lacking:
            raise explain_missing(variant, lacking, {}, self.uv, self.cache, question.libc)
        files = tuple(file for file in locked.files if file.name in wheels.values())
        locked = replace(locked, wheels=tuple(sorted(wheels.items())), files=files)
        return self._measure([locked], {key: record})[0]

    def _measure(self, packages: Iterable[LockedPackage], records: Mapping[Key, Record]) -> list[LockedPackage]:
        records = {key: record for key, record in records.items() if is_from_index(record)}
        return measure_files(packages, records, self.uv, self.ask_size, self.measure_file)


def variant_inputs(variant: Variant, uv_version: str) -> str:
    """The hash of everything in the catalog that decides a variant's lock."""
    searched = [index.name for index in variant.indexes if index.url and not index.explicit]
    return hash_inputs(
        {
            "requirements": sorted([requirement.text, requirement.group] for requirement in variant.requirements),
            "sets": list(variant.sets),
            "warm": sorted(requirement.text for requirement in variant.warm),
            "python": variant.python,
            "platforms": list(variant.platforms),
            "uv": uv_version,
            **({"indexes": searched} if searched else {}),
            **({"no_binary": list(variant.no_binary)} if variant.no_binary else {}),
            **({"may_compile": True} if variant.build_packages else {}),
            **({"pins": [f"{pin.package}{pin.version}" for pin in variant.pins]} if variant.pins else {}),
        }
    )


def _project_text(
    question: _Question, newest: Mapping[str, str], compiled: frozenset[str], *, required: bool
) -> ProjectText:
    """The project of a variant, with no package newer than `newest` says. With `required` uv takes only what has wheels
    for all platforms, or is `compiled`; without, what has one for any."""
    variant = question.asking
    platforms = tuple(environment_marker(variant.python, platform) for platform in variant.platforms)
    return ProjectText(
        dependencies=tuple(requirement.text for requirement in variant.requirements),
        warm=tuple(requirement.text for requirement in variant.warm),
        environments=platforms if required else (f"python_version == '{variant.python}'",),
        constraints=tuple(f"{name}<={version}" for name, version in sorted(newest.items())),
        wheels_only=True,
        required=required,
        compiled=compiled,
        restraint=question.restraint,
    )


def _oldest_of_several(records: Iterable[Key]) -> dict[str, str]:
    """The packages of which there is more than one version, each with the oldest."""
    versions: dict[str, list[Version]] = {}
    for name, version in records:
        versions.setdefault(name, []).append(Version(version))
    return {name: str(min(several)) for name, several in versions.items() if len(several) > 1}


def _find_lacking(project: LockedProject, question: _Question) -> list[MissingWheel]:
    """The wheels that indexes lack for what was resolved."""
    needed = platforms_needing(project.export(warm=True), question.variant)
    found = []
    for key, record in project.records.items():
        if is_from_index(record):
            platforms = needed.get(key[0], ())
            names = (file_name(file["url"]) for file in record.get("wheels", ()))
            wheels = choose_wheels(names, platforms, question.tags)
            found += _lacking(key, platforms, wheels, question.indexes.name_of(key[0], record))
    return found


def _lacking(key: Key, platforms: Iterable[str], wheels: Mapping[str, str], index: str) -> list[MissingWheel]:
    name, version = key
    lacking = (platform for platform in platforms if platform not in wheels)
    return [MissingWheel(name=name, version=version, platform=platform, index=index) for platform in lacking]
