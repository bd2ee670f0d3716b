"""Building Dockerfile foundations: all that a run needs in one bake.

A target that fails stops the whole bake; it is then left out, and the rest is built without it. Nothing counts before
it is in the layer store as a whole, so that a bake can be interrupted at any time.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from warmbase.effects.docker.bake import Target
from warmbase.effects.docker.builder import Builder
from warmbase.errors import BuilderError, FoundationError, WarmbaseError
from warmbase.foundation.baked import Baked, BakeKey
from warmbase.foundation.dockerfile import Order, name_targets, take_result, target_of
from warmbase.foundation.groundwork import Groundwork
from warmbase.foundation.pins import DockerfilePin

Advance = Callable[[int, int, str], object]
"""Is told how many of how many steps are done, and the name of the last one that began."""


def bake_foundations(orders: Sequence[Order], ground: Groundwork, *, advance: Advance) -> Baked:
    """Build what is ordered, and take it into the layer store. What fails is a failure of its own order alone."""
    named, failures = _name(orders)
    pins: dict[BakeKey, DockerfilePin] = {}
    with ground.store.workspace() as work:
        targets = {name: target_of(group[0], name, work / name) for name, group in named.items()}
        made, failed = _bake(targets, ground.builder, work, advance)
        for name, error in failed.items():
            failures |= {order.key: _explain(order, error) for order in named[name]}
        for name, metadata in made.items():
            for order in named[name]:
                try:
                    pins[order.key], _ = take_result(order, work / name, metadata, ground)
                except FoundationError as error:
                    failures[order.key] = error
    return Baked(pins=pins, failures=failures)


def _name(orders: Sequence[Order]) -> tuple[dict[str, list[Order]], dict[BakeKey, FoundationError]]:
    """The orders by target, and those whose inputs cannot be read."""
    failures: dict[BakeKey, FoundationError] = {}
    usable = []
    for order in orders:
        try:
            name_targets([order])
            usable.append(order)
        except FoundationError as error:
            failures[order.key] = error
    return name_targets(usable), failures


def _bake(
    targets: Mapping[str, Target], find_builder: Callable[[], Builder], work: Path, advance: Advance
) -> tuple[Mapping[str, Mapping[str, Any]], dict[str, BuilderError]]:
    """The metadata of the targets that could be built, and why the others could not."""
    left, failed = dict(targets), dict[str, BuilderError]()
    while left:
        try:
            made = find_builder().bake(list(left.values()), work, advance=advance)
            return {name: made[name] for name in left}, failed
        except BuilderError as error:
            guilty = [error.target] if error.target in left else list(left)
            failed |= dict.fromkeys(guilty, error)
            left = {name: target for name, target in left.items() if name not in guilty}
    return {}, failed


def _explain(order: Order, error: WarmbaseError) -> FoundationError:
    where = f"foundation {order.foundation.name} for {order.platform}: {order.foundation.dockerfile}"
    return FoundationError(f"{where}: {error.message}", next_step=error.next_step)
