"""The tags of a variant. Rolling tags move; content and dated tags never do.

py3.13-trixie  py3.13          rolling
py3.13-trixie-20261121[.2]     dated: the UTC day of publishing, and the how manieth of that day
py3.13-trixie-4f2a90c81d3e     content: 12 digits of the recipe
"""

import hashlib
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

from warmbase.oci.digests import canonical_json

_CONTENT_DIGITS = 12
_IMMUTABLE = re.compile(rf"(?P<rolling>.+)-(?:(?P<day>\d{{8}})(?:\.(?P<number>\d+))?|[0-9a-f]{{{_CONTENT_DIGITS}}})")


def content_tag(rolling: str, recipes: Mapping[str, str]) -> str:
    """The content tag of a variant: of its recipe (platform → recipe), or of all of them where there are several."""
    if not recipes:
        raise ValueError(f"{rolling} has no recipe")
    pairs = [[platform, recipe] for platform, recipe in sorted(recipes.items())]
    key = pairs[0][1] if len(pairs) == 1 else hashlib.sha256(canonical_json(pairs)).hexdigest()
    return f"{rolling}-{key[:_CONTENT_DIGITS]}"


def dated_tags(rolling: str, now: datetime) -> Iterator[str]:
    """The dated tags of a day, in the order in which they are given away: `-20261121`, `-20261121.2`, …"""
    return _days_tags(f"{rolling}-{now.astimezone(UTC):%Y%m%d}")


def same_day(dated: str) -> Iterator[str]:
    """All dated tags of the day of `dated`, in their order."""
    first, _, _ = dated.rpartition(".") if _number(dated) else (dated, "", "")
    return _days_tags(first)


def is_immutable(tag: str) -> bool:
    """Whether a tag has the form of a content or dated tag, which never move."""
    return bool(_IMMUTABLE.fullmatch(tag))


def _days_tags(first: str) -> Iterator[str]:
    yield first
    number = 2
    while True:
        yield f"{first}.{number}"
        number += 1


def _number(dated: str) -> str:
    match = _IMMUTABLE.fullmatch(dated)
    return (match["number"] or "") if match else ""
