"""What foundations are today: the survey of a night.

Each foundation is looked at once for a platform and a Python, whoever stands on it, and one that fails stops no other.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from warmbase.catalog.model import Catalog
from warmbase.effects.process import Processes, run_process
from warmbase.foundation.groundwork import Groundwork
from warmbase.foundation.pins import FoundationPin
from warmbase.nightly.archives import ArchiveMemory
from warmbase.nightly.model import FoundationKey, FoundationNews


@dataclass(frozen=True, kw_only=True, slots=True)
class FoundationTools:
    """What a survey of foundations needs: what foundations are made with, and what starts programs."""

    ground: Callable[[], Groundwork]
    processes: Processes = run_process


@dataclass(frozen=True, kw_only=True, slots=True)
class FoundationSurvey:
    """The news of each foundation that was asked for, what to remember, and how many requests it took."""

    news: Mapping[FoundationKey, FoundationNews] = field(default_factory=dict, hash=False)
    memory: ArchiveMemory = field(default_factory=ArchiveMemory)
    requests: int = 0


def survey_foundations(
    catalog: Catalog,
    wanted: Collection[FoundationKey],
    known: Mapping[FoundationKey, FoundationPin],
    memory: ArchiveMemory,
    tools: FoundationTools,
    now: datetime,
) -> FoundationSurvey:
    """Look at each of `wanted`; `known` are their pins of the last time, and reasons say what differs from those.

    Nothing is downloaded of what is as it was. Errors are values, in the news of the foundation that has them.
    """
    raise NotImplementedError
