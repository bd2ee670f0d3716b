"""The nightly job: state → surveys → decisions → what is stale, one variant after the other → state and report."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from warmbase.nightly.model import Decision, Night
from warmbase.nightly.setting import Job
from warmbase.nightly.state import State
from warmbase.nightly.work import Work, untouched
from warmbase.publish.journal import format_time


@dataclass(frozen=True, kw_only=True, slots=True)
class NightPlan:
    """What a night would do: the decisions in the order of the job's variants, the state that they come from, what was
    asked for them, and what could not be told."""

    began: str
    decisions: tuple[Decision, ...]
    state: State
    requests: Mapping[str, int] = field(default_factory=dict, hash=False)
    notes: tuple[str, ...] = ()

    @property
    def stale(self) -> tuple[Decision, ...]:
        """The decisions to do something."""
        return tuple(decision for decision in self.decisions if decision.verdict == "stale")


def plan_night(job: Job) -> NightPlan:
    """Look at what there is and decide; nothing is written but, on this machine, what the surveys read.

    Raises RegistryError where the place does not answer.
    """
    work = Work(job)
    work.keep_memory()
    return NightPlan(
        began=format_time(work.began),
        decisions=work.decisions,
        state=work.state,
        requests=work.requests(),
        notes=tuple(work.notes),
    )


def show_plan(job: Job, plan: NightPlan) -> Night:
    """A plan as a night in which nothing was done, for reports."""
    known = plan.state.variants
    return Night(
        began=plan.began,
        ended=format_time(job.clock()),
        mode="plan",
        place=str(job.place),
        results=tuple(untouched(decision, known.get(decision.variant)) for decision in plan.decisions),
        before=plan.state.nights,
        requests=plan.requests,
        notes=plan.notes,
    )


def run_night(job: Job) -> Night:
    """Do a night's work. What is published by the time of an interruption stays, and the next night goes on from it.

    A variant that fails stops no other. Raises RegistryError before anything is done where the place does not answer.
    """
    work = Work(job)
    try:
        work.do_all()
    finally:
        work.keep()
    return work.night()
