"""Which wheels get a layer of their own, which share a pool, and in which order the layers lie. Pure.

A fixed size threshold would give too many layers for big stacks, so the N largest wheels stay alone (30 cover
87 % of the bytes of 259) and the others are pooled by group, the package set that brings them: images that
share a set share its pool.

Where two wheels bring the same path, the later one in the input wins, because its layer lies higher. Each
wheel has a rank: 0, or one more than the highest rank of the earlier wheels that it overlaps. Layers lie in
the order of ranks and a pool holds one rank only, so an overlapping pair is never in one pool nor the wrong
way round. Within a rank the single wheels come first: a nightly bump mostly moves small packages, and the
layers above a changed one have to be unpacked again. A pool's members are in the order of their recipes, so
that it is the same pool wherever the same wheels meet.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from warmbase.errors import OverlapError

LAYER_BUDGET = 36
"""How many layers the wheels take at most, so that children have room for their own."""

CHILD_BUDGET = 12
"""The same of an image that is from another, above that one's layers."""

_LEAST = 4
_MOST = 120  # layers in all: of 125, which is as many as Docker mounts over each other (moby, `layer.maxLayerDepth`)
_ALWAYS = 2  # uv's layer and the last one


@dataclass(frozen=True, kw_only=True, slots=True)
class SizedWheel:
    """A wheel to place: the recipe of its layer, group, size in bytes, and paths without the directories."""

    recipe: str
    group: str
    size: int
    paths: frozenset[str]


@dataclass(frozen=True, kw_only=True, slots=True)
class PlannedLayer:
    """A layer of an image: one wheel's own, or the pool of several (their recipes, in order)."""

    members: tuple[str, ...]
    size: int


@dataclass(frozen=True, kw_only=True, slots=True)
class _Part:
    """Wheels that will lie in one layer, given by their positions in the input."""

    rank: int
    group: int
    wheels: tuple[int, ...]
    size: int


def layer_budget(below: int, most: int = LAYER_BUDGET) -> int:
    """How many layers the wheels may take, `most` or fewer, on `below` layers of a foundation and of other wheels."""
    return max(_LEAST, min(most, _MOST - _ALWAYS - below))


def plan_layers(
    wheels: Sequence[SizedWheel], *, budget: int = LAYER_BUDGET, alone: int = 30, floor: int = 1 << 20
) -> tuple[PlannedLayer, ...]:
    """The layers of an image, the lowest first, at most `budget` of them.

    The `alone` largest wheels of at least `floor` bytes get their own layer, fewer if the pools need the
    room. The same wheels in the same order give the same plan. Raises OverlapError if the overlaps between
    the wheels need more layers than `budget`.
    """
    ranks = _rank(wheels)
    groups = {group: position for position, group in enumerate(dict.fromkeys(wheel.group for wheel in wheels))}
    by_size = sorted(range(len(wheels)), key=lambda one: (-wheels[one].size, wheels[one].recipe))
    chosen = [one for one in by_size if wheels[one].size >= floor][: min(alone, budget)]
    while True:
        pooled = set(range(len(wheels))).difference(chosen)
        needed = len({ranks[one] for one in pooled})
        if len(chosen) + needed <= budget:
            break
        if not chosen:
            raise OverlapError(
                f"the wheels overlap in {needed} ranks, but there may be only {budget} layers",
                next_step="remove packages that bring the same files from the image",
            )
        chosen.pop()
    pools = _pool(wheels, ranks, groups, sorted(pooled), budget - len(chosen))
    singles = [
        _Part(rank=ranks[one], group=groups[wheels[one].group], wheels=(one,), size=wheels[one].size) for one in chosen
    ]
    parts = [(part, False) for part in singles] + [(part, True) for part in pools]
    parts.sort(key=lambda item: (item[0].rank, item[1], item[0].group, -item[0].size, item[0].wheels))
    return tuple(
        PlannedLayer(members=tuple(sorted(wheels[one].recipe for one in part.wheels)), size=part.size)
        for part, _ in parts
    )


def _rank(wheels: Sequence[SizedWheel]) -> list[int]:
    ranks: list[int] = []
    highest: dict[str, int] = {}  # path -> rank of the last wheel so far that has it
    for wheel in wheels:
        rank = max((highest[path] + 1 for path in wheel.paths if path in highest), default=0)
        ranks.append(rank)
        highest.update(dict.fromkeys(wheel.paths, rank))
    return ranks


def _pool(
    wheels: Sequence[SizedWheel],
    ranks: Sequence[int],
    groups: dict[str, int],
    pooled: Sequence[int],
    most: int,
) -> list[_Part]:
    """A pool for each group of each rank; the smallest two of a rank are merged while there are too many."""
    members: dict[tuple[int, int], list[int]] = {}
    for one in pooled:
        members.setdefault((ranks[one], groups[wheels[one].group]), []).append(one)
    pools = [
        _Part(rank=rank, group=group, wheels=tuple(ones), size=sum(wheels[one].size for one in ones))
        for (rank, group), ones in members.items()
    ]
    while len(pools) > most:
        pools.sort(key=lambda pool: (pool.size, pool.wheels))
        first, second = _smallest_pair(pools)
        pools = [pool for pool in pools if pool is not first and pool is not second]
        pools.append(
            _Part(
                rank=first.rank,
                group=min(first.group, second.group),
                wheels=tuple(sorted(first.wheels + second.wheels)),
                size=first.size + second.size,
            )
        )
    return pools


def _smallest_pair(pools: Sequence[_Part]) -> tuple[_Part, _Part]:
    pairs = []
    for rank in {pool.rank for pool in pools}:
        of_rank = [pool for pool in pools if pool.rank == rank]
        if len(of_rank) > 1:
            pairs.append((of_rank[0], of_rank[1]))
    return min(pairs, key=lambda pair: (pair[0].size + pair[1].size, pair[0].rank))
