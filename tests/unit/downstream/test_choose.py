"""The choice of a base: golden rankings with their reasons, and what holds of any."""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as some
from tests.needing import locked, project, wanted
from tests.offered import NEWEST, base, offered, wheel_size

from warmbase.downstream.choose import Choice, rank, roughly, standing
from warmbase.downstream.description import describe_base
from warmbase.downstream.listing import Base
from warmbase.downstream.match import Match, match
from warmbase.downstream.projects.model import Need, Project, Unknown
from warmbase.downstream.telling import describe_choice, tell_choice

AMD64 = "linux/amd64"
NOW = datetime(2026, 11, 22, 9, tzinfo=UTC)
STACK = {"numpy": "2.3.4", "pandas": "2.2.3", "pyarrow": "17.0.0", "requests": "2.32.3"}
NEEDS = {"httpx": "0.28.1", "numpy": "2.3.4", "pandas": "2.2.3", "requests": "2.32.3"}
DATA = (base("data:py3.13-trixie", STACK), base("data:py3.12-trixie", STACK), base("data:py3.11-trixie", STACK))
LARGE = base("ml:py3.13-trixie", STACK | {"scipy": "1.16.1", "torch": "2.9.1", "transformers": "4.57.1"})
SMALL = base("web:py3.13-trixie", {"flask": "3.1.2", "requests": "2.32.3"})
YANKED = base("data:py3.13-bookworm", STACK, tags=["py3.13-bookworm"], yanked="a broken openssl", instead="data:py3.13")
OLD = base("old:py3.9-bookworm", STACK, python="3.9.20")
HEAVY = (offered("torch", "2.9.1", size=2_000_000_000),)
ALL = (*DATA, LARGE, SMALL, YANKED, OLD)


def thrice_what_is_left(_: Project, found: Match) -> int:
    return found.left * 3


def choose(own: Project, bases: Sequence[Base] = ALL, platform: str = AMD64) -> Choice:
    return rank(own, bases, platform, NOW.date(), predict=thrice_what_is_left)


def told(choice: Choice, *, everything: bool = False) -> str:
    return (
        "\n".join(line for line in tell_choice(choice, NOW, everything=everything) if not line.startswith("FROM "))
        + "\n"
    )


def names(choice: Choice) -> list[str]:
    return [found.base.name for found in choice.ranked]


LOCKED = """\
data:py3.13 is the best for app (uv.lock) on linux/amd64


why         of 2 that leave as little to download, it has the newest Python
hits        3 of 4 packages: 3 the very file of the lock
missing     1 package (101.9 kB): httpx 0.28.1 (is not in it)
not needed  1 package, 18.0 MB
saved       21.8 MB that a build does not download; left: 1 package (101.9 kB)
layer       about 305.8 kB that the project adds to the image
base        Python 3.13.9, debian 13, 87.8 MB
published   2026-11-20 (2 days ago), looked after until 2029-10-31
not mapped  cudatoolkit: is no Python package

base         hits  exact  missing  left      not needed  layer     size      python  published
data:py3.13  3     3      1        101.9 kB  18.0 MB     305.8 kB  87.8 MB   3.13    2 days ago
data:py3.12  3     3      1        101.9 kB  18.0 MB     305.8 kB  87.8 MB   3.12    2 days ago
ml:py3.13    3     3      1        101.9 kB  42.9 MB     305.8 kB  112.7 MB  3.13    2 days ago
web:py3.13   1     1      3        5.0 MB    28.4 kB     15.1 MB   65.0 MB   3.13    2 days ago

`ml:py3.13` carries 24.9 MB more that is not needed
`web:py3.13` lacks pandas and numpy
`data:py3.11` would need Python ≥ 3.12
`data:py3.13-bookworm` is yanked: a broken openssl; take data:py3.13

next: warmbase adopt --base data:py3.13
"""

UNLOCKED = """\
data:py3.13 is the best for app (requirements.txt) on linux/amd64


why         it is the only one that can be used
hits        2 of 2 packages that the project names: 2 at a version that is admitted
not needed  2 packages, 34.9 MB; what your packages need is among them
saved       4.9 MB, and what these packages need, that a build does not download; left: nothing
layer       about 0 B that the project adds to the image
base        Python 3.13.9, debian 13, 87.8 MB
published   2026-11-20 (2 days ago), looked after until 2029-10-31
note        .python-version asks for 3.13.2, and uv insists: let it say 3.13

next: warmbase adopt --base data:py3.13
"""

NOTHING = """\
no base can be used for app (uv.lock) on linux/amd64

`data:py3.13` would need Python ≥ 3.14

next: ask who publishes the bases for Python ≥ 3.14, or change what uv.lock says of Python
"""

