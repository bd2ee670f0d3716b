"""The nightly job: state → surveys → decisions → what is stale, one variant after the other → state and report."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from warmbase.errors import WarmbaseError
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
    return _plan(work)


def open_night(job: Job) -> NightPlan:
    """Plan a night that other machines are to do, each with some of what is stale.

    What is known of the rest now, such as when each axis was last up to date, is kept for them at the place: nobody
    else looks at it that night. Raises RegistryError where the place does not answer.
    """
    work = Work(job)
    work.keep_for_others()
    return _plan(work)


def _plan(work: Work) -> NightPlan:
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


def run_night(job: Job, tell: Callable[[Night], object] = lambda _: None) -> Night:
    """Do a night's work. What is published by the time of an interruption stays, and the next night goes on from it.

    A variant that fails stops no other. `tell` gets the night when it ends, also where something ended it early: a note
    says what. Raises RegistryError before anything is done where the place does not answer.
    """
    work = Work(job)
    try:
        work.do_all()
    except BaseException as error:
        work.notes += ended_early(error)
        raise
    finally:
        try:
            work.keep()
        finally:
            night = work.night()
            tell(night)
    return night


def night_without_results(
    error: BaseException, mode: Literal["publish", "commit", "plan"], began: datetime, ended: datetime, place: str = ""
) -> Night:
    """A night that could not begin, for reports."""
    return Night(
        began=format_time(began), ended=format_time(ended), mode=mode, place=place, results=(), notes=ended_early(error)
    )


def ended_early(error: BaseException) -> tuple[str, ...]:
    """What ended a night, in notes of a line each, and what to do about it."""
    if isinstance(error, KeyboardInterrupt):
        return ("The night was interrupted: what is not done is left for the next run, which goes on from here.",)
    if not isinstance(error, WarmbaseError):
        return (f"The night was ended by an error: {type(error).__name__}.",)
    return (
        f"The night could not go on: {' '.join(error.message.split())}",
        *([f"Next: {error.next_step}"] if error.next_step else []),
    )
