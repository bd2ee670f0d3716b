"""`warmbase nightly`: find what is stale, rebuild it, publish it, and say why."""

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from warmbase.effects.clock import now

if TYPE_CHECKING:
    from warmbase.cli.session import Session
    from warmbase.nightly.setting import Job
    from warmbase.nightly.shards import Shard
    from warmbase.publish.model import Place
    from warmbase.publish.release import Clock

DEFAULT_JOBS = len(os.sched_getaffinity(0))


def make_job(
    session: "Session",
    place: "Place",
    names: Sequence[str] = (),
    *,
    clock: "Clock" = now,
    commit: bool = False,
    max_seconds: float | None = None,
    shard: "Shard | None" = None,
    pull_layers: bool = False,
    share_layers: bool = True,
    jobs: int = DEFAULT_JOBS,
) -> "Job":
    """The night's work on what `names` mean, and on what that is `from`. Raises SelectionError."""
    raise NotImplementedError
