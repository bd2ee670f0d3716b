"""What a text means among the bases of a listing: names, tags, references and digests. Pure."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from warmbase.downstream.listing import Base, Edition, Listing
from warmbase.errors import ListingError, UnknownBaseError
from warmbase.publish.offer import OfferedPackage, OfferedPlatform

_SHORTEST_DIGEST = 6
_MOST_NAMES = 6


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """A text taken apart: the image's name below its place, a tag, and the hexadecimal digits of a digest, each empty
    where the text has none."""

    image: str = ""
    tag: str = ""
    digits: str = ""

    def is_digest(self, digest: str) -> bool:
        """Whether the digits are those of `digest`, or enough of its first ones."""
        return len(self.digits) >= _SHORTEST_DIGEST and digest.partition(":")[2].startswith(self.digits)


def take_apart(text: str, places: Iterable[str] = ()) -> Wanted:
    """What a text says: "data", "data:py3.13", "registry.example/bases/data:py3.13@sha256:…" for one of `places`,
    "data@sha256:…", "sha256:…"."""
    name, _, digest = text.strip().rpartition("@") if "@" in text else (text.strip(), "", "")
    if not digest and name.startswith("sha256:"):
        name, digest = "", name
    for place in sorted(places, key=len, reverse=True):
        name = name.removeprefix(f"{place}/")
    image, _, tag = name.partition(":") if "/" not in name.rpartition(":")[2] else (name, "", "")
    return Wanted(image=image, tag=tag, digits=digest.removeprefix("sha256:"))


def find_listed(listing: Listing, text: str) -> Base | None:
    """The base of a listing that a text means: see `Published.find`. None where it is none of them.

    Raises UnknownBaseError where it is several.
    """
    wanted = take_apart(text, {base.place for base in listing.bases})
    found = [base for base in listing.bases if _means(wanted, base)]
    if not found and not wanted.tag and not wanted.digits:  # a tag alone
        found = [base for base in listing.bases if wanted.image in _tags(base)]
    if len(found) > 1 and wanted.tag:  # one image may be that of two variants
        found = [base for base in found if wanted.tag in _tags(base)] or found
    if len(found) > 1:
        raise UnknownBaseError(
            f"{text} means several bases of {listing.source}: {_listed(base.name for base in found)}",
            next_step="name one of them",
        )
    return found[0] if found else None


def is_edition(wanted: Wanted, edition: Edition) -> bool:
    """Whether an image of the same name is what the tag or the digest means."""
    return wanted.is_digest(edition.digest) if wanted.digits else wanted.tag in (edition.dated, edition.content)


def find_edition(
    bases: Iterable[Base], editions: Callable[[str], Iterable[Edition]], wanted: Wanted
) -> tuple[Base, Edition] | None:
    """The earlier image that a tag or a digest means, and the base that it was; `editions` gives those of a variant."""
    if not wanted.tag and not wanted.digits:
        return None
    named = (base for base in bases if wanted.image in ("", base.image))
    return next(((base, each) for base in named for each in editions(base.variant) if is_edition(wanted, each)), None)


def as_base(base: Base, edition: Edition) -> Base:
    """An earlier image of a base, of which an edition is all that is known: neither its layers nor its uv, and of its
    Python no more than the minor version (see `is_partial`)."""
    packages = tuple(OfferedPackage(name=name, version=each) for name, each in sorted(edition.packages.items()))
    platforms = tuple(
        OfferedPlatform(
            platform=each.platform,
            digest="",
            python=base.offer.python,
            packages=packages,
            places=(-1,) * len(packages),
        )
        for each in base.offer.platforms
    )
    return replace(
        base,
        tags=tuple(tag for tag in (edition.dated, edition.content) if tag) or base.tags,
        digest=edition.digest,
        time=edition.time,
        dated=edition.dated,
        content=edition.content,
        offer=replace(base.offer, uv="", contract=0, created="", indexes={}, platforms=platforms),
        yanked=edition.yanked,
        instead=edition.instead,
    )


def is_partial(base: Base) -> bool:
    """Whether only what an edition says is known of a base: see `as_base`."""
    return not any(each.digest for each in base.offer.platforms)


def no_such_base(listing: Listing, text: str) -> UnknownBaseError:
    """What to raise for a text that means nothing, with the names that are nearest to it."""
    from difflib import get_close_matches

    names = {base.name: base for base in listing.bases}
    short = take_apart(text, {base.place for base in listing.bases})
    alike = get_close_matches(short.image, {base.image for base in listing.bases}, n=1)
    image = [name for name, base in names.items() if base.image in alike]
    asked = f"{short.image}:{short.tag}" if short.tag else short.image or text
    near = image or get_close_matches(asked, names, n=_MOST_NAMES, cutoff=0.5)
    return UnknownBaseError(
        f"{listing.source} has no base {text}",
        next_step=f"nearest are {_listed(near)}" if near else "`warmbase list` shows what there is",
    )


def nothing_published(source: str) -> ListingError:
    """What to raise where there is no base at all."""
    return ListingError(
        f"nothing is published at {source}",
        next_step="see whether the place is right; `warmbase publish` publishes there",
    )


def _means(wanted: Wanted, base: Base) -> bool:
    if wanted.image not in ("", base.image) or not (wanted.image or wanted.digits):
        return False
    if wanted.digits:
        digests = (base.digest, *(each.digest for each in base.offer.platforms))
        return any(map(wanted.is_digest, digests))
    return not wanted.tag or wanted.tag in _tags(base)


def _tags(base: Base) -> tuple[str, ...]:
    return (*base.tags, base.dated, base.content)


def _listed(names: Iterable[str]) -> str:
    found = list(names)
    more = len(found) - _MOST_NAMES
    return ", ".join(found[:_MOST_NAMES]) + (f" and {more} more" if more > 0 else "")
