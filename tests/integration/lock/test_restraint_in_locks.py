"""Releases that a lock leaves alone: too young, pinned, or known to break, with the real uv."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.bases import PLATFORM, Bases
from tests.images import pinned_uv
from tests.wheelhouse import Mirror, make_wheel

from warmbase.catalog.load import load_catalog
from warmbase.catalog.model import Variant
from warmbase.effects.http import ask_size
from warmbase.effects.process import Finished, run_process
from warmbase.errors import LockError
from warmbase.lock.fingerprint import fingerprint_of_lock, fingerprint_of_resolution
from warmbase.lock.model import Lock
from warmbase.lock.resolve import Resolver, Upgrade
from warmbase.lock.restraint import FREE, restrain

MakeBases = Callable[..., Bases]
START = datetime(2026, 3, 1, 2, tzinfo=UTC)
LIBC = {PLATFORM: ("glibc", "2.41")}
COOL: Mapping[str, Any] = {"requirements": ["tiny-app"], "cooldown": "3 days"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Nights:
    """An index on which days pass, and a catalog that is locked from it. `ran` are the commands that uv was given."""

    bases: Bases
    mirror: Mirror
    ran: list[str] = field(default_factory=list)

    def release(
        self, name: str, version: str, *, day: float, requires: Sequence[str] = (), tag: str = "py3-none-any"
    ) -> None:
        time = (START + timedelta(days=day)).strftime("%Y-%m-%dT%H:%M:%S.000000Z")
        self.mirror.wheels.append(
            make_wheel(name, version, {f"{name}.py": version}, requires=requires, tag=tag, time=time)
        )

    def variant(self, image: Mapping[str, Any]) -> Variant:
        self.bases.write_catalog({"app": dict(image)})
        (variant,) = load_catalog(self.bases.catalog).variants
        return variant

    def resolver(self) -> Resolver:
        def run(argv: Sequence[str | Path], **options: Any) -> Finished:
            self.ran.append(str(argv[1]))
            return run_process(argv, **options)

        uv = replace(pinned_uv(self.bases), processes=run)
        return Resolver(uv=uv, cache=self.bases.cache / "uv-cache", ask_size=ask_size)

    def lock(
        self,
        image: Mapping[str, Any],
        *,
        day: float,
        previous: Lock | None = None,
        broken: Sequence[tuple[str, str]] = (),
        everything: bool = True,
    ) -> Lock:
        """Lock an image on a day, everything anew unless told otherwise."""
        variant = self.variant(image)
        restraint = restrain(variant, START + timedelta(days=day), previous, broken)
        upgrade = Upgrade(everything=everything, restraint=restraint)
        return self.resolver().resolve(variant, libc=LIBC, previous=previous, upgrade=upgrade)


@pytest.fixture
def nights(bases: MakeBases, mirror: Mirror) -> Nights:
    return Nights(bases=bases("a", mirror, {"app": ["tiny-app"]}), mirror=mirror)


def test_a_release_is_taken_when_its_cooldown_is_over(nights: Nights) -> None:
    first = nights.lock(COOL, day=0)
    nights.release("tiny-lib", "1.1", day=1)
    waiting = nights.lock(COOL, day=3.9, previous=first)
    assert waiting == first
    taken = nights.lock(COOL, day=4.1, previous=waiting)
    assert taken.versions() == {"tiny-app": "1.0", "tiny-lib": "1.1"}


def test_a_package_that_is_exempt_is_taken_at_once(nights: Nights) -> None:
    nights.release("tiny-lib", "1.1", day=1)
    nights.release("tiny-app", "1.1", day=1, requires=["tiny-lib"])
    spared = {**COOL, "cooldown": {"time": "3 days", "exempt": ["Tiny_Lib"]}}
    assert nights.lock(spared, day=1.5).versions() == {"tiny-app": "1.0", "tiny-lib": "1.1"}


def test_a_cooldown_never_takes_a_version_back(nights: Nights) -> None:
    nights.release("tiny-lib", "1.1", day=1)
    eager = nights.lock({"requirements": ["tiny-app"]}, day=1)
    assert eager.versions()["tiny-lib"] == "1.1"
    nights.release("tiny-lib", "1.2", day=1.01)
    cool = nights.lock(COOL, day=2, previous=eager)
    assert cool.versions()["tiny-lib"] == "1.1"
    assert nights.lock(COOL, day=2).versions()["tiny-lib"] == "1.0"  # who has nothing yet gets nothing young


def test_what_nobody_asked_to_move_stays_under_a_cooldown(nights: Nights) -> None:
    first = nights.lock(COOL, day=0)
    nights.release("tiny-lib", "1.1", day=1)
    assert nights.lock(COOL, day=9, previous=first, everything=False).versions() == first.versions()


def test_a_pin_holds_a_package_that_others_bring_and_lets_it_go_in_time(nights: Nights) -> None:
    nights.release("tiny-lib", "2.0", day=0)
    pin = {"version": "<2", "reason": "2.0 breaks us", "until": "2026-03-03"}
    image = {"requirements": ["tiny-app"], "pins": {"tiny-lib": pin}}
    free = nights.lock({"requirements": ["tiny-app"]}, day=0)
    held = nights.lock(image, day=2.9, previous=free)
    assert (free.versions()["tiny-lib"], held.versions()["tiny-lib"]) == ("2.0", "1.0")
    assert nights.lock(image, day=3, previous=held).versions()["tiny-lib"] == "2.0"


def test_a_version_that_broke_is_not_taken_and_the_next_one_is(nights: Nights) -> None:
    nights.release("tiny-lib", "1.1", day=0)
    image, broken = {"requirements": ["tiny-app"]}, [("tiny-lib", "1.1")]
    assert nights.lock(image, day=1, broken=broken).versions()["tiny-lib"] == "1.0"
    nights.release("tiny-lib", "1.2", day=1)
    assert nights.lock(image, day=2, broken=broken).versions()["tiny-lib"] == "1.2"


def test_a_pin_that_cannot_be_kept_is_shown_with_its_place_and_reason(nights: Nights) -> None:
    image = {"requirements": ["tiny-app"], "pins": {"tiny-lib": {"version": "<1", "reason": "we like it old"}}}
    with pytest.raises(LockError) as caught:
        nights.lock(image, day=0)
    assert "pinned in the catalog:\n  " in caught.value.message
    assert "tiny-lib<1 (we like it old)" in caught.value.message
    assert "take the pin out" in caught.value.next_step


def test_where_all_is_too_young_the_way_out_is_to_wait_or_to_exempt(nights: Nights) -> None:
    nights.release("tiny-new", "1.0", day=0)
    with pytest.raises(LockError) as caught:
        nights.lock({"requirements": ["tiny-new"], "cooldown": "1 week"}, day=1)
    assert caught.value.next_step == (
        "wait until tiny-new are old enough, or name them under `exempt` of the catalog's `cooldown`"
    )


@pytest.mark.parametrize("image", [COOL, {"requirements": ["tiny-app[more]"], "warm": ["tiny-backend"]}])
def test_what_decides_versions_has_the_fingerprint_of_the_lock_and_asks_uv_less(
    image: Mapping[str, Any], nights: Nights
) -> None:
    nights.release("tiny-lib", "1.1", day=1)
    variant = nights.variant(image)
    restraint = restrain(variant, START + timedelta(days=2), None)
    own = nights.resolver().resolve_own(variant, libc=LIBC, restraint=restraint)
    asked = nights.ran.count("lock")
    lock = nights.lock(image, day=2)
    assert own.versions() == lock.versions()
    assert fingerprint_of_resolution(own) == fingerprint_of_lock(lock)
    assert (asked, nights.ran.count("lock")) == (1, 1 + 3)  # the lock's own, a universal one, and that of uv


def test_variants_with_the_same_question_are_resolved_once(nights: Nights) -> None:
    variants = [replace(nights.variant(COOL), image=f"image-{number}") for number in range(6)]
    other = nights.variant({"requirements": ["tiny-lib"]})
    resolver = nights.resolver()

    def lock(variant: Variant) -> Lock:
        return resolver.resolve(variant, libc=LIBC, previous=None, upgrade=Upgrade(everything=True))

    with ThreadPoolExecutor(6) as pool:
        locks = list(pool.map(lock, variants))
    assert [one.variant for one in locks] == [variant.name for variant in variants]
    assert len({fingerprint_of_lock(one) for one in locks}) == 1
    assert (nights.ran.count("lock"), nights.ran.count("export")) == (3, 2)
    nights.ran.clear()
    assert lock(other).versions() == {"tiny-lib": "1.0"}
    assert (nights.ran.count("lock"), nights.ran.count("export")) == (2, 2)  # uv itself is known


def test_a_resolver_with_another_restraint_asks_anew(nights: Nights) -> None:
    nights.release("tiny-lib", "1.1", day=1)
    variant, resolver = nights.variant(COOL), nights.resolver()
    young = resolver.resolve_own(variant, libc=LIBC, restraint=FREE)
    old = resolver.resolve_own(variant, libc=LIBC, restraint=restrain(variant, START + timedelta(days=2), None))
    assert (young.versions()["tiny-lib"], old.versions()["tiny-lib"]) == ("1.1", "1.0")


def test_the_command_line_holds_back_what_the_catalog_says(nights: Nights) -> None:
    """It goes by the machine's time: nothing uploaded in 2998 is old enough."""
    nights.mirror.wheels.append(make_wheel("tiny-lib", "1.1", {"l.py": ""}, time="2998-01-01T00:00:00.000000Z"))
    nights.variant(COOL)
    nights.bases.run("lock")
    text = (nights.bases.folder / "bases/app/py3.13-trixie.txt").read_text()
    assert "tiny-lib==1.0" in text
    nights.variant({"requirements": ["tiny-app"]})
    nights.bases.run("lock", "--upgrade-package", "tiny-lib")
    assert "tiny-lib==1.1" in (nights.bases.folder / "bases/app/py3.13-trixie.txt").read_text()
