"""What moved between two images or two locks."""

import json
from dataclasses import replace
from typing import Any

from tests.billed import LOCK, PLATFORM, SAID, foundation, package

from warmbase.foundation.model import Package
from warmbase.image.bill import Said, image_parts, write_bill
from warmbase.lock.model import Lock
from warmbase.nightly.changes import changed, direction, lock_moves, moves
from warmbase.nightly.model import Move
from warmbase.nightly.report.tables import moves_lines

ARM = "linux/arm64"
OPENSSL = Package(name="openssl", version="3.5.1-1", architecture="amd64")
SQLITE = Package(name="libsqlite3-0", version="3.46.1-7", architecture="amd64")


def bill(lock: Lock = LOCK, *system: Package, python: str = "3.13.5") -> dict[str, Any]:
    below = replace(foundation(*system), python=python)
    parts = image_parts(lock, PLATFORM, below, SAID)
    document: dict[str, Any] = json.loads(write_bill(lock.variant, "ab" * 32, "2026-01-02T03:04:05Z", parts))
    return document


def with_packages(*pairs: tuple[str, str]) -> Lock:
    return replace(LOCK, packages=tuple(package(name, version, "a") for name, version in pairs))


def words(moved: tuple[Move, ...]) -> list[tuple[str, str, str, str]]:
    return [(move.kind, move.name, move.old, move.new) for move in moved]


def test_packages_that_moved_came_and_went_are_named_once_for_all_platforms() -> None:
    old = bill(with_packages(("numpy", "2.5.5"), ("six", "1.17")), OPENSSL, SQLITE)
    new = bill(with_packages(("numpy", "2.5.6"), ("rich", "14.2")), replace(OPENSSL, version="3.5.1-1+deb13u2"))
    found = moves({PLATFORM: old, ARM: old}, {PLATFORM: new, ARM: new})
    assert words(found) == [
        ("python", "numpy", "2.5.5", "2.5.6"),
        ("python", "rich", "", "14.2"),
        ("python", "six", "1.17", ""),
        ("debian", "libsqlite3-0", "3.46.1-7", ""),
        ("debian", "openssl", "3.5.1-1", "3.5.1-1+deb13u2"),
    ]


def test_the_same_image_moved_nothing() -> None:
    assert moves({PLATFORM: bill()}, {PLATFORM: bill()}) == ()


def test_python_and_uv_are_no_packages_but_they_move_too() -> None:
    newer = replace(LOCK, uv=package("uv", "0.13.9", "b"))
    found = moves({PLATFORM: bill()}, {PLATFORM: bill(newer, python="3.13.6")})
    assert words(found) == [("tool", "python", "3.13.5", "3.13.6"), ("tool", "uv", "0.13.8", "0.13.9")]


def test_a_package_uv_is_not_taken_for_uv_itself() -> None:
    newer = replace(LOCK, packages=(*LOCK.packages[:2], package("uv", "0.13.9", "b"), LOCK.packages[3]))
    assert words(moves({PLATFORM: bill()}, {PLATFORM: bill(newer)})) == [("python", "uv", "0.13.8", "0.13.9")]


def test_links_are_the_package_s_own_what_changed_first() -> None:
    (numpy,) = moves(
        {PLATFORM: bill(with_packages(("numpy", "2.5.4")))}, {PLATFORM: bill(with_packages(("numpy", "2.5.5")))}
    )
    assert list(numpy.links.items()) == [
        ("Release Notes", "https://numpy.example/news"),
        ("Homepage", "https://numpy.example"),
    ]


def test_two_architectures_of_one_package_are_told_with_both_versions() -> None:
    other = replace(OPENSSL, architecture="i386")
    newer = replace(OPENSSL, version="3.5.2-1")
    found = moves({PLATFORM: bill(LOCK, OPENSSL, other)}, {PLATFORM: bill(LOCK, newer, other)})
    assert words(found) == [("debian", "openssl", "3.5.1-1", "3.5.2-1, 3.5.1-1")]


def test_a_platform_that_is_new_moves_nothing() -> None:
    assert moves({PLATFORM: bill()}, {PLATFORM: bill(), ARM: bill(with_packages())}) == ()


def test_what_did_not_move_alike_everywhere_is_told_with_its_platforms() -> None:
    old = bill(with_packages(("numpy", "1"), ("six", "1")))
    here, there = bill(with_packages(("numpy", "2"), ("six", "2"))), bill(with_packages(("numpy", "1.5"), ("six", "2")))
    found = moves({PLATFORM: old, ARM: old}, {PLATFORM: here, ARM: there})
    assert [(move.name, move.new, move.platforms) for move in found] == [
        ("numpy", "1.5", (ARM,)),
        ("numpy", "2", (PLATFORM,)),
        ("six", "2", ()),
    ]
    assert "| numpy (linux/arm64) | 1 | 1.5 |" in "\n".join(moves_lines(found))


def test_locks_tell_the_same_of_python_packages() -> None:
    newer = with_packages(("numpy", "2.5.6"))
    assert words(lock_moves(LOCK, newer)) == [
        ("python", "numpy", "2.5.5", "2.5.6"),
        ("python", "uv", "0.13.8", ""),
        ("python", "wheel", "0.45", ""),
    ]
    assert [move.old for move in lock_moves(None, newer)] == ["", ""]


def test_what_a_bisection_is_about_moved_and_was_there_before() -> None:
    found = lock_moves(with_packages(("numpy", "1"), ("six", "1")), with_packages(("numpy", "2"), ("rich", "1")))
    assert changed(found) == ("numpy",)


def test_a_package_goes_up_or_down_as_its_kind_counts() -> None:
    def moved(kind: str, old: str, new: str) -> str:
        return direction(Move(kind="python" if kind == "python" else "debian", name="some", old=old, new=new))

    assert moved("python", "2.9", "2.10") == "up"
    assert moved("python", "2.10", "2.10rc1") == "down"
    assert moved("debian", "3.5.1-1~deb13u1", "3.5.1-1") == "up"
    assert moved("debian", "1:1.0", "2.0") == "down"
    assert (moved("python", "", "1"), moved("debian", "1", "")) == ("added", "removed")


def test_a_wheel_that_says_nothing_has_no_links() -> None:
    assert Said().links == ()
    (wheel,) = (move for move in lock_moves(with_packages(("wheel", "1")), with_packages(("wheel", "2"))))
    assert wheel.links == {}
