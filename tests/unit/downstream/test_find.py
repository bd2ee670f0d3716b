"""Finding bases by packages: which have them all, in which order, and what stands in the way of the others."""

from datetime import UTC, datetime

import pytest
from tests.offered import NEWEST, base, offered

from warmbase.downstream.find import Finding, find_bases, parse_requests
from warmbase.downstream.listing import Base
from warmbase.downstream.telling import describe_finding, tell_finding
from warmbase.errors import SelectionError

NOW = datetime(2026, 11, 22, 9, tzinfo=UTC)
BOTH = ("linux/amd64", "linux/arm64")
STACK = {"numpy": "2.3.4", "pandas": "2.2.3", "requests": "2.32.3"}
DATA = base("data:py3.13-trixie", STACK, platforms=BOTH)
OLDER = base("data:py3.12-trixie", STACK | {"pandas": "2.1.4"})
LARGE = base("ml:py3.13-trixie", STACK | {"torch": "2.9.1", "transformers": "4.57.1", "pyarrow": "17.0.0"})
SMALL = base("web:py3.12-trixie", {"flask": "3.1.2", "requests": "2.32.3"})
YANKED = base("data:py3.13-bookworm", STACK, tags=["py3.13-bookworm"], yanked="a broken openssl", instead="data:py3.13")
OLD = base("old:py3.9-bookworm", STACK, python="3.9.20")
ALL = (SMALL, OLD, LARGE, OLDER, YANKED, DATA)


def find(*texts: str, bases: tuple[Base, ...] = ALL, python: str = "", platform: str = "") -> Finding:
    return find_bases(parse_requests(texts), bases, NOW.date(), python=python, platform=platform)


def names(finding: Finding) -> list[str]:
    return [found.base.name for found in finding.found]


def near(finding: Finding) -> list[str]:
    assert not finding.found
    return [f"{each.base.name} {' and '.join(each.obstacles)}" for each in finding.near]


@pytest.mark.parametrize(
    ("texts", "found"),
    [
        (["pandas>=2.2,<3"], ["data:py3.13", "ml:py3.13", "old:py3.9"]),
        (["pandas", "numpy>=2"], ["data:py3.13", "data:py3.12", "ml:py3.13", "old:py3.9"]),
        (["Pandas ~= 2.1.0"], ["data:py3.12"]),
        (["torch", "numpy"], ["ml:py3.13"]),
        (["flask[async]"], ["web:py3.12"]),
    ],
)
def test_what_has_it_all_is_found_the_small_and_new_first_and_the_old_last(texts: list[str], found: list[str]) -> None:
    assert names(find(*texts)) == found


@pytest.mark.parametrize(
    ("python", "found"),
    [
        ("3.12", ["web:py3.12", "data:py3.12"]),
        ("3.12.12", ["web:py3.12", "data:py3.12"]),
        ("3", ["web:py3.12", "data:py3.13", "data:py3.12", "ml:py3.13", "old:py3.9"]),
        (">=3.12.4,<3.13", ["web:py3.12", "data:py3.12"]),
        ("3.1", []),
    ],
)
def test_a_python_is_asked_for_as_uv_takes_it(python: str, found: list[str]) -> None:
    assert names(find("requests", python=python)) == found


def test_a_platform_counts_where_it_has_it_all() -> None:
    assert names(find("pandas", platform="linux/arm64")) == ["data:py3.13"]
    (found,) = find("pandas", bases=(DATA,)).found
    assert [each.platform for each in found.platforms] == list(BOTH)


def test_what_a_marker_leaves_out_is_not_looked_for() -> None:
    assert names(find("requests", "tomli; python_version < '3.11'", python=">=3.11")) == names(
        find("requests", python=">=3.11")
    )
    other = base("tools:py3.12-trixie", {"tomli": "2.2.1"})
    assert near(find("requests", "tomli; python_version >= '3.11'", bases=(DATA, other))) == [
        "data:py3.13 lacks tomli",
        "tools:py3.12 lacks requests",
    ]


def test_what_is_in_the_cache_alone_is_found_after_what_is_in_the_venv_and_said_so() -> None:
    cached = base("lean:py3.13-trixie", [offered("numpy", "2.3.4", use="warm")])
    finding = find("numpy", bases=(cached, DATA))
    assert names(finding) == ["data:py3.13", "lean:py3.13"]
    assert "numpy in its cache alone" in "\n".join(tell_finding(finding, "numpy", NOW))


@pytest.mark.parametrize(
    ("texts", "python", "platform", "lacking"),
    [
        (["pandas>=3"], "", "", ["data:py3.13 has pandas 2.2.3", "data:py3.12 has pandas 2.1.4"]),
        (["pandas<2"], "", "", ["data:py3.12 has pandas 2.1.4", "data:py3.13 has pandas 2.2.3"]),
        (["torch", "pandas"], "3.12", "", ["ml:py3.13 has Python 3.13", "data:py3.12 lacks torch"]),
        (["pandas>=3", "numpy"], ">=3.14", "", ["data:py3.13 has pandas 2.2.3 and Python 3.13"]),
        (["torch", "flask<3"], "", "", ["ml:py3.13 lacks flask", "web:py3.12 lacks torch and has flask 3.1.2"]),
        (["torch"], "", "linux/arm64", ["ml:py3.13 is there for linux/amd64 alone", "data:py3.13 lacks torch"]),
        (["flask", "torch"], "", "", ["ml:py3.13 lacks flask", "web:py3.12 lacks torch"]),
    ],
)  # fmt: skip
def test_where_nothing_is_found_the_nearest_say_what_stands_in_the_way(
    texts: list[str], python: str, platform: str, lacking: list[str]
) -> None:
    assert near(find(*texts, python=python, platform=platform))[: len(lacking)] == lacking


