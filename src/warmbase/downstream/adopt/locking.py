"""Moving a project's lock to the versions of a base, so that it stays there.

First uv locks the project from a seed: the base's versions are preferred, and nothing that the project asks for is
contradicted. Then what the lock kept is written down as constraints, so that `uv lock`, `uv add` and `--upgrade` keep
it too, and uv locks once more. Constraints alone would fail where a base's version excludes a Python that the project
admits; a seed alone holds until the next `--upgrade`.
"""

import tomllib
from collections.abc import Mapping
from typing import Any, Protocol

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from warmbase.downstream.adopt.constraints import BUILD_CONSTRAINTS, CONSTRAINTS, set_constraints, without_constraints
from warmbase.downstream.adopt.model import Locked, ProjectFiles
from warmbase.downstream.listing import Base
from warmbase.downstream.match import admits_version
from warmbase.downstream.projects.model import Environment, Project
from warmbase.downstream.seeding import base_packages, kept_constraints, seed_lock
from warmbase.publish.offer import OfferedPackage

LOCK, PYPROJECT = "uv.lock", "pyproject.toml"

_SETTINGS = ("resolution", "prerelease", "fork-strategy")
_ASKED_BY_BACKENDS: Mapping[str, tuple[str, ...]] = {
    "hatchling": ("packaging", "pathspec", "pluggy", "trove-classifiers", "editables"),
    "setuptools": ("wheel", "packaging"),
    "hatch-vcs": ("setuptools-scm", "packaging"),
    "setuptools-scm": ("packaging",),
    "scikit-build-core": ("packaging", "pathspec", "cmake", "ninja"),
    "meson-python": ("packaging", "pyproject-metadata", "meson", "ninja"),
}
"""What well-known build backends ask for, themselves or while they build."""

_NEED_AT_HAND: Mapping[str, tuple[str, ...]] = {
    "hatchling": ("editables",), "setuptools": (), "wheel": (), "flit-core": (), "poetry-core": (), "pdm-backend": (),
}  # fmt: skip
"""Backends of which it is known what they ask for only while they build, beside what they depend on."""


class Locker(Protocol):
    """Locks the project with other texts in the place of its files; raises ProjectError where uv cannot."""

    def __call__(self, texts: Mapping[str, str]) -> str:
        """The new uv.lock."""
        ...


def lock_on(project: Project, base: Base, environment: Environment, files: ProjectFiles, lock: Locker) -> Locked:
    """The project's pyproject.toml and lock with the base's versions; uv is not asked where they have them already.

    Raises ProjectError for files that cannot be read, and where uv cannot lock the project.
    """
    pyproject, old = files.texts[PYPROJECT], files.texts.get(LOCK, "")
    is_there = old and seeded_alike(old, base, environment)
    if is_there and _constrain(pyproject, old, project, base, environment) == pyproject:
        return Locked(pyproject=pyproject, lock=old)
    free = without_constraints(pyproject)
    seed = seed_lock(old, base.offer, environment, settings=_settings(free))
    kept = lock({LOCK: seed, PYPROJECT: free})
    constrained = _constrain(pyproject, kept, project, base, environment)
    return Locked(pyproject=constrained, lock=lock({LOCK: kept, PYPROJECT: constrained}))


def seeded_alike(lock: str, base: Base, environment: Environment) -> bool:
    """Whether a lock has every package that the base has at the base's version."""
    has = base_packages(base.offer, environment.platform)
    locked = {
        str(canonicalize_name(str(package.get("name", ""))))
        for package in tomllib.loads(lock).get("package", [])
        if "registry" in package.get("source", {})
    }
    kept = {_name(requirement) for requirement in kept_constraints(lock, base.offer, environment)}
    return locked & set(has) <= kept


def build_constraints(project: Project, packages: Mapping[str, OfferedPackage]) -> tuple[str, ...]:
    """The base's versions of what builds the project and its members, as far as they admit those."""
    wanted: dict[str, str] = {}
    for member in project.members:
        for text in member.backend:
            try:
                requirement = Requirement(text)
            except InvalidRequirement:
                continue
            name = str(canonicalize_name(requirement.name))
            wanted.update(dict.fromkeys(_ASKED_BY_BACKENDS.get(name, ()), ""))
            wanted[name] = str(requirement.specifier)
    return tuple(
        f"{name}=={packages[name].version}"
        for name, specifier in sorted(wanted.items())
        if name in packages and admits_version(specifier, packages[name].version)
    )


def builds_offline(project: Project, packages: Mapping[str, OfferedPackage]) -> bool:
    """Whether the base has all that builds the project's packages: uv then needs no index, which it would ask even for
    backends that the cache has."""
    for text in (text for member in project.members for text in member.backend):
        try:
            requirement = Requirement(text)
        except InvalidRequirement:
            return False
        name = str(canonicalize_name(requirement.name))
        needed = {name, *_NEED_AT_HAND.get(name, ())}
        if name not in _NEED_AT_HAND or not needed <= packages.keys():
            return False
        if not admits_version(str(requirement.specifier), packages[name].version):
            return False
    return True


def _constrain(pyproject: str, lock: str, project: Project, base: Base, environment: Environment) -> str:
    wanted = {
        CONSTRAINTS: kept_constraints(lock, base.offer, environment),
        BUILD_CONSTRAINTS: build_constraints(project, base_packages(base.offer, environment.platform)),
    }
    return set_constraints(pyproject, wanted, base.name)


def _settings(pyproject: str) -> dict[str, str]:
    tool: dict[str, Any] = tomllib.loads(pyproject).get("tool", {})
    settings = tool.get("uv", {})
    return {name: settings[name] for name in _SETTINGS if isinstance(settings.get(name), str)}


def _name(requirement: str) -> str:
    return requirement.partition("==")[0]
