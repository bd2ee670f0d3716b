"""Claims: what a worker is at, so that others begin with something else. Never needed for correctness.

A claim is a tag in a repository of its own, so that one listing tells all of them:

    <variant, as in the journal>-<when it ends, YYYYMMDDThhmmssZ>-<12 digits of the claim>[-over]

Nothing is ever changed: who is done adds the tag that ends in `-over`, as not every registry deletes tags. Where two
claim a variant at once, the claim that ends first was first. A worker that is lost keeps its claim until it ends.
`warmbase gc` deletes what has ended.
"""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import timedelta

from warmbase.effects.registry.records import write_record
from warmbase.errors import RegistryError
from warmbase.oci.digests import Json
from warmbase.oci.records import Record, record_manifest
from warmbase.publish.journal import format_time, front
from warmbase.publish.model import CLAIMS, Place
from warmbase.publish.release import Clock
from warmbase.publish.stamps import Stamp

KIND = "claim"
FORMAT = 1

LASTS = timedelta(hours=2)
"""How long a claim counts: a worker that is lost by then leaves its variant to the others."""

_OVER = "-over"


class Claims:
    """The claims at a place, as the worker named `worker` (any text that no other one has) sees them.

    No method raises: where the registry does not answer, nobody has claimed anything.
    """

    def __init__(self, place: Place, worker: str, clock: Clock, *, lasts: timedelta = LASTS) -> None:
        self._registry = place.registry
        self._repository = place.repository(CLAIMS)
        self._worker = worker
        self._clock = clock
        self._lasts = lasts
        self._own: dict[str, tuple[Stamp, Record]] = {}

    def others(self, variants: Iterable[str]) -> frozenset[str]:
        """Those of `variants`, by full name, that other workers have claimed; one request for all."""
        own = {str(stamp) for stamp, _ in self._own.values()}
        claimed = {stamp.front for stamp in self._valid() if str(stamp) not in own}
        return frozenset(variant for variant in variants if front(variant) in claimed)

    def take(self, variant: str) -> bool:
        """Claim a variant; False where another worker was there first."""
        ends = self._clock() + self._lasts
        document: Json = {"format": FORMAT, "variant": variant, "worker": self._worker, "until": format_time(ends)}
        record = record_manifest(KIND, document)
        stamp = Stamp.make(front(variant), ends, record.digest[7:])
        self._own[variant] = (stamp, record)
        with suppress(RegistryError):
            write_record(self._registry, self._repository, record, str(stamp))
        rivals = [each for each in self._valid() if each.front == stamp.front]
        first = min([*rivals, stamp], key=lambda each: (each.time, each.digits))
        if first != stamp:
            self.release(variant)
        return first == stamp

    def release(self, variant: str) -> None:
        """Give up this worker's claim, if it has one: it is done, or failed."""
        claim = self._own.pop(variant, None)
        if claim:
            stamp, record = claim
            with suppress(RegistryError):
                write_record(self._registry, self._repository, record, f"{stamp}{_OVER}")

    def _valid(self) -> Iterator[Stamp]:
        """The claims that count now."""
        try:
            tags = set(self._registry.tags(self._repository))
        except RegistryError:
            return
        now = self._clock()
        for stamp in map(Stamp.parse, tags):
            if stamp and stamp.moment > now and f"{stamp}{_OVER}" not in tags:
                yield stamp
