"""Which part of a run's work is this machine's, by what each variant is likely to cost. Pure.

All machines of a run have to come to the same parts without a word to each other, whenever each of them begins. So
these depend on nothing but the catalog and what the journal said at a time that is the same for all of them: the last
Saturday noon (`cut_offs`). A machine that begins soon after it cannot know whether others began before it, and went by
the week before: it does its part by either. What is done twice comes to the same; nothing is in nobody's part.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from statistics import median

from warmbase.catalog.model import Variant
from warmbase.catalog.parents import lineage
from warmbase.errors import SelectionError

LONGEST = timedelta(hours=12)
"""How long after the first machine of a run the last one begins, at most."""

_EDGE = datetime(2026, 1, 3, 12, tzinfo=UTC)  # a Saturday: few runs begin then, and none at night
_WEEK = timedelta(weeks=1)

_FORM = re.compile(r"(\d{1,5})/(\d{1,5})")
_LEAST = 1.0  # seconds: looking at a variant costs something too


@dataclass(frozen=True, kw_only=True, slots=True)
class Shard:
    """The `index`-th of `count` parts, counted from 1. Raises SelectionError for a part that there is not."""

    index: int
    count: int

    def __post_init__(self) -> None:
        if not 1 <= self.index <= self.count:
            raise SelectionError(f"there is no part {self}", next_step="parts are counted from 1: 1/5 to 5/5")

    @classmethod
    def parse(cls, text: str) -> "Shard":
        """Read "2/5". Raises SelectionError."""
        match = _FORM.fullmatch(text.strip())
        if not match:
            raise SelectionError(f"{text!r} is no part of the work", next_step="write INDEX/COUNT, e.g. 2/5")
        return cls(index=int(match[1]), count=int(match[2]))

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"


def find_shard(text: str, environment: Mapping[str, str]) -> Shard | None:
    """The part that `text` ("I/N") says, or else the environment: GitLab's CI_NODE_INDEX of CI_NODE_TOTAL, Kubernetes'
    JOB_COMPLETION_INDEX (from 0) of WARMBASE_SHARDS. None for the whole. Raises SelectionError."""
    if text:
        return Shard.parse(text)
    index, total = environment.get("CI_NODE_INDEX", ""), environment.get("CI_NODE_TOTAL", "")
    if index and total:
        return Shard.parse(f"{index}/{total}")
    completion = environment.get("JOB_COMPLETION_INDEX", "")
    if not completion:
        return None
    count = environment.get("WARMBASE_SHARDS", "")
    if not (completion.isdecimal() and count):
        raise SelectionError(
            f"JOB_COMPLETION_INDEX is {completion!r}, and WARMBASE_SHARDS {count!r}",
            next_step="set WARMBASE_SHARDS to the Job's `completions`, or say --shard INDEX/COUNT",
        )
    return Shard.parse(f"{int(completion) + 1}/{count}")


def split_by_cost(
    variants: Sequence[Variant], costs: Mapping[str, float], count: int
) -> tuple[tuple[Variant, ...], ...]:
    """`count` parts of about the same cost, each in the order of `variants`; some may be empty.

    The costliest comes first, and each to the part that has the least. An image stays with the one that it is made
    from. `costs` are by the variants' full names.
    """
    families: dict[str, list[Variant]] = {}
    for variant in variants:
        families.setdefault(_ancestor(variant), []).append(variant)
    weights = {name: sum(costs[variant.name] for variant in own) for name, own in families.items()}
    loads, parts = [0.0] * count, {}
    for name in sorted(families, key=lambda name: (-weights[name], name)):
        part = min(range(count), key=lambda number: (loads[number], number))
        loads[part] += weights[name]
        parts[name] = part
    return tuple(
        tuple(variant for variant in variants if parts[_ancestor(variant)] == number) for number in range(count)
    )


def estimate_costs(variants: Sequence[Variant], seconds: Mapping[str, float]) -> dict[str, float]:
    """What each variant is likely to cost, in seconds: what it took last; where that is not known, as much as the same
    image's others take, or all images."""
    known = {name: max(took, _LEAST) for name, took in seconds.items() if took > 0}
    overall = median(known.values()) if known else _LEAST
    images: dict[str, list[float]] = {}
    for variant in variants:
        if variant.name in known:
            images.setdefault(variant.image, []).append(known[variant.name])
    return {v.name: known.get(v.name) or median(images.get(v.image, [overall])) for v in variants}


def cut_offs(now: datetime) -> tuple[datetime, ...]:
    """The times of which a machine that begins now asks what builds took before: one, or two where some machine of the
    same run may have begun before the newer of them."""
    newest = now - (now - _EDGE) % _WEEK
    return (newest,) if now - newest >= LONGEST else (newest, newest - _WEEK)


def own_part(variants: Sequence[Variant], costs: Mapping[str, float], shard: Shard) -> tuple[Variant, ...]:
    """What of `variants` is this shard's, in their order."""
    return split_by_cost(variants, costs, shard.count)[shard.index - 1]


def part_of_any(variants: Sequence[Variant], views: Iterable[Mapping[str, float]], shard: Shard) -> tuple[Variant, ...]:
    """What of `variants` is this shard's by any of `views`, which are what each variant took, as somebody sees it."""
    names = {
        variant.name for seconds in views for variant in own_part(variants, estimate_costs(variants, seconds), shard)
    }
    return tuple(variant for variant in variants if variant.name in names)


def _ancestor(variant: Variant) -> str:
    return lineage(variant)[0].name
