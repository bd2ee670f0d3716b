"""What a child adds to its base, before anybody has built it: a model of layers that a real BuildKit made. Pure.

Counted are the steps that install, unpacked, as a tar holds them: a header of 512 bytes for each folder, file and link,
and content in blocks of 512. What the project's own COPY brings is the project's, and is not counted.

- uv leaves a few files of its own in the venv and the cache whatever it does: 7,168 bytes of a sync, 6,144 of
  `uv pip install`, for all that the base has.
- A package of the project is installed by its metadata and a .pth file, in the cache and, as links, in the venv; its
  modules stay where they were copied. A long description is a part of the metadata. setuptools writes more than others.
- A sync that removes what the project does not need has a whiteout for each folder and file at the top of it.
- What is downloaded is unpacked, once for the cache and as links for the venv: 4.1 times a wheel's bytes, of what is
  more than a megabyte 3.2 times. Of 86 wheels of a data science image all together are met within 1 %, half of them
  within 8 %, nine in ten within 28 %.
- What the base has in its cache alone is copied up into the layer, with the bytecode that it has there.

The first two are exact to a few blocks; who bets on more than that should build.
"""

import re
from collections.abc import Iterable
from typing import Literal

from warmbase.downstream.match import Match
from warmbase.downstream.projects.model import Member, Project

Way = Literal["sync", "exact sync", "install", "copy"]
"""How a child gets its packages: `uv sync --inexact` into the base's venv, `uv sync`, which removes what the project
does not need, `uv pip install`, or a copy of the venv in which another stage did one of these."""

_BLOCK = 512
_SYNC, _INSTALL = 7_168, 6_144
_MEMBERS = 6_656  # the step that installs the project's packages, and the folders that these share
_MEMBERS_BY_PIP = 3_584  # more, where `uv pip install` does it
_MEMBER, _SETUPTOOLS_MEMBER = 19_456, 29_184
_ENTRY_POINTS, _SCRIPT = 2_560, 1_024
_REMOVED = 1_950
_SMALL, _SMALL_GROWS, _LARGE_GROWS = 1_000_000, 4.1, 3.2
_UNKNOWN = 100_000  # a wheel's bytes, where nobody says them
_BYTECODE = 1.25


def predict_layer(project: Project, match: Match, *, way: Way | None = None) -> int:
    """The bytes, unpacked, of the layers of a child's steps that install: `match` says what they download.

    Without `way` it is the one that an adoption takes: a sync where uv locks the project, else an install.
    """
    way = way or ("sync" if project.kind in ("uv.lock", "pyproject.toml") else "install")
    built = [member for member in project.members if member.backend]
    size = _INSTALL if way == "install" else _SYNC
    if built:
        size += _MEMBERS + sum(map(_member, built)) + (_MEMBERS_BY_PIP if way == "install" else 0)
    if way == "exact sync":
        size += _REMOVED * len(match.unneeded)
    size += sum(unpacked_size(miss.size or _UNKNOWN) for miss in match.misses)
    warm = [hit.package.size or _UNKNOWN for hit in match.hits if hit.package.use == "warm"]
    return size + round(_BYTECODE * sum(map(unpacked_size, warm)))


def unpacked_size(size: int) -> int:
    """What a wheel of so many bytes adds when it is installed."""
    return round(_SMALL_GROWS * min(size, _SMALL) + _LARGE_GROWS * max(0, size - _SMALL))


def _member(member: Member) -> int:
    blocks = -(-member.readme // _BLOCK) * _BLOCK
    scripts = _ENTRY_POINTS + _SCRIPT * member.scripts if member.scripts else 0
    return (_SETUPTOOLS_MEMBER if _is_setuptools(member.backend) else _MEMBER) + blocks + scripts


def _is_setuptools(backend: Iterable[str]) -> bool:
    names = [re.split(r"[^\w.-]", requirement.strip(), maxsplit=1)[0].lower() for requirement in backend]
    return "setuptools" in names
