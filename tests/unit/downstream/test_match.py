"""How a base serves a project: what hits and by what, what is missing and why, and what stands in the way."""

from typing import Any

import pytest
from tests.needing import locked, project, wanted
from tests.offered import base, offered, wheel_size

from warmbase.downstream.demand import libc_of
from warmbase.downstream.match import Match, Matcher, match
from warmbase.downstream.projects.model import Environment, Need, NeededFile, Project
from warmbase.publish.offer import OfferedPackage, OfferedPlatform, SystemPackage

AMD64 = "linux/amd64"


def fits(found: Match) -> dict[str, str]:
    return {hit.need.name: hit.fit for hit in found.hits}


def reasons(found: Match) -> dict[str, str]:
    return {miss.need.name: miss.why for miss in found.misses}


def test_the_very_file_of_a_lock_hits_and_is_what_is_saved() -> None:
    found = match(project({"pandas": "2.2.3"}), base(packages={"pandas": "2.2.3"}), AMD64)
    assert fits(found) == {"pandas": "file"}
    assert (found.saved, found.left, found.misses) == (wheel_size("pandas"), 0, ())


def test_another_file_of_the_same_version_hits_as_uv_does_not_ask_what_is_installed_for_its_hash() -> None:
    needs = [locked("numpy", "2.3.4", file="numpy-2.3.4-cp313-cp313-manylinux_2_28_x86_64.whl")]
    assert fits(match(project(needs), base(packages={"numpy": "2.3.4"}), AMD64)) == {"numpy": "version"}


def test_what_is_in_the_cache_alone_hits_with_its_very_file_only() -> None:
    cached = base(packages=[offered("hatchling", "1.27.0", use="warm")])
    assert fits(match(project({"hatchling": "1.27.0"}), cached, AMD64)) == {"hatchling": "file"}
    other = project([locked("hatchling", "1.27.0", file="hatchling-1.27.0-py2.py3-none-any.whl")])
    assert reasons(match(other, cached, AMD64)) == {"hatchling": "is in its cache alone, from another file"}


def test_what_no_lock_fixes_hits_at_any_version_that_is_admitted() -> None:
    has = base(packages={"numpy": "2.3.4", "pandas": "2.2.3", "polars": "1.9.0rc1"})
    found = match(project([wanted("numpy"), wanted("pandas", ">=3"), wanted("polars", ">=1")]), has, AMD64)
    assert fits(found) == {"numpy": "constraint"}
    assert reasons(found) == {"pandas": "is in it at 2.2.3", "polars": "is in it at 1.9.0rc1"}


@pytest.mark.parametrize(
    ("needed", "has", "fit"),
    [("1.26", "1.26.0", "version"), ("2.5.1", "2.5.1+cpu", "constraint"), ("2.5.1+cpu", "2.5.1", None)],
)
def test_versions_are_compared_as_versions(needed: str, has: str, fit: str | None) -> None:
    found = match(project([Need(name="torch", version=needed)]), base(packages={"torch": has}), AMD64)
    assert fits(found).get("torch") == fit


def test_a_local_version_serves_a_lock_without_one_as_uv_leaves_it_installed() -> None:
    installed = base(packages=[offered("torch", "2.5.1+cpu")])
    assert fits(match(project([locked("torch", "2.5.1")]), installed, AMD64)) == {"torch": "constraint"}
    assert reasons(match(project([locked("torch", "2.5.1+cu126")]), installed, AMD64)) == {
        "torch": "is in it at 2.5.1+cpu"
    }


def test_what_is_missing_says_what_is_there_instead_and_what_is_left_to_download() -> None:
    found = match(project({"numpy": "2.3.5", "polars": "1.9.0"}), base(packages={"numpy": "2.3.4"}), AMD64)
    assert reasons(found) == {"numpy": "is in it at 2.3.4", "polars": "is not in it"}
    assert [miss.has for miss in found.misses] == ["2.3.4", ""]
    assert found.left == wheel_size("numpy") + wheel_size("polars")


def test_what_comes_from_no_index_hits_from_the_same_address_only() -> None:
    own = OfferedPackage(name="tool", version="1.0", source="https://files.example/tool-1.0-py3-none-any.whl")
    has = base(packages=[own])
    same = Need(name="tool", version="1.0", source="url", url=own.source)
    assert fits(match(project([same]), has, AMD64)) == {"tool": "file"}
    other = Need(name="tool", version="1.0", source="git", url="https://git.example/tool")
    assert reasons(match(project([other]), has, AMD64)) == {"tool": "comes from https://git.example/tool"}
    secret = Need(name="other", version="1.0", source="url", url="https://files.example/other-1.0.whl?sig=TOKEN#a=b")
    assert reasons(match(project([secret]), has, AMD64)) == {"other": "comes from https://files.example/other-1.0.whl"}
    indexed = locked("tool", "1.0")
    assert reasons(match(project([indexed]), has, AMD64)) == {"tool": "is in it from elsewhere than an index"}


def test_what_a_base_has_in_its_venv_and_the_project_does_not_name_is_not_needed() -> None:
    has = base(packages=[offered("numpy", "2.3.4"), offered("pandas", "2.2.3"), offered("flit-core", "3", use="warm")])
    found = match(project({"numpy": "2.3.5"}), has, AMD64)
    assert [package.name for package in found.unneeded] == ["pandas"]


NUMPY = {
    "numpy-2.3.5-cp312-cp312-manylinux_2_28_x86_64.whl": 12,
    "numpy-2.3.5-cp313-cp313-manylinux_2_28_x86_64.whl": 13,
    "numpy-2.3.5-cp313-cp313-manylinux_2_99_x86_64.whl": 99,
    "numpy-2.3.5-cp313-cp313-musllinux_1_2_x86_64.whl": 14,
    "numpy-2.3.5-cp313-cp313-manylinux2014_aarch64.manylinux_2_17_aarch64.whl": 15,
    "numpy-2.3.5-cp313-cp313-win_amd64.whl": 16,
}


