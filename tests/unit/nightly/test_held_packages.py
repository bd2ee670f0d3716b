"""What a resolution left alone, and the reason that is given."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from tests.unit.plan.test_plan import VARIANT, requirement

from warmbase.catalog.model import PackagePin, Position
from warmbase.effects.simple import IndexFile
from warmbase.lock.restraint import Restraint
from warmbase.lock.wheels import supported_tags
from warmbase.nightly.held import Resolved, find_held, place_held
from warmbase.nightly.model import Held
from warmbase.nightly.offered import read_releases

PLATFORMS = ("linux/amd64", "linux/arm64")
OLD, YOUNG = "2026-01-01T00:00:00Z", "2026-03-02T12:00:00Z"
COOLING = Restraint(newest="2026-03-01T00:00:00Z")
ASKING = replace(VARIANT, requirements=(requirement("lib"), requirement("other")))


def file(name: str, time: str = OLD, *, yanked: str | None = None, requires_python: str = "") -> IndexFile:
    address = f"https://files.example/{name}"
    return IndexFile(name=name, address=address, time=time, yanked=yanked, requires_python=requires_python)


def wheel(version: str, time: str = OLD, tag: str = "py3-none-any") -> IndexFile:
    return file(f"lib-{version}-{tag}.whl", time)


def resolved(*files: IndexFile, needs: Mapping[tuple[str, str], Sequence[str]] | None = None) -> Resolved:
    """A resolution of lib, of which 1.0 was taken and `files` are offered beside it, and other."""
    releases = {
        "lib": read_releases([wheel("1.0"), *files]),
        "other": read_releases([file("other-1.0-py3-none-any.whl")]),
    }
    requirements = {key: [Requirement(text) for text in texts] for key, texts in (needs or {}).items()}
    return Resolved(
        variant=ASKING,
        restraint=Restraint(),
        versions={"lib": "1.0", "other": "1.0"},
        platforms={"lib": PLATFORMS, "other": PLATFORMS},
        releases=lambda name: releases[name],
        needs=lambda name, version: requirements.get((name, version), []),
        tags={platform: supported_tags("3.13", platform, ("glibc", "2.41")) for platform in PLATFORMS},
        cooldown=timedelta(days=3),
    )


def only(situation: Resolved) -> Held:
    (held,) = find_held(situation)
    assert (held.subject, held.current) == ("lib", "1.0")
    return held


@pytest.mark.parametrize(
    "offered",
    [
        wheel("0.9"),
        wheel("1.0.post1.dev3"),
        wheel("2.0rc1"),
        file("lib-2.0-py3-none-any.whl", yanked=""),
        file("lib-2.0-py3-none-any.whl", requires_python=">=3.14"),
        file("lib-unheard-of.tar.gz"),
        file("lib-2.0-py3-none-any.exe"),
    ],
)
def test_what_nobody_would_take_is_not_held_back(offered: IndexFile) -> None:
    assert find_held(resolved(offered)) == ()


def test_a_young_release_is_held_until_it_is_old_enough() -> None:
    held = only(replace(resolved(wheel("2.0", YOUNG)), restraint=COOLING))
    assert str(held) == "lib 1.0, not 2.0: cooldown until 2026-03-05"
    assert held.until == "2026-03-05T12:00:00Z"


def test_a_package_may_have_a_limit_of_its_own() -> None:
    exempt = replace(COOLING, own={"lib": ""})
    assert only(replace(resolved(wheel("2.0", YOUNG)), restraint=exempt)).by == "conflict"
    younger = replace(COOLING, own={"lib": "2026-03-02T12:00:00Z"})
    assert only(replace(resolved(wheel("2.0", YOUNG)), restraint=younger)).by == "cooldown"


def test_a_file_without_a_time_is_of_any_age() -> None:
    assert only(replace(resolved(wheel("2.0", "")), restraint=COOLING)).by != "cooldown"


def test_behind_a_young_release_the_newest_grown_one_is_looked_at_too() -> None:
    situation = resolved(wheel("3.0", YOUNG), wheel("2.5", YOUNG), wheel("2.0", tag="cp313-cp313-win_amd64"))
    held = find_held(replace(situation, restraint=COOLING))
    assert [(one.offered, one.by) for one in held] == [("3.0", "cooldown"), ("2.0", "wheels")]


def test_a_release_without_a_wheel_for_a_platform_names_that() -> None:
    situation = resolved(wheel("2.0", tag="cp313-cp313-manylinux_2_28_x86_64"), file("lib-2.0.tar.gz"))
    assert only(situation).detail == "no wheel for linux/arm64"
    compiling = replace(ASKING, build_packages=("gcc",))
    assert only(replace(situation, variant=compiling)).by == "conflict"


def test_another_package_that_wants_an_older_one_is_named() -> None:
    held = only(resolved(wheel("2.0"), needs={("other", "1.0"): ["lib<2"]}))
    assert str(held) == "lib 1.0, not 2.0: conflict, other 1.0 wants lib<2"


@pytest.mark.parametrize("marker", ["extra == 'more'", "sys_platform == 'win32'", "python_version < '3'"])
def test_what_does_not_count_here_holds_nothing_back(marker: str) -> None:
    held = only(resolved(wheel("2.0"), needs={("other", "1.0"): [f"lib<2 ; {marker}"]}))
    assert held.detail == "there is no solution with it"


def test_an_extra_counts_where_the_catalog_asks_for_it() -> None:
    situation = resolved(wheel("2.0"), needs={("other", "1.0"): ["lib<2 ; extra == 'more'"]})
    asking = replace(ASKING, requirements=(requirement("lib"), requirement("Other[more]")))
    assert only(replace(situation, variant=asking)).detail == "other 1.0 wants lib<2"


def test_what_a_release_wants_itself_is_named() -> None:
    held = only(resolved(wheel("2.0"), needs={("lib", "2.0"): ["other>=2"]}))
    assert held.detail == "lib 2.0 wants other>=2"


def test_a_version_that_broke_is_named_as_such() -> None:
    held = only(replace(resolved(wheel("2.0")), restraint=Restraint(constraints=("lib!=2.0",))))
    assert held.by == "broken"


def test_a_pin_is_told_with_its_reason_and_its_end() -> None:
    position = Position(file=Path("images.yaml"), line=9, column=3)
    pin = PackagePin(package="lib", version="<2", reason="2 is slow", until=date(2026, 12, 31), position=position)
    held = only(replace(resolved(wheel("2.0", YOUNG)), restraint=replace(COOLING, constraints=("lib<2",))))
    placed = place_held(held, replace(ASKING, pins=(pin,)))
    assert str(placed) == "lib 1.0, not 2.0: pin until 2026-12-31, 2 is slow"


def test_the_catalogs_own_requirement_is_told_with_its_place() -> None:
    asking = replace(ASKING, requirements=(requirement("lib<2"), requirement("other")))
    held = only(replace(resolved(wheel("2.0")), variant=asking))
    assert place_held(held, asking).detail == "images.yaml:1: lib<2"


def test_what_the_image_has_that_a_variant_is_from_is_not_its_own_affair() -> None:
    assert find_held(replace(resolved(wheel("2.0")), base={"lib": "1.0"})) == ()


def test_a_release_is_yanked_when_all_of_its_files_are() -> None:
    half = [wheel("2.0"), file("lib-2.0.tar.gz", yanked="bad")]
    assert read_releases(half)[0].yanked is None
    assert read_releases([half[1]])[0].yanked == "bad"
    assert read_releases([file("lib-2.0.zip", yanked="")])[0].yanked == ""
