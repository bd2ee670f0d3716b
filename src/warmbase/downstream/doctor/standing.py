"""What there is to say of the base itself: is it the newest, does anything speak against it, how long does it last.

A base that was yanked, or is past its end, is an error, for neither is repaired; one that is not the newest a warning,
and so is a FROM line that names no digest, whose image is another one tomorrow. What is named in its place is sound
itself: where the newest image of a variant was yanked, the newest of the earlier ones that was not.
"""

from collections.abc import Iterator
from datetime import date

from warmbase.downstream.doctor.model import Finding, Place
from warmbase.downstream.lifetimes import end_of_life, ending, is_past
from warmbase.downstream.listing import Base
from warmbase.downstream.published import Published
from warmbase.errors import ListingError


def is_sound(base: Base, today: date) -> bool:
    """Whether nothing speaks against taking a base: no yank, no end of life."""
    return not base.yanked and not is_past(base, today)


def find_newest(base: Base, published: Published) -> Base | None:
    """The newest image of a base's variant, whatever speaks against it; None where the variant is not there."""
    bases = published.listing().bases
    return next((one for one in bases if (one.place, one.variant) == (base.place, base.variant)), None)


def find_newest_sound(base: Base, published: Published, today: date) -> Base | None:
    """The newest image of a base's variant that is sound, under its own tags where it is an earlier one; None where
    there is none. Raises ListingError where what is published cannot be read."""
    newest = find_newest(base, published)
    if newest is None or is_past(newest, today) or not newest.yanked:
        return newest if newest and is_sound(newest, today) else None
    for edition in published.editions(base.variant):
        if edition.yanked or edition.digest == newest.digest:
            continue
        earlier = _find(f"{base.image}@{edition.digest}", published)
        if earlier and is_sound(earlier, today):
            return earlier
    return None


def find_replacement(base: Base, published: Published, today: date) -> Base | None:
    """What to take in the place of a base: what its yank names, the newest of its variant, else of its image the one
    that is looked after longest, each only if it is sound. None where there is none."""
    named = _find(base.instead, published) if base.instead else None
    if named and is_sound(named, today) and named.digest != base.digest:
        return named
    same = find_newest_sound(base, published, today)
    if same and same.digest != base.digest:
        return same
    kin = [
        one
        for one in published.listing().bases
        if (one.place, one.image) == (base.place, base.image) and one.variant != base.variant and is_sound(one, today)
    ]
    return max(kin, key=lambda one: (end_of_life(one) or date.max, one.time), default=None)


def find_standing(
    base: Base, published: Published, today: date, *, place: Place, is_pinned: bool = True
) -> Iterator[Finding]:
    """Findings about the base that a project is on; `place` is its FROM line."""
    if not is_sound(base, today):
        instead = find_replacement(base, published, today)
        fix = f"FROM {instead.reference}" if instead else base.instead or "`warmbase list` shows what there is"
        if base.yanked:
            message = f"{base.name} was yanked: {base.yanked}"
            yield Finding(code="yanked", severity="error", message=message, fix=fix, place=place)
        else:
            message = f"{base.name} is {ending(base, today)}"
            yield Finding(code="end-of-life", severity="error", message=message, fix=fix, place=place)
        return
    if soon := ending(base, today):
        instead = find_replacement(base, published, today)
        fix = f"FROM {instead.reference}" if instead else "`warmbase list` shows what there is"
        yield Finding(code="ending", severity="note", message=f"{base.name} {soon}", fix=fix, place=place)
    newest = find_newest(base, published)
    if newest and newest.digest != base.digest:
        yield _find_stale(base, newest, find_newest_sound(base, published, today), place)
    elif not is_pinned:
        message = f"the line names {base.name} without a digest: it is another image after each refresh"
        fix = f"FROM {base.reference}"
        yield Finding(code="unpinned", severity="warning", message=message, fix=fix, place=place)


def tell_unsound(base: Base, today: date) -> str:
    """What speaks against a base, "" where nothing does."""
    if base.yanked:
        return f"{base.name} of {base.time[:10]} was yanked: {base.yanked}"
    return f"{base.name} is {ending(base, today)}" if is_past(base, today) else ""


def _find_stale(base: Base, newest: Base, sound: Base | None, place: Place) -> Finding:
    """An image that is not the newest: a warning where there is a newer one to take."""
    message = f"{base.name} is of {base.time[:10]}; the tag names a newer one, of {newest.time[:10]}"
    if newest.yanked:
        message += f", which was yanked: {newest.yanked}"
    if sound is None or sound.digest == base.digest:
        fix = "keep it, until there is one that is not yanked"
        return Finding(code="newer-yanked", severity="note", message=message, fix=fix, place=place)
    if sound.digest != newest.digest:
        message += f"; the newest that is sound is of {sound.time[:10]}"
    fix = f"FROM {sound.reference} (`warmbase adopt --upgrade`)"
    return Finding(code="stale", severity="warning", message=message, fix=fix, place=place)


def _find(text: str, published: Published) -> Base | None:
    """The base that a text names; None where it does not, or the image is not there any more."""
    try:
        return published.find(text)
    except ListingError:
        return None