def numpy(*, source: bool = False) -> Need:
    names = NUMPY | ({"numpy-2.3.5.tar.gz": 20} if source else {})
    files = tuple(NeededFile(name=name, sha256=name, size=size) for name, size in names.items())
    return Need(name="numpy", version="2.3.5", files=files)


@pytest.mark.parametrize(
    ("python", "platform", "size"), [("3.12", AMD64, 12), ("3.13", AMD64, 13), ("3.13", "linux/arm64", 15)]
)
def test_the_file_that_would_be_downloaded_is_the_one_for_the_base(python: str, platform: str, size: int) -> None:
    lacking = base(f"web:py{python}-trixie", {"flask": "3.1"}, platforms=[platform])
    assert match(project([numpy()]), lacking, platform).left == size


def test_a_base_for_which_a_lock_has_no_file_cannot_be_used() -> None:
    newer = base("web:py3.14-trixie", {"flask": "3.1"})
    found = match(project([numpy()]), newer, AMD64)
    assert found.obstacle == "has Python 3.14 on linux/amd64, for which the lock has no file of numpy 2.3.5"
    has_it = base("data:py3.14-trixie", {"numpy": "2.3.5"})
    assert match(project([numpy()]), has_it, AMD64).obstacle == ""


def test_what_has_no_wheel_is_built_from_source() -> None:
    found = match(project([numpy(source=True)]), base("web:py3.14-trixie", {"flask": "3.1"}), AMD64)
    assert (found.obstacle, found.left) == ("", 20)
    assert reasons(found) == {"numpy": "is not in it, and is built from source"}


def test_hashes_alone_say_nothing_of_wheels() -> None:
    hashed = Need(name="numpy", version="2.3.5", files=(NeededFile(name="", sha256="0" * 64),))
    found = match(project([hashed]), base("web:py3.14-trixie", {"flask": "3.1"}), AMD64)
    assert (found.obstacle, reasons(found)) == ("", {"numpy": "is not in it"})


def test_a_platform_that_a_base_is_not_there_for_stands_in_the_way() -> None:
    found = match(project({"numpy": "2.3.4"}), base(packages={"numpy": "2.3.4"}, platforms=[AMD64]), "linux/arm64")
    assert found.obstacle == "is there for linux/amd64 alone"
    assert fits(found) == {"numpy": "file"}
    assert match(project({}), base(platforms=[]), AMD64).obstacle == "is there for no platform"


@pytest.mark.parametrize(
    ("asked", "obstacle"),
    [
        ({"requires_python": ">=3.12,<3.14"}, ""),
        ({"requires_python": ">=3.13.9"}, ""),
        ({"requires_python": ">=3.14"}, "would need Python ≥ 3.14"),
        ({"requires_python": "==3.12.*"}, "would need Python 3.12"),
        ({"python": "3.13"}, ""),
        ({"python": "3.13.2"}, ""),
        ({"python": "cpython-3.13.9-linux-x86_64-gnu"}, ""),
        ({"python": "my-environment"}, ""),
        ({"python": "3.12"}, "would need Python 3.12, as .python-version says"),
        ({"python": "3.12.4"}, "would need Python 3.12, as .python-version says"),
        ({"python": "3.1"}, "would need Python 3.1, as .python-version says"),
        ({"python": "pypy@3.13"}, "would need Python pypy@3.13, as .python-version says"),
        ({"python": "3.13t"}, "would need Python 3.13t, as .python-version says"),
        ({"python": ">=3.14"}, "would need Python ≥ 3.14, as .python-version says"),
    ],
)
def test_the_python_is_one_that_the_project_admits(asked: dict[str, Any], obstacle: str) -> None:
    assert match(project({"numpy": "2.3.4"}, **asked), base(), AMD64).obstacle == obstacle


@pytest.mark.parametrize(
    ("packages", "system", "libc"),
    [
        ({"libc6": "2.36-9+deb12u10"}, "debian 12", ("glibc", "2.36")),
        ({"musl": "1.2.5-r9"}, "alpine 3.22", ("musl", "1.2")),
        ({}, "alpine 3.22", ("musl", "1.2")),
        ({}, "", ("glibc", "2.40")),
    ],
)
def test_a_systems_packages_say_its_c_library(packages: dict[str, str], system: str, libc: tuple[str, str]) -> None:
    listed = tuple(SystemPackage(name=name, version=version) for name, version in packages.items())
    image = OfferedPlatform(platform=AMD64, digest="", python="3.13.9", system=system, system_packages=listed)
    assert libc_of(image) == libc


def test_a_platform_without_known_tags_is_taken_to_be_well() -> None:
    has = base("web:py3.13-trixie", {"flask": "3.1"}, platforms=["linux/riscv64"])
    assert match(project([numpy()]), has, "linux/riscv64").obstacle == ""


def test_needs_are_asked_for_once_in_an_environment() -> None:
    asked: list[Environment] = []

    def needs(environment: Environment) -> tuple[Need, ...]:
        asked.append(environment)
        return (locked("numpy", "2.3.4"),)

    own = project({})
    matcher = Matcher(Project(path=own.path, kind=own.kind, name=own.name, needs=needs))
    for variant in ("data:py3.13-trixie", "web:py3.13-bookworm", "data:py3.12-trixie"):
        matcher.match(base(variant), AMD64)
    assert [environment.python for environment in asked] == ["3.13.9", "3.12.12"]
