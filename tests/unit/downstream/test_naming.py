"""What people write for a base."""

import pytest
from tests.offered import PLACE, base, edition

from warmbase.downstream.listing import Listing
from warmbase.downstream.naming import as_base, find_listed, no_such_base, take_apart
from warmbase.errors import ListingError

DATA = base("data:py3.13-trixie", platforms=["linux/amd64", "linux/arm64"])
OLD = base("data:py3.12-trixie", packages={"numpy": "2.0"})
TEAM = base("team/report:py3.13-trixie", packages={"polars": "1.0"})
LISTING = Listing(bases=(DATA, OLD, TEAM), source=PLACE)


@pytest.mark.parametrize(
    "text",
    [
        "data:py3.13",
        "data:py3.13-trixie",
        " data:py3.13 ",
        f"{PLACE}/data:py3.13",
        DATA.reference,
        f"data@{DATA.digest}",
        DATA.digest,
        DATA.digest[:19],
        f"data@{DATA.digest[:15]}",
        f"data:{DATA.dated}",
        f"data:{DATA.content}",
        DATA.content,
        DATA.offer.platforms[1].digest,
    ],
)
def test_a_base_is_found_by_any_of_its_names(text: str) -> None:
    assert find_listed(LISTING, text) is DATA


def test_an_image_with_one_variant_is_found_by_its_name_alone() -> None:
    assert find_listed(LISTING, "team/report") is TEAM
    assert find_listed(LISTING, f"{PLACE}/team/report:py3.13") is TEAM


@pytest.mark.parametrize(
    "text",
    [
        "",
        "data:py3.11",
        "web:py3.13",
        f"web@{DATA.digest}",
        "other.example/bases/data:py3.13",
        "sha256:",
        DATA.digest[:10],
        f"data:py3.13@sha256:{'0' * 64}",
    ],
)
def test_what_is_no_name_of_a_base_finds_none(text: str) -> None:
    assert find_listed(LISTING, text) is None


@pytest.mark.parametrize("text", ["data", "py3.13"])
def test_a_name_of_several_is_told_with_them(text: str) -> None:
    with pytest.raises(ListingError, match=r"means several bases of registry\.example/bases: data:py3\.1"):
        find_listed(LISTING, text)


def test_a_digest_counts_more_than_the_tag_before_it() -> None:
    """As in FROM: the tag is for people."""
    assert find_listed(LISTING, f"data:py3.13@{OLD.digest}") is OLD


def test_a_registry_with_a_port_is_no_tag() -> None:
    assert take_apart("localhost:5000/bases/data").tag == ""
    assert take_apart("localhost:5000/bases/data:py3.13", {"localhost:5000/bases"}).image == "data"


@pytest.mark.parametrize("text", ["data:py3.9", "dat:py3.13", "dtaa"])
def test_the_nearest_names_are_told(text: str) -> None:
    assert no_such_base(LISTING, text).next_step == "nearest are data:py3.13, data:py3.12"


def test_where_nothing_is_near_the_list_is_named() -> None:
    assert "warmbase list" in no_such_base(LISTING, "zzzzzzzzzz").next_step


def test_an_earlier_image_has_its_own_tags_and_versions() -> None:
    before = as_base(DATA, edition(DATA, days=3, packages={"numpy": "1.0"}))
    assert [each.python for each in before.offer.platforms] == [DATA.offer.python] * len(DATA.offer.platforms)
    assert before.name == f"data:{before.dated}"
    assert before.reference.endswith(f"@{before.digest}")
    assert before.digest != DATA.digest
    assert [(each.name, each.version) for each in before.offer.platforms[1].packages] == [("numpy", "1.0")]
