"""Locks for several platforms at once, and what is said about a wheel that one of them lacks."""

from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version

import pytest
from tests.bases import Bases
from tests.images import pinned_uv
from tests.wheelhouse import Mirror, make_wheel

from warmbase.catalog.load import load_catalog
from warmbase.effects.http import ask_size
from warmbase.errors import LockError
from warmbase.lock.model import Lock
from warmbase.lock.resolve import Resolver, Upgrade
from warmbase.lock.wheels import Libc

BOTH = ("linux/amd64", "linux/arm64")
BOOKWORM = dict.fromkeys(BOTH, ("glibc", "2.36"))
ALPINE = dict.fromkeys(BOTH, ("musl", "1.2.5"))
X86, ARM = "cp313-cp313-manylinux_2_17_x86_64", "cp313-cp313-manylinux_2_17_aarch64"

Resolve = Callable[..., Lock]


@pytest.fixture
def resolve(bases: Callable[..., Bases], mirror: Mirror) -> Resolve:
    """Lock an image with these requirements for both platforms; `native` is what versions of tiny-native there are."""

    def lock(
        requirements: Sequence[str], native: Mapping[str, Sequence[str]], libc: Mapping[str, Libc] = BOOKWORM
    ) -> Lock:
        made = bases("a", mirror, {"app": list(requirements)})
        made.write_catalog({"app": list(requirements)}, platforms=list(BOTH), uv=version("uv"))
        mirror.wheels += [make_wheel("tiny-user", "1.0", {"tiny_user.py": ""}, requires=["tiny-native>=2"])]
        for number, tags in native.items():
            mirror.wheels += [make_wheel("tiny-native", number, {"tiny_native.py": tag}, tag=tag) for tag in tags]
        (variant,) = load_catalog(made.catalog).variants
        resolver = Resolver(uv=pinned_uv(made), cache=made.cache / "uv-cache", ask_size=ask_size)
        return resolver.resolve(variant, libc=libc, previous=None, upgrade=Upgrade())

    return lock


def wheels(lock: Lock) -> dict[str, str]:
    (package,) = (package for package in lock.packages if package.name == "tiny-native")
    return {platform: name.removeprefix("tiny_native-") for platform, name in package.wheels}


def test_each_platform_gets_its_own_wheel(resolve: Resolve) -> None:
    lock = resolve(["tiny-native", "tiny-app"], {"1.0": [X86, ARM]})
    assert wheels(lock) == {"linux/amd64": f"1.0-{X86}.whl", "linux/arm64": f"1.0-{ARM}.whl"}
    assert [package.name for package in lock.installed("linux/arm64")] == ["tiny-app", "tiny-lib", "tiny-native"]


def test_a_version_with_wheels_for_all_platforms_is_preferred_to_a_newer_one_without(resolve: Resolve) -> None:
    lock = resolve(["tiny-native"], {"1.0": [X86, ARM], "2.0": [X86]})
    assert wheels(lock) == {"linux/amd64": f"1.0-{X86}.whl", "linux/arm64": f"1.0-{ARM}.whl"}


def test_a_marker_leaves_a_package_out_on_one_platform(resolve: Resolve) -> None:
    lock = resolve(["tiny-native>=2; platform_machine != 'aarch64'", "tiny-lib"], {"2.0": [X86]})
    assert wheels(lock) == {"linux/amd64": f"2.0-{X86}.whl"}
    assert [package.name for package in lock.installed("linux/arm64")] == ["tiny-lib"]


@pytest.mark.parametrize(
    ("requirement", "why", "remedies"),
    [
        (
            "tiny-native>=2",
            "asked for at",
            "require tiny-native==1.4, or leave it out there (\"tiny-native; platform_machine != 'aarch64'\")",
        ),
        (
            "tiny-user",
            "needed by",
            "require tiny-native==1.4 too, if tiny-user can do with it, or leave tiny-user out there"
            " (\"tiny-user; platform_machine != 'aarch64'\")",
        ),
    ],
    ids=["asked for", "needed by another"],
)
def test_a_wheel_that_a_platform_lacks_is_named_with_the_versions_that_have_one(
    resolve: Resolve, requirement: str, why: str, remedies: str
) -> None:
    native = {"1.0": [X86, ARM], "1.1": [X86, ARM], "1.2": [X86], "1.3": [ARM], "1.4": [X86, ARM], "2.0": [X86]}
    with pytest.raises(LockError) as caught:
        resolve([requirement, "tiny-lib"], native)
    first, said, place = caught.value.message.splitlines()
    assert first == "app:py3.13-trixie cannot be resolved:"
    assert said == (
        "tiny-native 2.0 has no wheel for Python 3.13 on linux/arm64; versions that have one: 1.4, 1.3, 1.1"
    )
    assert place.startswith(f"  {why} ")
    assert place.endswith(f": {requirement}")
    assert caught.value.next_step == f"{remedies}, or take linux/arm64 out of the catalog's `platforms`"


def test_a_package_without_any_wheel_for_a_platform_is_said_to_have_none(resolve: Resolve) -> None:
    with pytest.raises(LockError, match="on linux/arm64; and no other version has one\n") as caught:
        resolve(["tiny-native"], {"1.0": [X86], "2.0": [X86]})
    assert "require tiny-native" not in caught.value.next_step


@pytest.mark.parametrize(
    ("newer", "older", "libc"),
    [
        ("manylinux_2_38", "manylinux_2_31", BOOKWORM),
        ("manylinux_2_17", "musllinux_1_2", ALPINE),
        ("musllinux_1_2", "manylinux_2_28", BOOKWORM),
    ],
    ids=["too new a glibc", "no wheel for musl", "no wheel for glibc"],
)
def test_the_c_library_of_the_foundation_counts(
    resolve: Resolve, newer: str, older: str, libc: Mapping[str, Libc]
) -> None:
    def tags(name: str) -> list[str]:
        return [f"cp313-cp313-{name}_x86_64", f"cp313-cp313-{name}_aarch64"]

    with pytest.raises(LockError) as caught:
        resolve(["tiny-native"], {"1.0": tags(older), "2.0": tags(newer)}, libc)
    lines = [line for line in caught.value.message.splitlines() if line.startswith("tiny-native")]
    musl = " with musl" if libc is ALPINE else ""
    assert lines == [
        f"tiny-native 2.0 has no wheel for Python 3.13 on {platform}{musl}; versions that have one: 1.0"
        for platform in BOTH
    ]
    assert ("choose a foundation with glibc" in caught.value.next_step) is bool(musl)
