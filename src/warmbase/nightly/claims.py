"""Claims: what a worker is at, so that others begin with something else. Never needed for correctness."""

from collections.abc import Iterable
from datetime import timedelta

from warmbase.publish.model import Place
from warmbase.publish.release import Clock

LASTS = timedelta(hours=2)
"""How long a claim counts: a worker that is lost by then leaves its variant to the others."""


class Claims:
    """The claims at a place, as the worker named `worker` (any text that no other one has) sees them.

    No method raises: where the registry does not answer, nobody has claimed anything.
    """

    def __init__(self, place: Place, worker: str, clock: Clock, *, lasts: timedelta = LASTS) -> None:
        self._place = place
        self._worker = worker
        self._clock = clock
        self._lasts = lasts

    def others(self, variants: Iterable[str]) -> frozenset[str]:
        """Those of `variants`, by full name, that other workers have claimed; one request for all."""
        raise NotImplementedError

    def take(self, variant: str) -> bool:
        """Claim a variant; False where another worker was there first."""
        raise NotImplementedError

    def release(self, variant: str) -> None:
        """Give up this worker's claim: it is done, or failed."""
        raise NotImplementedError
