"""What a resolution leaves alone, and whether two of them are the same."""

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from tests.unit.plan.test_plan import LOCK, PLATFORM, VARIANT, package, requirement

from warmbase.catalog.model import Cooldown, PackagePin, Position, Variant
from warmbase.lock.fingerprint import fingerprint_of_lock, fingerprint_of_resolution
from warmbase.lock.model import Lock, LockedPackage
from warmbase.lock.once import Once
from warmbase.lock.project import ProjectText
from warmbase.lock.resolution import OwnResolution
from warmbase.lock.resolve import variant_inputs
from warmbase.lock.restraint import FREE, Restraint, restrain

NOW = datetime(2026, 11, 21, 2, tzinfo=UTC)
COOL = replace(VARIANT, cooldown=Cooldown(time=timedelta(days=3), exempt=("certifi",)))
PLACE = VARIANT.requirements[0].position


def uploaded(one: LockedPackage, time: str) -> LockedPackage:
    return replace(one, files=tuple(replace(file, time=time) for file in one.files))


def locked(*packages: LockedPackage) -> Lock:
    return replace(LOCK, packages=packages)


def pinned(version: str, until: date | None = None, place: Position = PLACE) -> Variant:
    pin = PackagePin(package="numpy", version=version, reason="it breaks us", until=until, position=place)
    return replace(VARIANT, pins=(pin,))


def test_a_catalog_that_holds_nothing_back_restrains_nothing() -> None:
    assert restrain(VARIANT, NOW, LOCK) == FREE
    assert FREE.settings() == []
    assert "exclude-newer" not in str(ProjectText(dependencies=("six",), restraint=FREE))


def test_a_cooldown_is_a_time_and_those_that_it_spares() -> None:
    restraint = restrain(COOL, NOW, None)
    assert restraint == Restraint(newest="2026-11-18T02:00:00Z", own={"certifi": ""})
    assert restraint.settings() == [
        'exclude-newer = "2026-11-18T02:00:00Z"',
        "exclude-newer-package = { certifi = false }",
    ]


@pytest.mark.parametrize(
    ("time", "own"),
    [
        ("2026-11-18T01:59:59Z", {}),
        ("2026-11-18T02:00:00Z", {"numpy": "2026-11-18T02:00:01Z"}),
        ("2026-11-20T12:00:00.753Z", {"numpy": "2026-11-20T12:00:01Z"}),
        ("2026-11-20T12:00:00.753951Z", {"numpy": "2026-11-20T12:00:01Z"}),
        ("", {"numpy": ""}),  # nobody knows
    ],
)
def test_a_cooldown_admits_what_the_lock_has_however_young_it_is(time: str, own: dict[str, str]) -> None:
    known = uploaded(package("six"), "2026-01-01T00:00:00Z")
    restraint = restrain(COOL, NOW, locked(uploaded(package("numpy"), time), known))
    assert restraint.own == {"certifi": "", **own}


def test_only_what_is_installed_from_an_index_has_a_limit_of_its_own() -> None:
    young = "2026-11-20T12:00:00Z"
    git = replace(package("six"), source="git+https://code.example/six@0", files=())
    spared, shown = uploaded(package("certifi"), young), uploaded(package("colorama", use="index"), young)
    two = package("numpy")
    other = replace(two.files[0], name="numpy-1.0-py3-none-win_amd64.whl", time=young)
    two = replace(two, files=(replace(two.files[0], time="2026-01-01T00:00:00Z"), other))
    assert restrain(COOL, NOW, locked(git, spared, shown, two)).own == {"certifi": ""}


def test_a_pin_counts_to_its_last_day() -> None:
    last = pinned("<2.5", date(2026, 11, 21))
    assert restrain(last, NOW, None).constraints == ("numpy<2.5",)
    assert restrain(last, NOW + timedelta(days=1), None).constraints == ()
    text = str(ProjectText(dependencies=(), constraints=("six<=1",), restraint=restrain(last, NOW, None)))
    assert 'constraint-dependencies = ["six<=1", "numpy<2.5"]' in text


