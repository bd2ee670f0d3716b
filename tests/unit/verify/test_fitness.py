"""An image that was made on another machine: each thing that could be wrong with it is found and named."""

from collections.abc import Mapping
from dataclasses import replace

import pytest
from tests.baseimages import elf, entries_of
from tests.unit.verify.conftest import (
    ARCHIVE,
    PLATFORM,
    SITE,
    WHEELS,
    Tiny,
    bytecode,
    fit_files,
    locked,
    record,
)

from warmbase.image.assemble import BuiltImage
from warmbase.image.promises import VENV
from warmbase.layers.tree import merge_layers
from warmbase.lock.model import Lock
from warmbase.packages import uvcache
from warmbase.verify.fitness import check_fitness

OTHER = "linux/arm64"
SOURCE = b"a = 1\n"


def failures(tiny: Tiny, image: BuiltImage, lock: Lock | None = None) -> dict[str, str]:
    tree = merge_layers(tiny.unpacked.listings(image.layers), tiny.unpacked.folders(image.layers))
    found = list(check_fitness(image, lock or tiny.lock, tree))
    assert len({finding.check for finding in found}) == len(found)
    return {finding.check: finding.detail for finding in found if finding.outcome == "failed"}


def faults(tiny: Tiny, changed: Mapping[str, bytes | str | None]) -> dict[str, str]:
    """What is wrong with an image whose files are changed, or removed (None)."""
    files = {path: content for path, content in {**fit_files(), **changed}.items() if content is not None}
    return failures(tiny, tiny.build(entries_of(files)))


def test_an_image_that_fits_its_platform_passes(tiny: Tiny) -> None:
    assert failures(tiny, tiny.build(entries_of(fit_files()))) == {}


FAULTS: dict[str, tuple[dict[str, bytes | str | None], str, str]] = {
    "an interpreter for another machine": (
        {"usr/bin/python3.13": elf(OTHER)},
        "interpreter",
        f"/usr/bin/python3.13 is no program for {PLATFORM}",
    ),
    "no interpreter": (
        {"usr/bin/python3.13": None},
        "interpreter",
        "/usr/bin/python3.13, the interpreter of the venv, is not in the image",
    ),
    "no dynamic linker": (
        {"usr/lib/ld-linux.so": None},
        "interpreter",
        "/lib/ld-linux.so, the dynamic linker of /usr/bin/python3.13, is not in the image",
    ),
    "no C library": (
        {"usr/lib/libc.so.6": None},
        "interpreter",
        "the C library of /usr/bin/python3.13 is not in the image",
    ),
    "a library for another machine": (
        {f"{SITE}/beta.so": elf(OTHER), f"{SITE}/beta-1.0.dist-info/RECORD": record(("beta.so", elf(OTHER)))},
        "programs for the platform",
        f"{SITE}/beta.so is for another machine (183), not for {PLATFORM}",
    ),
    "a library for another machine in an archive": (
        {f"{ARCHIVE}/beta.so": elf(OTHER)},
        "programs for the platform",
        f"{ARCHIVE}/beta.so is for another machine (183), not for {PLATFORM}",
    ),
    "a link into nothing": (
        {f"{VENV}/lib64": "nowhere"},
        "links lead somewhere",
        f"{VENV}/lib64 points to nowhere, which is not there",
    ),
    "a script of another interpreter": (
        {f"{VENV}/bin/other": b"#!/usr/local/bin/python3.12 -I\n"},
        "scripts have interpreters",
        f"{VENV}/bin/other starts with '/usr/local/bin/python3.12', which is not in the image",
    ),
    "a file that is not what RECORD says": (
        {f"{SITE}/beta-1.0.dist-info/RECORD": record(("beta.so", b"another"))},
        "installed files",
        f"{SITE}/beta.so is not what RECORD says",
    ),
    "a file that is missing": (
        {f"{SITE}/beta.so": None},
        "installed files",
        f"{SITE}/beta.so is in RECORD and not in the venv",
    ),
    "a package that is missing": (
        {f"{SITE}/delta-1.0.dist-info/RECORD": None},
        "installed files",
        "delta 1.0 is in the lock and not in the venv",
    ),
    "a package that nobody locked": (
        {f"{SITE}/Gamma_Ray-2.0.dist-info/RECORD": b""},
        "installed files",
        "gamma-ray 2.0 is in the venv and not in the lock",
    ),
    "bytecode of another Python": (
        {f"{SITE}/__pycache__/alpha.cpython-313.pyc": bytecode(SOURCE, magic=3495)},
        "bytecode",
        f"{SITE}/__pycache__/alpha.cpython-313.pyc has the magic number 3495, Python 3.13 has 3571",
    ),
    "bytecode of another source": (
        {f"{SITE}/__pycache__/alpha.cpython-313.pyc": bytecode(SOURCE + SOURCE)},
        "bytecode",
        f"{SITE}/__pycache__/alpha.cpython-313.pyc is not that of the file beside it",
    ),
    "a link of the cache to another archive": (
        {f"{WHEELS}/beta/1.0-py3-none-any": f"../../../{uvcache.ARCHIVES}"},
        "pointers of the cache",
        f"{WHEELS}/beta/1.0-py3-none-any does not lead to {ARCHIVE}",
    ),
    "no pointer to a wheel": (
        {f"{WHEELS}/beta/1.0-py3-none-any.http": None},
        "pointers of the cache",
        "the cache has no pointer to beta-1.0-py3-none-any.whl",
    ),
}


