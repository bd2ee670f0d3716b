"""What of a night is to be read first, in the words that all forms of the report share. Pure.

What several variants have in common is said once: a night on which one package moved in a hundred variants is one line.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Generic, TypeVar, get_args

from warmbase.nightly.changes import KINDS
from warmbase.nightly.model import (
    Axis,
    Broken,
    Held,
    HeldBy,
    Move,
    Night,
    NightSummary,
    Reason,
    Status,
    VariantResult,
)
from warmbase.publish.journal import parse_time

AXES: tuple[Axis, ...] = get_args(Axis)
"""What a change comes from, the most urgent first."""

_STATUSES: tuple[tuple[Status, str], ...] = (
    ("failed", "failed"),
    ("refreshed", "refreshed"),
    ("held", "held back"),
    ("waiting", "waiting"),
    ("left", "left for the next run"),
    ("fresh", "fresh"),
)
_CAUSES: tuple[HeldBy, ...] = (
    "rollback", "pin", "conflict", "wheels", "cooldown", "refresh", "broken", "untried", "upstream"
)  # fmt: skip
_FAILED_BEFORE = "failed before"
_MODES = {
    "publish": _STATUSES,
    "commit": tuple((status, "relocked" if status == "refreshed" else word) for status, word in _STATUSES),
    "plan": tuple((status, "stale" if status in ("left", "refreshed") else word) for status, word in _STATUSES),
}

_LONGEST = 240
_LONGEST_LINE = 400
_MOST_LINES = 40
_CAUSE = "cause: "  # as uv has it
_NEXT = "next: "
_NOTABLE = 0.05  # seconds
_DIGEST = re.compile(r"sha256:([0-9a-f]{12})[0-9a-f]{52}")

Item = TypeVar("Item", Reason, Held, Broken, tuple[Move, ...])


@dataclass(frozen=True, kw_only=True, slots=True)
class Shared(Generic[Item]):
    """Something that is said of several variants, in catalog order."""

    item: Item
    variants: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Count:
    """How many variants have a status, and what that is called in the night's mode."""

    status: Status
    word: str
    number: int


def count_statuses(night: Night) -> tuple[Count, ...]:
    """How many variants have each status, what matters most first; statuses that none has are left out."""
    found: dict[str, Count] = {}
    before = len(failing(night)) - len(night.of("failed"))
    for status, word in _MODES[night.mode]:
        known = found.get(word, Count(status=status, word=word, number=0))
        number = len(waiting(night) if status == "waiting" else night.of(status))
        found[word] = replace(known, number=known.number + number)
        if status == "failed":
            found[_FAILED_BEFORE] = Count(status="failed", word=_FAILED_BEFORE, number=before)
    return tuple(count for count in found.values() if count.number)


def status_word(night: Night, result: VariantResult) -> str:
    """What the status of a variant is called."""
    if result.status == "waiting" and result.failure:
        return _FAILED_BEFORE
    return dict(_MODES[night.mode])[result.status]


def headline(night: Night) -> str:
    """The night in one sentence: "12 variants: 1 failed, 4 refreshed (2 for security), 7 fresh"."""
    if not night.results:
        return "No variant was looked at"
    count = len(night.results)
    if len(night.of("fresh")) == count:
        return f"All {count} variants are fresh" if count > 1 else f"{night.results[0].variant} is fresh"
    urgent = sum(any(reason.axis == "security" for reason in result.reasons) for result in taken(night))
    told = [
        f"{each.number} {each.word}{f' ({urgent} for security)' if each.status == 'refreshed' and urgent else ''}"
        for each in count_statuses(night)
    ]
    return f"{count} variant{'s' if count > 1 else ''}: {', '.join(told)}"


def verdict(night: Night) -> str:
    """What matters most of a night, in a few words: "1 of 12 variants fails, 4 refreshed"."""
    count = len(night.results)
    failed, refreshed = len(failing(night)), len(taken(night))
    if not failed and not refreshed:
        return headline(night)
    word = next(each.word for each in count_statuses(night) if each.status == "refreshed") if refreshed else ""
    if not failed:
        return f"{refreshed} of {count} variants {word}"
    return f"{failed} of {count} variants {'fails' if failed == 1 else 'fail'}" + (
        f", {refreshed} {word}" if refreshed else ""
    )


def taken(night: Night) -> tuple[VariantResult, ...]:
    """The variants that were refreshed; of a plan those that are to be."""
    return night.of("refreshed", "left") if night.mode == "plan" else night.of("refreshed")


def failing(night: Night) -> tuple[VariantResult, ...]:
    """What failed tonight, then what failed before and is not tried again yet."""
    return (*night.of("failed"), *(result for result in night.of("waiting") if result.failure))


def after_failures(night: Night) -> str:
    """What becomes of what failed."""
    return {
        "publish": "Their tags stay where they were; the other variants went on.",
        "commit": "Their locks stay as they were; the other variants went on.",
        "plan": "They are not tried as they are; the other variants are.",
    }[night.mode]


def waiting(night: Night) -> tuple[VariantResult, ...]:
    """What waits for another variant."""
    return tuple(result for result in night.of("waiting") if not result.failure)


def shared_reasons(results: Iterable[VariantResult]) -> tuple[Shared[Reason], ...]:
    """Each reason with the variants that have it: by axis, then the most common first."""
    found = _share((result.variant, result.reasons) for result in results)
    return tuple(sorted(found, key=lambda one: (AXES.index(one.item.axis), -len(one.variants), one.item.subject)))


