"""Plans of images that are from other images: their parents' layers first, and built after them."""

from dataclasses import replace

import pytest
from tests.pinned import DEBIAN_PIN as PIN
from tests.unit.plan.test_plan import LOCK, PLATFORM, VARIANT, package, requirement

from warmbase.catalog.model import Variant
from warmbase.catalog.parents import inherit
from warmbase.errors import LockError
from warmbase.lock.model import Lock
from warmbase.plan import BuildStep, Existing, plan_builds, planned_layers

SOURCE = replace(package("made"), files=(replace(package("made").files[0], name="made-1.0.tar.gz"),))
MADE = replace(SOURCE, wheels=((PLATFORM, "made-1.0.tar.gz"),))
DATA = replace(VARIANT, build_packages=("gcc",), winners=(("tests/*", "six"),))
PARENT = replace(LOCK, packages=(*LOCK.packages, MADE, package("spare", use="warm")))


def make_child(image: str, parent: Variant, *build_packages: str) -> Variant:
    own = replace(parent, image=image, requirements=(requirement("learn"),), winners=(), made_from=None)
    return inherit(replace(own, build_packages=build_packages), parent)


ML = make_child("ml", DATA, "libpq-dev")
CHILD = replace(
    LOCK,
    variant=ML.name,
    packages=(*LOCK.packages, MADE, package("learn"), package("spare")),
)


def plan(variant: Variant = ML, *, parent: Lock = PARENT) -> BuildStep:
    pins = {("trixie", PLATFORM, "3.13"): PIN}
    locks = {variant.name: replace(CHILD, variant=variant.name), ML.name: CHILD, DATA.name: parent}
    (step,) = plan_builds([variant], [], locks, pins, Existing(), native=PLATFORM).steps
    return step


def names(step: BuildStep) -> list[tuple[str, str]]:
    return [(wheel.package.name, wheel.package.use) for wheel in step.layered]


def test_the_parents_wheels_are_below_and_only_the_rest_is_the_childs_own() -> None:
    step, parent = plan(), plan(DATA)
    assert step.layered[: len(parent.wheels)] == parent.wheels
    assert [(wheel.package.name, wheel.package.use) for wheel in step.own] == [("learn", "venv"), ("spare", "venv")]
    assert names(step) == [
        *(("numpy", "venv"), ("six", "venv"), ("made", "venv"), ("spare", "warm")),
        *(("learn", "venv"), ("spare", "venv")),
    ]


def test_what_the_parent_compiled_is_not_compiled_otherwise_for_the_child() -> None:
    """The child adds a system package to compile with, which would make another wheel of it."""
    recipes = {wheel.package.name: wheel.recipe for wheel in plan(DATA).wheels}
    assert {wheel.package.name: wheel.recipe for wheel in plan().compiled} == {"made": recipes["made"]}
    alone = plan(replace(ML, made_from=None))
    assert [wheel.recipe for wheel in alone.compiled] != [recipes["made"]]


def test_the_layers_of_all_generations_are_counted_and_shared() -> None:
    deep = make_child("deep", ML)
    step = plan(deep)
    assert step.own == ()
    assert names(step) == names(plan())
    assert {wheel.recipe for wheel in step.layered} <= set(step.shared)
    assert planned_layers([step], Existing()) == (6, 6)
    assert step.reason == f"not built yet, 6 of 6 wheel layers to make with those of {ML.name}, made 1.0 to compile"


def test_another_order_of_the_parents_layers_is_another_image() -> None:
    regrouped = replace(PARENT, packages=tuple(replace(one, group="numbers") for one in PARENT.packages))
    won = replace(ML, made_from=replace(DATA, winners=(("tests/*", "numpy"),)))
    assert len({plan().recipe, plan(parent=regrouped).recipe, plan(won).recipe}) == 3


def test_a_parent_is_built_before_its_child_whatever_the_order_of_the_catalog() -> None:
    pins = {("trixie", PLATFORM, "3.13"): PIN}
    locks = {DATA.name: PARENT, ML.name: CHILD}
    found = plan_builds([ML, DATA], [], locks, pins, Existing(), native=PLATFORM)
    assert [step.variant.name for step in found.steps] == [DATA.name, ML.name]


def test_a_child_whose_lock_is_not_from_its_parents_is_not_planned() -> None:
    moved = replace(PARENT, packages=(package("numpy", "2.0"), *PARENT.packages[1:]))
    with pytest.raises(LockError, match=r"numpy is 1\.0, and 2\.0 in data:py3\.13-trixie, which it is from"):
        plan(parent=moved)


def test_an_image_that_is_from_none_is_what_it_was() -> None:
    assert plan(DATA).own == plan(DATA).layered == plan(DATA).wheels
