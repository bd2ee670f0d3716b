"""Why uv could not resolve a variant, with the places in the catalog that its explanation speaks of."""

import re
from collections.abc import Iterable

from packaging.utils import canonicalize_name

from warmbase.catalog.model import CatalogRequirement, Variant
from warmbase.errors import LockError, ProcessError
from warmbase.lock.indexes import Indexes, explain_refusal

_UNSATISFIABLE = "No solution found"  # how uv begins when versions are the reason


def explain_conflict(variant: Variant, error: ProcessError, indexes: Indexes) -> LockError:
    """uv's explanation, with the places in the catalog that ask for what it names."""
    asked = [
        requirement
        for requirement in (*variant.requirements, *variant.warm)
        if _names(error.message, requirement.requirement.name)
    ]
    places = "".join(f"\n  {requirement.position}: {requirement.text}" for requirement in asked)
    said = f"{variant.name} cannot be resolved:\n{error.message}"
    return LockError(
        said + (f"\nasked for in the catalog:{places}" if places else ""),
        next_step=explain_refusal(error.message, indexes.addresses)
        or _explain_address(error.message, asked)
        or "loosen or remove one of these requirements, or name what has no wheel under `no_binary`, so that it is"
        " compiled, and lock again; the other locks are as they were",
    )


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
