"""The wheel that is chosen is the one that uv and pip would install."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.tags import Tag, compatible_tags, cpython_tags
from packaging.utils import parse_wheel_filename

from warmbase.catalog.foundations import PLATFORMS
from warmbase.errors import LockError
from warmbase.lock.wheels import (
    ARCHITECTURES,
    Libc,
    choose_wheel,
    platform_tags,
    runs_on_python,
    supported_tags,
    uv_platform,
)

NUMPY = [
    "numpy-2.3.1-cp311-cp311-manylinux_2_28_x86_64.whl",
    "numpy-2.3.1-cp313-cp313-macosx_14_0_arm64.whl",
    "numpy-2.3.1-cp313-cp313-manylinux_2_28_aarch64.whl",
    "numpy-2.3.1-cp313-cp313-manylinux_2_28_x86_64.whl",
    "numpy-2.3.1-cp313-cp313-musllinux_1_2_x86_64.whl",
    "numpy-2.3.1-cp313-cp313-win_amd64.whl",
    "numpy-2.3.1-cp313-cp313t-manylinux_2_28_x86_64.whl",
    "numpy-2.3.1-pp311-pypy311_pp73-manylinux_2_28_x86_64.whl",
]


TRIXIE = ("glibc", "2.41")


def choose(names: list[str], python: str = "3.13", platform: str = "linux/amd64", libc: Libc = TRIXIE) -> str | None:
    return choose_wheel(names, supported_tags(python, platform, libc))


@pytest.mark.parametrize(
    ("python", "platform", "libc", "chosen"),
    [
        ("3.13", "linux/amd64", TRIXIE, "numpy-2.3.1-cp313-cp313-manylinux_2_28_x86_64.whl"),
        ("3.13", "linux/arm64", ("glibc", "2.36"), "numpy-2.3.1-cp313-cp313-manylinux_2_28_aarch64.whl"),
        ("3.11", "linux/amd64", ("glibc", "2.28"), "numpy-2.3.1-cp311-cp311-manylinux_2_28_x86_64.whl"),
        ("3.11", "linux/amd64", ("glibc", "2.27"), None),
        ("3.12", "linux/amd64", TRIXIE, None),
        ("3.11", "linux/arm64", TRIXIE, None),
        ("3.13", "linux/amd64", ("musl", "1.2.5"), "numpy-2.3.1-cp313-cp313-musllinux_1_2_x86_64.whl"),
        ("3.13", "linux/arm64", ("musl", "1.2.5"), None),
    ],
)
def test_python_architecture_and_libc_decide(python: str, platform: str, libc: Libc, chosen: str | None) -> None:
    assert choose(NUMPY, python, platform, libc) == chosen


@pytest.mark.parametrize(
    ("names", "chosen"),
    [
        # The stable ABI of an older Python, but the own one first.
        (["a-1-cp37-abi3-manylinux_2_28_x86_64.whl", "a-1-py3-none-any.whl"], 0),
        (["a-1-cp39-abi3-manylinux2014_x86_64.whl", "a-1-cp313-cp313-manylinux2014_x86_64.whl"], 1),
        (["a-1-cp39-abi3-manylinux2014_x86_64.whl", "a-1-cp311-abi3-manylinux2014_x86_64.whl"], 1),
        # The newest glibc that the platform has.
        (["a-1-cp313-cp313-manylinux2014_x86_64.whl", "a-1-cp313-cp313-manylinux_2_34_x86_64.whl"], 1),
        (["a-1-cp313-cp313-manylinux_2_99_x86_64.whl", "a-1-cp313-cp313-manylinux1_x86_64.whl"], 1),
        # Several tags in one name; a build number is newer than none.
        (["a-1-py2.py3-none-any.whl", "a-1-py2-none-any.whl"], 0),
        (["a-1-py3-none-any.whl", "a-1-2-py3-none-any.whl", "a-1-10-py3-none-any.whl"], 2),
        (["a-1-py3-none-manylinux_2_17_x86_64.manylinux2014_x86_64.whl", "a-1-py3-none-any.whl"], 0),
        (["not a wheel.whl", "a-1-py3-none-any.whl"], 1),
        (["a-1-py3-none-win32.whl", "a-1-py2-none-any.whl"], None),
        ([], None),
    ],
)
def test_the_best_tag_wins(names: list[str], chosen: int | None) -> None:
    expected = None if chosen is None else names[chosen]
    assert choose(names) == expected
    assert choose(names[::-1]) == expected


@given(st.permutations(NUMPY))
def test_the_order_of_the_index_does_not_count(names: list[str]) -> None:
    assert choose(names) == "numpy-2.3.1-cp313-cp313-manylinux_2_28_x86_64.whl"


def test_platform_tags_are_those_of_pep_600_and_the_names_before_it() -> None:
    tags = platform_tags("linux/amd64", ("glibc", "2.17"))
    assert tags[:2] == ["manylinux_2_17_x86_64", "manylinux2014_x86_64"]
    assert tags[-2:] == ["manylinux1_x86_64", "linux_x86_64"]
    assert "manylinux2010_aarch64" not in platform_tags("linux/arm64", TRIXIE)


def test_platform_tags_of_musl_are_those_of_pep_656() -> None:
    tags = ["musllinux_1_2_aarch64", "musllinux_1_1_aarch64", "linux_aarch64"]
    assert platform_tags("linux/arm64", ("musl", "1.2.5")) == tags


@pytest.mark.parametrize(
    ("libc", "name", "best"),
    [
        (TRIXIE, "aarch64-manylinux_2_40", "manylinux_2_40_aarch64"),
        (("glibc", "2.36"), "aarch64-manylinux_2_36", "manylinux_2_36_aarch64"),
        (("glibc", "2.30"), "aarch64-manylinux_2_28", "manylinux_2_28_aarch64"),
        (("musl", "1.2.5"), "aarch64-unknown-linux-musl", "musllinux_1_2_aarch64"),
    ],
)
def test_what_is_chosen_is_what_uv_can_install_there(libc: Libc, name: str, best: str) -> None:
    """uv has names for some versions only: the newest of them that the foundation can run counts for both."""
    assert uv_platform("linux/arm64", libc) == name
    assert platform_tags("linux/arm64", libc)[0] == best


@pytest.mark.parametrize("libc", [("glibc", "2.12"), ("musl", "1.1.24"), ("glibc", "?"), ("bionic", "2.40")])
def test_a_c_library_that_has_no_wheels_is_said_to_have_none(libc: Libc) -> None:
    with pytest.raises(LockError, match=f"uv installs no wheels for {libc[0]} "):
        uv_platform("linux/arm64", libc)


def test_tags_are_in_the_order_of_packaging() -> None:
    """packaging asks the running system for its platforms; given the same ones, it comes to the same list."""
    platforms = platform_tags("linux/amd64", ("glibc", "2.36"))
    theirs = [
        *cpython_tags((3, 12), abis=["cp312"], platforms=platforms),
        *compatible_tags((3, 12), interpreter="cp312", platforms=platforms),
    ]
    assert supported_tags("3.12", "linux/amd64", ("glibc", "2.36")) == theirs
    assert theirs[0] == Tag("cp312", "cp312", "manylinux_2_36_x86_64")
    assert theirs[-1] == Tag("py30", "none", "any")


@pytest.mark.parametrize("python", ["3.11", "3.12", "3.13", "3.14"])
@pytest.mark.parametrize(
    "name",
    [
        *NUMPY,
        "a-1-py3-none-any.whl",
        "a-1-py2-none-any.whl",
        "a-1-py312-none-any.whl",
        "a-1-cp38-abi3-musllinux_1_2_aarch64.whl",
        "a-1-cp312-abi3-win_amd64.whl",
        "a-1-cp313-none-macosx_11_0_arm64.whl",
    ],
)
def test_a_wheel_runs_on_a_python_if_some_platform_s_tags_say_so(name: str, python: str) -> None:
    """Judged by packaging's tags for the platforms that the name itself gives."""
    offered = parse_wheel_filename(name)[3]
    platforms = sorted({tag.platform for tag in offered})
    digits = python.replace(".", "")
    version = (3, int(python.split(".")[1]))
    supported = {
        *cpython_tags(version, abis=[f"cp{digits}"], platforms=platforms),
        *compatible_tags(version, interpreter=f"cp{digits}", platforms=platforms),
    }
    assert runs_on_python(name, python) == bool(offered & supported)


def test_a_source_distribution_runs_on_every_python() -> None:
    assert runs_on_python("a-1.tar.gz", "3.13")
    assert not runs_on_python("broken.whl", "3.13")


def test_every_platform_of_the_catalog_has_tags() -> None:
    for platform in ("linux/amd64", "linux/arm64"):
        assert re.search(r"(x86_64|aarch64)$", platform_tags(platform, ("glibc", "2.17"))[0])


def test_a_catalog_may_name_the_platforms_that_wheels_are_known_for() -> None:
    assert set(PLATFORMS) == set(ARCHITECTURES)
