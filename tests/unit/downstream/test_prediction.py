"""The predicted layer of a child, against what a real BuildKit made of such children."""

from dataclasses import replace
from pathlib import Path

import pytest
from tests.needing import project
from tests.offered import base, offered

from warmbase.downstream.match import match
from warmbase.downstream.prediction import Way, predict_layer, unpacked_size
from warmbase.downstream.projects.model import Kind, Member

PLATFORM = "linux/amd64"
HAS = base(packages={"numpy": "2.3.4", "pandas": "2.2.3"})
HATCHLING, SETUPTOOLS = ("hatchling>=1.26",), ("setuptools>=61", "wheel")


def predicted(
    *members: Member, kind: Kind = "uv.lock", way: Way | None = None, needs: dict[str, str] | None = None
) -> int:
    asked = replace(
        project(needs or {"numpy": "2.3.4", "pandas": "2.2.3"}), members=members, kind=kind, path=Path(kind)
    )
    return predict_layer(asked, match(asked, HAS, PLATFORM), way=way)


def member(backend: tuple[str, ...] = HATCHLING, *, readme: int = 0, scripts: int = 0) -> Member:
    return Member(name="own", backend=backend, readme=readme, scripts=scripts)


@pytest.mark.parametrize(
    ("members", "kind", "measured"),
    [
        ((), "uv.lock", 7_168),
        ((Member(name="own"),), "uv.lock", 7_168),
        ((), "requirements.txt", 6_144),
        ((), "script", 6_144),
        ((member(),), "uv.lock", 33_280),
        ((member(scripts=2),), "uv.lock", 37_888),
        ((member(scripts=4),), "uv.lock", 40_448),
        ((member(readme=48_000),), "uv.lock", 81_920),
        ((member(SETUPTOOLS),), "uv.lock", 43_008),
        ((member(), member(), member()), "uv.lock", 72_192),
        ((member(SETUPTOOLS), member(SETUPTOOLS), member(SETUPTOOLS)), "uv.lock", 101_376),
        ((member(),), "poetry.lock", 35_840),
        ((member(SETUPTOOLS),), "requirements.txt", 45_568),
    ],
)
def test_what_a_child_adds_that_downloads_nothing(members: tuple[Member, ...], kind: Kind, measured: int) -> None:
    assert predicted(*members, kind=kind) == pytest.approx(measured, rel=0.02)


def test_the_bases_own_pip_leaves_nothing_of_what_the_base_has() -> None:
    assert predicted(kind="requirements.txt", way="pip") == 1_024


def test_a_venv_that_another_stage_filled_brings_no_cache() -> None:
    assert predicted(member(scripts=1), way="copy") == 16_384


def test_removing_what_is_not_needed_costs_a_little_for_each_package() -> None:
    """A base of 84 packages, 73 of which a child did not need: 149,504 bytes."""
    asked = project({"numpy": "2.3.4"})
    large = base(packages={"numpy": "2.3.4", **{f"more-{number}": "1.0" for number in range(73)}})
    found = match(asked, large, PLATFORM)
    assert predict_layer(asked, found, way="exact sync") == pytest.approx(149_504, rel=0.02)
    assert predict_layer(asked, found) == 7_168


@pytest.mark.parametrize(
    ("wheel", "measured"),
    [(55_016_622, 172_321_792), (16_918_164, 58_830_848), (411_776, 1_586_688), (134_521, 631_296)],
)  # fmt: skip
def test_what_is_downloaded_grows_as_wheels_do(wheel: int, measured: int) -> None:
    assert unpacked_size(wheel) == pytest.approx(measured, rel=0.25)


def test_what_is_missing_and_what_only_the_cache_has_is_in_the_layer() -> None:
    nothing = predicted()
    assert predicted(needs={"numpy": "2.3.4", "polars": "1.0"}) > nothing + 100_000
    warm = base(packages=[offered("numpy", "2.3.4", use="warm", size=1_000_000)])
    asked = project({"numpy": "2.3.4"})
    assert predict_layer(asked, match(asked, warm, PLATFORM)) > nothing + 4_000_000
