"""How a night goes on where something goes wrong: what fails stops no other, what is found out is not lost, and nobody
is blamed for a registry that went down."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NoReturn

import pytest
from tests.publishing import describe_variant
from tests.unit.nightly.jobs import idle_job
from tests.unit.publish.memory import MemoryRegistry

from warmbase.catalog.model import Variant
from warmbase.cli.nightly import OUT_OF_TIME, exit_code
from warmbase.errors import LockError, RegistryError, VerificationError, WarmbaseError
from warmbase.nightly import work
from warmbase.nightly.archives import ArchiveMemory
from warmbase.nightly.attempt import Stages
from warmbase.nightly.claims import Claims
from warmbase.nightly.known import Known
from warmbase.nightly.model import Broken, Decision, Night, Reason, Status, VariantResult, VariantState
from warmbase.nightly.pages import IndexMemory
from warmbase.nightly.record import read_state, write_state
from warmbase.nightly.setting import Job
from warmbase.nightly.shards import Shard
from warmbase.nightly.state import State, state_to_json
from warmbase.nightly.survey import Surroundings
from warmbase.nightly.work import Work, untouched

ALPHA = Reason(axis="packages", subject="alpha", old="1", new="2")
BETA = Reason(axis="packages", subject="beta", old="1", new="2")
CORE = describe_variant("core")
KIT = replace(describe_variant("kit"), made_from=CORE)
FROM = Reason(axis="foundation", subject=CORE.name, note="which it is from, is refreshed")
BROKEN = Broken(package="theta", version="2.0", why="no", since="2026-11-21T12:00:00Z")

Making = Callable[[Decision], tuple[Broken, ...] | None]


@dataclass(slots=True)
class Nights:
    """Nights of which the surveys and the builds are given."""

    folder: Path
    patch: pytest.MonkeyPatch
    registry: MemoryRegistry = field(default_factory=MemoryRegistry)
    made: list[Decision] = field(default_factory=list)
    shard: Shard | None = None

    def job(self, *variants: Variant) -> Job:
        return idle_job(self.folder, *variants, registry=self.registry, shard=self.shard)

    def work(self, decisions: Mapping[Variant, Decision], make: Making) -> Work:
        """A night's work that has decided so. `make` makes a variant, raises, or says with None that time is over."""

        def look(job: Job, state: Any, now: object) -> Surroundings:
            known = Known(job, state)
            published = {name: VariantState(time="", facts=known.facts[name], tool=known.tool) for name in known.facts}
            known.states.update(published)
            return Surroundings(
                decisions=tuple(decisions.values()),
                known=known,
                pins={},
                index=IndexMemory(),
                archives=ArchiveMemory(),
                moved=frozenset(),
            )

        def make_variant(night: Work, variant: Variant, decision: Decision, stages: Stages) -> tuple[Broken, ...]:
            self.made.append(decision)
            broken = make(decision)
            status: Status = "left" if broken is None else "refreshed"
            night._results[variant.name] = VariantResult(variant=variant.name, status=status)
            night._learn(variant.name, VariantState(time="", digest="sha256:aa", broken=broken or ()))
            return broken or ()

        self.patch.setattr(work, "look_around", look)
        self.patch.setattr(Work, "_make", make_variant)
        return Work(self.job(*decisions))

    def spend(self, decisions: Mapping[Variant, Decision], make: Making) -> Night:
        """The whole night."""
        night = self.work(decisions, make)
        night.do_all()
        night.keep()
        return night.night()

    def remembered(self) -> Mapping[str, VariantState]:
        """What another machine would know now."""
        job = self.job()
        return read_state(job.place, self.folder / "another machine", print).variants


@pytest.fixture
def nights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Nights:
    return Nights(tmp_path, monkeypatch)


def stale(variant: Variant, *reasons: Reason) -> Decision:
    return Decision(variant=variant.name, verdict="stale", reasons=reasons or (ALPHA,), attempt=variant.image)


def all_stale(*images: str) -> dict[Variant, Decision]:
    variants = [describe_variant(image) for image in images]
    return {variant: stale(variant) for variant in variants}


def failing(error: Exception, *images: str) -> Making:
    """Fails with `error` for `images`."""

    def make(decision: Decision) -> tuple[Broken, ...]:
        if decision.variant.partition(":")[0] in images:
            raise error
        return ()

    return make


def statuses(night: Night) -> dict[str, str]:
    return {result.variant.partition(":")[0]: result.status for result in night.results}


