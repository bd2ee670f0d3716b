"""The report: a person reads it in a minute, a program by its schema, and nothing in it can run or load anything."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import jsonschema
import pytest
from tests.markup import read_page
from tests.reports import BROKEN, COOLDOWN, FAILURE, IMAGE, NUMPY, OPENSSL, busy_night, quiet_night, refreshed

from warmbase.nightly.commit import message_text
from warmbase.nightly.model import Axis, Held, HeldBy, Move, Night, Status, VariantResult
from warmbase.nightly.report.document import SCHEMA_PATH, night_to_json
from warmbase.nightly.report.lastnights import last_nights
from warmbase.nightly.report.markdown import night_to_markdown
from warmbase.nightly.report.page import STYLE_PATH, night_to_page
from warmbase.nightly.report.reading import headline, in_time, name_some, verdict, why_failed
from warmbase.nightly.report.room import MOST_BYTES
from warmbase.nightly.report.stage import write_report
from warmbase.nightly.report.text import night_to_text
from warmbase.publish.journal import parse_time

SCHEMA: dict[str, Any] = json.loads(SCHEMA_PATH.read_text())
EVIL = '<script>alert("x")</script> [a](javascript:b) | `c`'


def planned_night() -> Night:
    night = busy_night()
    results = tuple(replace(r, status="left") if r.status == "refreshed" else r for r in night.results)
    return replace(night, mode="plan", results=results)


NIGHT_KINDS = {"busy": busy_night, "quiet": quiet_night, "planned": planned_night}


@pytest.fixture(params=NIGHT_KINDS)
def night(request: pytest.FixtureRequest) -> Night:
    return NIGHT_KINDS[request.param]()


def in_order(text: str, *parts: str) -> None:
    """All `parts` are in the text, one behind the other."""
    at = -1
    for part in parts:
        assert part in text[at + 1 :], part
        at = text.index(part, at + 1)


def evil_night() -> Night:
    """A night in which everybody else's words try to be markup."""
    night = busy_night()
    move = Move(
        kind="python", name=EVIL, old="1", new="2", links={EVIL: "javascript:alert(1)", "Home": "https://a.example"}
    )
    result = replace(
        night.results[0],
        variant=EVIL,
        reasons=(replace(NUMPY, subject=EVIL),),
        moves=(move,),
        broken=(replace(BROKEN, why=EVIL),),
        base=EVIL,
    )
    failed = replace(night.results[4], error=f"{EVIL}\n```\n{EVIL}")
    return replace(night, results=(result, failed), notes=(EVIL,), place=EVIL)


# In one sentence


def test_the_headline_counts_what_matters_first() -> None:
    assert headline(busy_night()) == (
        "8 variants: 1 failed, 1 failed before, 3 refreshed (2 for security), 1 held back, 1 left for the next run,"
        " 1 fresh"
    )
    assert verdict(busy_night()) == "2 of 8 variants fail, 3 refreshed"


def test_a_quiet_night_is_said_in_four_words() -> None:
    assert headline(quiet_night()) == verdict(quiet_night()) == "All 8 variants are fresh"


def test_a_plan_says_what_is_stale() -> None:
    assert "4 stale (2 for security)" in headline(planned_night())


def test_a_night_without_variants_says_so() -> None:
    assert headline(replace(quiet_night(), results=())) == "No variant was looked at"


# JSON


def test_the_document_follows_its_schema(night: Night) -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    document = json.loads(json.dumps(night_to_json(night)))
    jsonschema.Draft202012Validator(SCHEMA).validate(document)
    assert [each["variant"] for each in document["variants"]] == [result.variant for result in night.results]


def test_the_schema_names_every_status_axis_and_cause() -> None:
    definitions = SCHEMA["$defs"]
    assert set(definitions["status"]["enum"]) == set(get_args(Status))
    assert set(definitions["reason"]["properties"]["axis"]["enum"]) == set(get_args(Axis))
    assert set(definitions["held"]["properties"]["by"]["enum"]) == set(get_args(HeldBy))
    assert set(definitions["move"]["properties"]["kind"]["enum"]) == set(get_args(Move.__annotations__["kind"]))