def test_versions_that_broke_are_not_taken_but_what_comes_from_an_address_is_not_held() -> None:
    broken: Sequence[tuple[str, str]] = [("six", "1.1"), ("numpy", "2.5.6"), ("numpy", "2.5.5")]
    assert restrain(VARIANT, NOW, None, broken).constraints == ("numpy!=2.5.5", "numpy!=2.5.6", "six!=1.1")
    direct = replace(pinned("<2"), requirements=(requirement("numpy @ git+https://code.example/numpy"),))
    assert restrain(direct, NOW, None, broken).constraints == ("six!=1.1",)


def test_pins_are_among_what_a_lock_was_made_from_and_reasons_are_not() -> None:
    one, plain = pinned("<2.5"), variant_inputs(VARIANT, "0.13.8")
    other = replace(one, pins=(replace(one.pins[0], reason="because", until=date(2027, 1, 1)),))
    assert variant_inputs(one, "0.13.8") == variant_inputs(other, "0.13.8")
    assert len({plain, variant_inputs(one, "0.13.8"), variant_inputs(pinned("<2.4"), "0.13.8")}) == 3
    assert variant_inputs(COOL, "0.13.8") == plain


def resolution(lock: Lock) -> OwnResolution:
    """What a resolution is that would make `lock`."""
    own = [one for one in lock.packages if one.use != "index"]
    return OwnResolution(
        records={(one.name, one.version): {} for one in reversed(own)},
        uses={one.name: (one.use, tuple(platform for platform, _ in one.wheels)) for one in own},
        files={one.name: dict(one.wheels) for one in own},
        addresses={one.name: one.source for one in own if one.source},
    )


SIX, NUMPY = package("six"), package("numpy")
GIT = replace(SIX, source="git+https://code.example/six@0", files=(), wheels=((PLATFORM, "0"),))


@pytest.mark.parametrize("lock", [locked(SIX, NUMPY), locked(GIT), locked(replace(SIX, use="warm"), NUMPY), locked()])
def test_a_lock_has_the_fingerprint_of_the_resolution_that_makes_it(lock: Lock) -> None:
    assert fingerprint_of_lock(lock) == fingerprint_of_resolution(resolution(lock))


def test_a_fingerprint_tells_apart_what_makes_another_image() -> None:
    moved = replace(GIT, source="git+https://code.example/six@1")
    other_wheel = replace(SIX, wheels=((PLATFORM, "six-1.0-1-py3-none-any.whl"),))
    locks = [
        locked(SIX),
        locked(SIX, NUMPY),
        locked(package("six", "1.1")),
        locked(replace(SIX, use="warm")),
        locked(other_wheel),
        locked(GIT),
        locked(moved),
    ]
    assert len({fingerprint_of_lock(lock) for lock in locks}) == len(locks)


def test_a_fingerprint_does_not_mind_what_is_in_no_image() -> None:
    shown = replace(package("colorama", use="index"), wheels=())
    elsewhere = replace(package("winner"), wheels=())
    again = uploaded(package("six", sha256="b"), "2026-11-20T12:00:00Z")  # a new lock keeps the old one's words
    assert fingerprint_of_lock(locked(again, shown, elsewhere)) == fingerprint_of_lock(locked(SIX))
    assert fingerprint_of_lock(locked(SIX, NUMPY)) == fingerprint_of_lock(locked(NUMPY, SIX))


def test_what_many_ask_for_at_once_is_made_once() -> None:
    once, made, all_there = Once(), list[str](), threading.Barrier(4)

    def make() -> str:
        made.append("it")
        return "it"

    def ask(_: int) -> str:
        all_there.wait()
        return once.make("key", make)

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(ask, range(4))) == ["it"] * 4
    assert once.make("another", make) == "it"
    assert made == ["it", "it"]


def test_what_failed_is_tried_again() -> None:
    once = Once()

    def fail() -> str:
        raise ValueError("not now")

    with pytest.raises(ValueError, match="not now"):
        once.make("key", fail)
    assert once.make("key", lambda: "it") == "it"
