"""Which pin fits what the catalog asks for, and what decides a foundation's recipe."""

from dataclasses import replace
from pathlib import Path

import pytest
from tests import pinned

from warmbase.catalog.model import CatalogFoundation, DebianFoundation, ImageFoundation, LayoutFoundation
from warmbase.errors import FoundationError
from warmbase.foundation.pins import DebianPin, FoundationPin, ImagePin
from warmbase.foundation.stage import pin_fits, pinned_recipe
from warmbase.layers.codec import Codec

PLATFORM = "linux/amd64"
TRIXIE = DebianFoundation(name="base", suite="trixie", python="3.13")
SLIM = ImageFoundation(name="base", image="python:{python}-slim", pythons=("3.12", "3.13"))
LAYOUT = LayoutFoundation(name="base", oci="python.tar", folder=Path("/"), pythons=("3.13",))
DEBIAN_PIN = DebianPin(suite="trixie", platform=PLATFORM, epoch=1, archives=(), packages=(("libc6", "2.41-12"),))
IMAGE_PIN = replace(pinned.IMAGE_PIN, reference="python:3.13-slim")

FITTING: dict[str, tuple[CatalogFoundation, FoundationPin | None, bool]] = {
    "the suite": (TRIXIE, DEBIAN_PIN, True),
    "another suite": (replace(TRIXIE, suite="sid"), DEBIAN_PIN, False),
    "a package more": (replace(TRIXIE, packages=("git",)), DEBIAN_PIN, False),
    "no pin": (TRIXIE, None, False),
    "an image's pin for a suite": (TRIXIE, IMAGE_PIN, False),
    "the image": (SLIM, IMAGE_PIN, True),
    "another image": (replace(SLIM, image="python:{python}"), IMAGE_PIN, False),
    "a suite's pin for an image": (SLIM, DEBIAN_PIN, False),
    "the layout": (LAYOUT, replace(IMAGE_PIN, reference="python.tar"), True),
    "an image's pin for a layout": (LAYOUT, IMAGE_PIN, False),
}


@pytest.mark.parametrize(("wanted", "pin", "fits"), FITTING.values(), ids=FITTING)
def test_a_pin_fits_what_it_was_made_from(wanted: CatalogFoundation, pin: FoundationPin | None, *, fits: bool) -> None:
    assert pin_fits(wanted, pin, "3.13") is fits


def test_a_pin_is_for_one_python() -> None:
    assert not pin_fits(SLIM, IMAGE_PIN, "3.12")


def recipe(pin: ImagePin = IMAGE_PIN, codec: Codec | None = None) -> str:
    return pinned_recipe(SLIM, pin, PLATFORM, codec or Codec(), "0.13.8")


def test_an_image_s_recipe_is_the_platform_s_image_not_the_index() -> None:
    """When the image of another platform moves, nothing is to be built anew."""
    assert recipe(replace(IMAGE_PIN, index="sha256:" + "c" * 64)) == recipe()


@pytest.mark.parametrize("field", ["manifest", "reference", "interpreter", "python"])
def test_what_an_image_on_it_states_is_part_of_the_recipe(field: str) -> None:
    assert recipe(replace(IMAGE_PIN, **{field: "other"})) != recipe()  # type: ignore[arg-type]


def test_a_pin_of_another_kind_has_no_recipe() -> None:
    with pytest.raises(FoundationError, match="the pin of base is of another kind"):
        pinned_recipe(SLIM, DEBIAN_PIN, PLATFORM, Codec(), "0.13.8")
