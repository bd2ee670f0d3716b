"""What there is to say of the base itself: is it the newest, does anything speak against it, how long does it last.

A base that was yanked, or is past its end, is an error, for neither is repaired; one that is not the newest a warning,
and so is a FROM line that names no digest, whose image is another one tomorrow. Pure.
"""

from collections.abc import Iterable, Iterator
from datetime import date

from warmbase.downstream.doctor.model import Finding, Place
from warmbase.downstream.lifetimes import end_of_life, ending, is_past
from warmbase.downstream.listing import Base


def find_replacement(base: Base, bases: Iterable[Base], today: date) -> Base | None:
    """What to take in the place of a base: what its yank names, the newest of its variant, else of its image the one
    that is looked after longest. None where there is none."""
    usable = [one for one in bases if not one.yanked and not is_past(one, today) and one.digest != base.digest]
    named = [one for one in usable if base.instead and base.instead in (one.name, one.variant, one.digest, *one.tags)]
    same = [one for one in usable if one.variant == base.variant and one.place == base.place]
    kin = [one for one in usable if one.image == base.image and one.place == base.place]
    kin.sort(key=lambda one: (end_of_life(one) or date.max, one.time), reverse=True)
    return next(iter([*named, *same, *kin]), None)


def find_standing(
    base: Base, bases: Iterable[Base], today: date, *, place: Place, is_pinned: bool = True
) -> Iterator[Finding]:
    """Findings about the base that a project is on; `bases` are all that are published, `place` is its FROM line."""
    bases = tuple(bases)
    instead = find_replacement(base, bases, today)
    fix = f"FROM {instead.reference}" if instead else base.instead or "`warmbase list` shows what there is"
    if base.yanked:
        message = f"{base.name} was yanked: {base.yanked}"
        yield Finding(code="yanked", severity="error", message=message, fix=fix, place=place)
        return
    if is_past(base, today):
        message = f"{base.name} is {ending(base, today)}"
        yield Finding(code="end-of-life", severity="error", message=message, fix=fix, place=place)
        return
    if soon := ending(base, today):
        yield Finding(code="ending", severity="note", message=f"{base.name} {soon}", fix=fix, place=place)
    newest = next((one for one in bases if (one.place, one.variant) == (base.place, base.variant)), None)
    if newest and newest.digest != base.digest:
        message = f"{base.name} is of {base.time[:10]}; the tag names a newer one, of {newest.time[:10]}"
        fix = f"FROM {newest.reference} (`warmbase adopt --upgrade`)"
        yield Finding(code="stale", severity="warning", message=message, fix=fix, place=place)
    elif not is_pinned:
        message = f"the line names {base.name} without a digest: it is another image after each refresh"
        fix = f"FROM {base.reference}"
        yield Finding(code="unpinned", severity="warning", message=message, fix=fix, place=place)
