"""The nightly job: state → surveys → decisions → what is stale, one variant after the other → state and report."""

from dataclasses import dataclass, field

from warmbase.nightly.model import Decision, Night
from warmbase.nightly.setting import Job
from warmbase.nightly.state import State


@dataclass(frozen=True, kw_only=True, slots=True)
class NightPlan:
    """What a night would do: the decisions in the order of the job's variants, the state that they come from with what
    the surveys found, and what was asked for them."""

    began: str
    decisions: tuple[Decision, ...]
    state: State
    requests: dict[str, int] = field(default_factory=dict, hash=False)

    @property
    def stale(self) -> tuple[Decision, ...]:
        """The decisions to do something."""
        return tuple(decision for decision in self.decisions if decision.verdict == "stale")


def plan_night(job: Job) -> NightPlan:
    """Look at what there is and decide; nothing is written. Raises RegistryError where the place does not answer."""
    raise NotImplementedError


def show_plan(job: Job, plan: NightPlan) -> Night:
    """A plan as a night in which nothing was done, for reports."""
    raise NotImplementedError


def run_night(job: Job) -> Night:
    """Do a night's work. What is published by the time of an interruption stays, and the next night goes on from it.

    A variant that fails stops no other. Raises RegistryError before anything is done where the place does not answer.
    """
    raise NotImplementedError