ELSEWHERE = """\
no base can be used for app (uv.lock) on linux/arm64

`data:py3.13` is there for linux/amd64 alone

next: try `--platform linux/amd64`, or ask who publishes the bases for linux/arm64
"""


def test_a_locked_project_is_told_the_best_base_and_why() -> None:
    own = project(NEEDS, requires_python=">=3.12", unknown=(Unknown(name="cudatoolkit", why="is no Python package"),))
    assert told(choose(own)) == LOCKED


def test_the_base_is_named_as_dockerfiles_have_it() -> None:
    assert f"FROM {DATA[0].reference}" in tell_choice(choose(project(NEEDS)), NOW)
    assert "@sha256:" in DATA[0].reference


def test_a_version_that_no_lock_has_is_not_said_to_be_of_one() -> None:
    own = project([Need(name="numpy", version="2.3.4")], kind="requirements.txt")
    hits = next(line for line in told(choose(own)).splitlines() if line.startswith("hits"))
    assert hits.endswith("1 of 1 package that the project names: 1 at the version that is asked for")


def test_a_project_without_a_lock_is_compared_by_what_it_names() -> None:
    own = project([wanted("pandas", ">=2"), wanted("numpy")], kind="requirements.txt", python="3.13.2")
    assert told(choose(own, [DATA[0]])) == UNLOCKED


def test_the_nearest_misses_say_what_each_lacks() -> None:
    elsewhere = base("edge:py3.13-trixie", STACK, platforms=["linux/arm64"])
    own = project(NEEDS, requires_python=">=3.12", direct=frozenset({"pandas", "httpx"}))
    lines = told(choose(own, [DATA[0], SMALL, DATA[2], elsewhere])).splitlines()
    assert lines[-5:-1] == [
        "`web:py3.13` lacks pandas and numpy",
        "`edge:py3.13` is there for linux/arm64 alone",
        "`data:py3.11` would need Python ≥ 3.12",
        "",
    ]


def test_all_bases_are_listed_on_request() -> None:
    many = [base(f"team-{each}:py3.13-trixie", STACK) for each in range(8)]
    own = project(NEEDS, requires_python=">=3.12")
    few, everything = told(choose(own, [*ALL, *many])), told(choose(own, [*ALL, *many]), everything=True)
    assert "and 6 more (--all)" in few
    assert "and 6 more" not in everything
    assert "`data:py3.11` would need Python ≥ 3.12\n" in everything
    assert "`old:py3.9` would need Python ≥ 3.12\n" in everything
    assert "`old:py3.9`" not in few


def test_where_no_base_can_be_used_it_says_what_stands_in_the_way() -> None:
    assert told(choose(project({"numpy": "2.3.4"}, requires_python=">=3.14"))) == NOTHING
    assert told(choose(project({"numpy": "2.3.4"}), platform="linux/arm64")) == ELSEWHERE


def test_a_python_version_that_alone_stands_in_the_way_can_say_another() -> None:
    choice = choose(project(NEEDS, requires_python=">=3.12", python="3.14.0"), [DATA[0]])
    assert told(choice).splitlines()[2:] == [
        "`data:py3.13` would need Python 3.14, as .python-version says",
        "",
        "next: let .python-version say 3.13, or ask who publishes the bases for Python 3.14.0",
    ]


def test_what_the_bases_system_has_need_not_be_installed() -> None:
    why = "it is a library or a program of the system: install it in the Dockerfile"
    own = project(NEEDS, unknown=(Unknown(name="openssl", why=why), Unknown(name="ffmpeg", why=why)))
    version = next(each.version for each in DATA[0].offer.platforms[0].system_packages if each.name == "openssl")
    lines = told(choose(own)).splitlines()
    assert f"not mapped  openssl: the base has it, {version}" in lines
    assert f"not mapped  ffmpeg: {why}" in lines
    assert [each["system"] for each in describe_choice(choose(own), NOW)["unknown"]] == [version, ""]


def test_what_else_the_command_line_had_is_in_the_next_one() -> None:
    lines = list(tell_choice(choose(project(NEEDS)), NOW, again="services/report --index bases.json "))
    assert lines[-1] == "next: warmbase adopt services/report --index bases.json --base data:py3.13"


