"""The commands for what is published, as they are typed, with a real registry and where no catalog is at hand."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.publishing import Clock, Shelf, tags_of
from typer.testing import CliRunner, Result

from warmbase.cli import operate
from warmbase.cli import publish as publishing
from warmbase.cli.app import app
from warmbase.errors import PublishError
from warmbase.publish.model import Place
from warmbase.publish.stage import publish_variants

_ = (operate, publishing)  # they register their commands

NAME = "data:py3.13-trixie"


@pytest.fixture(autouse=True)
def no_catalog(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WARMBASE_CACHE_DIR", str(tmp_path / "cache"))


def publish(place: Place, shelf: Shelf, *contents: str, image: str = "data") -> list[str]:
    """Publish one image after the other, each an hour later; the digests."""
    digests = []
    for hours, content in enumerate(contents):
        clock = Clock(now=datetime.now(UTC) - timedelta(days=9) + timedelta(hours=hours))
        (done,) = publish_variants([shelf.variant(image, layers=[content])], place, blobs=shelf, clock=clock)
        digests.append(done.digest)
    return digests


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, [*arguments])


def said(*arguments: str) -> Any:
    result = run(*arguments, "--json")
    assert result.exit_code == 0, result.output + repr(result.exception)
    return json.loads(result.stdout)


@pytest.mark.parametrize("name", [NAME, "data:py3.13"])
def test_any_machine_can_read_the_history_and_roll_back_without_a_catalog(
    place: Place, shelf: Shelf, name: str
) -> None:
    old, new = publish(place, shelf, "one", "two")
    assert [entry["digest"] for entry in said("history", name, "--registry", str(place))] == [new, old]
    back = said("rollback", name, "--registry", str(place))
    assert (back["digest"], back["target"], back["is_new"]) == (old, f"{place}/data", True)
    assert tags_of(place.registry, f"{place.prefix}/data")["py3.13"] == old


def test_a_variant_that_no_catalog_has_is_not_said_to_be_publishable(place: Place, shelf: Shelf) -> None:
    publish(place, shelf, "one")
    for command in ("history", "rollback"):
        error = run(command, "nosuch:py3.13", "--registry", str(place)).exception
        assert isinstance(error, PublishError)
        assert "was never published" in error.message
        assert "warmbase publish" not in error.next_step


def test_a_promotion_says_where_to_and_what_became_of_the_blobs(place: Place, shelf: Shelf) -> None:
    (digest,) = publish(place, shelf, "one")
    for is_new in (True, False):
        done = said("promote", f"{place}/data:py3.13", f"{place}/stable/data")
        assert (done["digest"], done["target"], done["is_new"]) == (digest, f"{place}/stable/data", is_new)
        assert done["blobs"] == {"mounted" if is_new else "present": 2}


def test_a_publication_is_dated_by_the_clock_whatever_images_are(
    place: Place, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "0")
    publish(place, shelf, "one")
    promoted = said("promote", f"{place}/data:py3.13", f"{place}/stable/data")
    assert promoted["time"] > "2026"


def test_what_is_deleted_has_its_repository_and_other_catalogs_images_are_named(
    place: Place, shelf: Shelf, tmp_path: Path
) -> None:
    old, _ = publish(place, shelf, "one", "two")
    former, _ = publish(place, shelf, "three", "four", image="former")
    document = {
        "uv": "0.13.8",
        "registry": str(place),
        "platforms": ["linux/amd64"],
        "foundations": {"trixie": {"debian": "trixie"}},
        "images": {"data": {"description": "Data.", "requirements": ["six"]}},
        "defaults": {"foundations": ["trixie"], "backends": []},
    }
    (tmp_path / "images.yaml").write_text(json.dumps(document))
    options = ("--keep-days", "0", "--keep-last", "1", "--delete")
    collected = said("gc", *options)
    assert {"repository": f"{place.prefix}/data", "digest": old} in collected["deleted"]
    assert {removal["repository"] for removal in collected["garbage"]} == {
        f"{place.prefix}/{name}" for name in ("data", "warmbase-journal")
    }
    assert collected["others"] == ["former"]
    also = said("gc", *options, "--also", "former")
    assert {"repository": f"{place.prefix}/former", "digest": former} in also["deleted"]