def test_one_that_fails_stops_no_other(nights: Nights) -> None:
    night = nights.spend(all_stale("a", "b", "c"), failing(VerificationError("no"), "b"))
    assert statuses(night) == {"a": "refreshed", "b": "failed", "c": "refreshed"}


def test_a_registry_that_goes_down_is_no_variants_failure(nights: Nights) -> None:
    gone = RegistryError("registry.example does not answer", status=503)

    def refuse(what: str, where: str) -> None:
        raise gone

    def make(decision: Decision) -> tuple[Broken, ...]:
        if decision.variant.startswith("b:"):
            nights.registry.before = refuse
            raise gone
        return ()

    night = nights.spend(all_stale("a", "b", "c"), make)
    assert statuses(night) == {"a": "refreshed", "b": "left", "c": "left"}
    assert [result.failure for result in night.results] == [None] * 3
    assert len(nights.made) == 2
    assert any("no longer answers" in note for note in night.notes)


def test_another_registry_that_does_not_answer_is_the_variants_failure(nights: Nights) -> None:
    gone = RegistryError("elsewhere.example does not answer", status=503)
    night = nights.spend(all_stale("a", "b"), failing(gone, "a"))
    assert statuses(night) == {"a": "failed", "b": "refreshed"}


def test_a_registry_that_refuses_one_image_answers(nights: Nights) -> None:
    denied = RegistryError("registry.example refuses this login", status=403)

    def make(decision: Decision) -> tuple[Broken, ...]:
        nights.registry.before = refuse if decision.variant.startswith("a:") else nothing
        if decision.variant.startswith("a:"):
            raise denied
        return ()

    def refuse(what: str, where: str) -> None:
        nights.registry.let_pass()
        raise denied

    def nothing(what: str, where: str) -> None: ...

    assert statuses(nights.spend(all_stale("a", "b"), make)) == {"a": "failed", "b": "refreshed"}


def test_where_time_is_over_in_the_middle_nothing_has_failed(nights: Nights) -> None:
    night = nights.spend(all_stale("a"), lambda _: None)
    assert [(result.status, result.failure) for result in night.results] == [("left", None)]
    assert {known.failure for known in nights.remembered().values()} == {None}


@pytest.mark.parametrize("ended_hard", [KeyboardInterrupt, SystemExit])
def test_a_failure_is_known_however_the_night_ends(nights: Nights, ended_hard: type[BaseException]) -> None:
    def make(decision: Decision) -> tuple[Broken, ...]:
        if decision.variant.startswith("b:"):
            raise ended_hard
        raise VerificationError("smoke.py: it ended with code 1")

    with pytest.raises(ended_hard):
        nights.work(all_stale("a", "b"), make).do_all()
    [known] = [known for known in nights.remembered().values() if known.failure]
    assert known.failure
    assert known.failure.message == "smoke.py: it ended with code 1"


def test_what_a_bisection_found_is_known_however_the_night_ends(nights: Nights) -> None:
    def make(decision: Decision) -> tuple[Broken, ...]:
        if decision.variant.startswith("b:"):
            raise KeyboardInterrupt
        return (BROKEN,)

    with pytest.raises(KeyboardInterrupt):
        nights.work(all_stale("a", "b"), make).do_all()
    assert BROKEN in nights.remembered()["a:py3.13-trixie"].broken


def test_what_costs_nothing_to_find_out_again_is_not_kept_at_once(nights: Nights) -> None:
    error = LockError("nowhere is in no index")
    decisions = {variant: replace(one, reasons=(), error=error) for variant, one in all_stale("a", "b", "c").items()}
    night = nights.work(decisions, failing(error, "a", "b", "c"))
    nights.registry.asked.clear()
    night.do_all()
    assert nights.registry.asked["PUT"] == 0


def test_an_error_that_leaves_something_to_do_fails_nothing(nights: Nights) -> None:
    down = LockError("the index cannot be asked")
    decision = replace(stale(CORE, ALPHA), error=down)
    assert untouched(decision, None).status == "left"
    assert untouched(replace(decision, reasons=()), None).status == "failed"


