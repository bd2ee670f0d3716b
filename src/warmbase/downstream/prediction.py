"""What a child adds to its base, before anybody has built it: a model of layers that a real BuildKit made. Pure.

Counted are the steps that install, unpacked, as a tar holds them: a header of 512 bytes for each folder, file and link,
and content in blocks of 512. What the project's own COPY brings is the project's, and is not counted.

- uv leaves a few files of its own in the venv and the cache whatever it does: 7,168 bytes of a sync, 6,144 of
  `uv pip install`, for all that the base has; the base's `pip` leaves none.
- A package of the project is installed by its metadata and a .pth file, in the cache and, as links, in the venv; its
  modules stay where they were copied. A long description is a part of the metadata. setuptools writes more than others.
- A venv that is copied from another stage brings those files too, as files and not as links, and nothing of the cache.
- A sync that removes what the project does not need has a whiteout for each folder and file at the top of it.
- What is downloaded is unpacked, once for the cache and as links for the venv: 4.1 times a wheel's bytes, of what is
  more than a megabyte 3.2 times. Of 86 wheels of a data science image all together are met within 1 %, half of them
  within 8 %, nine in ten within 28 %.
- What the base has in its cache alone is copied up into the layer, with the bytecode that it has there.

The first three are exact to a few blocks, as long as uv asks no index: to build a package it fetches the pages of the
backends that it has, 230 kB for hatchling's, unless it is told to stay `--offline`.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal

from warmbase.downstream.match import Match
from warmbase.downstream.projects.model import Member, Project

Way = Literal["sync", "exact sync", "install", "pip", "copy"]
"""How a child gets its packages: `uv sync --inexact` into the base's venv, `uv sync`, which removes what the project
does not need, `uv pip install`, the base's `pip`, or a copy of the venv in which another stage did one of these."""

_BLOCK = 512


@dataclass(frozen=True, kw_only=True, slots=True)
class _Costs:
    """What a way costs: for itself, once where the project has packages, for each of these and each from setuptools,
    once for the entry points of one, and for each of those."""

    itself: int
    members: int
    member: int
    setuptools: int
    entry_points: int
    script: int = 1_024


_SYNC = _Costs(itself=7_168, members=6_656, member=19_456, setuptools=29_184, entry_points=2_560)
_INSTALL = replace(_SYNC, itself=6_144, members=10_240)
_PIP = replace(_INSTALL, itself=1_024)
_COPY = _Costs(itself=4_096, members=0, member=9_728, setuptools=10_752, entry_points=1_536)
_REMOVED = 1_950
_SMALL, _SMALL_GROWS, _LARGE_GROWS = 1_000_000, 4.1, 3.2
_UNKNOWN = 100_000  # a wheel's bytes, where nobody says them
_BYTECODE = 1.25


def predict_layer(project: Project, match: Match, *, way: Way | None = None) -> int:
    """The bytes, unpacked, of the layers of a child's steps that install: `match` says what they download.

    Without `way` it is the one that an adoption takes: a sync where uv locks the project, else an install.
    """
    way = way or ("sync" if project.kind in ("uv.lock", "pyproject.toml") else "install")
    costs = {"install": _INSTALL, "pip": _PIP, "copy": _COPY}.get(way, _SYNC)
    built = [member for member in project.members if member.backend]
    size = costs.itself + (costs.members if built else 0) + sum(_member(member, costs) for member in built)
    if way == "exact sync":
        size += _REMOVED * len(match.unneeded)
    size += sum(unpacked_size(miss.size or _UNKNOWN) for miss in match.misses)
    warm = [hit.package.size or _UNKNOWN for hit in match.hits if hit.package.use == "warm"]
    return size + round(_BYTECODE * sum(map(unpacked_size, warm)))


@lru_cache(maxsize=65536)
def unpacked_size(size: int) -> int:
    """What a wheel of so many bytes adds when it is installed."""
    return round(_SMALL_GROWS * min(size, _SMALL) + _LARGE_GROWS * max(0, size - _SMALL))


def _member(member: Member, costs: _Costs) -> int:
    blocks = -(-member.readme // _BLOCK) * _BLOCK
    scripts = costs.entry_points + costs.script * member.scripts if member.scripts else 0
    return (costs.setuptools if _is_setuptools(member.backend) else costs.member) + blocks + scripts


def _is_setuptools(backend: Iterable[str]) -> bool:
    names = [re.split(r"[^\w.-]", requirement.strip(), maxsplit=1)[0].lower() for requirement in backend]
    return "setuptools" in names
