"""Which variants are locked together, and in which order, where images are from each other."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import pytest
from tests.pinned import DEBIAN_PIN, PLATFORM
from tests.unit.plan.test_plan import LOCK, package

from warmbase.catalog.load import load_catalog
from warmbase.catalog.model import Catalog, Variant
from warmbase.catalog.select import select_variants
from warmbase.errors import LockError
from warmbase.foundation.groundwork import Groundwork
from warmbase.lock.files import lock_paths, read_previous, write_pins
from warmbase.lock.model import Lock
from warmbase.lock.resolve import Resolver, Upgrade, variant_inputs
from warmbase.lock.stage import Locked, lock_variants, read_locks

IMAGES: Mapping[str, dict[str, Any]] = {
    "deep": {"from": "ml", "requirements": ["torch"]},
    "ml": {"from": "data", "requirements": ["learn"]},
    "data": {"requirements": ["numpy"], "foundation": "trixie"},
    "alone": {"requirements": ["numpy"], "foundation": "trixie"},
}


@dataclass
class PretendedResolver:
    """Gives each variant what it asks for, `versions` of it if they are named; `asked` are the images it was given."""

    versions: dict[str, str] = field(default_factory=dict)
    failing: str = ""
    asked: list[str] = field(default_factory=list)

    def for_sources(self, _: Variant) -> "PretendedResolver":
        return self

    def resolve(self, variant: Variant, *, upgrade: Upgrade, **_: object) -> Lock:
        self.asked.append(variant.image)
        if variant.image == self.failing:
            raise LockError("no solution")
        held = dict(each.split("==") for each in upgrade.restraint.constraints) if upgrade.restraint else {}
        names = [one.requirement.name for one in variant.requirements]
        packages = (package(name, {**self.versions, **held}.get(name, "1.0")) for name in names)
        inputs = variant_inputs(variant, "0.13.8")
        return replace(LOCK, variant=variant.name, inputs=inputs, packages=tuple(packages))


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    document = {"uv": "0.13.8", "foundations": {"trixie": {"debian": "trixie"}}, "images": dict(IMAGES)}
    (tmp_path / "images.yaml").write_text(json.dumps(document))
    loaded = load_catalog(tmp_path / "images.yaml")
    write_pins(loaded, loaded.foundations[0], {(PLATFORM, "3.13"): DEBIAN_PIN})
    return loaded


def lock(catalog: Catalog, resolver: PretendedResolver, *names: str) -> dict[str, Locked]:
    nothing = cast("Any", None)
    results = lock_variants(
        catalog,
        select_variants(catalog, names),
        resolver=lambda: cast("Resolver", resolver),
        ground=lambda: cast("Groundwork", nothing),
        upgrade=Upgrade(),
        report=lambda event: None,
        native=PLATFORM,
    )
    return {result.variant.image: result for result in results}


def versions(catalog: Catalog) -> dict[str, dict[str, str]]:
    locks = {variant.image: read_previous(catalog, variant) for variant in catalog.variants}
    return {image: lock.versions() for image, lock in locks.items() if lock}


def test_each_is_locked_after_what_it_is_from(catalog: Catalog) -> None:
    resolver = PretendedResolver()
    lock(catalog, resolver)
    assert resolver.asked == ["data", "ml", "deep", "alone"]
    assert read_locks(catalog, catalog.variants, native=PLATFORM).missing == ()


def test_what_an_image_is_from_is_locked_with_it_where_that_has_no_lock(catalog: Catalog) -> None:
    resolver = PretendedResolver()
    lock(catalog, resolver, "deep")
    lock(catalog, resolver, "deep")
    assert resolver.asked == ["data", "ml", "deep", "deep"]


def test_a_child_has_its_parents_versions_and_is_to_be_locked_when_these_move(catalog: Catalog) -> None:
    lock(catalog, PretendedResolver())
    lock(catalog, PretendedResolver(versions={"numpy": "2.0", "learn": "3.0"}), "data", "ml")
    assert versions(catalog) == {
        "data": {"numpy": "2.0"},
        "ml": {"numpy": "2.0", "learn": "3.0"},
        "deep": {"numpy": "1.0", "learn": "1.0", "torch": "1.0"},
        "alone": {"numpy": "1.0"},
    }
    read = read_locks(catalog, select_variants(catalog, ["deep", "alone"]), native=PLATFORM)
    assert [variant.image for variant, _ in read.missing] == ["deep"]
    assert {name.partition(":")[0] for name in read.fitting} == {"data", "ml", "alone"}


def test_one_between_two_that_are_locked_is_locked_too(catalog: Catalog) -> None:
    lock(catalog, PretendedResolver())
    resolver = PretendedResolver(versions={"numpy": "2.0"})
    lock(catalog, resolver, "data", "deep")
    assert resolver.asked == ["data", "ml", "deep"]
    assert {image: found["numpy"] for image, found in versions(catalog).items()} == {
        **dict.fromkeys(("data", "ml", "deep"), "2.0"),
        "alone": "1.0",
    }


def test_what_is_from_an_image_that_cannot_be_locked_is_left_as_it_was(catalog: Catalog) -> None:
    lock(catalog, PretendedResolver())
    before = versions(catalog)
    results = lock(catalog, PretendedResolver(versions={"numpy": "2.0"}, failing="ml"))
    assert {image: str(result.error.message) for image, result in results.items() if result.error} == {
        "ml": "no solution\nheld to what data:py3.13-trixie has, which it is from",
        "deep": "deep:py3.13-trixie is from ml:py3.13-trixie, which could not be locked",
    }
    assert versions(catalog) == {**before, "data": {"numpy": "2.0"}, "alone": {"numpy": "2.0"}}


def test_a_child_of_a_damaged_lock_is_not_locked_and_the_damage_stays(catalog: Catalog) -> None:
    lock(catalog, PretendedResolver())
    (data,) = select_variants(catalog, ["data"])
    path = lock_paths(catalog, data)[1]
    path.write_text("{")
    found = lock(catalog, PretendedResolver(), "ml")
    assert [str(result.error and result.error.message) for result in found.values()] == [
        "ml:py3.13-trixie is from data:py3.13-trixie, whose lock cannot be read"
    ]
    assert path.read_text() == "{"
