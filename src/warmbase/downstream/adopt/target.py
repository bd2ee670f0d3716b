"""The base that a project comes to stand on: the one that was asked for, or the newest of what it stands on.

A base that was yanked is not taken, unless it is named by its digest, and `--upgrade` goes to none that is past its end
either: where the newest image of a variant is no good, the newest that is good takes its place, and a note says so.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date

from warmbase.downstream.adopt.model import Note
from warmbase.downstream.doctor.standing import find_newest, find_newest_sound, find_replacement, is_sound, tell_unsound
from warmbase.downstream.lifetimes import ending
from warmbase.downstream.listing import Base
from warmbase.downstream.naming import take_apart
from warmbase.downstream.published import Published
from warmbase.errors import ListingError


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    """The base that a project is to stand on, the one that it stands on (None where that is not known), and what there
    is to say of them. `is_on_base` says that it stands on some base already, `is_held` that what is newer was yanked or
    is past its end."""

    base: Base
    is_on_base: bool
    old: Base | None = None
    notes: tuple[Note, ...] = ()
    is_held: bool = False


def choose_target(published: Published, image: str, wanted: str, *, upgrade: bool, today: date) -> Target:
    """The target for a project whose FROM has `image` ("" none of what is published), and of whom a base is `wanted`
    ("" none: then `image` decides). Raises ListingError where there is no such base, or none that is good."""
    bases = published.listing().bases
    known = take_apart(image, {base.place for base in bases})
    old = _find_old(published, image) if known.digits else None
    if wanted:
        base = published.find(wanted)
        if base.yanked and not take_apart(wanted).digits:
            raise _refused(base, published, today)
        return Target(is_on_base=bool(image), base=base, old=old, notes=tuple(_notes(base, published, today)))
    named = published.find(f"{known.image}:{known.tag}") if known.tag or old is None else old
    newest = (find_newest(named, published) or named) if upgrade else named
    if is_sound(newest, today):
        return Target(is_on_base=bool(image), base=newest, old=old, notes=tuple(_notes(newest, published, today)))
    sound = find_newest_sound(newest, published, today)
    if sound and old and sound.digest == old.digest:
        sound = replace(sound, tags=(known.tag,) if known.tag else sound.tags)
    if sound:
        text = f"{tell_unsound(newest, today)}; {sound.digest[:19]}, of {sound.time[:10]}, is the newest that is good"
        return Target(
            is_on_base=bool(image),
            base=sound,
            old=old,
            notes=(Note(text=text),),
            is_held=bool(old and old.digest == sound.digest),
        )
    if upgrade or old is None:
        raise _refused(newest, published, today)
    return Target(is_on_base=bool(image), base=old, old=old, notes=tuple(_notes(old, published, today)))


def _find_old(published: Published, image: str) -> Base | None:
    known = take_apart(image, {base.place for base in published.listing().bases})
    try:
        return published.find(f"{known.image}@sha256:{known.digits}")
    except ListingError:
        return None  # it may have been deleted since


def _refused(base: Base, published: Published, today: date) -> ListingError:
    instead = find_replacement(base, published, today)
    name = f"{instead.name}@{instead.digest}" if instead else ""
    step = f"take what is good: warmbase adopt --base {name}" if name else "see `warmbase choose` for what fits"
    return ListingError(f"{tell_unsound(base, today)}; nothing was changed", next_step=step)


def _notes(base: Base, published: Published, today: date) -> Iterator[Note]:
    """What speaks against a base that was asked for, or soon will, with the line that takes another."""
    said = tell_unsound(base, today) or (f"{base.name} {soon}" if (soon := ending(base, today)) else "")
    if said:
        instead = find_replacement(base, published, today)
        yield Note(text=f"{said}; take" if instead else said, line=f"FROM {instead.reference}" if instead else "")
