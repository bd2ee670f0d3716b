"""Pins and foundations as JSON, and the difference between them."""

from dataclasses import replace

import pytest

from warmbase.errors import FoundationError
from warmbase.foundation.model import (
    Base,
    Drift,
    Foundation,
    Package,
    find_drift,
    foundation_from_json,
    foundation_to_json,
)
from warmbase.foundation.pins import (
    ArchiveState,
    DebianPin,
    FoundationPin,
    ImagePin,
    PinKey,
    pins_from_json,
    pins_to_json,
    python_of,
)
from warmbase.oci.manifest import History

PIN = DebianPin(
    suite="trixie",
    platform="linux/amd64",
    epoch=1795140670,
    archives=(ArchiveState(suite="trixie", date="2026-11-20T02:11:10Z", sha256="ab" * 32),),
    packages=(("apt", "3.0.4"), ("libc6", "2.41-12")),
)


IMAGE_PIN = ImagePin(
    reference="python:3.13-slim",
    platform="linux/amd64",
    index="sha256:" + "a" * 64,
    manifest="sha256:" + "b" * 64,
    created="2026-11-18T02:10:11Z",
    python="3.13.9",
    interpreter="/usr/local/bin/python3.13",
    libc=("glibc", "2.41"),
)
PINS: list[dict[PinKey, FoundationPin]] = [
    {("linux/amd64", ""): PIN},
    {("linux/amd64", "3.13"): IMAGE_PIN, ("linux/amd64", "3.12"): replace(IMAGE_PIN, python="3.12.11")},
]


@pytest.mark.parametrize("pins", PINS, ids=["Debian", "an image"])
def test_pins_survive_json(pins: dict[PinKey, FoundationPin]) -> None:
    assert pins_from_json(pins_to_json(pins), source="trixie.json") == pins


def test_the_order_of_platforms_does_not_change_the_bytes() -> None:
    one, two = (("linux/amd64", ""), PIN), (("linux/arm64", ""), PIN)
    assert pins_to_json(dict([one, two])) == pins_to_json(dict([two, one]))


def test_a_pin_states_the_newest_archive_s_time() -> None:
    assert PIN.created == "2026-11-20T02:11:10Z"


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 1, "platforms": {"linux/amd64": {}}}', "null"])
def test_a_damaged_pin_names_its_file_and_the_way_out(text: str) -> None:
    with pytest.raises(FoundationError) as caught:
        pins_from_json(text, source="bases/foundations/trixie.json")
    assert "bases/foundations/trixie.json is not a foundation's pin" in caught.value.message
    assert "warmbase lock" in caught.value.next_step


def test_a_pin_with_a_damaged_digest_is_refused() -> None:
    text = pins_to_json({("linux/amd64", "3.13"): replace(IMAGE_PIN, manifest="sha256:../../escaped")})
    with pytest.raises(FoundationError, match=r"python\.json is not a foundation's pin"):
        pins_from_json(text, source="python.json")


def test_a_debian_pin_knows_its_c_library() -> None:
    assert PIN.libc == ("glibc", "2.41")
    with pytest.raises(FoundationError, match="the pin of trixie names no libc6"):
        _ = replace(PIN, packages=()).libc


def test_a_pin_knows_its_full_version_of_python() -> None:
    def debian(version: str) -> DebianPin:
        return replace(PIN, packages=(("python3.13-minimal", version),))

    assert python_of(debian("1:3.13.5-2+deb13u1"), "3.13") == "3.13.5"
    assert python_of(debian("3.13.0~rc2-1"), "3.13") == "3.13.0rc2"
    assert python_of(IMAGE_PIN, "3.13") == "3.13.9"
    assert python_of(PIN, "3.13") == "3.13"


def test_a_pin_of_another_format_says_so() -> None:
    with pytest.raises(FoundationError, match=r"t\.json has format 99, not 1"):
        pins_from_json('{"format": 99, "platforms": {}}', source="t.json")


def test_drift_is_every_difference_and_nothing_else() -> None:
    installed = [("apt", "3.0.5"), ("hello", "2.10-5")]
    drift = find_drift(PIN.packages, installed)
    assert drift == (
        Drift(package="apt", pinned="3.0.4", got="3.0.5"),
        Drift(package="hello", pinned="", got="2.10-5"),
        Drift(package="libc6", pinned="2.41-12", got=""),
    )
    assert [str(difference) for difference in drift] == [
        "apt: 3.0.4 -> 3.0.5",
        "hello: not pinned -> 2.10-5",
        "libc6: 2.41-12 -> not installed",
    ]


def test_what_was_pinned_has_no_drift() -> None:
    assert find_drift(PIN.packages, reversed(PIN.packages)) == ()


def test_a_foundation_survives_json() -> None:
    foundation = Foundation(
        name="trixie",
        platform="linux/amd64",
        interpreter="/usr/bin/python3.13",
        stdlib="/usr/lib/python3.13",
        python="3.13.5",
        libc=("glibc", "2.41"),
        os_release=(("ID", "debian"), ("VERSION_ID", "13")),
        packages=(Package(name="apt", version="3.0.4", architecture="amd64"),),
        created="2026-11-20T02:11:10Z",
        drift=(Drift(package="apt", pinned="3.0.3", got="3.0.4"),),
        run={"Env": ["A=b"], "Cmd": ["python3"]},
        history=(History(created="2026-11-20T02:11:10Z", created_by="ADD"), History(empty_layer=True)),
        base=Base(
            name="registry.example/python:3", digest="sha256:1", layers=("sha256:2",), registry="registry.example"
        ),
    )
    assert foundation_from_json(foundation_to_json(foundation)) == foundation


def test_a_damaged_record_of_a_foundation_is_refused() -> None:
    with pytest.raises(FoundationError, match="the record of a foundation is damaged"):
        foundation_from_json("{}")
