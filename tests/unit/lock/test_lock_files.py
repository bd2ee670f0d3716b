"""Locks and pins on disk: what is damaged is said, and what an interrupted lock left is made whole."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from tests.pinned import package

from warmbase.catalog.load import load_catalog
from warmbase.catalog.model import Catalog, DebianFoundation, Variant
from warmbase.errors import FoundationError, LockError
from warmbase.foundation.groundwork import Groundwork
from warmbase.foundation.pins import DebianPin
from warmbase.layers.codec import Codec
from warmbase.lock.files import (
    lock_paths,
    pin_path,
    read_lock,
    read_pins,
    read_previous,
    write_if_changed,
    write_lock,
    write_pins,
)
from warmbase.lock.model import Lock
from warmbase.lock.resolve import Resolver, Upgrade
from warmbase.lock.stage import Locked, lock_variants, read_all_pins, read_locks

Break = Callable[[Path], object]


def lock(version: str = "1.0") -> Lock:
    return Lock(
        variant="app:py3.13-trixie", python="3.13", inputs="", uv=package("uv", "1"), packages=(package("it", version),)
    )


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    images = {"app": {"requirements": ["it"], "foundation": "trixie"}}
    document = {"uv": "0.13.8", "foundations": {"trixie": {"debian": "trixie"}}, "images": images}
    (tmp_path / "images.yaml").write_text(json.dumps(document))
    return load_catalog(tmp_path / "images.yaml")


def make_binary(path: Path) -> None:
    path.write_bytes(b"\xff\xfe")


def make_folder(path: Path) -> None:
    path.unlink(missing_ok=True)
    path.mkdir()


def make_loop(path: Path) -> None:
    path.unlink(missing_ok=True)
    path.symlink_to(path)


BREAKS: dict[str, Break] = {
    "no text": make_binary,
    "a folder": make_folder,
    "no JSON": lambda path: path.write_text("{"),
    "JSON that nests too deep": lambda path: path.write_text("[" * 100_000),
    "a list": lambda path: path.write_text("[]"),
    "a link to itself": make_loop,
}


@pytest.mark.parametrize("broken", BREAKS)
@pytest.mark.parametrize("which", [0, 1], ids=["txt", "json"])
def test_a_lock_that_cannot_be_read_is_named_with_what_to_do(catalog: Catalog, which: int, broken: str) -> None:
    (variant,) = catalog.variants
    write_lock(catalog, variant, lock())
    path = lock_paths(catalog, variant)[which]
    BREAKS[broken](path)
    with pytest.raises(LockError) as caught:
        read_lock(catalog, variant)
    assert str(path) in caught.value.message
    assert "warmbase lock app:py3.13-trixie" in caught.value.next_step
    assert [v.name for v, _ in read_locks(catalog, [variant], native="linux/amd64").damaged] == ["app:py3.13-trixie"]


@pytest.mark.parametrize("broken", BREAKS)
def test_a_pin_file_that_cannot_be_read_is_named_and_hides_no_other(catalog: Catalog, broken: str) -> None:
    (variant,) = catalog.variants
    write_lock(catalog, variant, lock())
    path = pin_path(catalog, variant.foundation)
    path.parent.mkdir(parents=True)
    BREAKS[broken](path)
    with pytest.raises(FoundationError) as caught:
        read_pins(catalog, variant.foundation)
    assert str(path) in caught.value.message
    assert caught.value.next_step == f"remove {path}, and run `warmbase lock`"
    assert read_all_pins(catalog) == {}
    for path in lock_paths(catalog, variant):
        path.unlink()
    assert [v.name for v, _ in read_locks(catalog, [variant], native="linux/amd64").damaged] == ["app:py3.13-trixie"]


@pytest.mark.parametrize("left", ["the old text", "no text"])
def test_a_lock_that_was_interrupted_between_its_files_keeps_its_versions(catalog: Catalog, left: str) -> None:
    (variant,) = catalog.variants
    write_lock(catalog, variant, lock("1.0"))
    text_path = lock_paths(catalog, variant)[0]
    old = text_path.read_text()
    write_lock(catalog, variant, lock("1.1"))
    if left == "no text":
        text_path.unlink()
    else:
        text_path.write_text(old)
    with pytest.raises(LockError) as caught:
        read_lock(catalog, variant)
    assert "run `warmbase lock app:py3.13-trixie`, which writes both files anew and keeps" in caught.value.next_step
    previous = read_previous(catalog, variant)
    assert previous is not None
    assert previous.versions() == {"it": "1.1"}
    assert write_lock(catalog, variant, previous)
    assert read_lock(catalog, variant) == previous


def test_locks_and_pins_can_lie_elsewhere_and_the_committed_ones_stay(catalog: Catalog, tmp_path: Path) -> None:
    (variant,) = catalog.variants
    write_lock(catalog, variant, lock())
    write_pins(catalog, variant.foundation, {("linux/amd64", "3.13"): pin("2.41-1")})
    before = {path: path.read_bytes() for path in (catalog.folder / "bases").rglob("*.*")}
    scratch = replace(catalog, locks=tmp_path / "scratch")
    assert read_lock(scratch, variant) is None
    assert read_pins(scratch, variant.foundation) == {}
    write_lock(scratch, variant, lock("2.0"))
    write_pins(scratch, variant.foundation, {("linux/amd64", "3.13"): pin("2.41-2")})
    assert read_lock(scratch, variant) == lock("2.0")
    assert read_pins(scratch, variant.foundation)["linux/amd64", "3.13"] == pin("2.41-2")
    assert {path: path.read_bytes() for path in (catalog.folder / "bases").rglob("*.*")} == before


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file" / "lock.json", tmp_path):
        with pytest.raises(LockError, match=r"cannot be written: "):
            write_if_changed(path, "text")


class Keeper:
    """Resolves to what was locked before."""

    def for_sources(self, _: Variant) -> "Keeper":
        return self

    def resolve(self, variant: Variant, *, libc: object, previous: Lock | None, upgrade: Upgrade) -> Lock:
        assert previous is not None
        assert upgrade.pins(previous) == ({} if upgrade.everything else {"it": ("1.0", "")})
        return previous


def lock_with_keeper(catalog: Catalog, upgrade: Upgrade) -> Locked:
    """Lock the only variant on an amd64 machine, with a resolver that keeps what is."""
    resolver, nothing = cast("Resolver", Keeper()), cast("Any", None)
    ground = Groundwork(
        store=nothing,
        unpacked=nothing,
        registries=nothing,
        codec=Codec(),
        uv=nothing,
        runner=nothing,
        builder=nothing,
    )
    (locked,) = lock_variants(
        catalog,
        catalog.variants,
        resolver=lambda: resolver,
        ground=lambda: ground,
        upgrade=upgrade,
        report=lambda event: None,
        native="linux/amd64",
    )
    return locked


def pin(libc: str) -> DebianPin:
    packages = (("libc6", libc), ("python3", "3.13.5-1"))
    return DebianPin(suite="trixie", platform="linux/amd64", epoch=1, archives=(), packages=packages)


@pytest.mark.parametrize(
    ("upgrade", "expected"),
    [(Upgrade(), "2.41-1"), (Upgrade(foundations=True), "2.41-2"), (Upgrade(everything=True), "2.41-2")],
    ids=["nothing", "foundations", "everything"],
)
def test_a_foundation_that_is_pinned_is_pinned_anew_only_when_asked(
    catalog: Catalog, upgrade: Upgrade, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def pin_now(*_: object, previous: DebianPin | None, **__: object) -> DebianPin:
        assert previous == pin("2.41-1")
        return pin("2.41-2")

    monkeypatch.setattr("warmbase.lock.stage.pin_foundation", pin_now)
    (variant,) = catalog.variants
    write_lock(catalog, variant, lock())
    write_pins(catalog, variant.foundation, {("linux/amd64", "3.13"): pin("2.41-1")})
    locked = lock_with_keeper(catalog, upgrade)
    assert (locked.error, locked.moved) == (None, ())
    assert read_pins(catalog, variant.foundation) == {("linux/amd64", "3.13"): pin(expected)}


def catalog_for(folder: Path, *platforms: str) -> Catalog:
    """A catalog of one variant, and of a foundation besides its own."""
    document = {
        "uv": "0.13.8",
        "platforms": platforms,
        "foundations": {"trixie": {"debian": "trixie"}, "other": {"debian": "trixie"}},
        "images": {"app": {"description": "App.", "requirements": ["alpha"], "foundations": ["trixie"]}},
    }
    (folder / "images.yaml").write_text(json.dumps(document, indent=1))
    return load_catalog(folder / "images.yaml")


def test_all_platforms_of_a_foundation_are_pinned_beside_the_one_that_is_pinned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalog = catalog_for(tmp_path, "linux/amd64", "linux/arm64")
    beside: list[tuple[str, object]] = []

    def pin_now(_: object, platform: str, *__: object, sibling: DebianPin | None, **___: object) -> DebianPin:
        beside.append((platform, sibling and sibling.platform))
        return replace(pin("2.41-1"), platform=platform)

    monkeypatch.setattr("warmbase.lock.stage.pin_foundation", pin_now)
    write_lock(catalog, catalog.variants[0], lock())
    lock_with_keeper(catalog, Upgrade())
    assert beside == [("linux/amd64", None), ("linux/arm64", "linux/amd64")]
    beside.clear()
    write_pins(
        catalog, catalog.foundations[0], {("linux/arm64", "3.13"): replace(pin("2.41-1"), platform="linux/arm64")}
    )
    lock_with_keeper(catalog, Upgrade())
    assert beside == [("linux/amd64", "linux/arm64")]
    beside.clear()
    lock_with_keeper(catalog, Upgrade(foundations=True))
    assert beside == [("linux/amd64", None), ("linux/arm64", "linux/amd64")]


def lock_for_arm_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, offered: set[tuple[str, str]]
) -> tuple[Locked, set[object]]:
    """Lock a variant for arm64 alone, on an amd64 machine: the result, and which foundations are then pinned for what.

    `offered` says for which platforms the foundations can be pinned.
    """
    catalog = catalog_for(tmp_path, "linux/arm64")

    def pin_now(foundation: DebianFoundation, platform: str, *_: object, **__: object) -> DebianPin:
        if (foundation.name, platform) not in offered:
            raise FoundationError(f"{foundation.name} has no {platform}")
        return replace(pin("2.41-1"), platform=platform)

    monkeypatch.setattr("warmbase.lock.stage.pin_foundation", pin_now)
    write_lock(catalog, catalog.variants[0], lock())
    locked = lock_with_keeper(catalog, Upgrade())
    return locked, {(one.name, key[0]) for one in catalog.foundations for key in read_pins(catalog, one)}


TRIXIE_ARM, TRIXIE_AMD, OTHER_AMD = ("trixie", "linux/arm64"), ("trixie", "linux/amd64"), ("other", "linux/amd64")


@pytest.mark.parametrize(
    ("offered", "pinned"),
    [
        ({TRIXIE_ARM, TRIXIE_AMD, OTHER_AMD}, {TRIXIE_ARM, TRIXIE_AMD}),
        ({TRIXIE_ARM, OTHER_AMD}, {TRIXIE_ARM, OTHER_AMD}),
    ],
    ids=["its own foundation", "another one with the same Python"],
)
def test_for_foreign_platforms_alone_something_is_pinned_to_install_packages_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, offered: set[tuple[str, str]], pinned: set[object]
) -> None:
    assert lock_for_arm_alone(tmp_path, monkeypatch, offered)[1] == pinned


def test_a_foreign_platform_without_anything_to_install_packages_on_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    locked, pinned = lock_for_arm_alone(tmp_path, monkeypatch, {TRIXIE_ARM})
    assert locked.error is not None
    assert (
        "none with Python 3.13 has it:\n  trixie has no linux/amd64\n  other has no linux/amd64" in locked.error.message
    )
    assert pinned == {TRIXIE_ARM}
