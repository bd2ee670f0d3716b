"""What tells one question about packages from another, and which answers may be remembered."""

import re
from collections.abc import Mapping

from warmbase.catalog.model import Variant
from warmbase.lock.restraint import Restraint
from warmbase.lock.wheels import Libc
from warmbase.nightly.pages import hash_of

_RULES = 1
"""Raised when equal questions would be answered in another way than before."""

_COMMIT = re.compile(r"@[0-9a-f]{40}(#|$)")


def hash_question(variant: Variant, libc: Mapping[str, Libc], restraint: Restraint, uv: str) -> str:
    """What tells a question from all that would be answered otherwise. A cooldown counts, and not the time at which it
    is asked about: `Answer.until` says how long an answer is good."""
    return hash_of(
        {
            "rules": _RULES,
            "uv": uv,
            "requirements": sorted(asked.text for asked in variant.requirements),
            "warm": sorted(asked.text for asked in variant.warm),
            "python": variant.python,
            "platforms": {platform: libc[platform] for platform in variant.platforms},
            "indexes": [[one.name, one.explicit] for one in variant.indexes if one.url],
            "sources": list(variant.sources),
            "no_binary": sorted(variant.no_binary),
            "may_compile": bool(variant.build_packages),
            "cooldown": variant.cooldown.time.total_seconds() if restraint.newest else None,
            "own": dict(restraint.own),
            "constraints": list(restraint.constraints),
        }
    )


def is_lasting(variant: Variant) -> bool:
    """Whether pages alone decide what a variant is resolved to: a branch of a repository moves without them."""
    urls = (asked.requirement.url or "" for asked in (*variant.requirements, *variant.warm))
    return not any(url.startswith("git+") and not _COMMIT.search(url) for url in urls)
