"""What a machine does next: the most urgent first, and with others that share the night nothing twice."""

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from tests.publishing import DAY, describe_variant
from tests.unit.nightly.jobs import idle_job
from tests.unit.publish.memory import MemoryRegistry

from warmbase.catalog.model import Variant
from warmbase.nightly.claims import LASTS, Claims
from warmbase.nightly.known import Known
from warmbase.nightly.model import Decision, Reason, Status, VariantResult, VariantState
from warmbase.nightly.queue import Queue, by_urgency
from warmbase.nightly.setting import Job
from warmbase.nightly.shards import Shard
from warmbase.nightly.state import State
from warmbase.oci.digests import digest_of
from warmbase.oci.manifest import INDEX, Index
from warmbase.publish.journal import Entry, format_time
from warmbase.publish.ledger import Ledger
from warmbase.publish.model import Place


def image(name: str, made_from: Variant | None = None) -> Variant:
    return replace(describe_variant(name), made_from=made_from)


def stale(variant: Variant, *reasons: Reason) -> Decision:
    return Decision(variant=variant.name, verdict="stale", reasons=reasons)


CORE = image("core")
KIT = image("kit", CORE)
DATA, WEB = image("data"), image("web")
ALL = (CORE, KIT, DATA, WEB)
SECURITY = Reason(axis="security", subject="openssl")


@dataclass
class Night:
    """A night of several machines on one registry, and what time it is."""

    folder: Path
    registry: MemoryRegistry = field(default_factory=MemoryRegistry)
    now: datetime = DAY

    @property
    def place(self) -> Place:
        return Place(registry=self.registry, prefix="bases")

    def job(self, shard: str, variants: tuple[Variant, ...] = ALL) -> Job:
        part = Shard.parse(shard) if shard else None
        return idle_job(
            self.folder, *variants, registry=self.registry, clock=lambda: self.now, shard=part, worker=shard
        )

    def claims(self, worker: str = "other") -> Claims:
        return Claims(self.place, worker, lambda: self.now)

    def publish(self, variant: Variant, content: str = "new") -> str:
        """Publish an image that is nothing but its digest, a minute after the last one."""
        self.now += timedelta(minutes=1)
        index = Index(manifests=(), annotations={"content": content}).to_bytes()
        digest = self.registry.write_manifest(self.place.repository(variant.image), variant.tag, index, INDEX)
        Ledger(self.place, variant.name).write(
            Entry(
                variant=variant.name,
                action="publish",
                time=format_time(self.now),
                digest=digest,
                rolling=variant.tags,
                content=f"{variant.tag}-{digest_of(content.encode())[7:19]}",
            )
        )
        return digest


@pytest.fixture
def night(tmp_path: Path) -> Night:
    return Night(folder=tmp_path)


@dataclass
class Machine:
    """One machine's work on all that is stale; what it takes, it publishes, if nothing else is said."""

    night: Night
    shard: str
    variants: tuple[Variant, ...] = ALL
    is_over: bool = False
    results: dict[str, VariantResult] = field(default_factory=dict)

    def __post_init__(self) -> None:
        job = self.night.job(self.shard, self.variants)
        decisions = {variant.name: stale(variant) for variant in self.variants}
        self.queue = Queue(job, decisions, Known(job, State()), self.results, lambda: self.is_over)

    def work(self, before: Callable[[Variant], object] = lambda _: None, status: Status = "refreshed") -> list[str]:
        """Do all that there is for it; the images that it took. `before` hears of each before it is published."""
        taken = []
        with closing(self.queue.take()) as variants:
            for variant in variants:
                taken.append(variant.image)
                before(variant)
                if status == "refreshed":
                    self.night.publish(variant)
                self.results[variant.name] = VariantResult(variant=variant.name, status=status)
        return taken


def test_security_comes_first_then_what_was_left_longest_and_none_before_what_it_is_from() -> None:
    decisions = {variant.name: stale(variant) for variant in ALL} | {KIT.name: stale(KIT, SECURITY)}
    states = {CORE.name: VariantState(time="2026-11-09"), DATA.name: VariantState(time="2026-11-08")}
    assert [variant.image for variant in by_urgency(ALL, decisions, states)] == ["core", "kit", "web", "data"]
    fresh = decisions | {name: replace(decisions[name], verdict="fresh") for name in (CORE.name, WEB.name)}
    assert [variant.image for variant in by_urgency(ALL, fresh, states)] == ["kit", "data"]