def test_the_schema_knows_all_that_is_written() -> None:
    def check(schema: dict[str, Any]) -> None:
        if schema.get("type") == "object" and "properties" in schema:
            assert schema["additionalProperties"] is False
            assert set(schema["required"]) == set(schema["properties"])
        for part in schema.values():
            if isinstance(part, dict):
                check(part)

    check(SCHEMA)


# Markdown


def test_markdown_says_what_failed_first_and_numbers_last() -> None:
    text = night_to_markdown(busy_night())
    in_order(
        text,
        "# Nightly report, 2026-11-21",
        "1 failed",
        "## Failed",
        "ImportError: libfoo.so.1",
        "2026-11-18, 3 times | 2026-11-25",
        "## Left out",
        "matplotlib 3.11.0",
        "## Refreshed: why",
        "**security** | openssl 3.5.1-1 → 3.5.1-1+deb13u2",
        "## Held back",
        "cooldown: 3 days | 2026-11-24",
        "## Left for the next run",
        "## Numbers",
        "foundation 25 s",
    )


def test_what_many_variants_share_is_one_line() -> None:
    results = tuple(refreshed(f"image-{number}:py3.13-trixie", NUMPY) for number in range(40))
    text = night_to_markdown(replace(busy_night(), results=results))
    assert text.count("numpy 2.5.5 → 2.5.6") == 1
    assert "| packages | numpy 2.5.5 → 2.5.6 | all 40 |" in text


def test_markdown_of_hundreds_of_variants_stays_short() -> None:
    results = tuple(refreshed(f"image-{number}:py3.13-trixie", NUMPY) for number in range(500))
    text = night_to_markdown(replace(busy_night(), results=results))
    assert len(text) < 60_000
    assert "… and 400 more: report.json has all." in text


def test_a_quiet_night_lists_nothing() -> None:
    text = night_to_markdown(quiet_night())
    assert [line for line in text.splitlines() if line.startswith("## ")] == ["## Numbers"]


def test_markdown_of_a_plan_says_why_and_claims_nothing() -> None:
    text = night_to_markdown(planned_night())
    in_order(text, "# Nightly plan", "## Stale: why", "numpy 2.5.5 → 2.5.6")
    assert "## Left for" not in text
    assert "sent to" not in text


def test_what_came_from_registries_is_told_beside_what_was_sent_there() -> None:
    night = replace(busy_night(), received=12_300_000)
    assert "- Received from registries: 12.3 MB" in night_to_markdown(night)
    assert "12.3 MB came from registries." in read_page(night_to_page(night)).text()
    assert night_to_json(night)["received"] == 12_300_000


def test_what_others_wrote_stays_text_in_markdown() -> None:
    text = night_to_markdown(evil_night())
    outside = re.sub(r"^(`{3,}|~~~~~~)$.*?^\1$", "", text, flags=re.DOTALL | re.MULTILINE)
    outside = re.sub(r"^<details>.*$", "", outside, flags=re.MULTILINE)  # HTML, in which Markdown is no markup
    outside = re.sub(r"`[^`\n]*`", "", re.sub(r"\\.", "", outside))
    assert "<script>" not in outside
    assert "](javascript:" not in outside
    assert "](<https://a.example>)" in outside
    for row in (line for line in text.splitlines() if line.startswith("| ")):
        assert row.replace("\\|", "").count("|") >= 3


def crowded_night() -> Night:
    """440 variants of which 60 fail with long errors, and in the others a whole system moved, and half their wheels."""
    system = tuple(Move(kind="debian", name=f"lib{number}", old="1.0-1", new="1.0-2") for number in range(300))
    results = []
    for number in range(440):
        wheels = tuple(
            Move(kind="python", name=f"wheel-{wheel}", old="1.0", new=f"1.{number % 60}") for wheel in range(150)
        )
        made = refreshed(f"image-{number}:py3.13-trixie", NUMPY, *(OPENSSL,) * (number % 2))
        results.append(replace(made, moves=(*wheels, *system)))
    error = "smoke.py fails:\n" + "\n".join(f"line {number} " + "x" * 600 for number in range(2000))
    for number in range(60):
        results[number] = replace(results[number], status="failed", error=f"{error}\n  next: mend it")
    return replace(busy_night(), results=tuple(results))


