"""A night's work: what was found, what is done about it, and what is known afterwards.

A variant is locked, built, verified and published before the next one is begun: whatever ends a night early, what was
published by then stays, and the next night has the rest before it. One that fails is left as it was, and stops none but
those that are `from` it. Many machines may do the same night's work: each begins with its own part, then takes what
nobody has claimed, and what two of them do twice comes to the same.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import closing, suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from warmbase.catalog.model import Variant
from warmbase.catalog.parents import lineage
from warmbase.errors import LockError, RegistryError, StoreError, WarmbaseError
from warmbase.events import Warned
from warmbase.foundation.pins import FoundationPin
from warmbase.lock.resolve import Resolver
from warmbase.nightly.attempt import Attempt, Materials, Stages
from warmbase.nightly.backoff import record_failure
from warmbase.nightly.baking import bake, takes_dockerfile
from warmbase.nightly.decide import mark_taken, own_reasons
from warmbase.nightly.known import Basis
from warmbase.nightly.messages import as_kept
from warmbase.nightly.model import (
    Broken,
    Decision,
    FoundationKey,
    Night,
    NightSummary,
    Status,
    VariantResult,
    VariantState,
)
from warmbase.nightly.queue import Queue
from warmbase.nightly.record import keep_state, read_state, save_state, write_state
from warmbase.nightly.release import give_away
from warmbase.nightly.setting import Job
from warmbase.nightly.state import KnownPin, time_after
from warmbase.nightly.survey import look_around
from warmbase.publish.journal import format_time

_DONE = ("refreshed", "fresh", "held")


def untouched(decision: Decision, known: VariantState | None) -> VariantResult:
    """The result of a variant with which nothing was done; what is stale is left, unless nothing could come of it."""
    digest = known.digest if known else ""
    undone: Status = "failed" if decision.error and not decision.reasons else "left"
    return VariantResult(
        variant=decision.variant,
        status=undone if decision.verdict == "stale" else decision.verdict,
        reasons=decision.reasons,
        held=decision.held,
        before=digest,
        digest=digest,
        failure=known.failure if known and decision.verdict in ("stale", "waiting") else None,
        error=str(decision.error or ""),
    )


class Work:
    """One night's work on a job. Making it looks around and decides; `state` is what is known by now, `notes` what
    people should know beside the results.

    Raises RegistryError where the place does not answer.
    """

    def __init__(self, job: Job) -> None:
        self._job = job
        self.began: datetime = job.clock()
        self.notes: list[str] = []
        self._requests_before = self._requests_of_registry()
        self._received_before = self._received()
        self._before = read_state(job.place, job.folders.nights, self._warn)
        self.state = self._before
        self._found = look_around(job, self._before, self.began)
        self._known = self._found.known
        self._results: dict[str, VariantResult] = {}
        self._bases: dict[str, Basis] = {}
        self._pins = dict(self._found.pins)
        self._resolver: Resolver | None = None
        self._unmade: dict[tuple[str, str], WarmbaseError] = {}
        self._is_down = False
        self._asked_again: Mapping[str, int] = {}
        self._settle()

    @property
    def decisions(self) -> tuple[Decision, ...]:
        """What is done about each variant."""
        return self._found.decisions

    def do_all(self) -> None:
        """Take one stale variant after the other, as long as there is time."""
        decisions = {decision.variant: decision for decision in self.decisions}
        queue = Queue(self._job, decisions, self._known, self._results, self._is_over)
        if not self._is_over():
            self._bake(queue.own)
        with closing(queue.take()) as variants:
            for variant in variants:
                decision = decisions[variant.name]
                if self._is_over():
                    self._results[variant.name] = untouched(decision, self._known.states.get(variant.name))
                elif what := self._on_what_is_there(variant, decisions):
                    self._do(variant, what)
                else:
                    self._wait(variant, decision)
        for name, why in queue.left.items():
            result = untouched(decisions[name], self._known.states.get(name))
            self._results[name] = replace(result, status="left", error=why)
        if any(result.status == "refreshed" for result in self._results.values()) and not self._is_over():
            self._look_again()

    def keep(self) -> None:
        """Keep what is known for the next night; where nothing changed, on this machine alone."""
        self.state = replace(self.state, nights=(*self.state.nights, self._summary()))
        self._save()

    def keep_for_others(self) -> None:
        """Keep what is known of variants that others will not look at, as they are not stale; without any such news,
        what the surveys read, on this machine alone."""
        if self.state.variants != self._before.variants:
            self._save()
        else:
            self.keep_memory()

    def keep_memory(self) -> None:
        """Keep on this machine what the surveys read, and nothing that a night would have decided."""
        memory = replace(self._before, index=self.state.index, archives=self.state.archives)
        unsent = memory != self._before or memory.unsent
        keep_state(self._job.place, self._job.folders.nights, replace(memory, unsent=unsent))

    def _save(self) -> None:
        job = self._job
        self.state = save_state(job.place, job.folders.nights, self._before, self.state, job.clock(), self._warn)

    def night(self) -> Night:
        """The whole night. Of what is stale it has what this machine has done, or would have with more time."""
        return Night(
            began=format_time(self.began),
            ended=format_time(self._job.clock()),
            mode=self._job.mode,
            place=str(self._job.place),
            results=self._all_results(),
            before=self._before.nights,
            requests=self.requests(),
            received=self._received() - self._received_before,
            notes=tuple(self.notes),
        )

    def requests(self) -> dict[str, int]:
        """What was asked so far, of whom."""
        asked = Counter(self._found.requests) + Counter(self._asked_again)
        return {**self._found.requests, **asked, "registry": self._requests_of_registry() - self._requests_before}

    def _look_again(self) -> None:
        """Remember what the next night would have to find out first, of foundations that are new and packages that are
        not to be taken: if nothing happens until then it has nothing to tell other machines."""
        try:
            found = look_around(self._job, self.state, self._job.clock())
        except Exception as error:  # whatever it is: the night's work is done, and its report is still to come
            self._warn(f"what the next night has to find out first is not known yet: {error}")
            return
        self.state = replace(self.state, index=found.index, archives=found.archives)
        self._asked_again = found.requests

    def _is_over(self) -> bool:
        limit = self._job.max_seconds
        return self._is_down or (limit is not None and (self._job.clock() - self.began).total_seconds() >= limit)

    def _on_what_is_there(self, variant: Variant, decisions: Mapping[str, Decision]) -> Decision | None:
        """What is done about a variant on what is there of the image that it is from; None where it has to wait.

        Where that one did not come to be its published image serves for what else there is to do, as long as that is
        what the catalog says of it.
        """
        decision, parent = decisions[variant.name], variant.parent
        above = self._results.get(parent)
        if not parent or (above and above.status in _DONE):
            return decision
        if above is None:
            waits = decisions[parent].verdict == "waiting" and not self._known.is_current(parent)
            return None if waits else decision
        own = own_reasons(decision, decisions[parent])
        serves = above.status == "failed" and self._known.is_current(parent)
        return replace(decision, reasons=own) if own and serves else None

    def _wait(self, variant: Variant, decision: Decision) -> None:
        above = self._results.get(variant.parent)
        result = untouched(decision, self._known.states.get(variant.name))
        if above is None or above.status != "left":
            said = f"{variant.parent}, which it is from, {'failed' if above else 'waits after a failure'}"
            result = replace(result, status="waiting", error=said)
        self._results[variant.name] = result

    def _do(self, variant: Variant, decision: Decision) -> None:
        """Make a variant and give it away; a failure is an outcome too. What costs time to find out is kept at once."""
        stages = Stages()
        try:
            broken = self._make(variant, decision, stages)
        except WarmbaseError as error:
            self._fail(variant, decision, error, stages)
            broken = ()
        except OSError as error:  # the disk is full, say: no reason to give up the other variants
            told = StoreError(
                f"{Path(str(error.filename)).name if error.filename else 'the machine'}: {error.strerror or error}",
                next_step="see that the disk and /dev/shm have room and can be written",
            )
            self._fail(variant, decision, told, stages)
            broken = ()
        if (broken or self._results[variant.name].status == "failed") and (decision.reasons or not decision.error):
            self._keep_meanwhile()

    def _bake(self, variants: Iterable[Variant]) -> None:
        """Build Dockerfiles that variants take, and that nobody has tried yet."""
        untried = [one for one in variants if (one.foundation.name, one.python) not in self._unmade]
        decisions = {decision.variant: decision for decision in self.decisions}
        baked = bake(self._job, untried, decisions, self._pins)
        self._learn_pins(baked.pins)
        self._unmade |= baked.unmade

    def _make(self, variant: Variant, decision: Decision, stages: Stages) -> tuple[Broken, ...]:
        """Returns what broke it and was left."""
        self._bake([variant])
        takes = takes_dockerfile(variant, decision)
        unmade = self._unmade.get((variant.foundation.name, variant.python)) if takes else None
        if error := unmade or (None if decision.reasons else decision.error):
            raise error
        if decision.error:
            self._warn(f"what else was new was taken in spite of this: {as_kept(decision.error.message, self._job)}")
        self._resolver = self._resolver or replace(self._job.tools.resolver(), fresh=self._found.moved)
        known = self._known.states.get(variant.name)
        materials = Materials(
            basis=self._known.basis(variant),
            above={one.name: self._basis(one) for one in lineage(variant)[:-1]},
            pins=self._pins,
            facts=self._known.facts[variant.name],
            tool=self._known.tool,
            resolver=self._resolver,
            plant=self._job.tools.plant,
            may_go_on=lambda: not self._is_over(),
            began=self.began,
        )
        with self._job.tools.ground().store.workspace() as folder:
            attempt = Attempt(self._job, variant, decision, materials, folder, stages)
            try:
                made = attempt.make(known.broken if known else ())
            finally:
                self._learn_pins(attempt.pins)
            if made is None:  # time was over
                self._results[variant.name] = untouched(decision, known)
                return ()
            given = give_away(self._job, made, decision, self._known, stages, self.began)
        self._bases[variant.name] = given.basis
        self._results[variant.name] = given.result
        self._learn(variant.name, given.state)
        return made.broken

    def _fail(self, variant: Variant, decision: Decision, error: WarmbaseError, stages: Stages) -> None:
        known = self._known.states.get(variant.name) or VariantState(time="")
        result = untouched(decision, known)
        if isinstance(error, RegistryError) and not self._known.answers(variant):
            self._is_down = True
            self._results[variant.name] = replace(result, status="left")
            self._warn(f"{self._job.place} no longer answers; what is not done yet is left: {error.message}")
            return
        message, next_step = (as_kept(text, self._job) for text in (error.message, error.next_step))
        failure = record_failure(
            known.failure, attempt=decision.attempt, message=message, now=self._job.clock(), next_step=next_step
        )
        told = str(WarmbaseError(message, next_step=next_step))
        self._results[variant.name] = replace(
            result, status="failed", failure=failure, error=told, stages=dict(stages.seconds)
        )
        self._learn(variant.name, replace(known, failure=failure))
        self._warn(f"failed: {message}", variant.name)

    def _keep_meanwhile(self) -> None:
        """Keep what is known so far: nobody has to find it out again, however this night ends."""
        with suppress(RegistryError):  # the end of the night tells
            self.state = write_state(self._job.place, self._job.folders.nights, self.state, self._job.clock())

    def _basis(self, variant: Variant) -> Basis:
        """What the image that another one is from is made from by now. Raises LockError where there is none."""
        stale = {decision.variant for decision in self.decisions if decision.verdict == "stale"}
        if variant.name not in self._bases:
            elsewhere = variant.name in stale and variant.name not in self._results
            found = self._known.read_anew(variant) if elsewhere else self._known.basis(variant)
            if found is None:
                raise LockError(
                    f"nothing is published of {variant.name}, which others are from",
                    next_step=f"run `warmbase nightly {variant.name}`",
                )
            self._bases[variant.name] = found
        return self._bases[variant.name]

    def _settle(self) -> None:
        """Remember what the surveys found, and what that means for all that is not stale."""
        self.state = replace(self.state, index=self._found.index, archives=self._found.archives)
        self._learn_pins({})
        for note in self._found.notes:
            self._warn(note)
        variants = {variant.name: variant for variant in self._job.variants}
        for decision in self.decisions:
            known = self._known.states.get(decision.variant)
            if known is None or decision.verdict == "stale":
                if known:
                    self._learn(decision.variant, known)
                continue
            if decision.verdict != "waiting":
                taken = mark_taken(variants[decision.variant], known, decision.taken, self.began)
                known = replace(known, failure=None, taken=taken)
            self._learn(decision.variant, replace(known, held=decision.held))

    def _learn(self, name: str, known: VariantState) -> None:
        """Remember a variant's state, under a new time if anything is new. A night of the mode "commit" says nothing of
        what is published."""
        before = self.state.variants.get(name) or VariantState(time="")
        if self._job.mode == "commit":
            known = replace(
                before, taken=known.taken, broken=known.broken, held=known.held, failure=known.failure,
                seconds=known.seconds,
            )  # fmt: skip
        if replace(known, time=before.time) != before:
            new = replace(known, time=time_after(before.time, self._job.clock()))
            self.state = replace(self.state, variants={**self.state.variants, name: new})

    def _learn_pins(self, pins: Mapping[FoundationKey, FoundationPin]) -> None:
        """Remember what foundations are that were not known yet."""
        self._pins = {**pins, **self._pins}
        if self._job.mode == "commit":  # the pins beside the catalog count
            return
        known = self.state.pins
        new = {
            key: KnownPin(time=time_after(known[key].time if key in known else "", self.began), pin=pin)
            for key, pin in self._pins.items()
            if key not in known or known[key].pin != pin
        }
        if new:
            self.state = replace(self.state, pins={**known, **new})

    def _all_results(self) -> tuple[VariantResult, ...]:
        rest = {
            decision.variant: untouched(decision, self._known.states.get(decision.variant))
            for decision in self.decisions
            if decision.verdict != "stale" or self._job.shard is None
        }
        found = rest | self._results
        return tuple(found[variant.name] for variant in self._job.variants if variant.name in found)

    def _summary(self) -> NightSummary:
        results = self._all_results()
        return NightSummary(
            began=format_time(self.began),
            counts=dict(Counter(result.status for result in results)),
            sent=sum(result.sent for result in results),
            seconds=(self._job.clock() - self.began).total_seconds(),
            variants=len(self._job.variants),
        )

    def _requests_of_registry(self) -> int:
        traffic = self._job.tools.traffic().get(self._job.place.registry.host)
        return sum(traffic.requests.values()) if traffic else 0

    def _received(self) -> int:
        return sum(traffic.received for traffic in self._job.tools.traffic().values())

    def _warn(self, message: str, subject: str = "nightly") -> None:
        if subject == "nightly":
            self.notes += [message] if message not in self.notes else []
        self._job.report(Warned(subject=subject, message=message))
