"""What a night begins with: what is published of each variant, or committed, and what that was made from.

What the state says of a variant counts as long as its rolling tags name the digest that the state names. Where they do
not, somebody published, promoted or rolled back, or this is the first night: then the journal says what is there, and
with it what it was made from. Nothing but the tags is asked of a variant that is as it was.

A rollback is somebody's decision against what was there before. That is remembered as refused, and not made again.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from itertools import takewhile

from warmbase import __version__
from warmbase.catalog.model import Variant
from warmbase.catalog.parents import lineage
from warmbase.errors import RegistryError, WarmbaseError
from warmbase.lock.files import lock_fits, read_lock
from warmbase.lock.fingerprint import fingerprint_of_lock
from warmbase.lock.model import Lock
from warmbase.lock.parents import lock_inputs
from warmbase.lock.stage import read_all_pins
from warmbase.nightly.decide import attempt_key, still_broken, trial_key
from warmbase.nightly.facts import facts_of, fingerprint_of_pins, hash_smokes, makes_content, own_pins, tool_of
from warmbase.nightly.model import VariantState
from warmbase.nightly.setting import Job
from warmbase.nightly.state import State
from warmbase.publish.baseline import Pins, read_baseline
from warmbase.publish.journal import Entry
from warmbase.publish.ledger import REFUSED, Ledger, newest_entries

_REQUESTS_AT_ONCE = 16


@dataclass(frozen=True, kw_only=True, slots=True)
class Basis:
    """What a variant was made from: its lock, and pins as in `publish.baseline`. `size` is bytes of its layers."""

    lock: Lock
    pins: Pins = field(hash=False)
    size: int = 0


class Known:
    """What is known of a job's variants, and what they were made from, which is read when it is first asked for.

    `states` are by full name, and lack what nothing is known of; `strays` are the variants with a rolling tag that does
    not name what the journal says; `named` is what the tags of each name. `errors` are of variants of which that cannot
    be read: theirs alone, as long as the place answers, and raised as RegistryError where it does not.
    """

    def __init__(self, job: Job, state: State) -> None:
        self._job = job
        self._state = state
        self._bases: dict[str, Basis | None] = {}
        smokes = hash_smokes(job.variants)
        self.facts = {variant.name: facts_of(variant, smokes) for variant in job.variants}
        self.tool = tool_of(job.catalog.uv)
        self.strays: set[str] = set()
        self.errors: dict[str, RegistryError] = {}
        self.named: Mapping[str, tuple[str, ...]] = {}
        self.states: dict[str, VariantState] = {}
        if job.mode == "publish":
            self._recognize()
        else:
            self._read_committed()
        for name, known in self.states.items():
            broken = still_broken(known, trial_key(self.facts[name], self.tool, known.pins))
            self.states[name] = replace(known, broken=broken) if broken != known.broken else known

    def basis(self, variant: Variant) -> Basis | None:
        """What a variant was made from; None where nothing is published, or nobody knows from what."""
        if variant.name not in self._bases:
            known = self.states.get(variant.name)
            self._bases[variant.name] = None
            if known and known.entry:
                with self._alone(variant):
                    self._bases[variant.name] = self._read(known.entry)
        return self._bases[variant.name]

    def read_bases(self, variants: Iterable[Variant]) -> None:
        """Read what `variants` were made from, many at a time."""
        with ThreadPoolExecutor(max_workers=_REQUESTS_AT_ONCE, thread_name_prefix="look") as executor:
            list(executor.map(self.basis, variants))

    def is_current(self, name: str) -> bool:
        """Whether what is published of a variant is what the catalog and the tool say today."""
        known = self.states.get(name)
        return known is not None and (known.facts, known.tool) == (self.facts[name], self.tool)

    def read_anew(self, variant: Variant) -> Basis | None:
        """What a variant is made from that another worker has published meanwhile."""
        entry = newest_entries(self._job.place, [variant.name]).get(variant.name)
        return self._read(entry.id) if entry else None

    def versions(self, variant: Variant) -> dict[str, str]:
        """The packages in a variant's cache, and their versions."""
        basis = self.basis(variant)
        return {p.name: p.version for p in basis.lock.packages if p.use != "index"} if basis else {}

    def pins(self) -> Pins:
        """The pins that are known of any variant that was read."""
        return {key: pin for basis in self._bases.values() if basis for key, pin in basis.pins.items()}

    def _read(self, tag: str) -> Basis | None:
        baseline = read_baseline(self._job.place, tag, self._job.folders.journal)
        if baseline is None:
            return None
        return Basis(lock=baseline.lock, pins=baseline.pins, size=baseline.entry.size)

    def answers(self, variant: Variant) -> bool:
        """Whether the place does, whatever it says of a variant."""
        place = self._job.place
        try:
            place.registry.find_manifest(place.repository(variant.image), variant.tag)
        except RegistryError as error:
            return 0 < error.status < HTTPStatus.INTERNAL_SERVER_ERROR and error.status != HTTPStatus.TOO_MANY_REQUESTS
        return True

    @contextmanager
    def _alone(self, variant: Variant) -> Iterator[None]:
        """Let an error of the registry be that of `variant`, if it answers."""
        try:
            yield
        except RegistryError as error:
            if not self.answers(variant):
                raise
            self.errors[variant.name] = error

    def _recognize(self) -> None:
        """What the tags name, as far as the state knows it, and else as the journal says."""
        self.named = named = self._look_at_tags()
        strange = []
        for variant in self._job.variants:
            known = self._state.variants.get(variant.name)
            same = known and known.digest and all(digest == known.digest for digest in named[variant.name])
            if known and (same or variant.name in self.errors):
                self.states[variant.name] = known
            elif variant.name not in self.errors:
                strange.append(variant)
        entries = self._newest_entries(strange)
        for variant in strange:
            entry = entries.get(variant.name)
            known = self._state.variants.get(variant.name)
            if entry:
                with self._alone(variant):
                    self.states[variant.name] = self._adopt(variant, entry)
                if any(digest != entry.digest for digest in named[variant.name]):
                    self.strays.add(variant.name)
            if known and variant.name in self.errors:
                self.states[variant.name] = known
            elif known and not entry:
                self.states[variant.name] = replace(known, digest="", entry="", facts="", packages="", pins="")

    def _newest_entries(self, variants: Sequence[Variant]) -> Mapping[str, Entry]:
        """The newest entries of variants in the journal: all at once, or one by one where one cannot be read."""
        place, folder = self._job.place, self._job.folders.journal
        if not variants:
            return {}
        try:
            return newest_entries(place, [variant.name for variant in variants], folder)
        except RegistryError as error:
            if error.status in REFUSED or not self.answers(variants[0]):
                raise
        found: dict[str, Entry] = {}
        for variant in variants:
            with self._alone(variant):
                found |= newest_entries(place, [variant.name], folder)
        return found

    def _look_at_tags(self) -> dict[str, tuple[str, ...]]:
        """The digests that the rolling tags of each variant name, by HEAD requests alone."""
        place = self._job.place
        wanted = [(v, place.repository(v.image), tag) for v in self._job.variants for tag in v.tags]

        def look(asked: tuple[Variant, str, str]) -> str:
            found = None
            with self._alone(asked[0]):
                found = place.registry.find_manifest(*asked[1:])
            return found.digest if found else ""

        with ThreadPoolExecutor(max_workers=_REQUESTS_AT_ONCE, thread_name_prefix="look") as executor:
            digests = list(executor.map(look, wanted))
        if self.errors and len(self.errors) == len(self._job.variants):  # it is not about them
            raise next(iter(self.errors.values()))
        named: dict[str, tuple[str, ...]] = {}
        for (variant, _, _), digest in zip(wanted, digests, strict=True):
            named[variant.name] = (*named.get(variant.name, ()), digest)
        return named

    def _adopt(self, variant: Variant, entry: Entry) -> VariantState:
        """What a journal's entry says of a variant, with what is known beside that."""
        known = self._state.variants.get(variant.name)
        basis = self._bases[variant.name] = self._read(entry.id)
        own = VariantState(
            time=entry.time,
            refused=self._refused(variant, entry, known) if entry.action == "rollback" else (),
            digest=entry.digest,
            entry=entry.id,
            taken=known.taken if known else {},
            broken=known.broken if known else (),
            held=known.held if known else (),
            failure=known.failure if known else None,
            seconds=entry.seconds,
        )
        if basis is None:
            return own
        facts, tool = self._facts_of_entry(variant, basis, entry)
        return replace(
            own,
            facts=facts,
            tool=tool,
            packages=fingerprint_of_lock(basis.lock),
            pins=fingerprint_of_pins(own_pins(variant, basis.pins)),
        )

    def _facts_of_entry(self, variant: Variant, basis: Basis, entry: Entry) -> tuple[str, Mapping[str, str]]:
        """What the catalog and the tool said of what is published: the same as now, if it would be made again; else
        where the lock tells what was different."""
        if self._makes(variant, basis, entry.content):
            return self.facts[variant.name], self.tool
        tool = dict(self.tool)
        above = self.basis(variant.made_from) if variant.made_from else None
        inputs = lock_inputs(variant, basis.lock.uv.version, above.lock if above else None)
        if basis.lock.uv.version != tool["uv"]:
            tool["uv"] = basis.lock.uv.version
        elif entry.tool != __version__:
            tool["recipe"] = f"that of warmbase {entry.tool}"
        elif basis.lock.inputs == inputs:
            return "", tool
        return (self.facts[variant.name] if basis.lock.inputs == inputs else ""), tool

    def _makes(self, variant: Variant, basis: Basis, content: str) -> bool:
        above = [(one.name, self.basis(one)) for one in lineage(variant)[:-1]]
        locks = {name: known.lock for name, known in above if known} | {variant.name: basis.lock}
        native = self._job.tools.native
        return makes_content(self._job.catalog, variant, locks, basis.pins, content=content, native=native)

    def _refused(self, variant: Variant, entry: Entry, known: VariantState | None) -> tuple[str, ...]:
        """The attempts that would make what somebody rolled back from, in one rollback after the other; `known` may
        have some that the journal has no more."""
        journal = Ledger(self._job.place, variant.name).read()
        rollbacks = takewhile(lambda each: each.action == "rollback", reversed(journal.entries))
        left = dict.fromkeys(each.previous for each in rollbacks if each.previous != entry.digest)
        attempts = (self._attempt(variant, published) for digest in left if (published := journal.find(digest)))
        return tuple(dict.fromkeys(filter(None, (*attempts, *(known.refused if known else ())))))

    def _attempt(self, variant: Variant, published: Entry) -> str:
        """The attempt that would make what was published; "" where it would not be made now."""
        basis = self._read(published.id)
        if basis is None or not self._makes(variant, basis, published.content):
            return ""
        pins = fingerprint_of_pins(own_pins(variant, basis.pins))
        return attempt_key(self.facts[variant.name], self.tool, fingerprint_of_lock(basis.lock), pins)

    def _read_committed(self) -> None:
        """What the locks beside the catalog say; a damaged one counts as none."""
        pins = read_all_pins(self._job.catalog)
        for variant in self._job.variants:
            known = self._state.variants.get(variant.name) or VariantState(time="")
            lock = _committed(self._job, variant)
            self._bases[variant.name] = Basis(lock=lock, pins=pins) if lock else None
            if lock is None:
                self.states[variant.name] = replace(known, digest="", entry="", facts="", packages="", pins="")
                continue
            fits = lock_fits(self._job.catalog, variant, lock)
            same = lock.uv.version == self.tool["uv"]
            self.states[variant.name] = replace(
                known,
                facts=self.facts[variant.name] if fits or not same else "",
                tool=self.tool | {"uv": lock.uv.version},
                packages=fingerprint_of_lock(lock),
                pins=fingerprint_of_pins(own_pins(variant, pins)),
                refused=(),
            )


def _committed(job: Job, variant: Variant) -> Lock | None:
    try:
        return read_lock(job.catalog, variant)
    except WarmbaseError:
        return None
