"""What a project needs: values that all readers of files give."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from warmbase.errors import mask_userinfo

Kind = Literal["uv.lock", "pylock.toml", "requirements.txt", "pyproject.toml", "environment.yml", "script",
               "poetry.lock", "Pipfile.lock"]  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class Environment:
    """Where a project will run: a base's Python ("3.13.5") on a platform ("linux/amd64"). `markers` are the values of
    PEP 508's environment markers there."""

    python: str
    platform: str
    markers: Mapping[str, str] = field(hash=False, compare=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class NeededFile:
    """A file that a lock admits for a package: its name, SHA-256 and bytes, each empty where the lock does not say."""

    name: str
    sha256: str = ""
    size: int = 0
    url: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Need:
    """A package that a project needs in an environment. `version` is exact, from a lock; else `specifier` bounds it.

    `source` says where it comes from; what is no "index" has its address in `url`. `index` is the address of its index
    as the lock has it ("" where it names none).
    """

    name: str
    version: str = ""
    specifier: str = ""
    extras: tuple[str, ...] = ()
    files: tuple[NeededFile, ...] = ()
    source: Literal["index", "git", "url", "path"] = "index"
    url: str = ""
    index: str = ""

    @property
    def whence(self) -> str:
        """Its address as people may see it: without the query, in which there may be a token."""
        return mask_userinfo(self.url.partition("?")[0]) or "a folder"


@dataclass(frozen=True, kw_only=True, slots=True)
class Unknown:
    """Something that the file asks for and that cannot be had from a Python index, or whose name there is not known."""

    name: str
    why: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Member:
    """A package that the project itself builds: its own, or a workspace's. `backend` is the requirement of its build
    backend, "" for none; `folder` is relative to the project's. `readme` is the bytes of its long description, which
    its metadata holds, `scripts` the number of its entry points."""

    name: str
    folder: str = "."
    backend: tuple[str, ...] = ()
    readme: int = 0
    scripts: int = 0


class Needs(Protocol):
    """Says what is needed where."""

    def __call__(self, environment: Environment) -> tuple[Need, ...]:
        """What the project needs in an environment, by name; without itself and its members."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Project:
    """A project as one file describes it. `requires_python` is a specifier ("" any), `python` the request in
    `.python-version` ("" none). `is_locked` says whether versions are exact, transitive dependencies included. `direct`
    are the packages that it names itself, as far as that is known. `main_needs` are the needs without those of the
    dependency groups that belong to `needs` too, which `groups` names; None where the file tells none apart."""

    path: Path
    kind: Kind
    name: str
    needs: Needs = field(repr=False)
    requires_python: str = ""
    python: str = ""
    is_locked: bool = False
    direct: frozenset[str] = frozenset()
    unknown: tuple[Unknown, ...] = ()
    members: tuple[Member, ...] = ()
    main_needs: Needs | None = field(default=None, repr=False)
    groups: frozenset[str] = frozenset()

    @property
    def folder(self) -> Path:
        """Where the file lies."""
        return self.path.parent
