"""Layer plans: within the budget, stable, shared between images, and right where wheels overlap."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from warmbase.errors import OverlapError
from warmbase.layers.plan import LAYER_BUDGET, PlannedLayer, SizedWheel, layer_budget, plan_layers

MIB = 1 << 20


def wheel(name: str, size: int = 1000, group: str = "common", *paths: str) -> SizedWheel:
    return SizedWheel(recipe=name, group=group, size=size, paths=frozenset((f"{name}/own", *paths)))


def members(layers: tuple[PlannedLayer, ...]) -> list[tuple[str, ...]]:
    return [layer.members for layer in layers]


@pytest.mark.parametrize(("below", "budget"), [(1, LAYER_BUDGET), (82, LAYER_BUDGET), (100, 18), (115, 4), (300, 4)])
def test_a_foundation_of_very_many_layers_leaves_fewer_for_the_wheels(below: int, budget: int) -> None:
    assert layer_budget(below) == budget


def test_large_wheels_stay_alone_and_the_small_ones_of_a_set_share_a_pool() -> None:
    layers = plan_layers(
        [
            wheel("numpy", 20 * MIB, "data"),
            wheel("six", 10_000, "data"),
            wheel("pytest", 300_000, "dev"),
            wheel("pyarrow", 40 * MIB, "data"),
            wheel("pytz", 20_000, "data"),
            wheel("pluggy", 20_000, "dev"),
        ]
    )
    assert members(layers) == [("pyarrow",), ("numpy",), ("pytz", "six"), ("pluggy", "pytest")]
    assert [len(layer.members) > 1 for layer in layers] == [False, False, True, True]
    assert layers[2].size == 30_000


def test_no_more_wheels_are_alone_than_asked_for_and_none_below_the_floor() -> None:
    wheels = [wheel(f"w{size:02}", size * MIB) for size in range(1, 50)]
    layers = plan_layers(wheels, alone=30)
    assert members(layers)[:30] == [(f"w{size:02}",) for size in range(49, 19, -1)]
    assert len(layers) == 31
    assert members(plan_layers(wheels, floor=48 * MIB))[:2] == [("w49",), ("w48",)]


def test_two_images_share_the_pools_of_the_sets_that_they_share() -> None:
    common = [wheel(f"c{number}", 1000 + number) for number in range(5)]
    extra = [wheel(f"e{number}", 1000 + number, "extra") for number in range(5)]
    small, large = plan_layers(common), plan_layers([*common, *extra])
    assert small[0] in large
    assert plan_layers(list(reversed(common))) == small


def test_overlapping_wheels_are_in_different_layers_and_the_later_one_lies_higher() -> None:
    wheels = [
        wheel("mlflow", 1000, "ml", "bin/mlflow", "mlflow/__init__.py"),
        wheel("skinny", 1000, "ml", "mlflow/__init__.py"),
        wheel("other", 1000, "ml"),
        wheel("tracing", 1000, "ml", "mlflow/__init__.py"),
    ]
    assert members(plan_layers(wheels)) == [("mlflow", "other"), ("skinny",), ("tracing",)]


def test_groups_are_merged_when_there_are_too_many_pools() -> None:
    wheels = [wheel(f"w{number:02}", 1000 * (number + 1), f"group{number}") for number in range(10)]
    layers = plan_layers(wheels, budget=4)
    assert len(layers) == 4
    assert sorted(name for layer in layers for name in layer.members) == [one.recipe for one in wheels]
    assert ("w09",) in members(layers)


def test_fewer_wheels_stay_alone_when_the_pools_need_the_room() -> None:
    wheels = [wheel("a", 1, "x", "p"), wheel("b", 1, "x", "p"), wheel("c", 9 * MIB), wheel("d", 8 * MIB)]
    assert members(plan_layers(wheels, budget=3)) == [("c",), ("a", "d"), ("b",)]


def test_more_overlaps_than_layers_are_an_error() -> None:
    wheels = [wheel(f"w{number}", 1, "x", "same") for number in range(5)]
    with pytest.raises(OverlapError, match="overlap in 5 ranks, but there may be only 4 layers"):
        plan_layers(wheels, budget=4)


def test_nothing_becomes_nothing() -> None:
    assert plan_layers([]) == ()


wheels_of_all_kinds = st.lists(
    st.tuples(
        st.integers(1, 5 * MIB),
        st.sampled_from(["a", "b", "c", "d"]),
        st.frozensets(st.integers(0, 8), max_size=2),
    ),
    max_size=40,
)


@settings(deadline=None)
@given(wheels_of_all_kinds, st.integers(1, 12), st.integers(0, 12))
def test_every_plan_keeps_its_promises(drawn: list[tuple[int, str, frozenset[int]]], budget: int, alone: int) -> None:
    wheels = [
        wheel(f"w{number:02}", size, group, *(f"shared/{path}" for path in paths))
        for number, (size, group, paths) in enumerate(drawn)
    ]
    try:
        layers = plan_layers(wheels, budget=budget, alone=alone, floor=MIB)
    except OverlapError:
        overlaps = {path for one in wheels for path in one.paths if path.startswith("shared/")}
        assert len(overlaps) > 0
        return
    assert len(layers) <= budget
    place = {name: position for position, layer in enumerate(layers) for name in layer.members}
    assert sorted(place) == [one.recipe for one in wheels]
    assert sum(len(layer.members) for layer in layers) == len(wheels)
    for position, later in enumerate(wheels):
        for earlier in wheels[:position]:
            if earlier.paths & later.paths:
                assert place[earlier.recipe] < place[later.recipe]
    assert layers == plan_layers(wheels, budget=budget, alone=alone, floor=MIB)
