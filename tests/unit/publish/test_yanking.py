"""Yanking: what is said against an image is found by whoever has it, and nothing else changes."""

import itertools
from datetime import timedelta

import pytest
from tests.publishing import DAY, Clock, Shelf, check_whole, tags_of
from tests.unit.publish.memory import MemoryRegistry
from tests.unit.publish.published import NAME, REPOSITORY, publish

from warmbase.errors import PublishError, RegistryError
from warmbase.publish.model import Place
from warmbase.publish.yank import find_yanks, yank


def test_a_yank_is_found_by_the_digest_of_the_index_and_of_each_image(shelf: Shelf, place: Place) -> None:
    bad, good = publish(place, shelf, "a"), publish(place, shelf, "b")
    yank(place, NAME, bad.digest[7:20], reason="CVE in numpy", instead=good.digest, clock=Clock())
    assert bad.entry
    images = [platform.digest for platform in bad.entry.platforms.values()]
    for digest in (bad.digest, *images):
        (found,) = find_yanks(place.registry, REPOSITORY, digest)
        assert (found.reason, found.time) == ("CVE in numpy", "2026-11-21T12:00:00Z")
        assert found.instead == f"data:py3.13-trixie-20261121.2@{good.digest}"
        assert str(found) == f"CVE in numpy; use {found.instead} instead"
    assert len(images) == 2
    assert find_yanks(place.registry, REPOSITORY, good.digest) == ()


def test_a_yank_leaves_the_image_and_its_tags_as_they_are(shelf: Shelf, place: Place) -> None:
    bad = publish(place, shelf, "a")
    before = tags_of(place.registry, REPOSITORY)
    yank(place, NAME, bad.digest, reason="old", instead="", clock=Clock())
    after = tags_of(place.registry, REPOSITORY)
    assert after == {**before, **{tag: after[tag] for tag in after if ".yank-" in tag}}
    check_whole(place.registry, REPOSITORY)


def test_the_same_yank_twice_is_one(shelf: Shelf, place: Place) -> None:
    bad = publish(place, shelf, "a")
    for reason in ("old", "old", "worse"):
        yank(place, NAME, bad.digest, reason=reason, instead="", clock=Clock(now=DAY + timedelta(minutes=len(reason))))
    assert [found.reason for found in find_yanks(place.registry, REPOSITORY, bad.digest)] == ["worse", "old"]


def test_a_yank_that_is_cut_off_anywhere_is_completed_by_the_next_one(shelf: Shelf, registry: MemoryRegistry) -> None:
    for number in itertools.count():
        place = Place(registry=registry, prefix=str(number))
        bad = publish(place, shelf, "a")
        left = number

        def cut(what: str, where: str) -> None:
            nonlocal left
            left -= 1
            if left < 0:
                raise RegistryError("cut")

        registry.before = cut
        try:
            yank(place, NAME, bad.digest, reason="old", instead="", clock=Clock())
            break
        except RegistryError:
            registry.let_pass()
        yank(place, NAME, bad.digest, reason="old", instead="", clock=Clock(now=DAY + timedelta(days=1)))
        assert bad.entry
        for digest in (bad.digest, *(platform.digest for platform in bad.entry.platforms.values())):
            (found,) = find_yanks(registry, f"{number}/data", digest)
            assert found.reason == "old"
    assert number > 10


def test_an_image_is_not_its_own_replacement(shelf: Shelf, place: Place) -> None:
    bad = publish(place, shelf, "a")
    assert bad.entry
    with pytest.raises(PublishError, match="are the same image"):
        yank(place, NAME, bad.digest, reason="old", instead=bad.entry.dated, clock=Clock())
