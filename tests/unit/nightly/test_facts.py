"""What makes an image another one, beside its lock: the catalog's part, the tool's, and what a foundation is."""

from dataclasses import replace
from pathlib import Path

import pytest
from tests.pinned import IMAGE_PIN
from tests.publishing import AMD64, ARM64, describe_variant

from warmbase.catalog.model import Compression, ImageConfig, Variant
from warmbase.foundation.pins import ArchiveState, DebianPin, FoundationPin, ManagedPin
from warmbase.nightly.facts import facts_of, fingerprint_of_pins, hash_smokes, own_keys, tool_of

VARIANT = describe_variant("data")
KEY = ("trixie", AMD64, "3.13")
DEBIAN = DebianPin(suite="trixie", platform=AMD64, epoch=1, archives=(), packages=(("libc6", "2.41-12"),))
IMAGE = replace(IMAGE_PIN, platform=AMD64)
SIGNED = replace(DEBIAN, epoch=2, archives=(ArchiveState(suite="trixie", date="2026-11-21T00:00:00Z", sha256="c"),))


def facts(variant: Variant) -> str:
    return facts_of(variant, hash_smokes((variant,)))


@pytest.mark.parametrize(
    "changed",
    [
        replace(VARIANT, labels=(("team", "science"),)),
        replace(VARIANT, description="Another one."),
        replace(VARIANT, config=ImageConfig(user="1000")),
        replace(VARIANT, compression=Compression(level=9)),
        replace(VARIANT, platforms=(AMD64, ARM64)),
        replace(VARIANT, first=False),
        replace(VARIANT, winners=(("bin/f2py", "numpy"),)),
        replace(VARIANT, made_from=describe_variant("core")),
    ],
)
def test_what_the_catalog_says_is_a_fact(changed: Variant) -> None:
    assert facts(changed) != facts(VARIANT)


def test_how_often_something_is_taken_is_no_fact() -> None:
    refresh = replace(VARIANT.refresh, packages="never")
    assert facts(replace(VARIANT, refresh=refresh)) == facts(VARIANT)


def test_a_check_is_a_fact_and_one_that_cannot_be_read_stops_nobody(tmp_path: Path) -> None:
    smoke = tmp_path / "smoke.py"
    variant = replace(VARIANT, smoke=smoke)
    missing = facts(variant)
    smoke.write_text("import numpy\n")
    one = facts(variant)
    smoke.write_text("import pandas\n")
    assert len({missing, one, facts(variant), facts(VARIANT)}) == 4


def test_a_new_uv_is_told_by_its_name() -> None:
    old, new = tool_of("0.13.8"), tool_of("0.13.9")
    assert {name for name in old if old[name] != new[name]} == {"uv"}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (DEBIAN, SIGNED),
        (IMAGE, replace(IMAGE, index=f"sha256:{'d' * 64}")),
        (ManagedPin(base=DEBIAN, python="3.13.9", archive="a", sha256="s"),
         ManagedPin(base=SIGNED, python="3.13.9", archive="a", sha256="s")),
    ],
)  # fmt: skip
def test_what_stays_the_same_in_an_image_keeps_its_fingerprint(one: FoundationPin, other: FoundationPin) -> None:
    assert fingerprint_of_pins({KEY: one}) == fingerprint_of_pins({KEY: other})


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (DEBIAN, replace(DEBIAN, packages=(("libc6", "2.41-13"),))),
        (IMAGE, replace(IMAGE, manifest=f"sha256:{'d' * 64}")),
        (IMAGE, DEBIAN),
    ],
)
def test_what_changes_in_an_image_changes_its_fingerprint(one: FoundationPin, other: FoundationPin) -> None:
    assert fingerprint_of_pins({KEY: one}) != fingerprint_of_pins({KEY: other})


def test_pins_of_which_one_is_missing_have_no_fingerprint() -> None:
    assert fingerprint_of_pins({KEY: DEBIAN, ("trixie", ARM64, "3.13"): None}) == ""
    assert own_keys(replace(VARIANT, platforms=(AMD64, ARM64))) == (KEY, ("trixie", ARM64, "3.13"))
