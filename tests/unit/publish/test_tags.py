"""The names that a variant is published under."""

from datetime import datetime, timedelta, timezone
from itertools import islice

import pytest

from warmbase.publish.tags import content_tag, dated_tags, is_immutable, same_day

DAY = datetime.fromisoformat("2026-11-21T12:00:00Z")


def test_the_content_tag_of_one_platform_is_its_recipe() -> None:
    assert content_tag("py3.13", {"linux/amd64": "4f2a90c81d3e" + "0" * 52}) == "py3.13-4f2a90c81d3e"


def test_the_content_tag_of_several_platforms_depends_on_each_recipe_and_platform_but_not_on_their_order() -> None:
    one, other = {"linux/amd64": "a" * 64, "linux/arm64": "b" * 64}, {"linux/arm64": "b" * 64, "linux/amd64": "a" * 64}
    swapped = {"linux/amd64": "b" * 64, "linux/arm64": "a" * 64}
    assert content_tag("py3.13", one) == content_tag("py3.13", other) != content_tag("py3.13", swapped)


def test_the_first_dated_tag_of_a_day_has_no_number() -> None:
    assert list(islice(dated_tags("py3.13", DAY), 3)) == ["py3.13-20261121", "py3.13-20261121.2", "py3.13-20261121.3"]


def test_the_day_of_a_dated_tag_is_that_of_utc() -> None:
    evening_in_new_york = datetime(2026, 11, 20, 22, tzinfo=timezone(timedelta(hours=-5)))
    assert next(dated_tags("py3.13", evening_in_new_york)) == "py3.13-20261121"


@pytest.mark.parametrize("dated", ["py3.13-20261121", "py3.13-20261121.7"])
def test_the_tags_of_a_day_are_found_from_any_of_them(dated: str) -> None:
    assert list(islice(same_day(dated), 2)) == ["py3.13-20261121", "py3.13-20261121.2"]


@pytest.mark.parametrize("tag", ["py3.13-20261121", "py3.13-trixie-20261121.12", "py3.13-4f2a90c81d3e"])
def test_dated_and_content_tags_are_known_by_their_form(tag: str) -> None:
    assert is_immutable(tag)


@pytest.mark.parametrize("tag", ["py3.13", "py3.13-trixie", "stable", "py3.13-2026112", "py3.13-20261121."])
def test_all_other_tags_may_move(tag: str) -> None:
    assert not is_immutable(tag)