def test_a_night_on_which_everything_moved_has_room_in_a_comment_and_says_what_has_not() -> None:
    text = night_to_markdown(crowded_night())
    assert len(text.encode()) <= MOST_BYTES
    in_order(text, "## Failed", "image-0:py3.13-trixie", "## Refreshed: why", "## Numbers", "report.json has all")
    assert text.count("<details>") == text.count("</details>") > 0


def test_a_plan_of_everything_has_room_in_a_comment_with_what_is_stale_first() -> None:
    night = crowded_night()
    results = [replace(result, status="fresh", reasons=()) for result in night.results]
    results[-1] = replace(results[-1], status="left", reasons=(NUMPY,))
    text = night_to_markdown(replace(night, mode="plan", results=tuple(results)))
    assert len(text.encode()) <= MOST_BYTES
    in_order(text, "## Variant by variant", "`image-439:py3.13-trixie` | stale", "`image-0:py3.13-trixie` | fresh")


def test_what_moved_alike_in_many_variants_is_on_the_page_once() -> None:
    text = night_to_page(crowded_night())
    assert text.count("<b>lib299</b>") == 1
    assert text.count("<b>wheel-149</b>") == 60
    assert len(text.encode()) < 4_000_000


def test_of_a_long_error_people_get_the_first_line_and_the_last_ones() -> None:
    error = "smoke.py fails:\n" + "\n".join(f"line {number}" for number in range(2000))
    failed = VariantResult(variant="data:py3.13-trixie", status="failed", error=f"{error}\n  next: mend it")
    night = replace(busy_night(), results=(failed,))
    for text in (night_to_markdown(night), night_to_page(night), night_to_text(night)):
        in_order(text, "smoke.py fails:", "1962 lines are left out here", "line 1999")
        assert "line 1000" not in text
    assert "line 1000" in json.dumps(night_to_json(night))


def test_nobody_is_called_and_nothing_is_linked_to_by_what_others_wrote() -> None:
    said = "yanked: ask @torvalds, see https://evil.example/x, www.evil.example or #12"
    night = replace(busy_night(), notes=(said,), results=(refreshed("data:py3.13-trixie", replace(NUMPY, note=said)),))
    for text in (night_to_markdown(night), message_text(replace(night, mode="commit"))):
        assert "yanked: ask" in text
        assert not re.search(r"@torvalds|https://evil|www\.evil|#12", text)


def test_no_text_ends_the_fence_that_it_is_in() -> None:
    failed = replace(busy_night().results[4], error="no\n```\n~~~~~~\n````` @torvalds\n```")
    text = night_to_markdown(replace(busy_night(), results=(failed,)))
    fence = max(re.findall("^`+$", text, flags=re.MULTILINE), key=len)
    assert len(fence) > len("`````")
    in_order(text, f"\n{fence}\nno\n", "@torvalds\n```\n", f"{fence}\n\n</details>")


def test_what_to_do_about_a_failure_is_told_as_long_as_it_is_one() -> None:
    known = replace(FAILURE, next_step="loosen what the catalog wants of it")
    waits = VariantResult(variant="web:py3.11-bookworm", status="waiting", failure=known)
    night = replace(busy_night(), results=(waits,))
    for mode in ("publish", "plan"):
        told = replace(night, mode=mode)
        for text in (night_to_markdown(told), read_page(night_to_page(told)).text(), night_to_text(told)):
            assert "loosen what the catalog wants of it" in text
    assert night_to_json(night)["variants"][0]["failure"]["next_step"] == known.next_step
    assert f"next: {known.next_step}" in message_text(replace(night, mode="commit"))


# The page


