"""Plans: pure, with a reason for everything, and a recipe that changes exactly when an input does."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from tests.pinned import DEBIAN_PIN as PIN
from tests.pinned import IMAGE_PIN

from warmbase.catalog.load import load_catalog
from warmbase.catalog.model import (
    CatalogRequirement,
    Compression,
    DebianFoundation,
    ImageConfig,
    Position,
    Variant,
)
from warmbase.errors import FoundationError
from warmbase.foundation.pins import DebianPin, FoundationPin
from warmbase.layers.plan import SizedWheel, plan_layers
from warmbase.lock.files import read_lock
from warmbase.lock.model import Lock, LockedFile, LockedPackage
from warmbase.lock.stage import read_all_pins
from warmbase.plan import BuildStep, Existing, Plan, check_compiler, plan_builds, planned_layers

PROJECT = Path(__file__).parents[3]
SNAPSHOT = Path(__file__).with_name("default_catalog.txt")
PLATFORM = "linux/amd64"
ARM = "linux/arm64"


def requirement(text: str, group: str = "") -> CatalogRequirement:
    position = Position(file=Path("images.yaml"), line=1, column=1)
    return CatalogRequirement(requirement=Requirement(text), text=text, position=position, group=group)


def package(name: str, version: str = "1.0", use: str = "venv", sha256: str = "a") -> LockedPackage:
    file = LockedFile(name=f"{name}-{version}-py3-none-any.whl", sha256=sha256 * 64, path=f"packages/{name}")
    return LockedPackage(
        name=name,
        version=version,
        use=use,
        requires_dist=(),
        requires_python="",
        extras=(),
        files=(file,),
        wheels=((PLATFORM, file.name),),
    )


VARIANT = Variant(
    image="data",
    python="3.13",
    foundation=DebianFoundation(name="trixie", suite="trixie", python="3.13"),
    first=True,
    description="Data.",
    requirements=(requirement("numpy"), requirement("six")),
    warm=(),
    winners=(),
    sets=(),
    smoke=None,
    config=ImageConfig(),
    labels=(),
    platforms=(PLATFORM,),
)
LOCK = Lock(
    variant="data:py3.13-trixie",
    python="3.13",
    inputs="",
    uv=package("uv", "0.13.8"),
    packages=(package("numpy"), package("six")),
)
OTHER_LIBC = replace(PIN, packages=(("libc6", "2.41-13"), PIN.packages[1]))


def plan(
    variant: Variant = VARIANT,
    lock: Lock = LOCK,
    pin: DebianPin = PIN,
    existing: Existing | None = None,
) -> Plan:
    pins = {(variant.foundation.name, PLATFORM, variant.python): pin}
    return plan_builds([variant], [], {variant.name: lock}, pins, existing or Existing(), native=PLATFORM)


def step(*arguments: object, **more: object) -> BuildStep:
    (found,) = plan(*arguments, **more).steps  # type: ignore[arg-type]
    return found


def have(found: BuildStep, *, verified: bool = True, recipe: str = "") -> Existing:
    key = (found.variant.name, found.platform)
    layers = {wheel.recipe for wheel in found.wheels}
    return Existing(images={key: recipe or found.recipe}, unverified=frozenset() if verified else {key}, layers=layers)


def test_what_was_never_built_is_stale() -> None:
    assert step().reason == "not built yet, 2 of 2 wheel layers to make"


def test_layers_that_are_in_the_store_are_not_made_again() -> None:
    existing = Existing(layers={step().wheels[0].recipe})
    found = plan(existing=existing)
    assert found.steps[0].reason == "not built yet, 1 of 2 wheel layers to make"
    assert planned_layers(found.steps, existing) == (2, 1)


def test_what_is_built_and_verified_has_nothing_to_do() -> None:
    found = plan(existing=have(step()))
    assert found.stale == ()
    assert found.steps[0].verified


def test_what_is_built_but_not_verified_has_to_be_verified() -> None:
    found = step(existing=have(step(), verified=False))
    assert (found.reason, found.verified) == ("not verified here", False)


def test_an_image_with_another_recipe_is_stale() -> None:
    existing = have(step(), recipe="0" * 64)
    assert step(existing=existing).reason == "its recipe changed, 0 of 2 wheel layers to make"


CHANGES: dict[str, Callable[[], BuildStep]] = {
    "another version": lambda: step(lock=replace(LOCK, packages=(package("numpy", "1.1"), package("six")))),
    "another wheel of the same name": lambda: step(
        lock=replace(LOCK, packages=(package("numpy", sha256="b"), package("six")))
    ),
    "one package fewer": lambda: step(lock=replace(LOCK, packages=(package("numpy"),))),
    "a package in the cache alone": lambda: step(
        lock=replace(LOCK, packages=(package("numpy"), package("six", use="warm")))
    ),
    "another uv": lambda: step(lock=replace(LOCK, uv=package("uv", "0.13.9"))),
    "another package of the foundation": lambda: step(pin=OTHER_LIBC),
    "another time of the foundation": lambda: step(pin=replace(PIN, epoch=1_700_000_001)),
    "another level": lambda: step(replace(VARIANT, compression=Compression(level=3))),
    "another codec": lambda: step(replace(VARIANT, compression=Compression(codec="gzip"))),
    "another description": lambda: step(replace(VARIANT, description="Other.")),
    "a label": lambda: step(replace(VARIANT, labels=(("team", "data"),))),
    "another user": lambda: step(replace(VARIANT, config=ImageConfig(user="1000"))),
    "a command": lambda: step(replace(VARIANT, config=ImageConfig(command=("ipython",)))),
    "a winner": lambda: step(replace(VARIANT, winners=(("*", "six"),))),
    "another requirement": lambda: step(replace(VARIANT, requirements=(requirement("numpy>1"), requirement("six")))),
    "another name": lambda: step(replace(VARIANT, image="other")),
    "a drifted foundation": lambda: step(existing=Existing(drifted={step().foundation: "d" * 64})),
}


@pytest.mark.parametrize("change", CHANGES)
def test_the_recipe_changes_when_an_input_does(change: str) -> None:
    assert CHANGES[change]().recipe != step().recipe


def test_no_two_changes_give_the_same_recipe() -> None:
    assert len({changed().recipe for changed in CHANGES.values()}) == len(CHANGES)


@pytest.mark.parametrize(
    "same",
    [
        step,
        lambda: step(replace(VARIANT, smoke=Path("smoke.py"))),
        lambda: step(replace(VARIANT, first=False)),
        lambda: step(pin=replace(PIN, archives=())),
        lambda: step(existing=have(step())),
        lambda: step(existing=have(step(), verified=False)),
    ],
    ids=["nothing", "its checks", "its short name", "the archive's signature", "a build", "no verification"],
)
def test_the_recipe_stays_when_no_input_changes(same: Callable[[], BuildStep]) -> None:
    assert same().recipe == step().recipe


def test_a_wheel_s_layer_is_the_same_in_every_image() -> None:
    other = replace(VARIANT, image="other", description="Other.", requirements=(requirement("numpy"),))
    assert {wheel.recipe for wheel in step(other).wheels} == {wheel.recipe for wheel in step().wheels}
    for same in (OTHER_LIBC, with_python("3.13.5-2+deb13u1")):
        assert {wheel.recipe for wheel in step(pin=same).wheels} == {wheel.recipe for wheel in step().wheels}


def with_python(version: str) -> DebianPin:
    return replace(PIN, packages=(PIN.packages[0], ("python3.13-minimal", version)))


def wheels_on(platform: str, pins: Mapping[str, FoundationPin], native: str = PLATFORM) -> set[str]:
    """The recipes of the wheels' layers for `platform`, planned on a machine of the platform `native`."""
    both = replace(VARIANT, platforms=(PLATFORM, ARM))
    known = {("trixie", name, "3.13"): pin for name, pin in pins.items()}
    wheels = replace(package("numpy"), wheels=tuple((name, package("numpy").files[0].name) for name in (PLATFORM, ARM)))
    locks = {VARIANT.name: replace(LOCK, packages=(wheels,))}
    found = plan_builds([both], [platform], locks, known, Existing(), native=native, foundations=[VARIANT.foundation])
    return {wheel.recipe for step in found.steps for wheel in step.wheels}


