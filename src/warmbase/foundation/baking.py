"""Building Dockerfile foundations: all that a run needs in one bake.

A target that fails stops the whole bake; it is then left out, and the rest is built without it. Nothing counts before
it is in the layer store as a whole, so that a bake can be interrupted at any time.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from warmbase.catalog.model import CatalogFoundation, DockerfileFoundation
from warmbase.effects.docker.bake import Target
from warmbase.effects.docker.builder import Advance, Builder
from warmbase.errors import BuilderError, FoundationError, WarmbaseError
from warmbase.events import Advanced, Ended, Report, Started
from warmbase.foundation.baked import NOTHING_BAKED, Baked, BakeKey
from warmbase.foundation.dockerfile import Order, dockerfile_recipe, name_targets, take_result, target_of
from warmbase.foundation.groundwork import Groundwork
from warmbase.foundation.pins import DockerfilePin, FoundationPin, system_of
from warmbase.foundation.staging import stage_target
from warmbase.layers.codec import Codec

STAGE = "bake"


def bake_missing(
    pinned: Iterable[tuple[CatalogFoundation, FoundationPin, str, str, Codec]], ground: Groundwork, report: Report
) -> Baked:
    """Build, as they are pinned, the Dockerfile foundations among `pinned` whose layers are not in the store.

    A member is a foundation with its pin, the platform, the Python version, and how its layers are compressed.
    """
    orders = {}
    known = ground.store.recipes()
    for foundation, whole, platform, python, codec in pinned:
        pin = system_of(whole)
        if not isinstance(foundation, DockerfileFoundation) or not isinstance(pin, DockerfilePin):
            continue
        if dockerfile_recipe(pin, codec) not in known:
            order = Order(
                foundation=foundation,
                platform=platform,
                python=python,
                codec=codec,
                created=pin.created,
                bases=pin.bases,
                pin=pin,
            )
            orders[order.key, codec] = order
    return bake_foundations(list(orders.values()), ground, report)


def bake_foundations(orders: Sequence[Order], ground: Groundwork, report: Report) -> Baked:
    """Build what is ordered, and take it into the layer store. What fails is a failure of its own order alone."""
    if not orders:
        return NOTHING_BAKED
    begun = time.monotonic()
    subject = ", ".join(dict.fromkeys(order.foundation.name for order in orders))

    def advance(done: int, total: int, step: str) -> None:
        report(Advanced(subject=subject, stage=STAGE, done=done, total=total, detail=step))

    platforms = ", ".join(dict.fromkeys(order.platform for order in orders))
    report(Started(subject=subject, stage=STAGE, detail=f"for {platforms}"))
    baked = _bake_all(orders, ground, advance)
    if not baked.failures:
        report(Ended(subject=subject, stage=STAGE, seconds=time.monotonic() - begun))
    return baked


def _bake_all(orders: Sequence[Order], ground: Groundwork, advance: Advance) -> Baked:
    named, failures = _name(orders)
    pins: dict[BakeKey, DockerfilePin] = {}
    with ground.store.workspace() as work:
        targets, unstaged = _stage(_targets(named, work), named, work / "staged")
        made, failed = _bake(targets, ground.builder, work, advance)
        for name, error in (unstaged | failed).items():
            failures |= {order.key: _explain(order, error) for order in named[name]}
        for name, metadata in made.items():
            for order in named[name]:
                try:
                    pins[order.key], _ = take_result(order, work / name, metadata, ground)
                except FoundationError as error:
                    failures[order.key] = error
    return Baked(pins=pins, failures=failures)


def targets_of(orders: Sequence[Order], output: Path) -> dict[str, Target]:
    """What a builder is asked for, each result to go to a folder of its own in `output`. Raises FoundationError."""
    return _targets(name_targets(orders), output)


def _targets(named: Mapping[str, Sequence[Order]], output: Path) -> dict[str, Target]:
    return {name: target_of(group[0], name, output / name) for name, group in named.items()}


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


def _stage(
    targets: Mapping[str, Target], named: Mapping[str, Sequence[Order]], folder: Path
) -> tuple[dict[str, Target], dict[str, WarmbaseError]]:
    """The targets with copies of what they read, and those whose files cannot be read any more."""
    staged, failed = dict[str, Target](), dict[str, WarmbaseError]()
    for name, target in targets.items():
        try:
            staged[name] = stage_target(target, folder / name, epoch=named[name][0].epoch)
        except OSError as error:
            message = f"{error.filename} cannot be read: {error.strerror}"
            failed[name] = FoundationError(message, next_step="put it back, and see that you may read it")
    return staged, failed


def _bake(
    targets: Mapping[str, Target], find_builder: Callable[[], Builder], work: Path, advance: Advance
) -> tuple[Mapping[str, Mapping[str, Any]], dict[str, WarmbaseError]]:
    """The metadata of the targets that could be built, and why the others could not."""
    left, failed = dict(targets), dict[str, WarmbaseError]()
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
