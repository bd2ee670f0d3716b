"""How results and events look where nobody watches."""

import pytest

from warmbase.cli.output import print_table, reporting
from warmbase.events import Advanced, Ended, Started, Warned
from warmbase.oci.sizes import in_bytes


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (1_234_567, "1.2 MB"),
        (810_000_000, "810.0 MB"),
        (2.5e9, "2.50 GB"),
    ],
)
def test_sizes_are_in_decimal_units(size: int, text: str) -> None:
    assert in_bytes(size) == text


def test_a_table_is_aligned_and_has_no_trailing_blanks(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("variant", "tags"), [("a", "x"), ("a longer one", "")])
    assert capsys.readouterr().out == "variant       tags\na             x\na longer one\n"


def test_without_a_terminal_events_are_plain_lines_on_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    with reporting() as report:
        report(Started(subject="data:py3.13-trixie", stage="packages", detail="3 of 9 wheels"))
        report(Advanced(subject="data:py3.13-trixie", stage="packages", done=1, total=3))
        report(Ended(subject="data:py3.13-trixie", stage="packages", seconds=2.04))
        report(Warned(subject="layer store", message="something is odd"))
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == (
        "data:py3.13-trixie: packages 3 of 9 wheels\n"
        "data:py3.13-trixie: packages done in 2.0 s\n"
        "layer store: warning: something is odd\n"
    )


def test_with_json_only_warnings_are_said(capsys: pytest.CaptureFixture[str]) -> None:
    with reporting(quiet=True) as report:
        report(Started(subject="a", stage="image"))
        report(Warned(subject="a", message="odd"))
    assert capsys.readouterr().err == "a: warning: odd\n"