@pytest.mark.parametrize(
    ("bases", "reason"),
    [
        ([DATA[0]], "it is the only one that can be used"),
        (
            [DATA[0], SMALL],
            "of 2 that can be used, it leaves least to download: 1 package (101.9 kB), and `web:py3.13` 3 packages"
            " (5.0 MB)",
        ),
        (
            [DATA[0], LARGE],
            "of 2 that can be used, it leaves as little to download as `ml:py3.13`, and carries less that is not"
            " needed: 18.0 MB, not 42.9 MB",
        ),
        (
            [SMALL, base("ml:py3.13-trixie", [*HEAVY, *(offered(*each) for each in NEEDS.items())])],
            "of 2 that can be used, it costs least: it leaves 3 packages (5.0 MB) to download and carries 28.4 kB that"
            " is not needed, and `ml:py3.13` leaves nothing and carries 2.00 GB",
        ),
        (
            [
                DATA[0],
                base(
                    "also:py3.13-trixie",
                    [*(offered(*each) for each in STACK.items()), offered("flask", "3.1.2", size=3_040_000)],
                ),
            ],
            "of 2 that leave as little to download, it carries least that is not needed: 18.0 MB, and `also:py3.13`"
            " 21.0 MB",
        ),
        ([DATA[0], DATA[1]], "of 2 that leave as little to download, it has the newest Python"),
        (
            [DATA[0], base("data:py3.13-bookworm", STACK, tags=["py3.13-bookworm"])],
            "of 2 that leave as little to download, it is on the foundation that data names first",
        ),
        (
            [DATA[0], base("data:py3.13-trixie", STACK | {"httpx": "0.28.0"})],
            "of 2 that leave as little to download, it is the smallest",
        ),
        (
            [DATA[0], base("later:py3.13-trixie", STACK, time=NEWEST - timedelta(days=3))],
            "of 2 that leave as little to download, it was published last",
        ),
        (
            [DATA[0], base("other:py3.13-trixie", STACK)],
            "of 2 that leave as little to download, its name comes first",
        ),
    ],
)
def test_the_reason_is_what_parts_the_best_from_the_next(bases: list[Base], reason: str) -> None:
    choice = choose(project(NEEDS), bases[::-1])
    assert choice.best is not None
    assert (choice.best.base, choice.reason) == (bases[0], reason)


def test_the_very_files_of_a_lock_come_before_others_of_the_same_version() -> None:
    other = base("also:py3.13-trixie", [offered("numpy", "2.3.4", file="numpy-2.3.4-cp313-cp313-linux_x86_64.whl")])
    choice = choose(project({"numpy": "2.3.4"}), [other, base("data:py3.13-trixie", {"numpy": "2.3.4"})])
    assert names(choice) == ["data:py3.13", "also:py3.13"]
    assert choice.reason == "of 2 that leave nothing to download, most of them hit as the lock has them"
    assert [near.why for near in choice.near] == ["has fewer of the very files of the lock"]


@pytest.mark.parametrize(
    ("packages", "why"),
    [
        ({"numpy": "2.3.4"}, "lacks torch and pandas"),
        ({"numpy": "2.3.4", "pandas": "2.1.0", "torch": "2.8.0"}, "has torch 2.8.0 and pandas 2.1.0 instead"),
        ({"numpy": "2.3.4", "pandas": "2.1.0"}, "lacks torch, and has other versions of 1 package"),
    ],
)
def test_a_near_miss_says_what_it_lacks(packages: dict[str, str], why: str) -> None:
    needs = {"numpy": "2.3.4", "pandas": "2.2.3", "torch": "2.9.1"}
    choice = choose(project(needs), [base("full:py3.13-trixie", needs), base("near:py3.13-trixie", packages)])
    assert [(near.match.base.name, near.why, near.is_barred) for near in choice.near] == [("near:py3.13", why, False)]


def test_a_large_base_does_not_win_for_a_few_kilobytes() -> None:
    needs = [locked("requests", "2.32.3"), locked("six", "1.17.0", size=11_000), locked("attrs", "25.1.0", size=9_000)]
    large = base("ml:py3.13-trixie", STACK | {"six": "1.17.0", "torch": "2.9.1"})
    assert names(choose(project(needs), [large, SMALL])) == ["web:py3.13", "ml:py3.13"]


def test_a_base_that_leaves_nothing_wins_over_a_smaller_one_that_leaves_a_little() -> None:
    needs = [locked("requests", "2.32.3"), locked("six", "1.17.0", size=126_000)]
    whole = base("all:py3.13-trixie", {"requests": "2.32.3", "six": "1.17.0", "numpy": "2.3.4", "pyarrow": "17.0.0"})
    choice = choose(project(needs), [SMALL, whole])
    assert names(choice) == ["all:py3.13", "web:py3.13"]
    assert choice.reason == (
        "of 2 that can be used, it leaves least to download: nothing, and `web:py3.13` 1 package (126.0 kB)"
    )
    assert [near.why for near in choice.near] == ["lacks six"]


