"""Managed Pythons without installing one: what pins say, which fit, and what decides which layers are shared."""

from dataclasses import replace
from pathlib import Path

import pytest
from tests.baseimages import Files, elf, system_files
from tests.pinned import DEBIAN_PIN, IMAGE_PIN, PLATFORM
from tests.unit.foundation.conftest import See

from warmbase.catalog.model import CatalogFoundation, DebianFoundation, ImageFoundation, LayoutFoundation
from warmbase.errors import FoundationError
from warmbase.foundation.model import Archive, Foundation, foundation_from_json, foundation_to_json
from warmbase.foundation.pins import FoundationPin, ManagedPin, pins_from_json, pins_to_json, python_of, system_of
from warmbase.foundation.python import find_system_libc
from warmbase.foundation.stage import pin_fits, pinned_recipe, shared_recipes
from warmbase.layers.codec import Codec

UV = "0.13.8"
SYSTEM = replace(IMAGE_PIN, reference="nvidia/cuda:13", python="", interpreter="")
PIN = ManagedPin(base=SYSTEM, python="3.13.9", archive="cpython-3.13.9+1.tar.gz", sha256="c" * 64)
ON_DEBIAN = replace(PIN, base=replace(DEBIAN_PIN, packages=(("libc6", "2.41-12"),)))
CUDA = ImageFoundation(name="cuda", image="nvidia/cuda:13", pythons=("3.12", "3.13"), managed=True)
PLAIN = DebianFoundation(name="plain", suite="trixie", python="", managed=True, asked=("3.13",))
LAYOUT = LayoutFoundation(name="cuda", oci="nvidia/cuda:13", folder=Path("/"), pythons=("3.13",), managed=True)


@pytest.mark.parametrize("pin", [PIN, ON_DEBIAN], ids=["an image", "debian"])
def test_a_pin_has_the_system_s_in_it(pin: ManagedPin) -> None:
    pins: dict[tuple[str, str], FoundationPin] = {
        (PLATFORM, "3.13"): pin,
        (PLATFORM, "3.12"): replace(pin, python="3.12.12"),
    }
    assert pins_from_json(pins_to_json(pins), source="cuda.json") == pins
    assert (pin.platform, pin.libc, pin.created) == (PLATFORM, ("glibc", "2.41"), pin.base.created)
    assert python_of(pin, "3.13") == "3.13.9"
    assert system_of(pin) is pin.base


def test_a_pin_with_a_damaged_hash_is_refused() -> None:
    text = pins_to_json({(PLATFORM, "3.13"): replace(PIN, sha256="../escaped")})
    with pytest.raises(FoundationError, match=r"cuda\.json is not a foundation's pin"):
        pins_from_json(text, source="cuda.json")


FITTING: dict[str, tuple[CatalogFoundation, FoundationPin, bool]] = {
    "the image": (CUDA, PIN, True),
    "another image": (replace(CUDA, image="nvidia/cuda:12"), PIN, False),
    "the layout": (LAYOUT, PIN, True),
    "the suite": (PLAIN, ON_DEBIAN, True),
    "another suite": (replace(PLAIN, suite="sid"), ON_DEBIAN, False),
    "a package more": (replace(PLAIN, packages=("git",)), ON_DEBIAN, False),
    "another kind of system": (PLAIN, PIN, False),
    "the system's own python, where a managed one is asked for": (CUDA, SYSTEM, False),
    "a managed python, where the system's own is asked for": (replace(CUDA, managed=False), PIN, False),
}


@pytest.mark.parametrize(("wanted", "pin", "fits"), FITTING.values(), ids=FITTING)
def test_a_pin_fits_what_it_was_made_from(wanted: CatalogFoundation, pin: FoundationPin, *, fits: bool) -> None:
    assert pin_fits(wanted, pin, "3.13") is fits


def test_a_pin_is_for_one_minor_version() -> None:
    assert not pin_fits(CUDA, PIN, "3.1")
    assert not pin_fits(CUDA, PIN, "3.12")


def recipe(pin: ManagedPin, uv: str = UV) -> str:
    return pinned_recipe(CUDA, pin, PLATFORM, Codec(), uv)


@pytest.mark.parametrize(
    "other",
    [
        replace(PIN, sha256="d" * 64),
        replace(PIN, python="3.13.10"),
        replace(PIN, base=replace(SYSTEM, manifest="sha256:" + "d" * 64)),
    ],
    ids=["the archive", "the version", "the system"],
)
def test_what_decides_the_bytes_is_part_of_the_recipe(other: ManagedPin) -> None:
    assert recipe(other) != recipe(PIN)


def test_the_series_of_the_uv_that_installs_it_is_part_of_the_recipe() -> None:
    assert recipe(PIN, "0.14.0") != recipe(PIN, "0.13.8") == recipe(PIN, "0.13.9")


def test_one_layer_serves_every_system_of_a_platform_and_c_library() -> None:
    """The archive, which is for these, is all that counts; an image's own layers are not given away."""
    (python,) = shared_recipes(CUDA, PIN, PLATFORM, Codec(), UV)
    system, same = shared_recipes(PLAIN, ON_DEBIAN, PLATFORM, Codec(), UV)
    assert same == python
    assert system not in (python, pinned_recipe(PLAIN, ON_DEBIAN, PLATFORM, Codec(), UV))
    assert shared_recipes(replace(CUDA, managed=False), IMAGE_PIN, PLATFORM, Codec(), UV) == ()


def test_a_foundation_s_record_names_the_archive() -> None:
    made = Foundation(
        name="cuda",
        platform=PLATFORM,
        interpreter="/usr/local/cpython-3.13/bin/python3.13",
        stdlib="/usr/local/cpython-3.13/lib/python3.13",
        python="3.13.9",
        libc=("glibc", "2.41"),
        os_release=(),
        packages=(),
        created="",
        archive=Archive(name=PIN.archive, sha256=PIN.sha256),
    )
    assert foundation_from_json(foundation_to_json(made)) == made


MUSL: Files = {"lib/ld-musl-x86_64.so.1": elf(PLATFORM) + b"\x001.2.5\0"}
GLIBC = {
    **{path: content for path, content in system_files(PLATFORM).items() if path.startswith(("lib", "usr/lib/gnu"))},
    "lib64/ld-linux-x86-64.so.2": "../usr/lib/gnu/ld-linux.so.2",
}
SHELLS = {
    "of glibc": {"bin/sh": elf(PLATFORM, "/lib64/ld-linux-x86-64.so.2")},
    "of musl": {"bin/sh": "busybox", "bin/busybox": elf(PLATFORM, "/lib/ld-musl-x86_64.so.1")},
    "that needs none": {"bin/sh": elf(PLATFORM)},
}


@pytest.mark.parametrize(
    ("libraries", "shell", "found"),
    [
        ({**GLIBC, **MUSL}, "of glibc", ("glibc", "2.41")),
        ({**GLIBC, **MUSL}, "of musl", ("musl", "1.2.5")),
        (MUSL, "that needs none", ("musl", "1.2.5")),
        (GLIBC, "that needs none", ("glibc", "2.41")),
        ({}, "that needs none", None),
    ],
    ids=["glibc's shell", "musl's shell", "musl alone", "glibc alone", "neither"],
)
def test_a_system_without_python_tells_its_c_library_by_its_shell_or_its_loader(
    see: See, libraries: Files, shell: str, found: tuple[str, str] | None
) -> None:
    tree = see({path: content for path, content in libraries.items() if path != "lib64"}, SHELLS[shell])
    assert find_system_libc(tree, PLATFORM) == found
