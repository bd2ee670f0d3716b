"""The words of `warmbase nightly`: exit codes and times."""

from typing import Literal

import pytest

from warmbase.cli.nightly import exit_code, parse_time
from warmbase.errors import SelectionError
from warmbase.nightly.model import Night, Status, VariantResult


def night(*statuses: Status, mode: Literal["publish", "commit", "plan"] = "publish") -> Night:
    results = tuple(VariantResult(variant=f"v{number}", status=status) for number, status in enumerate(statuses))
    return Night(began="", ended="", mode=mode, place="", results=results)


@pytest.mark.parametrize(
    ("statuses", "code"),
    [
        (("fresh", "refreshed", "held"), 0),
        (("fresh", "failed"), 3),
        (("refreshed", "waiting"), 3),
        (("failed", "left"), 3),
        (("failed", "failed"), 1),
        (("failed", "waiting"), 1),
        (("refreshed", "left"), 75),
        ((), 0),
    ],
)
def test_the_exit_code_says_how_a_night_went(statuses: tuple[Status, ...], code: int) -> None:
    assert exit_code(night(*statuses)) == code


def test_a_plan_is_no_failure() -> None:
    assert exit_code(night("left", "waiting", mode="plan")) == 0


@pytest.mark.parametrize(("text", "seconds"), [("", None), ("0s", 0), ("45s", 45), ("90m", 5400), ("1h30m", 5400)])
def test_a_time_is_written_as_people_write_it(text: str, seconds: float | None) -> None:
    assert parse_time(text) == seconds


@pytest.mark.parametrize("text", ["2", "h", "2 hours", "-1h", "1.5h", "2h!"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(SelectionError, match="is no time"):
        parse_time(text)
