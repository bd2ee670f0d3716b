"""What is published, for programs: what all commands with `--json` say of a base, under the same keys. Pure."""

from datetime import datetime
from typing import Any

from warmbase.downstream.lifetimes import end_of_life, is_past
from warmbase.downstream.listing import Base, Listing
from warmbase.downstream.words import spell_age


def describe_listing(listing: Listing) -> dict[str, Any]:
    """Where it was read what is published, and when: what was kept may be older than what is there now."""
    return {"source": listing.source, "time": listing.time}


def identify_base(base: Base) -> dict[str, Any]:
    """What tells an image from all others: `base` is its short name, `reference` what FROM takes."""
    return {
        "base": base.name,
        "variant": base.variant,
        "reference": base.reference,
        "digest": base.digest,
        "published": base.time,
    }


def describe_base(base: Base, now: datetime) -> dict[str, Any]:
    """What names a base, what it is made of, how long it lasts, and what speaks against it. `from` is the variant that
    it inherits from, `end_of_life` null where none is known."""
    end = end_of_life(base)
    return {
        **identify_base(base),
        "age": spell_age(base.time, now),
        "tags": list(base.tags),
        "dated": base.dated,
        "content": base.content,
        "python": base.offer.python,
        "uv": base.offer.uv,
        "foundation": base.offer.foundation,
        "from": base.offer.parent,
        "description": base.offer.description,
        "end_of_life": end.isoformat() if end else None,
        "is_past_end_of_life": is_past(base, now.date()),
        "yanked": base.yanked,
        "instead": base.instead,
    }