def test_what_was_yanked_is_not_found_and_named_where_it_alone_would_do() -> None:
    only = base("gpu:py3.13-trixie", {"cupy": "13.6.0"}, yanked="crashes at the start", instead="gpu:py3.13-20261101")
    finding = find("cupy", bases=(*ALL, only))
    assert near(finding)[0] == "gpu:py3.13 is yanked: crashes at the start; take gpu:py3.13-20261101"
    assert not any("yanked" in line for line in near(find("cupy", "flask", bases=(*ALL, only))))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("pandas>>2", "'pandas>>2' names no package"),
        ("", "'' names no package"),
        ("tool @ https://files.example/tool-1.0-py3-none-any.whl", "is no package of an index"),
    ],
)
def test_what_names_no_package_is_an_error_with_a_next_step(text: str, message: str) -> None:
    with pytest.raises(SelectionError) as raised:
        parse_requests([text])
    assert message in raised.value.message
    assert raised.value.next_step


FOUND = f"""\
base         pandas  numpy  python  size      published               platforms                 digest
data:py3.13  2.2.3   2.3.4  3.13    69.9 MB   2026-11-20, 2 days ago  linux/amd64, linux/arm64  {DATA.digest}
ml:py3.13    2.2.3   2.3.4  3.13    103.4 MB  2026-11-20, 2 days ago  linux/amd64               {LARGE.digest}

FROM {DATA.reference}"""

NOT_FOUND = """\
no base has torch and flask with Python 3.12

`web:py3.12` lacks torch
`ml:py3.13` lacks flask and has Python 3.13
`data:py3.12` lacks torch and flask

next: ask for less, or ask who publishes the bases for one that has it; `warmbase list` shows what there is"""


def test_people_are_told_the_tags_with_digest_size_and_age() -> None:
    finding = find("pandas>=2.2", "numpy", bases=(DATA, LARGE))
    assert "\n".join(tell_finding(finding, "pandas>=2.2 and numpy", NOW)) == FOUND


def test_a_name_that_no_base_has_is_told_with_the_names_like_it_and_no_base_is_nearer_for_it() -> None:
    finding = find("pnadas>=2", "no-such-thing")
    assert list(tell_finding(finding, "pnadas>=2 and no-such-thing", NOW))[:4] == [
        "no base has pnadas>=2 and no-such-thing",
        "",
        "pnadas is in no base at any version; similar: pandas",
        "no-such-thing is in no base at any version",
    ]
    assert finding.near == ()


def test_beside_a_name_that_no_base_has_the_nearest_are_those_for_the_others() -> None:
    assert near(find("pnadas", "torch"))[:2] == ["ml:py3.13 has all else", "data:py3.13 lacks torch"]


def test_what_is_asked_for_twice_is_one_column() -> None:
    told = list(tell_finding(find("pandas>=2", "pandas<3", "Pandas"), "pandas", NOW))
    assert told[0].split() == ["base", "pandas", "python", "size", "published", "platforms", "note", "digest"]
    assert near(find("rich", "rich", "pandas", bases=(DATA, SMALL, base("o:py3.13-trixie", {"rich": "1"})))) == [
        "o:py3.13 lacks pandas",
        "data:py3.13 lacks rich",
        "web:py3.12 lacks rich and pandas",
    ]


def test_people_are_told_what_is_nearest() -> None:
    finding = find("torch", "flask", python="3.12")
    assert "\n".join(tell_finding(finding, "torch and flask with Python 3.12", NOW)) == NOT_FOUND


def test_programs_are_told_the_same() -> None:
    found = describe_finding(find("pandas", bases=(DATA, OLD)), NOW)["found"]
    assert [(each["base"], each["is_past_end_of_life"]) for each in found] == [
        ("data:py3.13", False),
        ("old:py3.9", True),
    ]
    assert found[0]["digest"] == DATA.digest
    assert found[0]["packages"] == {"pandas": "2.2.3"}
    assert [each["platform"] for each in found[0]["platforms"]] == list(BOTH)
    assert describe_finding(find("torch", "pandsa", bases=(DATA, LARGE), python="3.12"), NOW) == {
        "found": [],
        "near": [
            {"base": "ml:py3.13", "platform": "linux/amd64", "obstacles": ["has Python 3.13"]},
            {"base": "data:py3.13", "platform": "linux/amd64", "obstacles": ["lacks torch", "has Python 3.13"]},
        ],
        "nowhere": [{"name": "pandsa", "similar": ["pandas"]}],
        "extras_not_looked_at": [],
    }


def test_what_an_extra_adds_is_said_to_be_unknown() -> None:
    told = list(tell_finding(find("flask[async]", "requests"), "flask[async] and requests", NOW))
    assert "whether they have what the extras of flask[async] add is not known" in told
    assert not any("extras" in line for line in tell_finding(find("flask"), "flask", NOW))


def test_the_order_does_not_depend_on_that_of_the_listing() -> None:
    other = base("also:py3.13-trixie", STACK, time=NEWEST, platforms=BOTH)
    for bases in ((DATA, other), (other, DATA)):
        assert names(find("pandas", bases=bases)) == ["also:py3.13", "data:py3.13"]
