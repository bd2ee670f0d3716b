"""Why uv could not resolve a variant, with the places in the catalog that its explanation speaks of."""

import re
from collections.abc import Collection, Iterable

from packaging.utils import canonicalize_name

from warmbase.catalog.model import CatalogRequirement, Variant
from warmbase.errors import LockError, ProcessError
from warmbase.lock.indexes import Indexes, explain_refusal
from warmbase.lock.restraint import Restraint

_TOO_YOUNG = re.compile(r"`([^`\s]+)` was filtered by `exclude-newer`")
_MOST = 5  # packages that are named
_UNSATISFIABLE = "No solution found"  # how uv begins when versions are the reason


def explain_conflict(variant: Variant, error: ProcessError, indexes: Indexes, restraint: Restraint) -> LockError:
    """uv's explanation, with the places in the catalog that ask for what it names, or pin it."""
    said = error.message
    asked = [
        requirement
        for requirement in (*variant.requirements, *variant.warm)
        if _names(said, requirement.requirement.name)
    ]
    pins = [
        pin
        for pin in variant.pins
        if f"{pin.package}{pin.version}" in restraint.constraints and _names(said, pin.package)
    ]
    places = "".join(f"\n  {requirement.position}: {requirement.text}" for requirement in asked)
    pinned = "".join(f"\n  {pin.position}: {pin.package}{pin.version} ({pin.reason})" for pin in pins)
    return LockError(
        f"{variant.name} cannot be resolved:\n{said}"
        + (f"\nasked for in the catalog:{places}" if places else "")
        + (f"\npinned in the catalog:{pinned}" if pinned else ""),
        next_step=explain_refusal(said, indexes.addresses)
        or _explain_address(said, asked)
        or _explain_age(said)
        or ("take the pin out, or loosen the requirements that contradict it, and lock again" if pins else "")
        or "loosen or remove one of these requirements, or name what has no wheel under `no_binary`, so that it is"
        " compiled, and lock again; the other locks are as they were",
    )


def explain_undated(packages: Collection[str]) -> str:
    """What to tell about packages that a cooldown does not hold back."""
    few = ", ".join(sorted(packages)[:_MOST])
    more = f" and {len(packages) - _MOST} more" if len(packages) > _MOST else ""
    return (
        f"the cooldown does not count for {few}{more}: their index did not say when files were uploaded (PEP 700's"
        " `upload-time`)"
    )


def _explain_age(said: str) -> str:
    """What to do where versions are too young for the cooldown; "" where it is not that."""
    young = list(dict.fromkeys(_TOO_YOUNG.findall(said)))
    if not young:
        return ""
    return f"wait until {' and '.join(young)} are old enough, or name them under `exempt` of the catalog's `cooldown`"


def _explain_address(said: str, asked: Iterable[CatalogRequirement]) -> str:
    """What to do about packages that come from no index and could not be had; "" where it is not that."""
    addresses = [one.requirement.url for one in asked if one.requirement.url]
    if _UNSATISFIABLE in said or not addresses:
        return ""
    check = f"check that {' and '.join(addresses)} can be reached from here, and names what you mean"
    by_git = [address for address in addresses if address.startswith("git+")]
    if not by_git:
        return f"{check}; where it wants a login, give it in netrc"
    over_ssh = any(address.startswith("git+ssh") for address in by_git)
    login = "have the key in ssh-agent and the host in known_hosts" if over_ssh else "give it to git, or in netrc"
    return f"{check} (`git ls-remote` says); where it wants a login, {login}"


def _names(said: str, package: str) -> bool:
    """Whether uv's text names a package: as a word of its own, in uv's spelling or any other (PEP 503)."""
    spelling = "[-_.]+".join(re.escape(part) for part in canonicalize_name(package).split("-"))
    return re.search(rf"(?<![\w.-]){spelling}(?![\w-]|\.\w)", said, re.IGNORECASE) is not None
