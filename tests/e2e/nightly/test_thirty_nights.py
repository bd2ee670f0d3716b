"""Thirty nights of the nightly job over twelve variants, with real builds, on a package index, a Debian archive and a
registry of the tests' own."""

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import jsonschema
import pytest
from tests.e2e.nightly.chapters import CATALOG, CHAPTERS, IMAGES, Story, begin
from tests.nights import BEGAN, open_world
from tests.publishing import check_whole
from tests.registries import client_of

from warmbase.nightly.report.document import SCHEMA_PATH, night_to_json


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory, system_packages: Path) -> Iterator[Story]:
    with open_world(tmp_path_factory.mktemp("nights"), CATALOG, system_packages=system_packages) as world:
        begin(world)
        yield Story(world)


NIGHTS = [pytest.param(number, id=f"{number:02} {chapter.what}") for number, chapter in enumerate(CHAPTERS, 1)]


def test_there_are_thirty() -> None:
    assert len(CHAPTERS) == 30


@pytest.mark.parametrize("number", NIGHTS)
def test_what_the_night_does(story: Story, number: int) -> None:
    record = story.record(number)
    assert record.told == CHAPTERS[number - 1].expected
    refreshed = {image for image, words in record.told.items() if words.startswith("refreshed")}
    assert record.moved == refreshed


@pytest.mark.parametrize("number", [2, 4, 7, 18])
def test_a_night_in_which_nothing_happens_sends_and_reads_nothing(story: Story, number: int) -> None:
    record = story.record(number)
    assert (record.sent, record.read) == ((), ())


def test_whatever_happened_all_that_is_published_is_whole(story: Story) -> None:
    story.record(30)
    client = client_of(story.world.registry.host)
    for image in IMAGES:
        check_whole(client, f"bases/{image}")


def test_the_report_has_the_last_nights_and_is_what_its_schema_says(story: Story) -> None:
    story.record(30)
    document = night_to_json(story.world.night())
    jsonschema.validate(document, json.loads(SCHEMA_PATH.read_bytes()))
    # Each night once, however many runs it had, and quiet ones too.
    days = [(BEGAN + timedelta(days=day)).date().isoformat() for day in range(30)]
    assert days[-3:] == ["2026-11-29", "2026-11-30", "2026-12-01"]
    assert [one["began"][:10] for one in document["nights"]] == days
