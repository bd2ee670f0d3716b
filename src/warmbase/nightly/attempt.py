"""One variant of a night, up to a verified image: from what it was made from to a new lock, and from that to a build.

Everything happens in a scratch folder of locks and pins, so that nothing that was is lost, whatever becomes of it.
Where a verification fails, and packages moved, the ones to blame are found by building with only some of them moved;
the others are kept.
"""

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from warmbase.catalog.model import Catalog, Variant
from warmbase.catalog.parents import lineage
from warmbase.errors import LockError, OverlapError, VerificationError, WarmbaseError
from warmbase.events import Ended, Event
from warmbase.foundation.pins import FoundationPin
from warmbase.lock.files import read_lock, write_lock, write_pins
from warmbase.lock.model import Lock
from warmbase.lock.resolve import Resolver, Upgrade
from warmbase.lock.restraint import restrain
from warmbase.lock.stage import lock_variants, read_all_pins
from warmbase.nightly.bisect import find_culprits
from warmbase.nightly.changes import changed, lock_moves
from warmbase.nightly.facts import own_keys
from warmbase.nightly.known import Basis
from warmbase.nightly.model import Broken, Decision, FoundationKey
from warmbase.nightly.setting import Job
from warmbase.plan import plan_builds
from warmbase.publish.baseline import Pins
from warmbase.publish.journal import format_time
from warmbase.publish.model import PublishableVariant

if TYPE_CHECKING:
    from warmbase.pipeline import Outcome, Site