def test_a_wheel_s_layer_is_another_one_for_another_patch_release_of_python() -> None:
    recipes = {wheel.recipe for wheel in step().wheels}
    assert not recipes & {wheel.recipe for wheel in step(pin=with_python("3.13.7-1")).wheels}


def test_the_python_that_compiles_decides_and_not_the_one_that_it_is_for() -> None:
    pins = {PLATFORM: with_python("3.13.7-1"), ARM: PIN}
    assert wheels_on(ARM, pins, PLATFORM) == wheels_on(PLATFORM, pins, PLATFORM)
    assert wheels_on(ARM, pins, PLATFORM) != wheels_on(ARM, pins, ARM)
    assert wheels_on(ARM, {PLATFORM: IMAGE_PIN, ARM: PIN}, PLATFORM) == wheels_on(ARM, {ARM: PIN}, ARM)


def test_no_wheel_is_compiled_by_another_python_than_its_recipe_says() -> None:
    check_compiler(step(), "3.13.5", [])
    check_compiler(step(), "3.13.6", [wheel.recipe for wheel in step().wheels])
    with pytest.raises(FoundationError, match=r"trixie has Python 3\.13\.6, and its pin says 3\.13\.5") as caught:
        check_compiler(step(), "3.13.6", [step().wheels[0].recipe])
    assert "--upgrade-foundation" in caught.value.next_step


