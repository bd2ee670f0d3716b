"""Keeping a base's versions: what a project's `uv lock` starts from, and the constraints that say the same for good."""

from collections.abc import Iterable, Mapping

from warmbase.publish.offer import Offer


def base_versions(offer: Offer, platform: str, names: Iterable[str] = ()) -> dict[str, str]:
    """The version of each package that a base has from an index, in its venv and in its cache; only of `names`, if
    there are any. By name."""
    raise NotImplementedError


def constraints_of(versions: Mapping[str, str]) -> tuple[str, ...]:
    """The versions as requirements, which `[tool.uv] constraint-dependencies` and a constraints.txt take."""
    raise NotImplementedError


def seed_lock(lock: str, versions: Mapping[str, str], *, index: str) -> str:
    """A uv.lock for `uv lock` to start from: it prefers `versions`, and for all else what `lock` has.

    `lock` is the project's own ("" none), `index` the address that a package of no lock is from. uv takes it for a lock
    that is out of date, and writes the real one. Raises ProjectError for a lock that cannot be read.
    """
    raise NotImplementedError
