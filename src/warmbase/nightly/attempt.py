"""One variant of a night, up to a verified image: from what it was made from to a new lock, and from that to a build.

Everything happens in a scratch folder of locks and pins, so that nothing that was is lost, whatever becomes of it.
Where a verification fails, and packages moved, the ones to blame are found by building with only some of them moved;
the others are kept. An image that is `from` another has the packages of that one, and cannot be made without them: what
of them is new is told with its failure.
"""

import shutil
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from warmbase.catalog.model import Catalog, Variant
from warmbase.catalog.parents import lineage
from warmbase.errors import LockError, VerificationError
from warmbase.events import Ended, Event
from warmbase.foundation.pins import FoundationPin
from warmbase.lock.files import lock_fits, read_lock, write_lock, write_pins
from warmbase.lock.model import Lock
from warmbase.lock.resolve import Resolver, Upgrade
from warmbase.lock.restraint import restrain
from warmbase.lock.stage import lock_variants, pin_foundations, read_all_pins
from warmbase.nightly.blame import BREAKS, Refusal, Salvage, salvage
from warmbase.nightly.changes import changed, lock_moves
from warmbase.nightly.decide import trial_key
from warmbase.nightly.facts import fingerprint_of_pins, own_keys, own_pins
from warmbase.nightly.known import Basis
from warmbase.nightly.messages import as_kept
from warmbase.nightly.model import Broken, Decision, FoundationKey, Move
from warmbase.nightly.setting import Job
from warmbase.plan import plan_builds
from warmbase.publish.baseline import Pins
from warmbase.publish.journal import format_time
from warmbase.publish.model import PublishableVariant

if TYPE_CHECKING:
    from warmbase.pipeline import Outcome, Plant