def test_a_folder_of_the_projects_own_needs_no_network() -> None:
    needs = [locked("requests", "2.32.3"), Need(name="own", source="path", url="vendored/own")]
    also = base("all:py3.13-trixie", [offered("requests", "2.32.3"), *HEAVY])
    assert standing(match(project(needs), also, AMD64)).cost < 50_000_000
    assert names(choose(project(needs), [also, SMALL])) == ["web:py3.13", "all:py3.13"]


def test_a_larger_base_that_has_more_is_named_with_what_it_has() -> None:
    whole = base("ml:py3.13-trixie", [*HEAVY, *(offered(*each) for each in NEEDS.items())])
    assert [near.why for near in choose(project(NEEDS), [SMALL, whole]).near] == [
        "has all, and carries 2.00 GB more that is not needed"
    ]


def test_a_base_that_leaves_more_bytes_in_fewer_packages_does_not_leave_as_little() -> None:
    sizes = {"attrs": 60_000, "idna": 60_000, "six": 126_000}
    own = project([locked("requests", "2.32.3"), *(locked(name, "1.0", size=size) for name, size in sizes.items())])
    one = base("one:py3.13-trixie", {"requests": "2.32.3", "attrs": "1.0", "idna": "1.0"})
    two = base("two:py3.13-trixie", {"requests": "2.32.3", "six": "1.0"})
    choice = choose(own, [one, two])
    assert names(choice) == ["one:py3.13", "two:py3.13"]
    assert choice.reason == (
        "of 2 that can be used, it costs least: it leaves 1 package (126.0 kB) to download and carries 0 B that is not"
        " needed, and `two:py3.13` leaves 2 packages (120.0 kB) and carries 0 B"
    )


def test_what_the_project_names_itself_is_named_first() -> None:
    needs = {"numpy": "2.3.4", "pandas": "2.2.3", "requests": "2.32.3", "pyarrow": "17.0.0"}
    own = project(needs, direct=frozenset({"requests"}))
    near = base("near:py3.13-trixie", {"numpy": "2.3.4"})
    assert [each.why for each in choose(own, [base("full:py3.13-trixie", needs), near]).near] == [
        "lacks requests, pyarrow and pandas"
    ]
    missing = next(line for line in told(choose(own, [near])).splitlines() if line.startswith("missing"))
    assert missing.partition(": ")[2].startswith("requests 2.32.3 (is not in it), pyarrow")


def test_on_another_platform_the_nearest_base_is_the_one_with_the_packages() -> None:
    wanted_one = replace(DATA[0], time="2026-11-01T02:00:00Z")
    choice = choose(project(NEEDS), [base("also:py3.14-trixie", {"flask": "3.1.2"}), SMALL, wanted_one], "linux/arm64")
    assert [near.match.base.name for near in choice.barred] == ["data:py3.13", "web:py3.13", "also:py3.14"]
    assert told(choice) == ELSEWHERE


def test_on_another_platform_sizes_are_those_of_where_bases_are() -> None:
    needs = [wanted("numpy"), wanted("pandas"), Need(name="own", source="url", url="https://files.example/own.whl")]
    full = base("z:py3.13-trixie", STACK | {"torch": "2.9.1", "scipy": "1.16.1"})
    own = project(needs, kind="requirements.txt")
    choice = choose(own, [base("a:py3.13-trixie", {"flask": "3.1.2"}), full], "linux/arm64")
    assert [near.match.base.name for near in choice.barred] == ["z:py3.13", "a:py3.13"]


def test_on_another_platform_a_python_that_does_not_fit_is_said_too() -> None:
    choice = choose(project(NEEDS, requires_python=">=3.14"), [DATA[0]], "linux/arm64")
    assert [near.why for near in choice.barred] == ["is there for linux/amd64 alone and would need Python ≥ 3.14"]


def test_what_a_lock_does_not_say_of_sizes_other_bases_do() -> None:
    own = project([Need(name=name, version=version) for name, version in NEEDS.items()], kind="requirements.txt")
    ranked = {found.base.name: found for found in choose(own).ranked}
    assert ranked["web:py3.13"].left > 0
    assert "missing     1 package (size unknown): httpx 0.28.1 (is not in it)" in told(choose(own)).splitlines()


