"""Scratch projects: how uv is asked to resolve requirements for Pythons and platforms that are not this machine's.

A project's own `requires-python` is wide open, so that the interpreter that runs warmbase may lock it; the markers of
its `environments` narrow it to what is meant.
"""

import json
import sys
import tempfile
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from warmbase.effects.process import describe_exit, mask_secrets, secrets_in
from warmbase.effects.uv import Uv
from warmbase.errors import ProcessError

Key = tuple[str, str]
"""A package's name and version."""

Record = Mapping[str, Any]
"""A package as uv.lock has it: `wheels` and `sdist` with `url`, `hash`, `size`, `upload-time`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ProjectText:
    """What a scratch project asks for. Nothing is built for one with `wheels_only`; with `required` too, every
    environment must have wheels."""

    dependencies: tuple[str, ...]
    warm: tuple[str, ...] = ()
    environments: tuple[str, ...] = ()
    constraints: tuple[str, ...] = ()
    wheels_only: bool = False
    required: bool = False

    def __str__(self) -> str:
        """The pyproject.toml. TOML's basic strings and JSON's are written alike for what requirements may contain."""
        environments = json.dumps(list(self.environments))
        lines = [
            "[project]",
            'name = "app"',
            'version = "0.1.0"',
            'requires-python = ">=3.8"',
            f"dependencies = {json.dumps(list(self.dependencies))}",
            "[dependency-groups]",
            f"warm = {json.dumps(list(self.warm))}",
            "[tool.uv]",
            "package = false",
            "default-groups = []",
            f"constraint-dependencies = {json.dumps(list(self.constraints))}",
        ]
        if self.environments:
            lines.append(f"environments = {environments}")
        if self.wheels_only:
            lines.append("no-build = true")
        if self.required:
            lines.append(f"required-environments = {environments}")
        return "\n".join(lines) + "\n"


@dataclass(frozen=True, kw_only=True, slots=True)
class LockedProject:
    """A scratch project that uv has locked."""

    folder: Path
    records: Mapping[Key, Record]
    uv: Uv
    cache: Path

    def export(self, *, warm: bool) -> tuple[Requirement, ...]:
        """The packages that the dependencies lead to, with their markers; with `warm` those of that group too."""
        command = ["export", "--frozen", "--no-emit-project", "--no-hashes", "--no-header", "--no-annotate"]
        options = ["--group", "warm"] if warm else ["--no-default-groups"]
        said = self.uv.run([*command, *options, "--python", sys.executable], cache=self.cache, cwd=self.folder).text
        return tuple(Requirement(line) for line in said.splitlines())


@contextmanager
def locked_project(
    text: ProjectText, uv: Uv, cache: Path, *, pins: Mapping[str, str], index: str
) -> Iterator[LockedProject]:
    """Lock a scratch project; versions in `pins` are preferred. Raises ProcessError with all that uv says."""
    with tempfile.TemporaryDirectory(prefix="warmbase-lock-") as name:
        folder = Path(name)
        (folder / "pyproject.toml").write_text(str(text))
        if pins:
            (folder / "uv.lock").write_text(preferences(pins, index))
        _lock(uv, cache, folder)
        document = tomllib.loads((folder / "uv.lock").read_text())
        records: dict[Key, Record] = {
            (str(canonicalize_name(package["name"])), package["version"]): package
            for package in document["package"]
            if "registry" in package["source"]
        }
        yield LockedProject(folder=folder, records=records, uv=uv, cache=cache)


def _lock(uv: Uv, cache: Path, folder: Path) -> None:
    finished = uv.run(["lock", "--python", sys.executable], cache=cache, cwd=folder, check=False)
    if finished.code:  # an explanation begins with what matters most, and may be long
        said = finished.stderr.decode("utf-8", "replace").rstrip()
        message = f"uv lock {describe_exit(finished.code)}\n{said}"
        raise ProcessError(mask_secrets(message, secrets_in(uv.environment)))


def preferences(pins: Mapping[str, str], index: str) -> str:
    """A uv.lock that names versions and nothing else: uv resolves anew and prefers them."""
    packages = "".join(
        f'\n[[package]]\nname = "{name}"\nversion = "{version}"\nsource = {{ registry = "{index}" }}\n'
        for name, version in sorted(pins.items())
    )
    return f'version = 1\nrequires-python = ">=3.8"\n{packages}'