@pytest.mark.parametrize(("changed", "check", "said"), FAULTS.values(), ids=FAULTS.keys())
def test_a_fault_is_found_and_named(tiny: Tiny, changed: dict[str, bytes | str | None], check: str, said: str) -> None:
    assert faults(tiny, changed) == {check: said}


def test_a_file_that_two_wheels_bring_is_that_of_one_of_them(tiny: Tiny) -> None:
    loser = record(("beta.so", b"the other wheel's"))
    assert faults(tiny, {f"{SITE}/delta-1.0.dist-info/RECORD": loser}) == {}


def test_helpers_for_other_machines_say_so_in_their_names(tiny: Tiny) -> None:
    assert faults(tiny, {f"{SITE}/attach_linux_aarch64.so": elf(OTHER)}) == {}
    assert faults(tiny, {f"{SITE}/attach_linux.so": elf(OTHER)}).keys() == {"programs for the platform"}


def test_the_venv_has_to_name_the_interpreter_of_this_image(tiny: Tiny) -> None:
    image = tiny.build(entries_of(fit_files()), **{"pyvenv.cfg": "home = /usr/local/bin\nversion_info = 3.12.1\n"})
    assert failures(tiny, image)["interpreter"].splitlines() == [
        "pyvenv.cfg says home = /usr/local/bin, the interpreter is /usr/bin/python3.13",
        "pyvenv.cfg says Python 3.12.1, the lock 3.13",
    ]


def test_uv_has_to_be_a_program_of_the_platform(tiny: Tiny) -> None:
    found = failures(tiny, tiny.build(entries_of(fit_files()), uv=elf(OTHER), uvx=b"#!/bin/sh\n"))
    assert found["programs for the platform"].splitlines() == [
        f"usr/local/bin/uv is for another machine (183), not for {PLATFORM}",
        "usr/local/bin/uvx is no program",
    ]


def test_the_lock_s_wheels_have_to_be_for_the_platform_the_python_and_the_c_library(tiny: Tiny) -> None:
    names = (
        "numpy-1.0-cp313-cp313-manylinux_2_28_aarch64.whl",
        "pandas-1.0-cp313-cp313-musllinux_1_2_x86_64.whl",
        "polars-1.0-cp313-cp313-manylinux_2_38_x86_64.whl",
        "scipy-1.0-cp312-cp312-manylinux_2_28_x86_64.whl",
    )
    package = locked("numpy", use="index")
    wrong = tuple(
        replace(
            package,
            name=n.split("-")[0],
            use="warm",
            files=(replace(package.files[0], name=n),),
            wheels=((PLATFORM, n),),
        )
        for n in names
    )
    image = tiny.build(entries_of(fit_files()))
    found = failures(tiny, image, replace(tiny.lock, packages=(*tiny.lock.packages, *wrong)))
    assert found["wheels for the platform"].splitlines() == [
        f"{name} is not for Python 3.13 on {PLATFORM} with glibc 2.36" for name in names
    ]


def test_a_cache_that_is_not_known_is_not_judged(tiny: Tiny) -> None:
    lock = replace(tiny.lock, uv=replace(tiny.lock.uv, version="9.0"))
    image = tiny.build(entries_of(fit_files()))
    tree = merge_layers(tiny.unpacked.listings(image.layers), tiny.unpacked.folders(image.layers))
    outcomes = {finding.check: finding.outcome for finding in check_fitness(image, lock, tree)}
    assert outcomes["pointers of the cache"] == "not run"
