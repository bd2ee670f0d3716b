"""What happens during a run, said as values. The command line decides how they look."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Started:
    """A stage began for a subject: a variant's name, or a foundation's."""

    subject: str
    stage: str
    detail: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Advanced:
    """`done` of `total` steps of a stage are done; `detail` names the last one."""

    subject: str
    stage: str
    done: int
    total: int
    detail: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Ended:
    """A stage is over, after `seconds`."""

    subject: str
    stage: str
    seconds: float
    detail: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Warned:
    """Something that a person should know and that does not stop the run."""

    subject: str
    message: str


Event = Started | Advanced | Ended | Warned
Report = Callable[[Event], None]
"""Where events go."""


def ignore(_: Event) -> None:
    """Report to nobody."""