def shared_held(results: Iterable[VariantResult]) -> tuple[Shared[Held], ...]:
    """Each thing that is held back with the variants in which it is; what broke is told by `shared_broken`.

    Causes that people can do something about come first, and of each cause what is about security.
    """
    pairs = [
        (result.variant, [held for held in result.held if (held.subject, held.offered) not in _broken_in(result)])
        for result in results
    ]

    def order(one: Shared[Held]) -> tuple[int, bool, int, str]:
        held = one.item
        return _CAUSES.index(held.by), "security" not in held.detail, -len(one.variants), held.subject

    return tuple(sorted(_share(pairs), key=order))


def shared_broken(results: Iterable[VariantResult]) -> tuple[Shared[Broken], ...]:
    """Each version that broke a verification with the variants in which it did, as it was found first; the newest
    first."""
    results = tuple(results)
    oldest: dict[tuple[str, str], Broken] = {}
    for broken in sorted((one for result in results for one in result.broken), key=lambda one: one.since):
        oldest.setdefault((broken.package, broken.version), broken)
    found = _share((r.variant, [oldest[one.package, one.version] for one in r.broken]) for r in results)
    return tuple(sorted(found, key=lambda one: one.item.since, reverse=True))


def shared_moves(results: Iterable[VariantResult]) -> tuple[Shared[tuple[Move, ...]], ...]:
    """What moved with the variants in which just that did, each kind of package by itself: the system's packages are
    mostly the same in variants that differ in Python's."""
    results = tuple(results)
    found = []
    for kind in KINDS:
        own = [(result.variant, tuple(move for move in result.moves if move.kind == kind)) for result in results]
        found += _share((variant, [moves]) for variant, moves in own if moves)
    return tuple(found)


def name_some(variants: Sequence[str], total: int = 0, most: int = 3) -> str:
    """The variants' names, "all 12" where they are all of `total`; of many only the first are named."""
    if len(variants) == total and total > most:
        return f"all {total}"
    if len(variants) <= most + 1:
        return ", ".join(variants)
    return f"{', '.join(variants[:most])} and {len(variants) - most} more"


def notable_stages(night: Night) -> dict[str, float]:
    """Those of `stage_seconds` that people notice."""
    return {stage: seconds for stage, seconds in stage_seconds(night).items() if seconds >= _NOTABLE}


def stage_seconds(night: Night) -> dict[str, float]:
    """How long each stage took in all variants together, the longest first."""
    total: dict[str, float] = {}
    for result in night.results:
        for stage, seconds in result.stages.items():
            total[stage] = total.get(stage, 0.0) + seconds
    return dict(sorted(total.items(), key=lambda pair: -pair[1]))


def summarize(night: Night) -> NightSummary:
    """The night in numbers."""
    counts = {status: len(night.of(status)) for status, _ in _STATUSES}
    took = (parse_time(night.ended) - parse_time(night.began)).total_seconds()
    sent = sum(result.sent for result in night.results)
    return NightSummary(
        began=night.began,
        counts={name: count for name, count in counts.items() if count},
        sent=sent,
        seconds=took,
        variants=len(night.results),
    )


def in_time(seconds: float) -> str:
    """A duration as people read it: "0.4 s", "48 s", "2 min 5 s", "1 h 12 min"."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min"


def first_line(text: str) -> str:
    """What of a message fits in a table."""
    return next((line.strip() for line in text.splitlines() if line.strip()), "")


def reason_words(reason: Reason) -> str:
    """A reason in words, digests cut short."""
    return _cut(_DIGEST.sub(r"sha256:\1…", str(reason)), _LONGEST)


def why_left(result: VariantResult) -> str:
    """Why a variant is stale, and why nothing was done about it, where it is not time that ran out."""
    words = ", ".join(map(reason_words, result.reasons))
    return f"{words} ({why_failed(result)})" if result.error else words


def why_failed(result: VariantResult) -> str:
    """Why a variant fails, in one line: what it says first, and the cause, where it names one."""
    said = result.error or (result.failure.message if result.failure else "")
    lines = [line.strip() for line in said.splitlines() if line.strip() and not line.strip().startswith(_NEXT)]
    cause = next((line.removeprefix(_CAUSE) for line in lines if line.startswith(_CAUSE)), "")
    words = ": ".join(line.rstrip(":") for line in [*lines[:1], cause or next(iter(lines[1:]), "")] if line)
    return _cut(words, _LONGEST)


def next_step(result: VariantResult) -> str:
    """What people can do about a variant that fails, "" where nobody said."""
    said = [line.strip().removeprefix(_NEXT) for line in result.error.splitlines() if line.strip().startswith(_NEXT)]
    known = result.failure.next_step if result.failure else ""
    return _cut(" ".join((known or " ".join(said[-1:])).split()), _LONGEST)


def error_lines(text: str) -> tuple[str, ...]:
    """Of what failed as much as people read: the first line, and of many the last."""
    lines = [_cut(line, _LONGEST_LINE) for line in text.strip().splitlines()]
    left = len(lines) - _MOST_LINES
    if left <= 0:
        return tuple(lines)
    return (lines[0], f"… {left} lines are left out here: report.json has all.", *lines[1 + left :])


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[:most]}…"


def _broken_in(result: VariantResult) -> set[tuple[str, str]]:
    return {(broken.package, broken.version) for broken in result.broken}


def _share(pairs: Iterable[tuple[str, Iterable[Item]]]) -> list[Shared[Item]]:
    found: dict[Item, dict[str, None]] = {}
    for variant, items in pairs:
        for item in items:
            found.setdefault(item, {})[variant] = None
    return [Shared(item=item, variants=tuple(variants)) for item, variants in found.items()]
