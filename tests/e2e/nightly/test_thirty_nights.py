"""Thirty nights of the nightly job over twelve variants, with real builds, on a package index, a Debian archive and a
registry of the tests' own."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.e2e.nightly.chapters import CATALOG, CHAPTERS, Story, begin
from tests.nights import open_world


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory, system_packages: Path) -> Iterator[Story]:
    with open_world(tmp_path_factory.mktemp("nights"), system_packages, CATALOG) as world:
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
