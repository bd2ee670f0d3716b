"""What a night does about a variant, decided from what it is and what the world offers. Pure.

What is newer is a reason on one of the five axes (`nightly.model.Axis`). The catalog's `refresh` says of `security`,
`packages` and `foundation` how often they are taken; what is not due is held, and so is what somebody rolled back from,
until there is something else. A foundation is taken whole: where its security updates are due, so is the rest of its
new pin. An image that is `from` another has the foundation of that one, whatever its own `refresh` says. Of packages a
security update (a release that was yanked) moves alone where the others are not due.

Where an index or a foundation's archive cannot be asked, or packages cannot be resolved, that axis stays as it is, and
what is new on the others is taken; only where there is nothing else, or the catalog wants something else, has the
variant failed.

An attempt is the hash of all that an image would be made of, the same for every machine. The one that failed last is
not tried again before its time (`backoff`), any other is. Of what nothing can be made of only the kind of the reason
counts: finding out again costs nothing, and as soon as there is something to make that is another attempt.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Literal

from warmbase.catalog.model import HowOften, Refresh, Variant
from warmbase.catalog.refresh import is_due, next_due
from warmbase.errors import WarmbaseError
from warmbase.lock.model import hash_inputs
from warmbase.nightly.backoff import is_waiting
from warmbase.nightly.model import Axis, Broken, Decision, Held, HeldBy, PackageNews, Reason, VariantState
from warmbase.publish.journal import format_time, parse_time

_BATCHED: tuple[Literal["security", "packages", "foundation"], ...] = ("security", "packages", "foundation")
_ORDER: tuple[Axis, ...] = ("security", "catalog", "tool", "foundation", "packages")
_FROM = "which it is from, is refreshed"
_SYSTEM = ("security", "security")
"""The axis and the note of an update of the system, which is the foundation's."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Ground:
    """What a variant's foundation is today, on all of its platforms. `pins` is the fingerprint that it would have, ""
    where only making it tells; `reasons` say how that differs from what the variant stands on."""

    pins: str = ""
    reasons: tuple[Reason, ...] = ()
    held: tuple[Held, ...] = ()
    error: WarmbaseError | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Situation:
    """All that a decision about `variant` comes from.

    `known` is what is published of it (None: nothing is); `facts` and `tool` are as in `VariantState`, of today.
    `packages` is what resolving it came to, `versions` are those of the published lock, where anything differs from
    that. `parent` is what was decided about the image that it stands `from`. `strays` says that a rolling tag does not
    name what the journal says: a publication was interrupted, or somebody moved it.
    """

    variant: Variant
    facts: str
    tool: Mapping[str, str]
    packages: PackageNews
    ground: Ground
    known: VariantState | None = None
    versions: Mapping[str, str] = field(default_factory=dict)
    parent: Decision | None = None
    strays: bool = False

    @property
    def error(self) -> WarmbaseError | None:
        """Why it is not known what the variant would be."""
        return self.ground.error or self.packages.error

    @property
    def published(self) -> VariantState | None:
        """What is known of an image that is there; None where nothing but failures is known."""
        return self.known if self.known and self.known.packages else None


def decide(situation: Situation, now: datetime) -> Decision:
    """What a night that began at `now` does about a variant.

    It is `held` where all that is newer waits for its day or was rolled back from. What the resolution itself left
    alone (a cooldown, a conflict) is in `held` of a fresh variant too.
    """
    known, error = situation.published, situation.error
    whole = due_axes(situation.variant.refresh, known, now)
    due = tuple(axis for axis in whole if not (axis == "packages" and situation.packages.error))
    situation = _as_it_was(situation)
    ground, news = situation.ground, situation.packages
    found = () if situation.error else _reasons(situation)
    taken = _choose(found, situation, due) if known else found
    takes_foundation = known is None or any(reason in ground.reasons for reason in taken)
    takes_packages = known is None or "packages" in due
    nothing = error if not taken else None
    attempt = _attempt(situation, takes_packages=takes_packages, takes_foundation=takes_foundation, error=nothing)
    failure = situation.known.failure if situation.known else None
    left = tuple(reason for reason in found if reason not in taken)
    broken = (_remind(held, situation.known) for held in news.held)
    held = (*_stuck(situation), *broken, *ground.held, *_batched(left, situation.variant.refresh, now))
    decision = Decision(
        variant=situation.variant.name,
        verdict="waiting" if is_waiting(failure, attempt=attempt, now=now) else "stale",
        reasons=taken,
        held=held,
        takes_packages=takes_packages,
        takes_foundation=takes_foundation,
        moving=tuple(sorted(news.yanked)) if "security" in due else (),
        attempt=attempt,
        taken=tuple(axis for axis in whole if not error or axis in ("catalog", "tool")),
        error=error,
    )
    if nothing or decision.verdict == "waiting":
        return decision
    if taken and situation.known and attempt in situation.known.refused:
        refused = tuple(_hold(reason, "rollback", "it was rolled back from") for reason in taken)
        return replace(decision, verdict="held", reasons=(), held=(*held, *refused))
    if taken:
        return decision
    return replace(decision, verdict="held" if found else "fresh")