def test_the_page_is_well_formed_and_names_its_parts_once(night: Night) -> None:
    page = read_page(night_to_page(night))
    assert len(page.values("id")) == len(set(page.values("id")))
    assert page.elements["h1"] == page.elements["main"] == page.elements["title"] - 1 - len(last_nights(night)) == 1
    assert set(" ".join(page.values("aria-labelledby")).split()) <= set(page.values("id"))


def test_the_page_needs_no_script_and_no_network(night: Night) -> None:
    text = night_to_page(night)
    page = read_page(text)
    assert not page.elements.keys() & {"script", "link", "img", "iframe", "object", "form"}
    assert page.values("src") == []
    assert not [name for _, name, _ in page.attributes if name.startswith("on")]
    assert "default-src 'none'" in " ".join(page.values("content"))
    assert not re.search(r"url\(|@import|https?:", STYLE_PATH.read_text())


def test_the_page_links_to_what_packages_name_and_to_nothing_else() -> None:
    assert set(read_page(night_to_page(busy_night())).values("href")) == {
        "https://numpy.example/news",
        "https://code.example/numpy",
    }


def test_the_page_says_what_failed_before_what_went_well() -> None:
    page = read_page(night_to_page(busy_night()))
    assert page.text("h1") == "2 of 8 variants fail, 3 refreshed"
    assert page.text("h2").startswith("The last nights Failed Left out What was refreshed, and why")
    in_order(page.text(), "web:py3.11-bookworm", "since 2026-11-18", "3 times", "tried again on 2026-11-25")


def test_digests_are_cut_short_for_people() -> None:
    for text in (night_to_page(busy_night()), night_to_markdown(busy_night())):
        assert IMAGE.new not in text
        assert "sha256:bbbbbbbbbbbb…" in text


def test_what_others_wrote_stays_text_on_the_page() -> None:
    page = read_page(night_to_page(evil_night()))
    assert "script" not in page.elements
    assert EVIL in page.text()
    assert page.values("href") == ["https://a.example"]


