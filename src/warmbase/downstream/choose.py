"""The choice of a base for a project: an order of all that can be used, and why the others cannot. Pure.

Only a base that has the project's platform, a Python that it admits and a file for each package can win; one that was
yanked or is past its end of life never does. Of the others the better one is, in this order:

1. the one that costs less: what it leaves to download, for every build of the child pays for that, in time and in its
   layer; 20 MB more where that is anything at all, for such a build asks an index, and fails where there is no network;
   and a fiftieth of what it carries and the project does not need, for that is pulled once where many build. So a hit
   more is worth something, a base that leaves nothing loses only where it carries some gigabyte for nothing, and two
   gigabytes more are not worth a few kilobytes less of many;
2. the one with fewer packages missing, then with more hits that are the very files of the lock, which serve an own
   `.venv` too, then with more at the lock's version;
3. the one that carries less that is not needed;
4. the newer Python, then the foundation that has the short tag, for it is the one that the image names first, then the
   smaller image, then what was published later, then the name: so that the order is total.

Sizes in 1 and 3 are compared roughly (`roughly`), in steps of 128 KiB or 12 to 25 %, before the 20 MB are added: the
files of a package for two Pythons differ by a little, and that little is no reason. A hit more lowers 1 and improves 2,
whatever it adds to the image: it never makes a base worse.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import NamedTuple

from warmbase.downstream.demand import Sizes
from warmbase.downstream.lifetimes import ending, is_past
from warmbase.downstream.listing import Base
from warmbase.downstream.match import Match, Matcher, Miss, nearest_image
from warmbase.downstream.prediction import predict_layer
from warmbase.downstream.projects.model import Project
from warmbase.downstream.words import count, join_words
from warmbase.oci.sizes import in_bytes

Predict = Callable[[Project, Match], int]

NAMED = 3
"""How many packages a sentence names before it counts the others."""
_NEAR = 2
_BUILDS = 50
"""How many builds on a machine a pulled base is taken to serve."""
_NETWORK = 20_000_000
"""The bytes that the need of a network is taken to cost a build."""
_FINE = 17  # bits: 128 KiB
_DIGITS = 3  # binary ones


@dataclass(frozen=True, kw_only=True, slots=True)
class NearMiss:
    """A base that was not chosen, and why, in words that follow its name. `is_barred` where it cannot be used."""

    match: Match
    why: str
    is_barred: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Choice:
    """The bases that a project can use on a platform, the best first, and why it is the best; those that it cannot,
    the nearest first; and what is worth saying of the ones that were not chosen."""

    project: Project
    platform: str
    ranked: tuple[Match, ...]
    reason: str
    barred: tuple[NearMiss, ...]
    near: tuple[NearMiss, ...]

    @property
    def best(self) -> Match | None:
        """The base to take, None where there is none."""
        return self.ranked[0] if self.ranked else None


def rank(
    project: Project, bases: Sequence[Base], platform: str, today: date, *, predict: Predict = predict_layer
) -> Choice:
    """Compare a project with all bases on an OCI platform, as of a day."""
    matcher = Matcher(project, known_sizes(bases, platform))
    usable: list[Match] = []
    barred: list[NearMiss] = []
    for base in bases:
        found = matcher.match(base, platform)
        if why := found.obstacle or bar(base, today):
            barred.append(NearMiss(match=found, why=why, is_barred=True))
        else:
            usable.append(replace(found, layer=predict(project, found)))
    ranked = tuple(sorted(usable, key=standing))
    barred.sort(key=lambda each: (bool(bar(each.match.base, today)), standing(each.match)))
    return Choice(
        project=project,
        platform=platform,
        ranked=ranked,
        reason=_reason(ranked),
        barred=tuple(barred),
        near=(*_near_usable(project, ranked), *_near_barred(each for each in barred if each.match.hits or not ranked)),
    )


def known_sizes(bases: Iterable[Base], platform: str) -> Sizes:
    """The bytes of packages' files as bases on a platform have them, or else on another one."""
    sizes: defaultdict[str, dict[str, int]] = defaultdict(dict)
    for base in sorted(bases, key=lambda each: each.offer.platform(platform) is not None):
        offered = nearest_image(base, platform)
        for package in offered.packages if offered else ():
            if package.size:
                sizes[package.name][package.version] = package.size
    return sizes