@dataclass(frozen=True, kw_only=True, slots=True)
class Made:
    """A verified variant, and what it was made from; `catalog` has its locks in the scratch folder, and `layout` its
    blobs. `broken` are the packages that had to be left as they were, `untried` the new versions of
    those that were left because it is not known yet which of them have to be."""

    publishable: PublishableVariant
    lock: Lock
    pins: Pins
    catalog: Catalog
    layout: Path
    broken: tuple[Broken, ...] = ()
    untried: Mapping[str, str] = field(default_factory=dict)


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
    today. `facts` and `tool` are as in `VariantState`, of today. Cooldowns and pins count as of the time at which the
    night `began`. `may_go_on` says whether there is time for another trial."""

    basis: Basis | None
    above: Mapping[str, Basis]
    pins: Mapping[FoundationKey, FoundationPin]
    facts: str
    tool: Mapping[str, str]
    resolver: Resolver
    plant: "Callable[[], Plant]"
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
        self._lock_made: Lock | None = None
        self.pins: dict[FoundationKey, FoundationPin] = {}
        """What its foundation was pinned to, also where nothing came of it."""

    def make(self, broken: Sequence[Broken] = ()) -> Made | None:
        """The verified image; `broken` are packages that are known not to work. None where it did not work, and time
        was over before anything did."""
        try:
            return self._try(self._movable(), broken)
        except BREAKS as error:
            made = self._lock_made
            if made is None or self._materials.basis is None:
                raise
            try:
                return self._salvage(error, made, broken)
            except BREAKS as failed:
                raise self._tell(failed, made) from failed

    def _movable(self) -> tuple[str, ...]:
        """The packages whose versions may move."""
        basis, decision = self._materials.basis, self._decision
        if basis is None or not decision.takes_packages:
            return decision.moving
        return tuple(package.name for package in basis.lock.packages)

    def _try(self, moving: Collection[str], broken: Sequence[Broken]) -> Made:
        """Lock with `moving` free to move, build and verify."""
        with self._folder() as work:
            catalog = self._job.at(work / "locks")
            self._lay_out(catalog)
            self._lock_made = self._lock(catalog, moving, broken)
            return self._build(catalog, self._lock_made, work / "layout")

    @contextmanager
    def _folder(self) -> Iterator[Path]:
        """A folder for a trial, removed where that fails. Of the images that work only the last is wanted."""
        before, self._trials = self._trials, self._trials + 1
        work = self._work / str(self._trials)
        try:
            yield work
        except BREAKS:
            shutil.rmtree(work, ignore_errors=True)
            raise
        for number in range(1, before + 1):
            shutil.rmtree(self._work / str(number), ignore_errors=True)

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
        tools = job.tools
        with self._stages.measure("lock"):
            if basis and not moving and self._stays(basis, catalog, upgrade):
                return basis.lock
            results = lock_variants(
                catalog,
                [variant],
                resolver=lambda: self._materials.resolver,
                ground=tools.ground,
                upgrade=upgrade,
                report=job.report,
                native=tools.native,
                clock=job.clock,
            )
        self._read_pins(catalog)
        error = next((result.error for result in results if result.error), None)
        lock = read_lock(catalog, variant)
        if error or lock is None:
            raise error or LockError(f"{variant.name} has no lock", next_step=f"run `warmbase lock {variant.name}`")
        return lock

    def _stays(self, basis: Basis, catalog: Catalog, upgrade: Upgrade) -> bool:
        """Whether the lock is to be as it was, in a night in which an index may not answer: nobody is asked then but
        for the foundation, which is pinned as `upgrade` says. Raises FoundationError."""
        if not self._decision.error or not lock_fits(catalog, self._variant, basis.lock):
            return False
        ground, native = self._job.tools.ground, self._job.tools.native
        failed = pin_foundations(
            catalog, [self._variant], ground=ground, upgrade=upgrade, report=self._job.report, native=native
        )
        if failed:
            raise next(iter(failed.values()))
        self._read_pins(catalog)
        before = own_pins(self._variant, basis.pins)  # wheels are chosen by the C library
        return all(pin is not None and self.pins[key].libc == pin.libc for key, pin in before.items())

    def _read_pins(self, catalog: Catalog) -> None:
        own = own_keys(self._variant)
        self.pins = {key: pin for key, pin in read_all_pins(catalog).items() if key in own}

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
        outcomes = pipeline.build(plan, catalog, layout, self._heard(self._materials.plant()))
        return Made(
            publishable=_publishable(self._variant, outcomes, time.monotonic() - begun),
            lock=lock,
            pins=pins,
            catalog=catalog,
            layout=layout,
        )

    def _heard(self, plant: "Plant") -> "Plant":
        def hear(event: Event) -> None:
            self._stages.hear(event)
            self._job.report(event)

        return replace(plant, report=hear)

    def _salvage(self, error: Refusal, lock: Lock, broken: Sequence[Broken]) -> Made | None:
        """The best image where that of `lock` was refused. Raises a refusal where no package of its own is to blame."""
        moved = changed(self._moves(lock, inherited=False))
        if not moved:
            raise error
        found = salvage(moved, lambda names: self._try(names, broken), error, self._materials.may_go_on)
        if found is None:
            return None
        untried = {name: lock.versions()[name] for name in found.untried}
        return replace(found.image, broken=self._blame(found, lock), untried=untried)

    def _blame(self, found: Salvage[Made], lock: Lock) -> tuple[Broken, ...]:
        since, versions = format_time(self._job.clock()), lock.versions()
        pins = fingerprint_of_pins(own_pins(self._variant, self.pins))
        found_with = trial_key(self._materials.facts, self._materials.tool, pins)
        return tuple(
            Broken(
                package=name,
                version=versions[name],
                why=as_kept(_first_finding(said), self._job),
                since=since,
                found_with=found_with,
            )
            for name, said in found.culprits.items()
        )

    def _moves(self, lock: Lock, *, inherited: bool) -> list[Move]:
        """What moved to `lock`, of the packages of what the variant is from or of the others."""
        basis = self._materials.basis
        below = {name for one in self._materials.above.values() for name in one.lock.versions()}
        return [move for move in lock_moves(basis.lock if basis else None, lock) if (move.name in below) is inherited]

    def _tell(self, error: Refusal, lock: Lock) -> Refusal:
        """A refusal, with what is new in what the variant is from."""
        moved = self._moves(lock, inherited=True)
        if not moved:
            return error
        said = ", ".join(f"{move.name} {move.old or '(new)'} → {move.new}" for move in moved)
        return VerificationError(
            f"{error.message}\nnew in {self._variant.parent}, which it is from: {said}", next_step=error.next_step
        )


def _publishable(variant: Variant, outcomes: "Sequence[Outcome]", seconds: float) -> PublishableVariant:
    error = next((outcome.error for outcome in outcomes if outcome.error), None)
    if error:
        raise error
    images = [(outcome.step, outcome.verified) for outcome in outcomes if outcome.verified]
    ordered = tuple(sorted(images, key=lambda pair: pair[0].platform))
    return PublishableVariant(variant=variant, images=ordered, seconds=seconds)


def _first_finding(error: Refusal) -> str:
    """What failed, in a line."""
    lines = [line.strip() for line in error.message.splitlines() if line.strip()]
    return " ".join(lines[1:3]) if len(lines) > 1 else lines[0]
