"""The base that a project comes to stand on: none that was yanked, none that is past its end."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta

import pytest
from tests.offered import NEWEST, PLACE, base, edition

from warmbase.downstream.adopt.adopted import find_adopted
from warmbase.downstream.adopt.patching import patch_dockerfile
from warmbase.downstream.adopt.target import choose_target
from warmbase.downstream.doctor.model import Place
from warmbase.downstream.doctor.standing import find_standing
from warmbase.downstream.index import index_to_json, render_index
from warmbase.downstream.index_listing import IndexListing
from warmbase.downstream.listing import Base, Listing
from warmbase.errors import ListingError
from warmbase.publish.journal import format_time

TODAY = date(2026, 11, 21)
NEW = base("data:py3.13-trixie", {"numpy": "2.3.5", "pandas": "2.3.0"})
MIDDLE = base("data:py3.13-trixie", {"numpy": "2.3.4", "pandas": "2.3.0"}, time=NEWEST - timedelta(days=7))
OLD = base("data:py3.13-trixie", {"numpy": "2.3.4", "pandas": "2.2.3"}, time=NEWEST - timedelta(days=20))
BAD = replace(NEW, yanked="a bad openssl")
OTHER = base("data:py3.14-trixie")
PAST = base("old:py3.9-trixie")


def index(*images: Base, others: Sequence[Base] = ()) -> IndexListing:
    """An index.json of a variant's images, the newest first, and of other bases."""
    listing = Listing(bases=(images[0], *others), source=PLACE, time=format_time(NEWEST))
    document = index_to_json(listing, {images[0].variant: [edition(each) for each in images]})
    return IndexListing(PLACE, lambda: render_index(document))


def upgraded(published: IndexListing, stands_on: Base) -> tuple[str, bool]:
    """What `--upgrade` writes into FROM, and whether it could not go to the newest."""
    target = choose_target(published, stands_on.reference, "", upgrade=True, today=TODAY)
    return target.base.reference, target.is_held


def test_upgrading_goes_to_the_newest_image() -> None:
    assert upgraded(index(NEW, MIDDLE, OLD), OLD) == (NEW.reference, False)


def test_upgrading_never_goes_to_a_yanked_image() -> None:
    assert upgraded(index(BAD, OLD), OLD) == (OLD.reference, True)
    target = choose_target(index(BAD, OLD), OLD.reference, "", upgrade=True, today=TODAY)
    (note,) = target.notes
    assert note.text.startswith("data:py3.13 of 2026-11-20 was yanked: a bad openssl; ")
    assert OLD.digest[:19] in note.text


@pytest.mark.parametrize("stands_on", [OLD, BAD], ids=["an older one", "the yanked one"])
def test_upgrading_goes_to_the_newest_image_that_is_good(stands_on: Base) -> None:
    worse = replace(MIDDLE, yanked="a bad numpy")
    assert upgraded(index(BAD, MIDDLE, OLD), stands_on) == (f"{PLACE}/data:{MIDDLE.dated}@{MIDDLE.digest}", False)
    reference, _ = upgraded(index(BAD, worse, OLD), stands_on)
    assert reference.endswith(OLD.digest)


def test_where_no_image_is_good_nothing_is_upgraded_and_another_base_is_named() -> None:
    with pytest.raises(ListingError, match="was yanked: a bad openssl; nothing was changed") as raised:
        upgraded(index(BAD, others=[OTHER]), BAD)
    assert raised.value.next_step == f"take what is good: warmbase adopt --base data:py3.14@{OTHER.digest}"
    with pytest.raises(ListingError, match="past its end of life") as raised:
        upgraded(index(PAST), PAST)
    assert "warmbase choose" in raised.value.next_step


def test_a_yanked_base_is_adopted_by_its_digest_alone() -> None:
    published = index(BAD, OLD)
    with pytest.raises(ListingError, match="a bad openssl") as raised:
        choose_target(published, "", "data:py3.13", upgrade=False, today=TODAY)
    assert OLD.digest in raised.value.next_step
    target = choose_target(published, "", f"data@{BAD.digest}", upgrade=False, today=TODAY)
    (note,) = target.notes
    assert target.base.digest == BAD.digest
    assert note.text == "data:py3.13 of 2026-11-20 was yanked: a bad openssl; take"
    assert note.line.startswith("FROM ")
    assert note.line.endswith(OLD.digest)


def test_what_a_yank_names_is_taken_in_its_place_if_it_is_good() -> None:
    for instead, named in (("data:py3.14", OTHER.digest), ("data:py3.13", OLD.digest), ("nowhere:x", OLD.digest)):
        published = index(replace(BAD, instead=instead), OLD, others=[OTHER])
        target = choose_target(published, "", f"data@{BAD.digest}", upgrade=False, today=TODAY)
        assert target.notes[0].line.endswith(named)


def test_a_base_past_its_end_is_adopted_with_a_note_that_names_another() -> None:
    lasting = base("old:py3.13-trixie")
    target = choose_target(index(PAST, others=[lasting]), "", "old:py3.9", upgrade=False, today=TODAY)
    (note,) = target.notes
    assert note.text == "old:py3.9 is past its end of life since 2025-10-31 (Python 3.9); take"
    assert note.line == f"FROM {lasting.reference}"
    assert not choose_target(index(NEW), "", "data:py3.13", upgrade=False, today=TODAY).notes


@pytest.mark.parametrize("image", ["data:py3.13", "data", f"data@{OLD.digest}", OLD.reference])
def test_a_base_without_its_place_is_one_too(image: str) -> None:
    text = f"FROM {image} AS one\nFROM one\nRUN uv sync --frozen --inexact\n"
    assert find_adopted(text, "Dockerfile", (OTHER, NEW)) == image
    patched = patch_dockerfile(text, "Dockerfile", NEW)
    assert patched.text == text.replace(image, NEW.reference)
    assert patched.notes == ()


def test_others_images_are_no_bases() -> None:
    for image in ("python:3.13", "other.example/bases/data:py3.13", "$WHAT", "scratch"):
        assert find_adopted(f"FROM {image}\n", "Dockerfile", (NEW,)) == ""


# What doctor says of the same


def said(published: IndexListing, stands_on: Base) -> tuple[str, str, str]:
    """The one finding about a base, found as its FROM line names it."""
    on = published.find(stands_on.reference)
    (found,) = find_standing(on, published, TODAY, place=Place())
    return found.code, found.severity, found.fix


def test_doctor_names_no_yanked_image() -> None:
    fix = f"FROM {PLACE}/data:{MIDDLE.dated}@{MIDDLE.digest}"
    assert said(index(BAD, MIDDLE, OLD), OLD) == ("stale", "warning", f"{fix} (`warmbase adopt --upgrade`)")
    assert said(index(BAD, MIDDLE, OLD), BAD) == ("yanked", "error", fix)
    code, severity, fix = said(index(BAD, OLD), OLD)
    assert (code, severity) == ("newer-yanked", "note")
    assert BAD.digest not in fix
    assert said(index(BAD, others=[OTHER]), BAD) == ("yanked", "error", f"FROM {OTHER.reference}")


def test_doctor_knows_that_an_earlier_image_was_yanked() -> None:
    yanked = replace(OLD, yanked="numpy is broken", instead="data:py3.14")
    assert said(index(NEW, yanked, others=[OTHER]), OLD) == ("yanked", "error", f"FROM {OTHER.reference}")
    assert said(index(NEW, yanked), OLD) == ("yanked", "error", f"FROM {NEW.reference}")