def luminance(colour: str) -> float:
    """WCAG 2.2, "relative luminance"."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_all_text_can_be_read_in_light_and_dark() -> None:
    """WCAG 2.2, success criterion 1.4.3: a contrast of at least 4.5."""
    light, dark = STYLE_PATH.read_text().split("@media (prefers-color-scheme: dark)")
    for style in (light, dark.partition("}")[0]):
        colours = dict(re.findall(r"--(\w+): (#[0-9a-f]{6})", style))
        pairs = [(ink, paper) for ink in ("ink", "quiet", "link") for paper in ("paper", "card")]
        for ink, paper in [*pairs, ("failed", "urgent"), ("failed", "card"), ("ink", "soft")]:
            lighter, darker = sorted((luminance(colours[ink]), luminance(colours[paper])), reverse=True)
            assert (lighter + 0.05) / (darker + 0.05) >= 4.5, (ink, paper)


# The picture


def test_all_three_forms_are_written_and_replaced(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "report"
    write_report(quiet_night(), folder)
    written = write_report(busy_night(), folder)
    assert sorted(path.name for path in folder.iterdir()) == sorted(path.name for path in written)
    assert json.loads((folder / "report.json").read_text())["counts"]["failed"] == 1
    assert (folder / "report.md").read_text() == night_to_markdown(busy_night())
    assert (folder / "report.html").read_text() == night_to_page(busy_night())


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.04, "0.0 s"), (9.94, "9.9 s"), (48.2, "48 s"), (120, "2 min"), (125, "2 min 5 s"), (4350, "1 h 12 min")],
)
def test_durations_are_said_as_people_say_them(seconds: float, words: str) -> None:
    assert in_time(seconds) == words


def test_a_few_variants_are_named_and_many_are_counted() -> None:
    names = [f"image-{number}" for number in range(6)]
    assert name_some(names[:4], 6) == "image-0, image-1, image-2, image-3"
    assert name_some(names, 6) == "all 6"
    assert name_some(names, 9) == "image-0, image-1, image-2 and 3 more"


def test_times_of_the_report_are_those_of_the_night() -> None:
    document = night_to_json(busy_night())
    assert document["seconds"] == (parse_time(document["ended"]) - parse_time(document["began"])).total_seconds()


def test_a_variant_that_waits_for_another_is_not_said_to_fail() -> None:
    waits = VariantResult(variant="lab:py3.13-trixie", status="waiting", error="waits for data:py3.13-trixie")
    night = replace(busy_night(), results=(*busy_night().results, waits))
    assert "1 waiting" in headline(night)
    in_order(night_to_markdown(night), "## Waiting for another image", "waits for data:py3.13-trixie")


def test_what_nobody_here_can_change_is_held_back_last_and_security_first_of_it() -> None:
    upstream = [
        Held(subject=f"lib{number:02}", current="1", offered="2", by="upstream", detail="security" * (number == 30))
        for number in range(40)
    ]
    result = replace(busy_night().results[0], held=(*upstream, COOLDOWN))
    night = replace(busy_night(), results=(result,))
    in_order(night_to_markdown(night), "| polars |", "| lib30 |", "| lib00 |", "… and 11 more")
    page = read_page(night_to_page(night))
    assert "and 26 more" in page.text("summary")
    assert "lib39" in page.text()


def test_what_stays_as_it_was_depends_on_the_night() -> None:
    assert "Their tags stay" in night_to_page(busy_night())
    assert "Their locks stay" in night_to_page(replace(busy_night(), mode="commit"))


def test_a_failure_is_told_with_its_cause() -> None:
    said = "wish:py3.13-slim cannot be resolved:\nuv lock failed\n  cause: Because only it==1 is available\n"
    result = VariantResult(variant="wish:py3.13-slim", status="failed", error=f"{said}  next: loosen it")
    assert why_failed(result) == "wish:py3.13-slim cannot be resolved: Because only it==1 is available"
    assert why_failed(replace(result, error="the registry is gone\n  next: wait")) == "the registry is gone"


# The terminal


def test_a_plan_says_of_every_variant_whether_it_is_fresh_and_why_not() -> None:
    text = night_to_text(planned_night())
    in_order(
        text,
        "data:py3.13-trixie    stale          openssl 3.5.1-1 → 3.5.1-1+deb13u2 (security), numpy 2.5.5 → 2.5.6\n",
        "web:py3.11-bookworm   failed before  ",
        "uv cannot resolve web:py3.11-bookworm, since 2026-11-18, tried again on 2026-11-25\n",
        "core:py3.13-trixie    held back      polars 1.35.1, not 1.36.0: cooldown until 2026-11-24, 3 days\n",
        "tiny:py3.13-trixie    fresh\n",
    )
    assert "core:py3.11-bookworm  failed         core:py3.11-bookworm is not" in text
    assert "| `tiny:py3.13-trixie` | fresh |  |" in night_to_markdown(planned_night())
    assert "FROM" not in text


def test_a_terminal_gets_what_was_done_the_errors_and_what_to_build_on() -> None:
    text = night_to_text(busy_night())
    in_order(
        text,
        "refreshed",
        "left out:\n  matplotlib 3.11.0: smoke.py: AttributeError",
        "held back:\n  pandas 2.3.3, not 3.0.1: conflict",
        "what failed:\n  core:py3.11-bookworm is not what it should be\n    smoke: ImportError",
        "1 min 24 s, 51.9 MB sent to registry.example/bases\n",
        "FROM registry.example/bases/data:py3.13-trixie\n",
    )
    assert "tiny:py3.13-trixie" not in text


def test_a_quiet_night_is_one_line() -> None:
    assert night_to_text(quiet_night()) == "All 8 variants are fresh; 1.0 s, 0 B sent to registry.example/bases\n"


def test_what_another_machine_is_at_is_told_as_that() -> None:
    said = "another machine is at it until 2026-11-21T02:38:00Z"
    night = quiet_night()
    left = replace(night.results[0], status="left", reasons=(NUMPY,), error=said)
    night = replace(night, results=(left, *night.results[1:]))
    for text in (night_to_text(night), night_to_markdown(night), night_to_page(night)):
        in_order(text, left.variant, "numpy", "another machine is at it until")
