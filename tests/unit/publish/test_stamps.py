"""Tags that say when a record was made."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from warmbase.publish.stamps import LONGEST_FRONT, Stamp

SECONDS = st.datetimes(min_value=datetime(2000, 1, 1), max_value=datetime(2999, 1, 1)).map(
    lambda moment: moment.replace(microsecond=0, tzinfo=UTC)
)


@given(SECONDS, SECONDS)
def test_a_stamp_is_read_back_and_texts_are_in_the_order_of_times(one: datetime, other: datetime) -> None:
    first, second = (Stamp.make("data-py3.13", moment, "0123456789abcdef") for moment in (one, other))
    assert Stamp.parse(str(first)) == first
    assert first.moment == one
    assert (first.time < second.time) == (one < other)


def test_a_stamp_is_in_utc_and_fits_a_registry() -> None:
    moment = datetime(2026, 11, 21, 1, tzinfo=timezone(timedelta(hours=2)))
    assert str(Stamp.make("state", moment, "0" * 64)) == "state-20261120T230000Z-000000000000"
    assert len(str(Stamp.make("x" * LONGEST_FRONT, moment, "0" * 64))) == 128


@pytest.mark.parametrize(
    "tag",
    ["latest", "state-20261121T000000Z", "state-20261121-000000000000", "state-20269999T999999Z-000000000000",
     "-20261121T000000Z-000000000000", "state-20261121T000000Z-000000000000-over"],
)  # fmt: skip
def test_other_tags_are_no_stamps(tag: str) -> None:
    assert Stamp.parse(tag) is None
