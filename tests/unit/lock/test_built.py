"""What a lock says is compiled: what has no wheel, what is to have none, and what comes from no index."""

from dataclasses import replace

import pytest
from tests.unit.plan.test_plan import LOCK, VARIANT, package, requirement

from warmbase.catalog.model import Variant
from warmbase.lock.built import (
    choose_files,
    kept_addresses,
    lock_origin,
    named_to_compile,
    pin_addresses,
    requirements_of,
)
from warmbase.lock.model import LockedFile, LockedPackage
from warmbase.lock.resolve import variant_inputs
from warmbase.lock.wheels import supported_tags

COMMIT = "c" * 40
PLATFORMS = ("linux/amd64", "linux/arm64")
TAGS = {platform: supported_tags("3.13", platform, ("glibc", "2.41")) for platform in PLATFORMS}


def offered(*names: str) -> LockedPackage:
    files = tuple(LockedFile(name=name, sha256="a" * 64, path=f"packages/{name}") for name in names)
    return replace(package("six"), files=files, wheels=())


BOTH = offered("six-1.0-cp313-cp313-manylinux_2_17_x86_64.whl", "six-1.0.tar.gz")
TOOLS = replace(VARIANT, build_packages=("gcc",))
NO_BINARY = replace(VARIANT, no_binary=("six",))


@pytest.mark.parametrize(
    ("variant", "found", "chosen"),
    [
        (VARIANT, BOTH, {PLATFORMS[0]: BOTH.files[0].name}),
        (TOOLS, BOTH, {PLATFORMS[0]: BOTH.files[0].name, PLATFORMS[1]: "six-1.0.tar.gz"}),
        (NO_BINARY, BOTH, dict.fromkeys(PLATFORMS, "six-1.0.tar.gz")),
        (TOOLS, offered("six-1.0-py3-none-win_amd64.whl"), {}),
        (NO_BINARY, offered("six-1.0-py3-none-any.whl"), {}),
    ],
)
def test_a_source_is_taken_where_it_may_be_compiled_and_no_wheel_will_do(
    variant: Variant, found: LockedPackage, chosen: dict[str, str]
) -> None:
    names = (file.name for file in found.files)
    assert choose_files("six", names, "", PLATFORMS, TAGS, variant) == chosen


def test_a_package_from_a_repository_is_chosen_by_its_commit() -> None:
    source = f"git+https://code.example/six@{COMMIT}#subdirectory=below"
    assert choose_files("six", (), source, PLATFORMS, TAGS, VARIANT) == dict.fromkeys(PLATFORMS, COMMIT)


def test_a_wheel_at_an_address_is_not_compiled() -> None:
    asked = (
        requirement("a @ https://files.example/a-1.0-py3-none-any.whl"),
        requirement("B_c @ https://files.example/b-1.0.tar.gz"),
        requirement("d @ git+https://code.example/d"),
    )
    assert named_to_compile(replace(NO_BINARY, requirements=asked)) == {"six", "b-c", "d"}


def test_a_commit_stays_until_the_catalog_asks_otherwise_or_it_is_to_move() -> None:
    asked, address = "git+https://code.example/six@main", f"git+https://code.example/six@{COMMIT}"
    one = replace(package("six"), files=(), source=address, asked=asked)
    previous = replace(LOCK, packages=(one,))
    variant = replace(VARIANT, requirements=(requirement(f"six[x] @ {asked} ; python_version >= '3'"),))
    assert kept_addresses(variant, previous, ()) == {"six": address}
    assert kept_addresses(variant, previous, ("six",)) == {}
    assert kept_addresses(variant, None, ()) == {}
    other = replace(variant, requirements=(requirement(f"six @ {asked}2"),))
    assert kept_addresses(other, previous, ()) == {}
    pinned = pin_addresses(variant, {"six": address})
    assert pinned.requirements[0].text == f'six[x] @ {address} ; python_version >= "3"'
    assert pin_addresses(VARIANT, {"six": address}) == VARIANT


def test_what_a_repository_needs_is_read_from_the_lock_of_uv() -> None:
    record = {
        "source": {"git": f"https://code.example/six?rev=main#{COMMIT}"},
        "dependencies": [{"name": "idna"}, {"name": "rich", "extra": ["jupyter"], "marker": "os_name == 'nt'"}],
        "optional-dependencies": {"more": [{"name": "attrs", "marker": "os_name == 'nt'"}]},
    }
    assert list(requirements_of(record)) == [
        "idna",
        "rich[jupyter] ; os_name == 'nt'",
        "attrs ; (os_name == 'nt') and extra == 'more'",
    ]
    address = f"git+https://code.example/six@{COMMIT}"
    variant = replace(VARIANT, requirements=(requirement("six @ git+https://code.example/six@main"),))
    locked = lock_origin(("six", "1.0"), record, address, variant)
    assert (locked.source, locked.asked, locked.files) == (address, "git+https://code.example/six@main", ())


def test_a_file_at_an_address_keeps_its_hash() -> None:
    address = "https://files.example/six%2B1-1.0.tar.gz"
    record = {"source": {"url": address}, "sdist": {"hash": f"sha256:{'d' * 64}"}}
    locked = lock_origin(("six", "1.0"), record, address, VARIANT)
    assert locked.files == (LockedFile(name="six+1-1.0.tar.gz", sha256="d" * 64, path=address),)


def test_a_lock_fits_no_more_when_what_may_be_compiled_changes() -> None:
    variants = (VARIANT, TOOLS, NO_BINARY, replace(NO_BINARY, build_packages=("gcc",)))
    assert len({variant_inputs(variant, "0.13.8") for variant in variants}) == len(variants)
    assert variant_inputs(TOOLS, "1") == variant_inputs(replace(TOOLS, build_packages=("clang",)), "1")
