"""What is told of variants with which a night did nothing."""

import pytest

from warmbase.errors import LockError
from warmbase.nightly.model import Decision, Failure, Status, VariantState, Verdict
from warmbase.nightly.work import untouched

FAILURE = Failure(since="2026-11-19T02:00:00Z", last="", count=2, attempt="a", retry="", message="no")
KNOWN = VariantState(time="2026-11-20T02:00:00Z", digest="sha256:aa", failure=FAILURE)


@pytest.mark.parametrize(
    ("verdict", "status"), [("fresh", "fresh"), ("held", "held"), ("waiting", "waiting"), ("stale", "left")]
)
def test_a_verdict_becomes_a_status(verdict: Verdict, status: Status) -> None:
    result = untouched(Decision(variant="data:py3.13", verdict=verdict), KNOWN)
    assert (result.status, result.digest, result.before) == (status, "sha256:aa", "sha256:aa")


def test_what_nothing_can_come_of_has_failed_before_it_is_begun() -> None:
    error = LockError("nowhere is in no index", next_step="take it out")
    result = untouched(Decision(variant="data:py3.13", verdict="stale", error=error), None)
    assert (result.status, result.digest) == ("failed", "")
    assert result.error.startswith("nowhere is in no index")


@pytest.mark.parametrize(("verdict", "failure"), [("waiting", FAILURE), ("stale", FAILURE), ("fresh", None)])
def test_an_old_failure_is_told_as_long_as_it_is_not_mended(verdict: Verdict, failure: Failure | None) -> None:
    assert untouched(Decision(variant="data:py3.13", verdict=verdict), KNOWN).failure == failure
