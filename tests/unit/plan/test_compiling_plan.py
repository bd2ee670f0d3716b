"""Plans of packages without wheels: what is compiled is said, and its recipe names all that decides what comes out."""

from dataclasses import replace

from tests.pinned import PLATFORM
from tests.unit.plan.test_plan import LOCK, VARIANT, package, plan

from warmbase.lock.model import LockedFile, LockedPackage
from warmbase.plan import BuildStep, Existing, on_foundation


def compiled(name: str = "six", sha256: str = "b") -> LockedPackage:
    """A package whose wheel is not taken, because it is to be compiled."""
    with_wheel = package(name)
    source = LockedFile(name=f"{name}-1.0.tar.gz", sha256=sha256 * 64, path=f"packages/{name}.tar.gz")
    return replace(with_wheel, files=(*with_wheel.files, source), wheels=((PLATFORM, source.name),))


def step_of(one: LockedPackage, **more: object) -> BuildStep:
    lock = replace(LOCK, packages=(package("numpy"), one))
    (step,) = plan(variant=replace(VARIANT, **more), lock=lock).steps  # type: ignore[arg-type]
    return step


def recipe_of(one: LockedPackage, **more: object) -> str:
    return step_of(one, **more).wheels[1].recipe


def test_the_plan_says_what_is_to_be_compiled() -> None:
    step = step_of(compiled())
    assert step.reason == "not built yet, 2 of 2 wheel layers to make, six 1.0 to compile"
    assert [wheel.package.name for wheel in step.compiled] == ["six"]


def test_what_is_compiled_already_is_not_compiled_again() -> None:
    lock = replace(LOCK, packages=(package("numpy"), compiled()))
    recipe = step_of(compiled()).wheels[1].recipe
    (step,) = plan(lock=lock, existing=Existing(layers={recipe})).steps
    assert step.reason == "not built yet, 1 of 2 wheel layers to make"


def test_a_layer_of_something_compiled_is_shared_like_any_other() -> None:
    step = step_of(compiled())
    assert step.wheels[1].recipe in step.shared


def test_the_recipe_changes_with_the_source_and_with_the_place_where_it_is_compiled() -> None:
    git = f"git+https://code.example/six@{'c' * 40}"
    repository = replace(compiled(), files=(), wheels=((PLATFORM, "c" * 40),), source=git)
    recipes = [
        recipe_of(package("six")),
        recipe_of(compiled()),
        recipe_of(compiled(sha256="d")),
        recipe_of(compiled(), build_packages=("gcc",)),
        recipe_of(repository),
        recipe_of(replace(repository, source=f"{git}#subdirectory=below")),
        recipe_of(replace(repository, asked="git+https://code.example/six@main")),
    ]
    assert len(set(recipes)) == len(recipes)


def test_what_is_compiled_on_a_drifted_foundation_is_no_layer_of_the_pinned_one() -> None:
    lock = replace(LOCK, packages=(package("numpy"), compiled()))
    pinned = step_of(compiled())
    drifted = Existing(drifted={pinned.foundation: "d" * 64})
    (planned,) = plan(lock=lock, existing=drifted).steps
    assert planned.wheels[0].recipe == pinned.wheels[0].recipe
    assert planned.wheels[1].recipe != pinned.wheels[1].recipe
    assert on_foundation(pinned, "d" * 64).wheels == planned.wheels
    assert on_foundation(planned, pinned.foundation).wheels == pinned.wheels


def test_the_order_in_which_build_packages_are_named_does_not_matter() -> None:
    assert recipe_of(compiled(), build_packages=("a", "b")) == recipe_of(compiled(), build_packages=("b", "a"))


def test_what_has_a_wheel_does_not_care_what_others_are_compiled_with() -> None:
    with_tools = replace(VARIANT, build_packages=("gcc",))
    plain, other = (plan(variant=variant).steps[0] for variant in (VARIANT, with_tools))
    assert [wheel.recipe for wheel in plain.wheels] == [wheel.recipe for wheel in other.wheels]
