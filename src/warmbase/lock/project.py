"""Scratch projects: how uv is asked to resolve requirements for Pythons and platforms that are not this machine's.

A project's own `requires-python` is wide open, so that the interpreter that runs warmbase may lock it; the markers of
its `environments` narrow it to what is meant.
"""

import json
import re
import sys
import tempfile
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from warmbase.effects.process import describe_exit, mask_secrets, secrets_in
from warmbase.effects.uv import Uv
from warmbase.errors import ProcessError
from warmbase.lock.indexes import Indexes
from warmbase.lock.once import Once
from warmbase.lock.restraint import FREE, Restraint
from warmbase.lock.stub import package_stub
from warmbase.lock.wheels import package_of_file

_NAME = "warmbase-scratch-project"  # uv takes a requirement of this name to be the project itself
PINNED = "pinned"
"""The dependency group of packages that come from a certain index: uv keeps to `tool.uv.sources` for what a project
asks for itself, and not for what only others need."""

_UNDATED = re.compile(r"^warning: `?([^`\s]+)`? is missing an upload date", re.MULTILINE)

Key = tuple[str, str]
"""A package's name and version."""

Pins = Mapping[str, tuple[str, str]]
"""A version for each of some packages, and the catalog's name of the index that it came from."""

Record = Mapping[str, Any]
"""A package as uv.lock has it: `wheels` and `sdist` with `url`, `hash`, `size`, `upload-time`. Its `source` is an
index (`registry`), a repository (`git`) or a file (`url`)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ProjectText:
    """What a scratch project asks for. Nothing is built for one with `wheels_only` but what is named in `compiled`, of
    which wheels do not count; with `required` too, every environment must have wheels. `pinned` are asked for so that
    their index counts (see `PINNED`)."""

    dependencies: tuple[str, ...]
    warm: tuple[str, ...] = ()
    environments: tuple[str, ...] = ()
    constraints: tuple[str, ...] = ()
    wheels_only: bool = False
    required: bool = False
    compiled: frozenset[str] = frozenset()
    pinned: frozenset[str] = frozenset()
    restraint: Restraint = FREE

    def __str__(self) -> str:
        """The pyproject.toml. TOML's basic strings and JSON's are written alike for what requirements may contain."""
        environments = json.dumps(list(self.environments))
        lines = [
            "[project]",
            f'name = "{_NAME}"',
            'version = "0.1.0"',
            'requires-python = ">=3.8"',
            f"dependencies = {json.dumps(list(self.dependencies))}",
            "[dependency-groups]",
            f"warm = {json.dumps(list(self.warm))}",
            *([f"{PINNED} = {json.dumps(sorted(self.pinned))}"] if self.pinned else []),
            "[tool.uv]",
            "package = false",
            "default-groups = []",
            f"constraint-dependencies = {json.dumps([*self.constraints, *self.restraint.constraints])}",
            *self.restraint.settings(),
        ]
        if self.environments:
            lines.append(f"environments = {environments}")
        if self.wheels_only:
            lines += ["no-build = true", f"no-binary-package = {json.dumps(sorted(self.compiled))}"]
        if self.required:
            lines.append(f"required-environments = {environments}")
        return "\n".join(lines) + "\n"


@dataclass(frozen=True, kw_only=True, slots=True)
class LockedProject:
    """A scratch project that uv has locked: the text of its two files, and the packages of its uv.lock. `undated` are
    those whose index does not say when files were uploaded, where `ProjectText.restraint` asked for that."""

    project: str
    lock: str
    records: Mapping[Key, Record]
    uv: Uv
    cache: Path
    undated: frozenset[str] = frozenset()
    exports: Once = field(default_factory=Once, repr=False, compare=False)

    def export(self, *, warm: bool) -> tuple[Requirement, ...]:
        """The packages that the dependencies lead to, with their markers; with `warm` those of that group too."""
        return self.exports.make(warm, lambda: self._export(warm=warm))

    def without_pinned(self) -> "LockedProject":
        """The project without what only the group `PINNED` leads to."""
        names = {canonicalize_name(requirement.name) for requirement in self.export(warm=True)}
        return replace(self, records={key: record for key, record in self.records.items() if key[0] in names})

    def _export(self, *, warm: bool) -> tuple[Requirement, ...]:
        command = ["export", "--frozen", "--no-emit-project", "--no-hashes", "--no-header", "--no-annotate"]
        options = ["--group", "warm"] if warm else ["--no-default-groups"]
        with _project_folder(self.project, self.lock) as folder:
            said = self.uv.run([*command, *options, "--python", sys.executable], cache=self.cache, cwd=folder).text
        return tuple(Requirement(line) for line in said.splitlines())


def lock_project(
    text: ProjectText,
    uv: Uv,
    cache: Path,
    *,
    pins: Pins,
    indexes: Indexes,
    python: str = sys.executable,
    fresh: Iterable[str] = (),
) -> LockedProject:
    """Lock a scratch project; versions in `pins` are preferred. Every package of the catalog's `sources` comes from its
    index. What a source only tells when a part of its build runs, it tells the interpreter `python`. Of the packages
    `fresh` the index is asked however young the cache's copies are.

    Raises ProcessError with all that uv says, and LockError for a package of an index that nobody named.
    """
    undated, blind = frozenset[str](), False
    while True:
        project = f"{text}{indexes.tables()}"
        preferred = preferences(pins, indexes, text.restraint) if pins else ""
        lock, said = _lock(uv, cache, project, preferred, ["--python", python, *_refreshing(fresh)])
        if more := _undated(said) - undated:
            undated |= more
            text = replace(text, restraint=text.restraint.without_limit(undated))
            continue
        if not lock:
            if text.pinned >= indexes.sources.keys():
                raise ProcessError(mask_secrets(said, secrets_in(uv.environment)))
            text, blind = replace(text, pinned=frozenset(indexes.sources)), True  # they may be nowhere else
            continue
        records = _read_records(lock)
        strayed = indexes.strayed(records.items())
        if strayed <= text.pinned:
            break
        text = replace(text, pinned=text.pinned | strayed)
    locked = LockedProject(project=project, lock=lock, records=records, uv=uv, cache=cache, undated=undated)
    return locked.without_pinned() if blind else locked


def _read_records(lock: str) -> dict[Key, Record]:
    return {
        (str(canonicalize_name(package["name"])), package["version"]): package
        for package in tomllib.loads(lock)["package"]
        if package["source"].keys() & {"registry", "git", "url"} and "version" in package
    }


def _refreshing(packages: Iterable[str]) -> list[str]:
    return [part for name in sorted(packages) for part in ("--refresh-package", name)]


def _lock(uv: Uv, cache: Path, project: str, preferred: str, options: Sequence[str]) -> tuple[str, str]:
    """The uv.lock, "" where uv made none, and all that uv said: an explanation begins with what matters most, and may
    be long."""
    with _project_folder(project, preferred) as folder:
        finished = uv.run(["lock", *options], cache=cache, cwd=folder, check=False)
        said = finished.stderr.decode("utf-8", "replace").rstrip()
        if finished.code:
            return "", f"uv lock {describe_exit(finished.code)}\n{said}"
        return (folder / "uv.lock").read_text(), said


@contextmanager
def _project_folder(project: str, lock: str) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="warmbase-lock-") as name:
        folder = Path(name)
        (folder / "pyproject.toml").write_text(project)
        if lock:
            (folder / "uv.lock").write_text(lock)
        yield folder


def _undated(said: str) -> frozenset[str]:
    """The packages with files that uv left out because nobody knows how old they are."""
    return frozenset(filter(None, map(package_of_file, _UNDATED.findall(said))))


def preferences(pins: Pins, indexes: Indexes, restraint: Restraint = FREE) -> str:
    """A uv.lock that names versions and nothing else: uv resolves anew and prefers them.

    It has the project's `restraint`, or uv would mistrust it, and resolve for other environments than asked.
    """
    packages = "".join(
        package_stub(name, version, "registry", indexes.address_for(name, index))
        for name, (version, index) in sorted(pins.items())
    )
    settings = restraint.settings()
    options = "".join(f"{line}\n" for line in ["[options]", *settings]) if settings else ""
    return f'version = 1\nrequires-python = ">=3.8"\n{options}{packages}'
