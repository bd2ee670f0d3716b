"""What time it is."""

from datetime import UTC, datetime, timedelta

import pytest

from warmbase.effects.clock import now


def test_the_time_is_the_machines_also_where_images_have_a_time_that_stands_still(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "0")
    before = datetime.now(UTC)
    assert timedelta() <= now() - before < timedelta(minutes=5)