_BREAKS = (VerificationError, OverlapError)
"""What a package's new version may be to blame for."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Made:
    """A verified variant, and what it was made from; `catalog` has its locks in the scratch folder, and `layout` its
    blobs. `broken` are the packages that had to be left as they were."""

    publishable: PublishableVariant
    lock: Lock
    pins: Pins
    catalog: Catalog
    layout: Path
    broken: tuple[Broken, ...] = ()


@dataclass(slots=True)
class Stages:
    """How long each stage took, in seconds."""

    seconds: dict[str, float] = field(default_factory=dict)

    def add(self, stage: str, seconds: float) -> None:
        """Add to what a stage took."""
        self.seconds[stage] = self.seconds.get(stage, 0.0) + seconds

    def hear(self, event: Event) -> None:
        """Add what an event says; locking and publishing are measured as a whole."""
        if isinstance(event, Ended) and event.stage not in ("lock", "publish"):
            self.add(event.stage, event.seconds)

    @contextmanager
    def measure(self, stage: str) -> Iterator[None]:
        """Add the time that passes."""
        begun = time.monotonic()
        try:
            yield
        finally:
            self.add(stage, time.monotonic() - begun)


@dataclass(frozen=True, kw_only=True, slots=True)
class Materials:
    """What an attempt begins with: the variant's own basis and those of all that it is from, by name, and the pins of
    today. Cooldowns and pins of the catalog count as of the time at which the night `began`. `may_go_on` says whether
    there is time for another trial of a bisection."""

    basis: Basis | None
    above: Mapping[str, Basis]
    pins: Mapping[FoundationKey, FoundationPin]
    resolver: Resolver
    site: "Callable[[], Site]"
    may_go_on: Callable[[], bool]
    began: datetime


class Attempt:
    """Takes one stale variant to a verified image, in the empty folder `work`. Raises WarmbaseError."""

    def __init__(
        self, job: Job, variant: Variant, decision: Decision, materials: Materials, work: Path, stages: Stages
    ) -> None:
        self._job = job
        self._variant = variant
        self._decision = decision
        self._materials = materials
        self._work = work
        self._stages = stages
        self._trials = 0
        self.pins: dict[FoundationKey, FoundationPin] = {}
        """What its foundation was pinned to, also where nothing came of it."""

    def make(self, broken: Sequence[Broken] = ()) -> Made:
        """The verified image; `broken` are packages that are known not to work."""
        try:
            return self._try(self._movable(), broken)
        except _BREAKS as error:
            found = self._bisect(error, broken)
            if found is None:
                raise
            return found

    def _movable(self) -> tuple[str, ...]:
        """The packages whose versions may move."""
        basis, decision = self._materials.basis, self._decision
        if basis is None or not decision.takes_packages:
            return decision.moving
        return tuple(package.name for package in basis.lock.packages)

    def _try(self, moving: Collection[str], broken: Sequence[Broken]) -> Made:
        """Lock with `moving` free to move, build and verify."""
        self._trials += 1
        work = self._work / str(self._trials)
        catalog = self._job.at(work / "locks")
        self._lay_out(catalog)
        lock = self._lock(catalog, moving, broken)
        return self._build(catalog, lock, work / "layout")

    def _lay_out(self, catalog: Catalog) -> None:
        """Write what is known of locks and pins into the scratch folder of `catalog`."""
        basis, above = self._materials.basis, self._materials.above
        for one in lineage(self._variant)[:-1]:
            write_lock(catalog, one, above[one.name].lock)
        if basis:
            write_lock(catalog, self._variant, basis.lock)
        pins = dict(basis.pins) if basis else {}
        today = {key: self._materials.pins[key] for key in own_keys(self._variant) if key in self._materials.pins}
        if self._variant.parent:
            pins |= above[self._variant.parent].pins
        elif basis is None or self._decision.takes_foundation:
            pins |= today
        for foundation in catalog.foundations:
            own = {key[1:]: pin for key, pin in pins.items() if key[0] == foundation.name}
            if own:
                write_pins(catalog, foundation, own)

    def _lock(self, catalog: Catalog, moving: Collection[str], broken: Sequence[Broken]) -> Lock:
        job, variant, basis = self._job, self._variant, self._materials.basis
        unknown = any(key not in self._materials.pins for key in own_keys(variant))
        not_taken = [(each.package, each.version) for each in broken]
        upgrade = Upgrade(
            foundations=self._decision.takes_foundation and unknown and not variant.parent,
            packages=tuple(moving),
            restraint=restrain(variant, self._materials.began, basis.lock if basis else None, not_taken),
        )
        with self._stages.measure("lock"):
            results = lock_variants(
                catalog,
                [variant],
                resolver=lambda: self._materials.resolver,
                ground=job.tools.ground,
                upgrade=upgrade,
                report=job.report,
                native=job.tools.native,
                clock=job.clock,
            )
        self.pins = {key: pin for key, pin in read_all_pins(catalog).items() if key in own_keys(variant)}
        error = next((result.error for result in results if result.error), None)
        lock = read_lock(catalog, variant)
        if error or lock is None:
            raise error or LockError(f"{variant.name} has no lock", next_step=f"run `warmbase lock {variant.name}`")
        return lock

    def _build(self, catalog: Catalog, lock: Lock, layout: Path) -> Made:
        from warmbase import pipeline

        tools, begun = self._job.tools, time.monotonic()
        pins = read_all_pins(catalog)
        above = {name: basis.lock for name, basis in self._materials.above.items()}
        plan = plan_builds(
            [self._variant],
            (),
            {**above, self._variant.name: lock},
            pins,
            tools.existing(catalog),
            native=tools.native,
            foundations=catalog.foundations,
        )
        outcomes = pipeline.build(plan, catalog, layout, self._heard(self._materials.site()))
        return Made(
            publishable=_publishable(self._variant, outcomes, time.monotonic() - begun),
            lock=lock,
            pins=pins,
            catalog=catalog,
            layout=layout,
        )

    def _heard(self, site: "Site") -> "Site":
        def hear(event: Event) -> None:
            self._stages.hear(event)
            self._job.report(event)

        return replace(site, report=hear)

    def _bisect(self, error: WarmbaseError, broken: Sequence[Broken]) -> Made | None:
        """The image without the packages to blame for `error`; None where none are."""
        basis = self._materials.basis
        lock = read_lock(self._job.at(self._work / str(self._trials) / "locks"), self._variant)
        if basis is None or lock is None:
            return None
        inherited = {name for one in self._materials.above.values() for name in one.lock.versions()}
        moved = [name for name in changed(lock_moves(basis.lock, lock)) if name not in inherited]
        said: dict[frozenset[str], str] = {}

        def works(names: frozenset[str]) -> bool | None:
            if not self._materials.may_go_on():
                raise error
            try:
                self._try(names, broken)
            except _BREAKS as failed:
                said[names] = _first_finding(failed)
                return False
            except LockError:
                return None
            return True

        if not moved or not works(frozenset()):
            return None
        found = find_culprits(moved, works)
        if not found.culprits:
            return None
        since, versions = format_time(self._job.clock()), lock.versions()
        why = {name: next((text for names, text in said.items() if name in names), "") for name in found.culprits}
        blamed = tuple(
            Broken(package=name, version=versions[name], why=why[name] or _first_finding(error), since=since)
            for name in found.culprits
        )
        made = self._try(found.kept, (*broken, *blamed))
        return replace(made, broken=blamed)


def _publishable(variant: Variant, outcomes: "Sequence[Outcome]", seconds: float) -> PublishableVariant:
    error = next((outcome.error for outcome in outcomes if outcome.error), None)
    if error:
        raise error
    images = [(outcome.step, outcome.verified) for outcome in outcomes if outcome.verified]
    ordered = tuple(sorted(images, key=lambda pair: pair[0].platform))
    return PublishableVariant(variant=variant, images=ordered, seconds=seconds)


def _first_finding(error: WarmbaseError) -> str:
    """What failed, in a line."""
    lines = [line.strip() for line in error.message.splitlines() if line.strip()]
    return " ".join(lines[1:3]) if len(lines) > 1 else lines[0]
