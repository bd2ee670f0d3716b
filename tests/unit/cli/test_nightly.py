"""The words of `warmbase nightly`: exit codes and times."""

import json
from pathlib import Path
from typing import Literal

import pytest

from warmbase.cli.nightly import exit_code, parse_time, reported
from warmbase.errors import RegistryError, SelectionError
from warmbase.nightly.model import Night, Status, VariantResult
from warmbase.publish.journal import parse_time as parse_moment


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


# The report of a night that something ended


MOMENT = "2026-11-21T02:00:00Z"


def ended_by(error: BaseException, folder: Path, *told: Night) -> dict[str, str]:
    """The report's files of a night that `error` ends, after what it has `told`."""

    def spend() -> None:
        with reported(folder, "publish", lambda: parse_moment(MOMENT)) as tell:
            for each in told:
                tell(each)
            raise error

    with pytest.raises(type(error)):
        spend()
    return {path.name: path.read_text() for path in folder.iterdir()}


def test_a_night_that_could_not_begin_has_a_report_that_says_why(tmp_path: Path) -> None:
    down = RegistryError("registry.example does not answer", next_step="see that it runs")
    files = ended_by(down, tmp_path)
    assert sorted(files) == ["report.html", "report.json", "report.md"]
    for text in (files["report.html"], files["report.md"]):
        assert "No variant was looked at" in text
        assert "registry.example does not answer" in text
        assert "Next: see that it runs" in text
        assert " sent" not in text
    assert json.loads(files["report.json"])["variants"] == []


@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError(28, "No space left on device")])
def test_whatever_ends_a_night_before_it_is_told_there_is_a_report(error: BaseException, tmp_path: Path) -> None:
    assert "report.md" in ended_by(error, tmp_path)


def test_what_a_night_has_told_is_not_written_over_by_what_ends_it(tmp_path: Path) -> None:
    result = VariantResult(variant="data:py3.13-trixie", status="refreshed")
    night = Night(began=MOMENT, ended=MOMENT, mode="publish", place="registry.example/bases", results=(result,))
    assert "1 refreshed" in ended_by(KeyboardInterrupt(), tmp_path, night)["report.md"]