def test_a_wheel_s_layer_is_another_one_for_another_python_and_another_uv_series_alone() -> None:
    recipes = {wheel.recipe for wheel in step().wheels}
    newer = replace(VARIANT, python="3.14")
    assert not recipes & {wheel.recipe for wheel in step(newer).wheels}
    assert recipes == {wheel.recipe for wheel in step(lock=replace(LOCK, uv=package("uv", "0.13.9"))).wheels}


def test_the_largest_image_leaves_its_children_30_of_docker_s_125_layers() -> None:
    sized = [
        SizedWheel(recipe=f"{n:064}", group=f"set{n % 40}", size=n << 16, paths=frozenset([f"{n}", f"s{n % 90}"]))
        for n in range(260)
    ]
    foundation_uv_and_contract = 3
    assert len(plan_layers(sized)) + foundation_uv_and_contract <= 125 - 30


def test_only_the_platforms_that_are_asked_for_are_planned() -> None:
    both = replace(VARIANT, platforms=(PLATFORM, "linux/arm64"))
    arm = replace(PIN, platform="linux/arm64")
    pins = {("trixie", PLATFORM, "3.13"): PIN, ("trixie", "linux/arm64", "3.13"): arm}

    def planned(*platforms: str) -> list[tuple[str, int]]:
        found = plan_builds([both], platforms, {VARIANT.name: LOCK}, pins, Existing(), native=PLATFORM)
        return [(step.name, len(step.wheels)) for step in found.steps]

    amd64, arm64 = (f"{VARIANT.name} (linux/amd64)", 2), (f"{VARIANT.name} (linux/arm64)", 0)
    assert planned() == [amd64, arm64]
    assert planned("linux/arm64") == [arm64]


def test_a_foundation_without_a_pin_is_an_error_that_says_what_to_run() -> None:
    with pytest.raises(FoundationError) as caught:
        plan_builds([VARIANT], [], {VARIANT.name: LOCK}, {}, Existing(), native=PLATFORM)
    assert caught.value.message == "foundation trixie is not pinned for linux/amd64"
    assert caught.value.next_step == "run `warmbase lock`"


def test_the_default_catalog_s_plan_is_the_one_that_was_reviewed() -> None:
    """Names, groups and numbers of wheels. Where this change is meant, write the text below into the file."""
    catalog = load_catalog(PROJECT / "images.yaml")
    locks = {variant.name: read_lock(catalog, variant) for variant in catalog.variants}
    known = {name: lock for name, lock in locks.items() if lock}
    found = plan_builds(catalog.variants, [], known, read_all_pins(catalog), Existing(), native=PLATFORM)
    lines = []
    for each in found.steps:
        groups: dict[str, int] = {}
        for wheel in each.wheels:
            name = "warm" if wheel.package.use == "warm" else wheel.group or "(its own)"
            groups[name] = groups.get(name, 0) + 1
        counted = ", ".join(f"{name} {count}" for name, count in sorted(groups.items()))
        lines.append(f"{each.name}: {len(each.wheels)} wheels: {counted}\n")
    assert "".join(lines) == SNAPSHOT.read_text()
