"""Taking a variant to a verified image: what is tried when it is refused, what is left behind, and what is said."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NoReturn

import pytest
from tests.publishing import AMD64, DAY, Shelf, describe_variant, lock_of
from tests.unit.nightly.jobs import idle_job, nobody_asks

from warmbase.catalog.model import Catalog
from warmbase.effects.uv import Uv
from warmbase.errors import LockError, VerificationError
from warmbase.foundation.pins import DebianPin
from warmbase.lock.model import Lock
from warmbase.lock.parents import lock_inputs
from warmbase.lock.resolve import Resolver
from warmbase.nightly import attempt as attempts
from warmbase.nightly.attempt import Attempt, Made, Materials, Stages
from warmbase.nightly.decide import trial_key
from warmbase.nightly.facts import fingerprint_of_pins
from warmbase.nightly.known import Basis
from warmbase.nightly.model import Broken, Decision

CORE = describe_variant("core")
KIT = replace(describe_variant("kit"), made_from=CORE)
KEY = ("trixie", AMD64, "3.13")
PIN = DebianPin(suite="trixie", platform=AMD64, epoch=1, archives=(), packages=(("libc6", "2.41-12"),))
OLD = {"alpha": "1.0", "beta": "1.0", "gamma": "1.0", "delta": "1.0"}
NEW = {"alpha": "2.0", "beta": "2.0", "gamma": "2.0", "delta": "1.0"}


def uv_nowhere(folder: Path) -> Uv:
    """A uv that is not there."""
    return Uv(binary=folder / "uv", version="0.13.8", environment={}, home=folder)


@dataclass(slots=True)
class Bench:
    """Where images are made of the new versions of what may move; those with `culprits` are refused."""

    folder: Path
    inherited: dict[str, str] = field(default_factory=dict)
    culprits: Collection[str] = ()
    flakes: int = 0
    most: int = 100
    tried: list[frozenset[str]] = field(default_factory=list)

    def lock(self, moving: Collection[str]) -> Lock:
        own = {name: (NEW if name in moving else OLD)[name] for name in OLD}
        return lock_of(own | self.inherited)

    def build(self, catalog: Catalog, lock: Lock, layout: Path) -> Made:
        layout.mkdir(parents=True)
        moved = {name for name, version in lock.versions().items() if version == "2.0"}
        self.tried.append(frozenset(moved))
        if moved & set(self.culprits) or len(self.tried) <= self.flakes:
            raise VerificationError(f"app: 1 of its checks failed\n  smoke.py: {self.folder}/cache/x\n  more")
        publishable = Shelf(folder=self.folder / "blobs").variant("kit")
        return Made(publishable=publishable, lock=lock, pins={}, catalog=catalog, layout=layout)

    def make(self, *, from_core: bool = False) -> Made | None:
        materials = Materials(
            basis=Basis(lock=lock_of(OLD | dict.fromkeys(self.inherited, "1.0")), pins={}),
            above={CORE.name: Basis(lock=lock_of(self.inherited), pins={})} if from_core else {},
            pins={},
            facts="facts",
            tool={"uv": "1"},
            resolver=Resolver(uv=uv_nowhere(self.folder), cache=self.folder, ask_size=nobody_asks),
            plant=nobody_asks,
            may_go_on=lambda: len(self.tried) < self.most,
            began=DAY,
        )
        decision = Decision(variant=KIT.name, verdict="stale", takes_packages=True)
        variant = KIT if from_core else replace(KIT, made_from=None)
        return Attempt(idle_job(self.folder, variant), variant, decision, materials, self.work, Stages()).make()

    @property
    def work(self) -> Path:
        return self.folder / "work"


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Bench]:
    def make(**said: Any) -> Bench:
        bench = Bench(tmp_path, **said)

        def lock(attempt: Attempt, catalog: Catalog, moving: Collection[str], broken: Sequence[Broken]) -> Lock:
            attempt.pins = {KEY: PIN}
            return bench.lock(moving)

        def build(attempt: Attempt, catalog: Catalog, lock: Lock, layout: Path) -> Made:
            return bench.build(catalog, lock, layout)

        monkeypatch.setattr(Attempt, "_lay_out", lambda *_: None)
        monkeypatch.setattr(Attempt, "_lock", lock)
        monkeypatch.setattr(Attempt, "_build", build)
        return bench

    return make


ALL = frozenset({"alpha", "beta", "gamma"})


def test_an_image_that_works_is_tried_once(bench: Callable[..., Bench]) -> None:
    tried = bench()
    made = tried.make()
    assert made
    assert (made.broken, made.untried, tried.tried) == ((), {}, [ALL])


def test_what_fails_once_and_then_works_is_taken_as_it_is(bench: Callable[..., Bench]) -> None:
    tried = bench(flakes=1)
    made = tried.make()
    assert made
    assert (made.broken, made.lock.versions()) == ((), NEW)
    assert tried.tried == [ALL, ALL]


def test_what_breaks_it_is_named_with_all_that_it_was_tried_with(bench: Callable[..., Bench]) -> None:
    made = bench(culprits={"beta"}).make()
    assert made
    assert made.lock.versions() == NEW | {"beta": "1.0"}
    assert made.broken == (
        Broken(
            package="beta",
            version="2.0",
            why="smoke.py: x more",
            since="2026-11-21T12:00:00Z",
            found_with=trial_key("facts", {"uv": "1"}, fingerprint_of_pins({KEY: PIN})),
        ),
    )


def test_of_all_that_was_tried_only_what_is_taken_is_left(bench: Callable[..., Bench]) -> None:
    tried = bench(culprits={"beta"})
    made = tried.make()
    assert made
    assert len(tried.tried) > 3
    assert list(tried.work.iterdir()) == [made.layout.parent]


def test_where_time_is_over_the_best_is_taken_and_the_rest_told(bench: Callable[..., Bench]) -> None:
    made = bench(culprits={"beta"}, most=3).make()
    assert made
    assert (made.lock.versions(), made.broken) == (OLD, ())
    assert made.untried == {"alpha": "2.0", "beta": "2.0", "gamma": "2.0"}


def test_where_time_is_over_before_anything_works_there_is_nothing(bench: Callable[..., Bench]) -> None:
    assert bench(culprits={"beta"}, most=1).make() is None


def test_what_is_new_of_what_it_is_from_is_named_where_it_may_be_to_blame(bench: Callable[..., Bench]) -> None:
    with pytest.raises(VerificationError) as caught:
        bench(inherited={"numpy": "2.0"}, culprits={"numpy"}).make(from_core=True)
    said = caught.value.message.splitlines()[-1]
    assert said == "new in core:py3.13-trixie, which it is from: numpy 1.0 → 2.0"


def test_what_cannot_be_locked_is_not_searched(bench: Callable[..., Bench], monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> Lock:
        raise LockError("no such version")

    tried = bench()
    monkeypatch.setattr(Attempt, "_lock", refuse)
    with pytest.raises(LockError):
        tried.make()
    assert tried.tried == []


def test_where_the_index_does_not_answer_a_foundation_moves_without_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = idle_job(tmp_path)
    [variant] = job.variants
    lock = replace(lock_of(OLD), variant=variant.name, inputs=lock_inputs(variant, "0.13.8", None))
    moved = replace(PIN, packages=(("libc6", "2.41-12+deb13u1"),))
    materials = Materials(
        basis=Basis(lock=lock, pins={KEY: PIN}),
        above={},
        pins={KEY: moved},
        facts="facts",
        tool={},
        resolver=Resolver(uv=uv_nowhere(tmp_path), cache=tmp_path, ask_size=nobody_asks),
        plant=nobody_asks,
        may_go_on=lambda: True,
        began=DAY,
    )
    built: list[tuple[Lock, object]] = []

    def refuse(*_: object, **__: object) -> NoReturn:
        raise LockError("the index is asked again")

    def build(attempt: Attempt, catalog: Catalog, lock: Lock, layout: Path) -> Made:
        built.append((lock, dict(attempt.pins)))
        return Made(
            publishable=Shelf(folder=tmp_path / "blobs").variant(), lock=lock, pins={}, catalog=catalog, layout=layout
        )

    monkeypatch.setattr(attempts, "pin_foundations", lambda *_, **__: {})  # it is pinned already
    monkeypatch.setattr(attempts, "lock_variants", refuse)
    monkeypatch.setattr(Attempt, "_build", build)
    down = LockError("the index cannot be asked")
    decision = Decision(variant=variant.name, verdict="stale", takes_foundation=True, error=down)
    assert Attempt(job, variant, decision, materials, tmp_path / "work", Stages()).make()
    assert built == [(lock, {KEY: moved})]
    with pytest.raises(LockError, match="asked again"):
        Attempt(job, variant, replace(decision, error=None), materials, tmp_path / "work", Stages()).make()
