"""Environments: the values of PEP 508's markers where a base runs, and asking a marker for them. Pure."""

import re
from collections.abc import Set as AbstractSet
from functools import lru_cache

from packaging.markers import InvalidMarker, Marker, UndefinedComparison, UndefinedEnvironmentName
from packaging.specifiers import InvalidSpecifier
from packaging.version import InvalidVersion

from warmbase.downstream.projects.model import Environment
from warmbase.lock.markers import marker_environment
from warmbase.lock.wheels import ARCHITECTURES

NO_NAMES: frozenset[str] = frozenset()

_EXTRA = re.compile(r"""\bextra\s*(==|!=)\s*(?:'([^']*)'|"([^"]*)")""")
_AMONG = re.compile(r"""(?:'([^']*)'|"([^"]*)")\s*(not\s+in|in)\s*(extras|dependency_groups)\b""")
_ALWAYS, _NEVER = "implementation_name == 'cpython'", "implementation_name != 'cpython'"


class MarkerError(ValueError):
    """A text is no marker of PEP 508, or cannot be evaluated."""


def environment_of(python: str, platform: str) -> Environment:
    """The environment of CPython `python` ("3.13", or in full "3.13.5") on an OCI platform such as "linux/amd64"."""
    minor = ".".join(python.split(".")[:2])
    known = platform if platform in ARCHITECTURES else next(iter(ARCHITECTURES))
    markers = marker_environment(minor, known) | {"platform_machine": ARCHITECTURES.get(platform, platform[6:])}
    if python != minor:
        markers |= {"python_full_version": python, "implementation_version": python}
    return Environment(python=python, platform=platform, markers=markers)


def admits(
    marker: str, environment: Environment, extras: AbstractSet[str] = NO_NAMES, groups: AbstractSet[str] = NO_NAMES
) -> bool:
    """Whether a marker ("" always) is true in an environment, with all of `extras` and dependency groups asked for.

    PEP 508 evaluates for one extra at a time; locks mean all at once (as PEP 751 says): what a marker says of them is
    decided first. Raises MarkerError.
    """
    if not marker:
        return True
    if "extra" in marker or "dependency_groups" in marker:
        marker = _settle(marker, extras, groups)
    return _evaluate(marker, environment)


def _settle(marker: str, extras: AbstractSet[str], groups: AbstractSet[str]) -> str:
    def settle_extra(found: re.Match[str]) -> str:
        given = (found[2] or found[3] or "") in extras
        return _ALWAYS if given == (found[1] == "==") else _NEVER

    def settle_among(found: re.Match[str]) -> str:
        given = (found[1] or found[2] or "") in (extras if found[4] == "extras" else groups)
        return _ALWAYS if given == (found[3] == "in") else _NEVER

    return _AMONG.sub(settle_among, _EXTRA.sub(settle_extra, marker))


def check_marker(marker: str) -> None:
    """Raise MarkerError for a text that cannot be asked."""
    admits(marker, environment_of("3.13", next(iter(ARCHITECTURES))))


@lru_cache(maxsize=65536)
def _evaluate(marker: str, environment: Environment) -> bool:
    try:
        return _parse(marker).evaluate(dict(environment.markers))
    except (UndefinedComparison, UndefinedEnvironmentName, InvalidSpecifier, InvalidVersion, RecursionError) as error:
        raise MarkerError(str(error) or "it nests too deep") from None


@lru_cache(maxsize=16384)
def _parse(text: str) -> Marker:
    try:
        return Marker(text)
    except (InvalidMarker, RecursionError) as error:
        raise MarkerError((str(error) or "it nests too deep").splitlines()[0]) from None