def _as_it_was(situation: Situation) -> Situation:
    """A situation in which nothing is new on an axis that could not be asked, where that can be left."""
    known, ground, news = situation.published, situation.ground, situation.packages
    if known is None or known.facts != situation.facts:
        return situation
    if ground.error:
        ground = Ground(pins=known.pins, held=ground.held)
    if news.error:
        news = PackageNews(fingerprint=known.packages, versions=situation.versions, yanked=news.yanked)
    return replace(situation, ground=ground, packages=news)


def due_axes(refresh: Refresh, known: VariantState | None, now: datetime) -> tuple[Axis, ...]:
    """The axes whose news a night takes; all of them where nothing is published."""
    axes: list[Axis] = ["catalog", "tool"]
    for axis in _BATCHED:
        taken = known.taken.get(axis, "") if known else ""
        if known is None or is_due(_how_often(refresh, axis), taken=parse_time(taken) if taken else None, now=now):
            axes.append(axis)
    return tuple(axes)


def mark_taken(variant: Variant, known: VariantState | None, axes: tuple[Axis, ...], now: datetime) -> dict[str, str]:
    """When each axis was last brought up to date, once `axes` are: said of those alone that are not due every night, so
    that nothing changes in a night on which nothing happens."""
    batched = [axis for axis in _BATCHED if _how_often(variant.refresh, axis) in ("weekly", "monthly")]
    before = known.taken if known else {}
    return {
        axis: format_time(now) if axis in axes else before[axis] for axis in batched if axis in axes or axis in before
    }


def attempt_key(facts: str, tool: Mapping[str, str], packages: str, pins: str) -> str:
    """The hash of all that an image is made of: what catalog and tool say, and the fingerprints of lock and pins."""
    return hash_inputs({"facts": facts, "tool": dict(tool), "packages": packages, "pins": pins})


def trial_key(facts: str, tool: Mapping[str, str], pins: str) -> str:
    """The hash of what a package's version is tried with, beside the other packages (`Broken.found_with`)."""
    return attempt_key(facts, tool, "", pins)


def still_broken(known: VariantState, key: str) -> tuple[Broken, ...]:
    """What of a variant is not to be taken because it broke, where it would be tried with what has the hash `key`."""
    return tuple(each for each in known.broken if each.found_with in ("", key))


def own_reasons(decision: Decision, parent: Decision) -> tuple[Reason, ...]:
    """The reasons to make a variant anew although what it is from stays as it is: those that are not of that one."""
    return tuple(
        reason
        for reason in decision.reasons
        if reason not in parent.reasons and reason.axis != "foundation" and (reason.axis, reason.note) != _SYSTEM
    )


def _how_often(refresh: Refresh, axis: Literal["security", "packages", "foundation"]) -> HowOften:
    match axis:
        case "security":
            return refresh.security
        case "packages":
            return refresh.packages
        case "foundation":
            return refresh.foundation


def _attempt(situation: Situation, *, takes_packages: bool, takes_foundation: bool, error: WarmbaseError | None) -> str:
    known, news = situation.published, situation.packages
    packages = news.fingerprint if takes_packages or known is None else known.packages
    ground = situation.ground
    pins = (ground.pins or " ".join(map(str, ground.reasons))) if takes_foundation or known is None else known.pins
    moving = [] if takes_packages else sorted(news.yanked)
    parent = situation.parent.attempt if situation.parent and situation.parent.verdict == "stale" else ""
    if error or moving or parent:
        packages = " ".join([packages, *moving, parent, type(error).__name__ if error else ""])
    return attempt_key(situation.facts, situation.tool, packages, pins)