def test_nothing_of_the_machine_is_kept_of_a_failure(nights: Nights) -> None:
    catalog, cache = nights.folder / "catalog/images.yaml", nights.folder / "cache/store/blobs/aa"
    full = OSError(28, "No space left on device", str(cache))
    lost = LockError(f"{catalog}:3:1: frame>=2 is nowhere", next_step=f"edit {catalog}")

    def make(decision: Decision) -> tuple[Broken, ...]:
        raise full if decision.variant.startswith("a:") else lost

    night = nights.spend(all_stale("a", "b"), make)
    told = [result.failure for result in night.results]
    assert [(failure.message, failure.next_step) for failure in told if failure][1:] == [
        ("images.yaml:3:1: frame>=2 is nowhere", "edit images.yaml")
    ]
    assert str(nights.folder) not in repr(night)
    state = read_state(nights.job().place, nights.folder / "another machine", print)
    assert state.variants
    assert str(nights.folder) not in repr(state_to_json(state))


def test_a_child_goes_on_upon_what_is_published_of_a_parent_that_failed(nights: Nights) -> None:
    decisions = {CORE: stale(CORE, ALPHA), KIT: stale(KIT, FROM, ALPHA, BETA)}
    night = nights.spend(decisions, failing(VerificationError("no"), "core"))
    assert statuses(night) == {"core": "failed", "kit": "refreshed"}
    assert nights.made[1].reasons == (BETA,)


def test_a_child_without_reasons_of_its_own_waits_for_a_parent_that_failed(nights: Nights) -> None:
    decisions = {CORE: stale(CORE, ALPHA), KIT: stale(KIT, FROM, ALPHA)}
    night = nights.spend(decisions, failing(VerificationError("no"), "core"))
    assert statuses(night) == {"core": "failed", "kit": "waiting"}
    assert night.results[1].error == "core:py3.13-trixie, which it is from, failed"


def test_a_child_is_not_made_upon_what_the_catalog_no_longer_says(nights: Nights) -> None:
    decisions = {CORE: stale(CORE, ALPHA), KIT: stale(KIT, FROM, ALPHA, BETA)}
    night = nights.work(decisions, failing(WarmbaseError("no"), "core"))
    night._known.states[CORE.name] = replace(night._known.states[CORE.name], facts="before")
    night.do_all()
    assert statuses(night.night()) == {"core": "failed", "kit": "waiting"}


def test_a_night_that_is_done_is_told_whatever_happens_after_it(nights: Nights) -> None:
    night = nights.work(all_stale("one"), failing(LockError("no")))

    def fail(*_: object) -> NoReturn:
        raise OSError(28, "No space left on device")

    nights.patch.setattr(work, "look_around", fail)
    night.do_all()
    night.keep()
    assert statuses(night.night()) == {"one": "refreshed"}
    assert "No space left" in " ".join(night.night().notes)


def test_what_could_not_be_sent_is_sent_by_the_next_night_though_nothing_happened_on_it(nights: Nights) -> None:
    def refuse(what: str, where: str) -> None:
        if what == "PUT":
            raise RegistryError("no more room")

    nights.registry.before = refuse
    first = nights.work({CORE: Decision(variant=CORE.name, verdict="fresh")}, failing(LockError("no")))
    first._learn(CORE.name, VariantState(time="", broken=(BROKEN,)))
    first.keep()
    nights.registry.let_pass()
    assert nights.remembered() == {}

    def spend_quiet_night() -> None:
        quiet = nights.work({}, failing(LockError("no")))
        quiet.keep()

    spend_quiet_night()
    assert nights.remembered()[CORE.name].broken == (BROKEN,)
    nights.registry.asked.clear()
    spend_quiet_night()
    assert nights.registry.asked["PUT"] == 0


def test_what_is_newer_is_kept_though_the_clock_that_told_the_older_was_ahead(nights: Nights) -> None:
    job = nights.job()
    old = VariantState(time="2026-12-01T00:00:00Z", digest="sha256:old")
    write_state(job.place, nights.folder / "ahead", State(variants={CORE.name: old}), job.clock())
    nights.spend({CORE: stale(CORE)}, failing(LockError("no")))
    assert nights.remembered()[CORE.name].digest == "sha256:aa"


def test_what_another_machine_is_at_is_left_and_told(nights: Nights) -> None:
    nights.shard = Shard(index=1, count=1)
    assert Claims(nights.job().place, "another", nights.job().clock).take("one:py3.13-trixie")
    night = nights.spend(all_stale("one", "two"), failing(LockError("no")))
    assert statuses(night) == {"one": "left", "two": "refreshed"}
    assert night.results[0].error.startswith("another machine is at it until")
    assert night.results[0].reasons == (ALPHA,)
    assert exit_code(night) == OUT_OF_TIME
