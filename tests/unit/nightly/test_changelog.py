"""The changelog of a variant, from what is attested of its images in the registry."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.attested import attest_parts, part
from tests.publishing import AMD64, ARM64, Clock, Shelf
from tests.unit.publish.memory import MemoryRegistry

from warmbase.attest.stage import SPDX
from warmbase.errors import PublishError, RegistryError
from warmbase.nightly.changelog import changelog_to_json, changelog_to_markdown, read_changelog
from warmbase.nightly.releases import read_release
from warmbase.oci.digests import canonical_json, digest_of
from warmbase.publish.contents import platforms_of
from warmbase.publish.model import Place
from warmbase.publish.stage import publish_variants

NAME = "data:py3.13-trixie"


@dataclass(frozen=True)
class Bakery:
    """Publishes images of one variant, and remembers their digests by number."""

    place: Place
    shelf: Shelf
    clock: Clock
    digests: list[str]

    def publish(
        self,
        layers: list[str],
        *parts: dict[str, Any],
        kind: str = "",
        platforms: tuple[str, ...] = (AMD64, ARM64),
        **versions: str,
    ) -> str:
        variant = self.shelf.variant(layers=layers, platforms=platforms, versions=versions or None)
        attest = attest_parts(*parts, kind=kind) if kind else attest_parts(*parts)
        (done,) = publish_variants([variant], self.place, blobs=self.shelf, clock=self.clock, attest=attest)
        assert done.error is None
        self.digests.append(done.digest)
        return done.digest


@pytest.fixture
def bakery(tmp_path: Path) -> Bakery:
    place = Place(registry=MemoryRegistry(), prefix="bases")
    return Bakery(place=place, shelf=Shelf(folder=tmp_path / "blobs"), clock=Clock(), digests=[])


@pytest.fixture
def published(bakery: Bakery) -> Bakery:
    """Three images: numpy and openssl moved on from the first to the second, numpy from there to the third."""
    news = {"Changelog": "https://numpy.example/news"}
    openssl = part("deb", "openssl", "3.5.1-1+deb13u2")
    bakery.publish(["foundation", "one"], part("pypi", "numpy", "2.5.4", **news), part("deb", "openssl", "3.5.1-1"))
    bakery.publish(["foundation", "second"], part("pypi", "numpy", "2.5.5", **news), openssl)
    bakery.publish(["foundation", "third one"], part("pypi", "numpy", "2.5.6", **news), openssl)
    return bakery


def put_unknown(bakery: Bakery) -> str:
    """Put the newest image into its repository once more without what is attested of it; its index."""
    registry, repository = bakery.place.registry, "bases/data"
    known = registry.read_manifest(repository, bakery.digests[-1])
    assert known
    index = json.loads(known.content)
    index["manifests"] = [each for each in index["manifests"] if each["platform"]["os"] != "unknown"]
    content = canonical_json(index)
    return registry.write_manifest(repository, digest_of(content), content, known.media_type)


def moved(bakery: Bakery, *which: str) -> list[tuple[str, str, str]]:
    return [(move.name, move.old, move.new) for move in read_changelog(bakery.place, NAME, *which).moves]


def test_without_more_it_is_about_the_last_two(published: Bakery) -> None:
    found = read_changelog(published.place, NAME)
    assert [found.old.digest, found.new.digest] == published.digests[1:]
    assert moved(published) == [("numpy", "2.5.5", "2.5.6")]


def test_any_two_can_be_compared_in_either_direction(published: Bakery) -> None:
    first, _, third = published.digests
    there = [("numpy", "2.5.4", "2.5.6"), ("openssl", "3.5.1-1", "3.5.1-1+deb13u2")]
    assert moved(published, first) == moved(published, first[:19], third) == there
    assert moved(published, third, first) == [(name, new, old) for name, old, new in there]


def test_dated_and_content_tags_name_images_too(published: Bakery) -> None:
    assert moved(published, "py3.13-trixie-20261121", "py3.13-trixie-20261121.2") == [
        ("numpy", "2.5.4", "2.5.5"),
        ("openssl", "3.5.1-1", "3.5.1-1+deb13u2"),
    ]


def test_sizes_count_what_platforms_share_once_and_a_pull_only_what_is_new(published: Bakery) -> None:
    found = read_changelog(published.place, NAME)
    assert (found.old.size, found.new.size) == (len("foundation" + "second"), len("foundation" + "third one"))
    assert found.pulled == len("third one")


def test_markdown_says_where_packages_went_with_their_links(published: Bakery) -> None:
    text = changelog_to_markdown(read_changelog(published.place, NAME, published.digests[0]))
    assert text.startswith("# data:py3.13-trixie: py3.13-trixie-20261121 → py3.13-trixie-20261121.3\n")
    assert "13 B → 19 B (+6 B); whoever has the old one pulls 9 B" in text
    assert "| numpy | 2.5.4 | 2.5.6 | up | [Changelog](<https://numpy.example/news>) |" in text
    assert "## Debian packages: 1 up" in text
    assert f"registry.example/bases/data@{published.digests[2]}`, published 2026-11-21T" in text


def test_json_has_the_same(published: Bakery) -> None:
    document = json.loads(json.dumps(changelog_to_json(read_changelog(published.place, NAME))))
    (numpy,) = document["moves"]
    assert (numpy["kind"], numpy["direction"]) == ("python", "up")
    assert numpy["links"] == {"Changelog": "https://numpy.example/news"}
    assert (document["old"]["digest"], document["pulled"]) == (published.digests[1], len("third one"))


def test_the_same_image_published_again_changed_nothing(published: Bakery) -> None:
    newest = published.digests[-1]
    assert "No package moved." in changelog_to_markdown(read_changelog(published.place, NAME, newest, newest))


def test_without_an_attested_bill_the_journal_tells_python_packages_and_that_is_said(bakery: Bakery) -> None:
    bakery.publish(["one"], kind=SPDX, numpy="2.5.4", six="1")
    bakery.publish(["two"], kind=SPDX, numpy="2.5.5")
    found = read_changelog(bakery.place, NAME)
    assert [(move.name, move.old, move.new) for move in found.moves] == [("numpy", "2.5.4", "2.5.5"), ("six", "1", "")]
    assert "only Python's packages are known" in changelog_to_markdown(found)


def test_a_platform_that_only_one_of_them_has_is_said(bakery: Bakery) -> None:
    bakery.publish(["one"], part("pypi", "numpy", "1"), platforms=(AMD64,))
    bakery.publish(["two"], part("pypi", "numpy", "1"))
    text = changelog_to_markdown(read_changelog(bakery.place, NAME))
    assert f"- {ARM64} is new: its packages are not compared" in text
    assert "No package is known to have moved." in text


def test_of_an_image_that_neither_a_bill_nor_the_journal_tells_of_nothing_is_said_to_be_new(bakery: Bakery) -> None:
    bakery.publish(["one"], kind=SPDX, numpy="2.5.4")
    bakery.publish(["two"], kind=SPDX, numpy="2.5.5")
    digest = put_unknown(bakery)
    found = read_changelog(bakery.place, NAME, digest)
    assert found.moves == ()
    assert f"what is in {digest[:19]} is not known" in changelog_to_markdown(found)


def test_the_first_image_has_nothing_to_be_compared_with(bakery: Bakery) -> None:
    bakery.publish(["one"])
    with pytest.raises(PublishError, match="had nothing else before"):
        read_changelog(bakery.place, NAME)


def test_a_variant_that_was_never_published_is_an_error(bakery: Bakery) -> None:
    with pytest.raises(PublishError, match="never published"):
        read_changelog(bakery.place, NAME)


def test_what_the_journal_does_not_have_is_an_error(published: Bakery) -> None:
    with pytest.raises(PublishError, match=r"no entry for 'py3\.13-trixie-20200101'"):
        read_changelog(published.place, NAME, "py3.13-trixie-20200101")


def test_an_image_that_is_gone_from_the_registry_is_an_error(published: Bakery) -> None:
    gone = "sha256:" + "0" * 64
    with pytest.raises(RegistryError, match=f"has no {gone} any more"):
        read_changelog(published.place, NAME, gone)


def test_what_is_no_index_is_an_error(published: Bakery) -> None:
    index = published.place.registry.read_manifest("bases/data", published.digests[0])
    assert index
    digest = platforms_of(index.content)[AMD64].digest
    with pytest.raises(RegistryError, match="is not an image that warmbase published"):
        read_release(published.place, "data", digest)