def _reasons(situation: Situation) -> tuple[Reason, ...]:
    """All that differs from what is published, the most urgent first."""
    known, ground = situation.published, situation.ground
    if known is None:
        is_old = situation.known is not None and situation.known.digest
        said = "nobody knows what it was made from" if is_old else "nothing is published of it"
        return (Reason(axis="catalog", subject=said),)
    found = [*ground.reasons, *_package_reasons(situation, known), *_tool_reasons(known.tool, situation.tool)]
    if known.facts != situation.facts:
        found.append(Reason(axis="catalog", subject="what the catalog says of it"))
    if situation.strays:
        found.append(Reason(axis="tool", subject="its tags", note="they do not name what the journal says"))
    if situation.parent and situation.parent.verdict == "stale":
        found.append(Reason(axis="foundation", subject=situation.parent.variant, note=_FROM))
    return tuple(sorted(found, key=lambda reason: _ORDER.index(reason.axis)))


def _tool_reasons(before: Mapping[str, str], now: Mapping[str, str]) -> list[Reason]:
    names = sorted(name for name in before.keys() | now.keys() if before.get(name) != now.get(name))
    return [Reason(axis="tool", subject=name, old=before.get(name, ""), new=now.get(name, "")) for name in names]


def _package_reasons(situation: Situation, known: VariantState) -> list[Reason]:
    news, before = situation.packages, situation.versions
    if news.fingerprint == known.packages and not news.yanked:
        return []
    moved = [
        Reason(
            axis="security" if name in news.yanked else "packages",
            subject=name,
            old=before.get(name, ""),
            new=news.versions.get(name, ""),
            note=f"yanked: {news.yanked[name]}".removesuffix(": ") if name in news.yanked else "",
        )
        for name in sorted(before.keys() | news.versions.keys())
        if before.get(name) != news.versions.get(name)
    ]
    if moved or news.fingerprint == known.packages:
        return moved
    return [Reason(axis="packages", subject="files of the same versions")]


def _stuck(situation: Situation) -> Iterator[Held]:
    """What is yanked, and nothing else is admitted instead."""
    for name, why in sorted(situation.packages.yanked.items()):
        version = situation.versions.get(name, "")
        if version == situation.packages.versions.get(name):
            said = f"it is yanked{f' ({why})' if why else ''}, and the catalog admits nothing else"
            yield Held(subject=name, current=version, offered="another version", by="conflict", detail=said)


def _remind(held: Held, known: VariantState | None) -> Held:
    """What is held, and of a release that broke a verification why and since when."""
    for each in known.broken if known else ():
        if held.by == "broken" and (held.subject, held.offered) == (each.package, each.version):
            return replace(held, detail=f"{each.why}, since {each.since[:10]}")
    return held


def _choose(found: tuple[Reason, ...], situation: Situation, due: tuple[Axis, ...]) -> tuple[Reason, ...]:
    """Those of all reasons that are taken. A child stands on what its parent stands on."""
    ground = situation.ground
    whole = bool(situation.variant.parent) or any(reason.axis in due for reason in ground.reasons)
    return tuple(
        reason
        for reason in found
        if (whole if reason in ground.reasons else _is_due(reason, due) or reason.note == _FROM)
    )


def _is_due(reason: Reason, due: tuple[Axis, ...]) -> bool:
    """Whether a reason is taken. A package that was yanked moves with all others too."""
    return reason.axis in due or (reason.axis == "security" and reason.note != _SYSTEM[1] and "packages" in due)


def _batched(left: tuple[Reason, ...], refresh: Refresh, now: datetime) -> tuple[Held, ...]:
    """What waits for its day."""
    held = []
    for reason in left:
        axis = next(axis for axis in _BATCHED if axis == reason.axis)
        every = _how_often(refresh, axis)
        ends = next_due(every, now)
        held.append(_hold(reason, "refresh", f"{axis}: {every}", format_time(ends) if ends else ""))
    return tuple(held)


def _hold(reason: Reason, by: HeldBy, detail: str, until: str = "") -> Held:
    return Held(subject=reason.subject, current=reason.old, offered=reason.new, by=by, detail=detail, until=until)
