"""What adopting a base comes to. Values."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """What becomes of a file: its path, relative to the folder with '/', its text now (None: it is not there), and its
    text afterwards. `reasons` say why, each for a part of it."""

    path: str
    old: str | None
    new: str
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Note:
    """What people should know or do themselves. `line` is what to write, "" where nothing is; `path` and `number` say
    where. `is_blocking` says that without it the build will not hit."""

    text: str
    line: str = ""
    path: str = ""
    number: int = 0
    is_blocking: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Command:
    """A command that is to be run in the project's folder afterwards, and why."""

    words: tuple[str, ...]
    why: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Wishes:
    """What was asked for. `dockerfile` is the file to write or to patch; `platform` that of the image ("" every one of
    the base). `upgrade` moves what was adopted to the base that is given, and adds nothing else."""

    dockerfile: str = "Dockerfile"
    platform: str = ""
    compose: bool = False
    devcontainer: bool = False
    upgrade: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class ProjectFiles:
    """What is known of a project's folder: the texts of the files that count, by path, and the names of all files as
    far as they were looked for. Paths are relative to the folder, with '/'."""

    texts: Mapping[str, str] = field(hash=False)
    names: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True, slots=True)
class Locked:
    """What uv made of a project on a base: the texts of its pyproject.toml and its uv.lock."""

    pyproject: str
    lock: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Adoption:
    """A plan: changes by path, notes, and commands in the order in which they are run."""

    changes: tuple[Change, ...] = ()
    notes: tuple[Note, ...] = ()
    commands: tuple[Command, ...] = ()
