"""What a machine does next, of all that is stale.

The most urgent comes first, as time may run out: what has a security reason, then what nothing was done about for the
longest time, then as the catalog has it; and before each image those that it is from.

Machines that share a night begin with a part each, and then take what nobody is at. An image is taken once all that it
is from is there, whoever made that; what another machine has published since the night began is done. What others were
at is looked at once more at the end: it may be done by then, or its machine lost. The rest is left, and that is told.
"""

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress

from warmbase.catalog.model import Variant
from warmbase.catalog.parents import lineage
from warmbase.errors import RegistryError
from warmbase.nightly.claims import Claims
from warmbase.nightly.known import Known
from warmbase.nightly.model import Decision, VariantResult, VariantState
from warmbase.nightly.setting import Job
from warmbase.nightly.shards import Shard, estimate_costs, own_part
from warmbase.publish.journal import format_time, parse_time
from warmbase.publish.ledger import newest_entries


def by_urgency(
    variants: Iterable[Variant], decisions: Mapping[str, Decision], states: Mapping[str, VariantState]
) -> tuple[Variant, ...]:
    """The stale ones of `variants`, the most urgent first, but none before what it is from. All by full name."""
    stale = {variant.name: variant for variant in variants if decisions[variant.name].verdict == "stale"}

    def urgency(variant: Variant) -> tuple[bool, str]:
        known = states.get(variant.name)
        is_urgent = any(reason.axis == "security" for reason in decisions[variant.name].reasons)
        return not is_urgent, known.time if known else ""

    ordered: dict[str, Variant] = {}
    for variant in sorted(stale.values(), key=urgency):
        ordered |= {one.name: stale[one.name] for one in lineage(variant) if one.name in stale}
    return tuple(ordered.values())


class Queue:
    """The work of one machine on `job`, which began with what was `known`. `results` has what it has done so far; time
    is over where `is_over` says so.

    `own` is the part that it begins with, all without other machines. `left` tells of each variant that other machines
    are at why nothing is done about it here.
    """

    def __init__(
        self,
        job: Job,
        decisions: Mapping[str, Decision],
        known: Known,
        results: Mapping[str, VariantResult],
        is_over: Callable[[], bool],
    ) -> None:
        self._job = job
        self._known = known
        self._results = results
        self._is_over = is_over
        self._stale = by_urgency(job.variants, decisions, known.states)
        self._names = {variant.name for variant in self._stale}
        self._elsewhere: set[str] = set()
        self.own = self._own_part(job.shard) if job.shard else self._stale
        self.left: dict[str, str] = {}

    def take(self) -> Generator[Variant, None, None]:
        """One variant after the other, each claimed until the next one is asked for; those of its own part also when
        time is over. Closing it gives the claim back."""
        if self._job.shard is None:
            yield from self._stale
            return
        claims = Claims(self._job.place, self._job.worker, self._job.clock)
        yield from self._offer(self.own, claims, until_the_end=True)
        yield from self._offer(self._stale, claims)
        yield from self._offer([variant for variant in self._stale if variant.name in self.left], claims)
        if not self._is_over():
            claims.sweep()

    def _own_part(self, shard: Shard) -> tuple[Variant, ...]:
        costs = estimate_costs(self._stale, {name: known.seconds for name, known in self._known.states.items()})
        return own_part(self._stale, costs, shard)

    def _offer(self, variants: Sequence[Variant], claims: Claims, *, until_the_end: bool = False) -> Iterator[Variant]:
        for variant in variants:
            if variant.name in self._results:
                continue
            if self._is_over():
                if until_the_end:
                    yield variant
            elif self._is_free(variant, claims):
                try:
                    yield variant
                finally:
                    claims.release(variant.name)

    def _is_free(self, variant: Variant, claims: Claims) -> bool:
        """Whether a variant is this machine's now, by a claim; if not, `left` says why, or it is done."""
        self.left.pop(variant.name, None)
        if self._is_done_elsewhere(variant):
            return False
        awaited = self._awaited(variant)
        if awaited:
            self.left[variant.name] = f"{awaited}, which it is from, is not there yet: another machine is at it"
        elif not claims.take(variant.name):
            ends = claims.until(variant.name)
            self.left[variant.name] = f"another machine is at it{f' until {format_time(ends)}' if ends else ''}"
        return variant.name not in self.left

    def _awaited(self, variant: Variant) -> str:
        """The first of those that a variant is from that is stale, and that nobody has made yet; "" without one."""
        above = (one for one in lineage(variant)[:-1] if one.name in self._names)
        return next((one.name for one in above if not self._is_settled(one)), "")

    def _is_settled(self, variant: Variant) -> bool:
        return variant.name in self._results or self._is_done_elsewhere(variant)

    def _is_done_elsewhere(self, variant: Variant) -> bool:
        """Whether another machine has published a variant since the night began, and nothing that it is from after
        it. Where the registry does not answer, nobody has."""
        if variant.name not in self._elsewhere:
            with suppress(RegistryError):
                if self._has_moved(variant) and self._is_younger(variant):
                    self._elsewhere.add(variant.name)
        return variant.name in self._elsewhere

    def _has_moved(self, variant: Variant) -> bool:
        """Whether a tag names something else than when the night began."""
        before = dict(zip(variant.tags, self._known.named.get(variant.name, ()), strict=False))
        found = self._job.place.registry.find_manifest(self._job.place.repository(variant.image), variant.tag)
        return variant.tag in before and (found.digest if found else "") != before[variant.tag]

    def _is_younger(self, variant: Variant) -> bool:
        """Whether a variant was published after what it is from, if this machine published that."""
        above = self._results.get(variant.parent)
        if above is None or above.status != "refreshed":
            return True
        entries = newest_entries(self._job.place, [variant.name, variant.parent])
        times = [parse_time(entries[name].time) for name in (variant.parent, variant.name) if name in entries]
        return times == sorted(times)
