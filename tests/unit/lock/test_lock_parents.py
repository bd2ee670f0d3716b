"""The locks of images that are from other images: their parents' packages, as these have them, and more."""

from dataclasses import replace
from pathlib import Path

import pytest
from tests.unit.plan.test_plan import ARM, LOCK, PLATFORM, VARIANT, package, requirement

from warmbase.catalog.model import CatalogRequirement, Position, Variant
from warmbase.catalog.parents import inherit
from warmbase.errors import LockError
from warmbase.lock.model import Lock, LockedFile, LockedPackage
from warmbase.lock.parents import (
    adopt_packages,
    ask_as_parent,
    check_parent,
    describe_parent,
    hold_to_parent,
    lock_inputs,
)
from warmbase.lock.restraint import Restraint

COMMIT = f"git+https://code.example/git-made@{'c' * 40}"
GIT_MADE = replace(package("git-made"), files=(), wheels=((PLATFORM, "c" * 40),), source=COMMIT, asked="git+https://x")
NUMPY = replace(package("numpy", "2.5.5"), group="numbers", requires_dist=("six",))
SPARE, ELSEWHERE = package("spare", use="warm"), package("colorama", use="index")
PARENT = replace(LOCK, packages=(GIT_MADE, NUMPY, package("six"), SPARE, ELSEWHERE))


def at(line: int, text: str) -> CatalogRequirement:
    return replace(requirement(text), position=Position(file=Path("images.yaml"), line=line, column=5))


def child(*requirements: CatalogRequirement, no_binary: dict[str, Position] | None = None) -> Variant:
    compiled = no_binary or {}
    data = replace(VARIANT, requirements=(at(3, "numpy>=2"), at(4, "git-made @ git+https://code.example/git-made")))
    own = replace(data, image="ml", requirements=requirements)
    return inherit(replace(own, no_binary=tuple(compiled), no_binary_at=tuple(compiled.items())), data)


def lock(*packages: LockedPackage) -> Lock:
    return replace(LOCK, variant="ml:py3.13-trixie", uv=package("uv", "0.13.8", sha256="b"), packages=packages)


def test_a_child_is_held_to_its_parents_versions_however_young_they_are() -> None:
    held = hold_to_parent(Restraint(newest="2026-01-01T00:00:00Z", constraints=("pip!=1",)), PARENT)
    assert held.constraints == ("pip!=1", "numpy==2.5.5", "six==1.0", "spare==1.0")
    assert {name for name, limit in held.own.items() if not limit} == {"git-made", "numpy", "six", "spare"}
    assert held.newest == "2026-01-01T00:00:00Z"


def test_a_childs_lock_says_of_its_parents_packages_what_that_one_says() -> None:
    newer = LockedFile(name="numpy-2.5.5-1-py3-none-any.whl", sha256="f" * 64, path="packages/newer")
    other = replace(NUMPY, files=(*NUMPY.files, newer), wheels=((PLATFORM, newer.name),), group="")
    adopted = adopt_packages(lock(GIT_MADE, package("learn"), other, package("six"), SPARE), PARENT, "inputs")
    assert adopted.inputs == "inputs"
    assert adopted.uv == PARENT.uv
    assert adopted.packages == (GIT_MADE, package("learn"), NUMPY, package("six"), SPARE)


def test_what_the_child_alone_has_of_a_package_stays_its_own() -> None:
    file = LockedFile(name="six-1.0-cp313-cp313-linux_aarch64.whl", sha256="e" * 64, path="packages/arm")
    six = replace(package("six"), files=(*package("six").files, file), wheels=((PLATFORM, "another"), (ARM, file.name)))
    spare = replace(SPARE, use="venv", group="plots")
    found = {one.name: one for one in adopt_packages(lock(GIT_MADE, NUMPY, six, spare), PARENT, "").packages}
    assert found["spare"] == spare, "installed here, and in the cache alone there"
    assert dict(found["six"].wheels) == {**dict(package("six").wheels), ARM: file.name}
    assert found["six"].file(ARM) == file


@pytest.mark.parametrize("packages", [(GIT_MADE, package("numpy", "2.4"), SPARE), (GIT_MADE, NUMPY, SPARE)])
def test_a_lock_with_other_packages_than_its_parents_is_refused(packages: tuple[LockedPackage, ...]) -> None:
    with pytest.raises(LockError, match=r"ml:py3\.13-trixie: (numpy is 2\.4, and 2\.5\.5|six is nothing, and 1\.0) in"):
        check_parent(lock(*packages), PARENT)


def test_a_childs_lock_fits_one_lock_of_its_parent() -> None:
    variant = child(at(9, "learn"))
    moved = replace(PARENT, packages=(GIT_MADE, package("numpy", "2.5.6"), package("six"), SPARE))
    offered = replace(NUMPY, files=(*NUMPY.files, LockedFile(name="n.whl", sha256="", path="")))
    same = replace(PARENT, inputs="another", packages=(GIT_MADE, offered, package("six"), SPARE))
    assert lock_inputs(variant, "1", PARENT) != lock_inputs(variant, "1", moved)
    assert lock_inputs(variant, "1", PARENT) == lock_inputs(variant, "1", same), "an index may offer more files"
    assert lock_inputs(variant, "1", PARENT) != lock_inputs(child(), "1", PARENT)


def test_a_child_asks_for_the_commits_that_its_parent_has() -> None:
    asked = [one.text for one in ask_as_parent(child(at(9, "learn")), PARENT).requirements]
    assert asked == ["numpy>=2", f"git-made @ {COMMIT}", "learn"]


NUMBERS = "images.yaml:3:5: numpy>=2 (data:py3.13-trixie has numpy 2.5.5)"
BEHIND = "images.yaml:3:5: numpy>=2 (data:py3.13-trixie has six 1.0)"


@pytest.mark.parametrize(
    ("variant", "said"),
    [
        (child(at(9, "numpy<2.5")), f"images.yaml:9:5: numpy<2.5\n  {NUMBERS}"),
        (child(at(9, "six>1")), f"images.yaml:9:5: six>1\n  {BEHIND}"),
        (
            child(at(9, "numpy @ https://files.example/numpy.zip")),
            f"images.yaml:9:5: numpy @ https://files.example/numpy.zip\n  {NUMBERS}",
        ),
        (
            child(no_binary={"numpy": at(9, "numpy").position}),
            f"images.yaml:9:5: numpy under `no_binary`\n  {NUMBERS}",
        ),
    ],
    ids=["a version", "a version of something behind", "another source", "compiled"],
)
def test_what_cannot_be_beside_the_parents_packages_is_named_with_both_places(variant: Variant, said: str) -> None:
    with pytest.raises(LockError) as caught:
        ask_as_parent(variant, PARENT)
    assert caught.value.message == (
        "ml:py3.13-trixie cannot be locked: it is from data:py3.13-trixie, whose packages it has as they are\n  " + said
    )


def test_what_does_not_matter_here_contradicts_nothing() -> None:
    wanted = at(9, "numpy<2; sys_platform == 'win32'"), at(10, "numpy>2.5"), at(11, "Six==1.0")
    ask_as_parent(child(*wanted), PARENT)


def test_an_explanation_of_uvs_says_where_the_parents_versions_come_from() -> None:
    said = "all versions of rival depend on numpy<2.5 and your project depends on numpy==2.5.5"
    assert describe_parent(said, child(at(9, "rival")), PARENT) == f"\n  {NUMBERS}"