def bar(base: Base, today: date) -> str:
    """Why nobody should take a base, in words that follow its name; "" where nothing is said against it."""
    if base.yanked:
        return f"is yanked: {base.yanked}" + (f"; take {base.instead}" if base.instead else "")
    return f"is {ending(base, today)}" if is_past(base, today) else ""


def roughly(size: int) -> int:
    """A size to compare by: in steps of 128 KiB, and of these the first three binary digits."""
    shift = max(_FINE, size.bit_length() - _DIGITS)
    return size >> shift << shift


class Standing(NamedTuple):
    """What bases are ordered by, the smallest first; see this module's order. Where more is better it is negative."""

    cost: int
    misses: int
    files: int
    versions: int
    unneeded: int
    python: tuple[int, ...]
    tags: int
    size: int
    time: float
    name: str


def standing(found: Match) -> Standing:
    """The place of a match in the order."""
    fits = [hit.fit for hit in found.hits]
    offered = found.base.offer.platform(found.platform)
    return Standing(
        cost=roughly(found.left + unneeded_bytes(found) // _BUILDS) + (_NETWORK if needs_network(found) else 0),
        misses=len(found.misses),
        files=-fits.count("file"),
        versions=-fits.count("version"),
        unneeded=roughly(unneeded_bytes(found)),
        python=tuple(-int(part) for part in found.base.offer.python.split(".") if part.isdecimal()),
        tags=-len(found.base.tags),
        size=offered.size if offered else 0,
        time=-moment_of(found.base),
        name=found.base.variant,
    )


def moment_of(base: Base) -> float:
    """When a base was published, as a number to sort by; 0 where what it says is no time."""
    try:
        return datetime.fromisoformat(base.time).timestamp()
    except ValueError:
        return 0.0


def unneeded_bytes(found: Match) -> int:
    """The bytes of the files that a base has and the project does not need."""
    return sum(package.size for package in found.unneeded)


def needs_network(found: Match) -> bool:
    """Whether a build downloads anything."""
    return any(miss.need.source != "path" for miss in found.misses)


def by_weight(project: Project, misses: Iterable[Miss]) -> list[Miss]:
    """What is missing, what the project itself names first, then the largest."""
    return sorted(misses, key=lambda miss: (miss.need.name not in project.direct, -miss.size, miss.need.name))


def spell_left(found: Match) -> str:
    """What is left to download: "nothing", "2 packages (1.2 MB)", "(≥ 1.2 MB)" or "(size unknown)" where sizes are not
    all known."""
    if not found.misses:
        return "nothing"
    return f"{count(len(found.misses), 'package')} ({spell_left_bytes(found)})"


def spell_left_bytes(found: Match) -> str:
    """The bytes that are left to download, as far as they are known."""
    if is_left_known(found):
        return in_bytes(found.left)
    return f"≥ {in_bytes(found.left)}" if found.left else "size unknown"


def is_left_known(found: Match) -> bool:
    """Whether the size of all that a base does not serve is known."""
    return all(miss.size or miss.need.source == "path" for miss in found.misses)


def _reason(ranked: Sequence[Match]) -> str:
    """Why the first is the first, by what parts it from the second."""
    if len(ranked) < 2:
        return "it is the only one that can be used" if ranked else ""
    best, other = ranked[0], ranked[1]
    name, decisive = f"`{other.base.name}`", _decisive(best, other)
    if decisive in ("cost", "misses"):
        return f"of {len(ranked)} that can be used, it {_describe_cost(ranked, name)}"
    alike = [each for each in ranked if standing(each)[:2] == standing(best)[:2]]
    little = "as little" if all(each.left == best.left for each in alike) else "about as little"
    words = {
        "files": "most of them hit as the lock has them",
        "versions": "most of them hit at the very version",
        "unneeded": f"it carries least that is not needed: {_unneeded(best)}, and {name} {_unneeded(other)}",
        "python": "it has the newest Python",
        "tags": f"it is on the foundation that {best.base.image} names first",
        "size": "it is the smallest",
        "time": "it was published last",
        "name": "its name comes first",
    }
    return f"of {len(alike)} that leave {little if best.misses else 'nothing'} to download, {words[decisive]}"


def _describe_cost(ranked: Sequence[Match], name: str) -> str:
    """Why the first costs less than the second, with the numbers of both; nothing is said that a third belies."""
    best, other = ranked[0], ranked[1]
    mine, others = spell_left(best), spell_left(other)
    if mine == others and unneeded_bytes(best) <= unneeded_bytes(other):
        little = "as little" if best.left == other.left else "about as little"
        less = f"carries less that is not needed: {_unneeded(best)}, not {_unneeded(other)}"
        return f"leaves {little} to download as {name}, and {less}"
    if _leaves_no_more(best, other) and mine != others:
        least = "least to download" if all(_leaves_no_more(best, each) for each in ranked) else "less to download"
        return f"leaves {least}: {mine}, and {name} {others}"
    return (
        f"costs least: it leaves {mine} to download and carries {_unneeded(best)} that is not needed, and {name} leaves"
        f" {others} and carries {_unneeded(other)}"
    )


def _leaves_no_more(one: Match, other: Match) -> bool:
    return one.left <= other.left and len(one.misses) <= len(other.misses)


def _unneeded(found: Match) -> str:
    return in_bytes(unneeded_bytes(found))


def _decisive(best: Match, other: Match) -> str:
    """The name of the first thing in which two differ."""
    one, two = standing(best), standing(other)
    return next((name for name in Standing._fields if getattr(one, name) != getattr(two, name)), "name")


def _near_usable(project: Project, ranked: Sequence[Match]) -> list[NearMiss]:
    """The nearest few of other images than the best's."""
    near: dict[str, NearMiss] = {}
    for each in ranked:
        if each.base.image != ranked[0].base.image and len(near) < _NEAR:
            why = _describe_difference(project, each, ranked[0])
            near.setdefault(each.base.image, NearMiss(match=each, why=why))
    return list(near.values())


def _near_barred(barred: Iterable[NearMiss]) -> list[NearMiss]:
    """The nearest few, each for a reason of its own."""
    near: dict[str, NearMiss] = {}
    for each in barred:
        near.setdefault(each.why, each)
    return list(near.values())[:_NEAR]


def _describe_difference(project: Project, other: Match, best: Match) -> str:
    """What is worse with another base, in words that follow its name."""
    lost = by_weight(project, _lost(other, best))
    more = unneeded_bytes(other) - unneeded_bytes(best)
    match _decisive(best, other):
        case "cost" | "misses" if lost:
            return _describe_lack(lost)
        case "cost" | "misses" if len(other.misses) < len(best.misses) and more > 0:
            has = f"{len(other.hits)} of {len(other.hits) + len(other.misses)}" if other.misses else "all"
            return f"has {has}, and carries {in_bytes(more)} more that is not needed"
        case "cost" | "misses" | "unneeded":
            return f"carries {in_bytes(more)} more that is not needed" if more > 0 else f"leaves {spell_left(other)}"
        case "files":
            return "has fewer of the very files of the lock"
        case "versions":
            return "has fewer at the very version"
        case "python":
            return f"has the older Python {other.base.offer.python}"
        case "tags":
            return f"is not on the foundation that {other.base.image} names first"
        case "size":
            return "is larger"
        case "time":
            return "was published earlier"
        case _:
            return "serves as well"


def _lost(other: Match, best: Match) -> list[Miss]:
    """What the best has and another one has not."""
    hit = {each.need.name for each in best.hits}
    return [miss for miss in other.misses if miss.need.name in hit]


def _describe_lack(lost: Sequence[Miss]) -> str:
    absent = [miss.need.name for miss in lost if not miss.has]
    differing = [f"{miss.need.name} {miss.has}" for miss in lost if miss.has]
    if not absent:
        return f"has {join_words(differing, most=NAMED)} instead"
    also = f", and has other versions of {count(len(differing), 'package')}" if differing else ""
    return f"lacks {join_words(absent, most=NAMED)}{also}"