def test_without_machines_to_share_with_nothing_is_claimed(night: Night) -> None:
    machine = Machine(night, "")
    assert machine.work(status="failed") == ["core", "kit", "data", "web"]
    assert night.registry.asked["PUT"] == 0


def test_a_machine_knows_what_it_begins_with(night: Night) -> None:
    parts = [Machine(night, shard).queue.own for shard in ("", "1/2", "2/2")]
    assert [[variant.image for variant in part] for part in parts] == [
        ["core", "kit", "data", "web"],
        ["core", "kit"],
        ["data", "web"],
    ]


def test_a_child_is_not_taken_while_its_parent_is_made_elsewhere(night: Night) -> None:
    first, second = Machine(night, "1/2"), Machine(night, "2/2")

    def help_out(variant: Variant) -> None:
        if variant is CORE:
            assert second.work() == ["data", "web"]
            assert set(second.queue.left) == {CORE.name, KIT.name}
            assert second.queue.left[KIT.name].startswith(CORE.name)

    assert first.work(help_out) == ["core", "kit"]


def test_a_child_may_be_made_by_any_machine_once_its_parent_is_there(night: Night) -> None:
    first, second = Machine(night, "1/2"), Machine(night, "2/2")
    night.publish(CORE)
    assert second.work() == ["data", "web", "kit"]
    assert second.queue.left == {}
    assert first.work() == []


def test_what_others_have_done_is_not_done_again_by_whose_part_it_was(night: Night) -> None:
    first, second = Machine(night, "1/2"), Machine(night, "2/2")
    assert second.work() == ["data", "web", "core", "kit"]
    assert first.work() == []
    assert first.queue.left == {}


def test_a_child_that_was_made_before_this_machine_made_its_parent_is_made_again(night: Night) -> None:
    late, early = Machine(night, "1/2", variants=(CORE, KIT)), Machine(night, "1/2", variants=(CORE, KIT))

    def publish_kit(variant: Variant) -> None:
        if variant is CORE:
            night.publish(KIT, "on the old core")

    assert late.work(publish_kit) == ["core", "kit"]
    assert early.work() == [], "the newest is made from the newest"


def test_a_tag_that_somebody_moved_before_the_night_is_not_taken_for_another_machines_work(night: Night) -> None:
    index = Index(manifests=(), annotations={"who": "somebody"}).to_bytes()
    night.registry.write_manifest(night.place.repository(WEB.image), WEB.tag, index, INDEX)
    assert Machine(night, "1/1").work() == ["core", "kit", "data", "web"]


def test_what_another_machine_is_at_to_the_end_is_left_and_told(night: Night) -> None:
    assert night.claims().take(DATA.name)
    machine = Machine(night, "1/1", variants=(DATA, WEB))
    assert machine.work() == ["web"]
    ends = format_time(DAY + LASTS)
    assert machine.queue.left == {DATA.name: f"another machine is at it until {ends}"}


def test_the_work_of_a_machine_that_is_lost_is_taken_when_its_claim_has_ended(night: Night) -> None:
    assert night.claims("lost").take(CORE.name)
    machine = Machine(night, "1/1")

    def take_long(variant: Variant) -> None:
        if variant is WEB:
            night.now += LASTS

    assert machine.work(take_long) == ["data", "web", "core", "kit"]
    assert machine.queue.left == {}


def test_when_time_is_over_a_machine_tells_of_its_own_part_and_claims_nothing(night: Night) -> None:
    machine = Machine(night, "1/2", is_over=True)
    assert machine.work(status="left") == ["core", "kit"]
    assert night.registry.asked["PUT"] == 0


def test_an_interrupted_machine_gives_its_claim_back(night: Night) -> None:
    def interrupt(_: Variant) -> None:
        assert night.claims().others([CORE.name]) == {CORE.name}
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as interrupted:
        Machine(night, "1/2").work(interrupt)
    assert night.claims().others([CORE.name]) == frozenset(), interrupted