def test_a_base_that_says_nonsense_of_itself_is_no_reason_to_fail() -> None:
    odd = replace(base("odd:py3.13-trixie", STACK, python="three"), time="once")
    assert names(choose(project(NEEDS), [odd, DATA[0]])) == ["data:py3.13", "odd:py3.13"]
    own = project([locked("numpy", "2.3.4", file="numpy-2.3.4-cp313-cp313-linux_x86_64.whl")], requires_python=">=3")
    assert [near.why for near in choose(own, [odd]).barred] == ["would need Python ≥ 3"]


def test_a_base_that_was_yanked_or_is_past_its_end_never_wins() -> None:
    choice = choose(project(NEEDS), [YANKED, OLD])
    assert choice.best is None
    assert {near.match.base.name: near.why for near in choice.barred} == {
        "data:py3.13-bookworm": "is yanked: a broken openssl; take data:py3.13",
        "old:py3.9": "is past its end of life since 2025-10-31 (Python 3.9)",
    }


def test_an_end_that_is_near_is_said() -> None:
    soon = base("data:py3.11-bookworm", STACK)
    choice = rank(project(NEEDS), [soon], AMD64, datetime(2027, 8, 1, tzinfo=UTC).date(), predict=thrice_what_is_left)
    lines = tell_choice(choice, datetime(2027, 8, 1, tzinfo=UTC))
    assert "published   2026-11-20 (8 months ago), ends in 2 months (Python 3.11)" in lines


def test_the_document_has_the_best_in_full_and_of_the_others_what_they_are_compared_by() -> None:
    extra = ("pyarrow", "scipy", "torch", "transformers")
    document = describe_choice(choose(project(NEEDS, requires_python=">=3.12")), NOW)
    assert json.loads(json.dumps(document)) == document
    best = document["best"]
    assert best["reference"] == DATA[0].reference
    assert {each["name"]: each["fit"] for each in best["packages"]} == dict.fromkeys(
        ("numpy", "pandas", "requests"), "file"
    )
    assert best["misses"] == [
        {
            "name": "httpx",
            "version": "0.28.1",
            "specifier": "",
            "has": "",
            "why": "is not in it",
            "size": wheel_size("httpx"),
        }
    ]
    assert best["not_needed"] == ["pyarrow"]
    assert document["ranked"][2] == {
        **describe_base(LARGE, NOW),
        "size": LARGE.offer.platforms[0].size,
        "hits": {"file": 3, "version": 0, "constraint": 0},
        "missing": 1,
        "unneeded": {"packages": 4, "bytes": sum(map(wheel_size, extra))},
        "saved": best["saved"],
        "left": wheel_size("httpx"),
        "is_left_known": True,
        "layer": 3 * wheel_size("httpx"),
    }
    assert {"base": "data:py3.11", "why": "would need Python ≥ 3.12"} in document["barred"]


NAMES = tuple(f"part-{letter}" for letter in "abcdefgh")
VERSIONS = ("1.0", "1.1", "2.0")
packages = some.dictionaries(some.sampled_from(NAMES), some.sampled_from(VERSIONS), max_size=len(NAMES))
many_bases = some.lists(
    some.builds(
        lambda image, python, has: base(f"{image}:py{python}-trixie", has),
        some.sampled_from(["data", "web", "ml"]),
        some.sampled_from(["3.12", "3.13"]),
        packages,
    ),
    max_size=6,
    unique_by=lambda each: each.variant,
)


@given(needs=packages, bases=many_bases, order=some.randoms(use_true_random=False))
def test_the_order_is_total_and_does_not_depend_on_that_of_the_listing(
    needs: dict[str, str], bases: list[Base], order: Random
) -> None:
    shuffled = list(bases)
    order.shuffle(shuffled)
    one, other = choose(project(needs), bases), choose(project(needs), shuffled)
    assert (one.ranked, one.reason, one.near) == (other.ranked, other.reason, other.near)
    places = [standing(found) for found in one.ranked]
    assert all(before < after for before, after in pairwise(places))


@given(needs=packages, has=packages, more=some.sampled_from(NAMES))
def test_a_hit_more_never_makes_a_base_worse(needs: dict[str, str], has: dict[str, str], more: str) -> None:
    own = project(needs | {more: "2.0"})
    without = {name: version for name, version in has.items() if name != more}
    before, after = (match(own, base(packages=each), AMD64) for each in (without, without | {more: "2.0"}))
    assert standing(after) < standing(before)


@given(size=some.integers(0, 10**12), other=some.integers(0, 10**12))
def test_rough_sizes_keep_the_order_of_exact_ones(size: int, other: int) -> None:
    assert (roughly(size) <= roughly(other)) >= (size <= other)
    assert 0 <= size - roughly(size) <= max(roughly(size) // 4, 1 << 20)
