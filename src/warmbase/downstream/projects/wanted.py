"""Requirements as people write them: what is wanted, under which marker, and within which constraints. Pure.

Every format that is no lock comes to these. A package that is wanted more than once is needed once, with all bounds.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name

from warmbase.catalog.problems import quote
from warmbase.downstream.projects.environment import admits, check_marker
from warmbase.downstream.projects.model import Environment, Need, NeededFile
from warmbase.effects.indexes import without_credentials
from warmbase.errors import mask_userinfo

MOST_CHARACTERS = 4000
"""Of one requirement; packaging's parser recurses into parentheses."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """A need, under a marker ("" always)."""

    need: Need
    marker: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class WantedNeeds:
    """What is wanted directly; `constraints` bound what is wanted and want nothing themselves."""

    wanted: tuple[Wanted, ...]
    constraints: tuple[Wanted, ...] = ()

    def __call__(self, environment: Environment) -> tuple[Need, ...]:
        """What is needed in an environment, by name."""
        found: dict[str, Need] = {}
        for each in self.wanted:
            if admits(each.marker, environment):
                known = found.get(each.need.name)
                found[each.need.name] = _join(known, each.need) if known else each.need
        for each in self.constraints:
            if each.need.name in found and admits(each.marker, environment):
                found[each.need.name] = _join(found[each.need.name], each.need)
        return tuple(found[name] for name in sorted(found))


def parse_requirement(text: str) -> Wanted:
    """What a requirement of PEP 508 wants. Raises ValueError with a reason."""
    if len(text) > MOST_CHARACTERS:
        raise ValueError(f"it has more than {MOST_CHARACTERS:,} characters")
    try:
        requirement = Requirement(text)
    except InvalidRequirement as error:
        raise ValueError(str(error).splitlines()[0]) from None
    except RecursionError:
        raise ValueError("it nests too deep") from None
    need = need_within(requirement.name, requirement.specifier, extras=requirement.extras)
    if requirement.url:
        need = at_address(need, requirement.url)
    marker = str(requirement.marker or "")
    check_marker(marker)
    return Wanted(need=need, marker=marker)


def quote_requirement(text: str) -> str:
    """A requirement for a message: short, and without credentials."""
    return quote(mask_userinfo(text)[:MOST_CHARACTERS])


def need_within(name: str, specifier: SpecifierSet, *, extras: Iterable[str] = ()) -> Need:
    """The need of a package within bounds; with a version where they admit that one alone."""
    exact = exact_version(specifier)
    return Need(
        name=canonicalize_name(name),
        version=exact,
        specifier="" if exact else str(specifier),
        extras=tuple(sorted({canonicalize_name(extra) for extra in extras})),
    )


def need_of(name: str, bounds: str, *, extras: Iterable[str] = ()) -> Need:
    """The need of a package within bounds as PEP 440 writes them, "" or "*" for any. Raises ValueError."""
    try:
        return need_within(name, SpecifierSet("" if bounds.strip() == "*" else bounds), extras=extras)
    except InvalidSpecifier as error:
        raise ValueError(str(error)) from None


def exact_version(specifier: SpecifierSet) -> str:
    """The one version that is admitted, as it is written; "" where there may be more."""
    exact = {one.version for one in specifier if one.operator in ("==", "===") and not one.version.endswith(".*")}
    return exact.pop() if len(exact) == 1 and all(specifier.contains(each, prereleases=True) for each in exact) else ""


def at_address(need: Need, address: str) -> Need:
    """The need of what lies at an address: a repository, a file of a server, or of this machine."""
    address = mask_userinfo(address)
    if address.startswith("git+"):
        return replace(need, source="git", url=address)
    if address.startswith(("http://", "https://")):
        return replace(need, source="url", url=address)
    return replace(need, source="path", url=address)


def index_at(address: str) -> str:
    """An index's address without credentials, as bases have it."""
    try:
        return without_credentials(address)
    except ValueError:  # what is no address is nobody's index
        return mask_userinfo(address)


def _join(first: Need, second: Need) -> Need:
    """One need with the bounds of both."""
    bounds = [f"=={need.version}" if need.version else need.specifier for need in (first, second)]
    joined = need_within(first.name, SpecifierSet(",".join(filter(None, bounds))))
    files = {file: None for need in (first, second) for file in need.files}
    away = next((need for need in (first, second) if need.source != "index"), first)
    return replace(
        joined,
        extras=tuple(sorted({*first.extras, *second.extras})),
        files=_without_repeats(files),
        source=away.source,
        url=away.url,
        index=first.index or second.index,
    )


def _without_repeats(files: Iterable[NeededFile]) -> tuple[NeededFile, ...]:
    return tuple({(file.name, file.sha256): file for file in files}.values())
