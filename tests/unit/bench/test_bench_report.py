"""The bench's rows, and the report that is made of them."""

from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
from tests.bench import __main__ as bench
from tests.bench.bars import draw
from tests.bench.model import Measured, Row, Took, rival_row, rival_size_row, time_row
from tests.bench.reporting import MARKS, MEASURED, put_between_marks, write_page, write_report, write_summary

SVG = "{http://www.w3.org/2000/svg}"


def took(*seconds: float) -> list[Took]:
    return [Took(seconds=each, cpu=each / 2) for each in seconds]


FASTER = rival_row("build", took(1, 2, 9), took(20, 30, 25), 0.1, "docker | tar", "caches <warm>")
BIGGER = rival_size_row("bytes", [3e6], [2e6], 1.0, "docker", "")
LIMITED = time_row("help", took(0.1), 0.15)
DISTURBED = replace(time_row("import", took(0.1), 0.15), others=1.26)
LOST = Row(case="bake", against="docker bake", target="-", note="not measured: no container engine")
RUN = Measured(day="2026-11-21", machine={"cores": "2"}, rows=(FASTER, BIGGER, LIMITED, DISTURBED, LOST))


def rectangles(picture: str, kind: str) -> list[float]:
    found = ElementTree.fromstring(picture).iter(f"{SVG}rect")
    return [float(each.attrib["width"]) for each in found if each.attrib["class"] == kind]


def test_a_row_compares_the_medians_of_both_sides() -> None:
    assert (FASTER.value, FASTER.rival, FASTER.ratio, FASTER.met) == (2, 25, 0.08, True)
    assert (BIGGER.value, BIGGER.rival, BIGGER.ratio, BIGGER.met) == (3e6, 2e6, 1.5, False)


def test_a_row_reads_as_people_write_numbers() -> None:
    assert (FASTER.measured, FASTER.rivals, FASTER.compared, FASTER.result) == ("2.00 s", "25.00 s", "0.080", "met")
    assert (BIGGER.measured, BIGGER.rivals, BIGGER.compared, BIGGER.result) == ("3.0 MB", "2.0 MB", "1.50", "MISSED")
    assert (LOST.measured, LOST.rivals, LOST.compared, LOST.result) == ("-", "-", "-", "not measured")


@pytest.mark.parametrize(
    ("ratio", "text"), [(12.3, "12.30"), (0.012, "0.012"), (0.0095, "0.0095"), (0.0000216, "0.000022"), (0.0, "0")]
)
def test_a_small_ratio_keeps_digits_that_mean_something(ratio: float, text: str) -> None:
    assert replace(BIGGER, ratio=ratio).compared == text


def test_a_run_is_read_as_it_was_written() -> None:
    assert Measured.from_json(RUN.to_json()) == RUN


@pytest.mark.parametrize("text", ["{", "[]", '{"day": "", "machine": {}, "rows": [{"speed": 1}]}'])
def test_what_is_no_run_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no measurements of the bench"):
        Measured.from_json(text)


def test_the_report_has_both_sides_of_each_row_and_what_could_not_be_measured() -> None:
    page = write_page(RUN)
    assert "| build | 2.00 s | docker \\| tar | 25.00 s | 0.080 | ≤ 0.1 × | met | 3 | 0.0 |" in page
    assert "| help | 100 ms | 0.67 | ≤ 150 ms | met | 1 | 0.0 |" in page
    assert "- **bake**: not measured: no container engine." in page


def test_the_summary_has_the_rows_with_a_rival_alone() -> None:
    summary = write_summary(RUN)
    assert "| bytes | 3.0 MB | docker | 2.0 MB | 1.50 | ≤ 1 × | MISSED | 1 | 0.0 |" in summary
    assert "help" not in summary


def test_what_could_not_be_measured_is_shown_wherever_its_rival_would_be() -> None:
    for text in (write_page(RUN), write_summary(RUN)):
        assert "| bake | - | docker bake | - | - | - | not measured | 0 | 0.0 |" in text
    texts = [
        " ".join("".join(each.itertext()).split()) for each in ElementTree.fromstring(draw(RUN)).iter(f"{SVG}text")
    ]
    assert "bake against docker bake" in texts
    assert "not measured" in texts


def test_a_busy_machine_is_marked_and_explained() -> None:
    page = write_page(RUN)
    assert "| import | 100 ms | 0.67 | ≤ 150 ms | met | 1 | 1.3! |" in page
    assert "the machine was not quiet" in page
    quiet = replace(RUN, rows=(FASTER, LIMITED))
    assert "the machine was not quiet" not in write_page(quiet)


def test_a_run_that_is_not_whole_does_not_take_the_place_of_the_committed_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    committed, asked_for = tmp_path / "measured.json", tmp_path / "other.json"
    monkeypatch.setattr(bench, "MEASURED", committed)
    bench.write_run(RUN, committed)
    assert not committed.exists()
    assert "measured.json stays as it was: not measured: bake" in capsys.readouterr().out
    bench.write_run(RUN, asked_for)
    assert Measured.from_json(asked_for.read_text()) == RUN
    whole = replace(RUN, rows=(FASTER, LIMITED))
    bench.write_run(whole, committed)
    assert Measured.from_json(committed.read_text()) == whole


def test_every_case_against_docker_has_a_name_for_when_there_is_none() -> None:
    assert bench.COMPARED.keys() >= bench.DOCKER_CASES.keys()


def test_bars_are_as_long_as_the_ratios() -> None:
    ours, rivals = rectangles(draw(RUN), "ours"), rectangles(draw(RUN), "rival")
    assert len(ours) == len(rivals) == 2
    assert rivals[0] == rivals[1]
    assert ours[0] / rivals[0] == pytest.approx(0.08, rel=0.01)
    assert ours[1] / rivals[1] == pytest.approx(1.5, rel=0.01)


def test_every_bar_lies_within_the_picture() -> None:
    root = ElementTree.fromstring(draw(RUN))
    _, _, width, height = map(float, root.attrib["viewBox"].split())
    for bar in root.iter(f"{SVG}rect"):
        assert float(bar.attrib["x"]) + float(bar.attrib["width"]) <= width
        assert float(bar.attrib["y"]) + float(bar.attrib["height"]) <= height


def test_the_picture_says_in_words_what_it_shows() -> None:
    root = ElementTree.fromstring(draw(RUN))
    named = {element.attrib["id"]: element.text or "" for element in root if "id" in element.attrib}
    assert root.attrib["aria-labelledby"].split() == list(named)
    assert "build: 2.00 s against 25.00 s of docker | tar, ratio 0.080, met." in named["description"]


def test_the_picture_has_colours_for_dark_mode() -> None:
    assert "@media (prefers-color-scheme: dark)" in draw(RUN)


def test_the_readme_keeps_everything_around_the_marks() -> None:
    text = f"before\n{MARKS[0]}\nold\n{MARKS[1]}\nafter\n"
    new = put_between_marks(text, "new")
    assert new == f"before\n{MARKS[0]}\n\nnew\n\n{MARKS[1]}\nafter\n"
    assert put_between_marks(new, "new") == new
    assert put_between_marks("no marks", "new") is None


def test_the_committed_report_is_what_its_measurements_say() -> None:
    files: dict[Path, str] = write_report(Measured.from_json(MEASURED.read_text(encoding="utf-8")))
    assert len(files) >= 2
    for path, text in files.items():
        assert path.read_text(encoding="utf-8") == text, f"run `make bench-report`: {path.name} is out of date"
