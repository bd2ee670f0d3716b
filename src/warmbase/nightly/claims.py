"""Claims: what a worker is at, so that others begin with something else. Never needed for correctness.

A claim is a tag in a repository of its own, so that one listing tells all of them:

    <variant, as in the journal>-<when it ends, YYYYMMDDThhmmssZ>-<12 digits of the claim>[-over]

Nothing is ever changed. A claim is short and made anew while the work goes on, so that the variant of a worker that is
lost is soon anybody's. Who is done deletes what it wrote; where the registry does not delete, it adds the tag that ends
in `-over`. Who finds a claim leaves the variant alone; where two wrote one at once, the claim that ends first was
first. Claims that ended long ago are deleted by who comes after, and by `warmbase gc`.
"""

import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import datetime, timedelta

from warmbase.effects.registry.records import write_record
from warmbase.errors import RegistryError
from warmbase.oci.digests import Json
from warmbase.oci.records import Record, record_manifest
from warmbase.publish.journal import format_time, front
from warmbase.publish.model import CLAIMS, Place
from warmbase.publish.release import Clock
from warmbase.publish.retention import plan_claims
from warmbase.publish.stamps import Stamp

KIND = "claim"
FORMAT = 1

LASTS = timedelta(minutes=15)
"""How long a claim counts: a worker that is lost leaves its variant to the others by then."""

_RENEWED = 3  # times while a claim lasts
_FARTHEST = 2  # times as long: a claim that ends later was written by a clock that is wrong, and would count for hours
_SWEPT = 100  # claims of others in one night; the rest is for the next one
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
        self._own: dict[str, list[tuple[Stamp, Record]]] = {}
        self._pulses: dict[str, _Pulse] = {}
        self._can_delete = True

    def others(self, variants: Iterable[str]) -> frozenset[str]:
        """Those of `variants`, by full name, that other workers have claimed; one request for all."""
        claimed = {stamp.front for stamp in self._of_others()}
        return frozenset(variant for variant in variants if front(variant) in claimed)

    def until(self, variant: str) -> datetime | None:
        """When another worker's claim of a variant ends, as long as it is not renewed; None without one."""
        return max((each.moment for each in self._of_others() if each.front == front(variant)), default=None)

    def take(self, variant: str) -> bool:
        """Claim a variant, for as long as it takes; False where another worker was there first."""
        if self.others([variant]):
            return False
        stamp = self._write(variant)
        rivals = [each for each in self._of_others() if each.front == stamp.front]
        if min([*rivals, stamp], key=lambda each: (each.time, each.digits)) != stamp:
            self.release(variant)
            return False
        seconds = self._lasts.total_seconds() / _RENEWED
        self._pulses[variant] = _Pulse(lambda: self._write(variant), seconds)
        return True

    def release(self, variant: str) -> None:
        """Give up this worker's claim, if it has one: it is done, or failed."""
        if pulse := self._pulses.pop(variant, None):
            pulse.stop()
        written = self._own.pop(variant, [])
        if all(self._delete(record.digest) for _, record in written):
            return
        for stamp, record in written:
            if stamp.moment > self._clock():
                with suppress(RegistryError):
                    write_record(self._registry, self._repository, record, f"{stamp}{_OVER}")

    def sweep(self) -> None:
        """Delete claims of anybody's that ended so long ago that no clock is that wrong."""
        for tag in plan_claims(self._tags(), self._clock() - timedelta(days=1))[:_SWEPT]:
            with suppress(RegistryError):
                claim = self._registry.find_manifest(self._repository, tag)
                if claim and not self._delete(claim.digest):
                    return

    def _write(self, variant: str) -> Stamp:
        ends = self._clock() + self._lasts
        document: Json = {"format": FORMAT, "variant": variant, "worker": self._worker, "until": format_time(ends)}
        record = record_manifest(KIND, document)
        stamp = Stamp.make(front(variant), ends, record.digest[7:])
        self._own.setdefault(variant, []).append((stamp, record))
        with suppress(RegistryError):
            write_record(self._registry, self._repository, record, str(stamp))
        return stamp

    def _delete(self, digest: str) -> bool:
        """Delete a claim with all its tags. A registry that refuses once is not asked again."""
        if self._can_delete:
            try:
                self._can_delete = self._registry.delete_manifest(self._repository, digest)
            except RegistryError:
                self._can_delete = False
        return self._can_delete

    def _of_others(self) -> list[Stamp]:
        """The claims that count now, without this worker's own."""
        tags, now = self._tags(), self._clock()
        own = {str(stamp) for written in self._own.values() for stamp, _ in written}
        return [
            stamp
            for stamp in map(Stamp.parse, tags - own)
            if stamp and now < stamp.moment <= now + _FARTHEST * self._lasts and f"{stamp}{_OVER}" not in tags
        ]

    def _tags(self) -> frozenset[str]:
        try:
            return frozenset(self._registry.tags(self._repository))
        except RegistryError:
            return frozenset()


class _Pulse:
    """Does something every so many seconds, until it is stopped or the process ends."""

    def __init__(self, act: Callable[[], object], seconds: float) -> None:
        self._act = act
        self._seconds = seconds
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="claim", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Do it no more, also not at this moment."""
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopped.wait(self._seconds):
            self._act()
