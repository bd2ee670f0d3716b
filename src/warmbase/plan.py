"""What a build would do, and why. Pure: locks, pins and what exists go in, frozen steps come out.

`warmbase plan` prints the plan that `warmbase build` carries out. A recipe says everything that decides the bytes of
a layer or an image; a step whose image has that recipe already has nothing to do.

The same wheel, compiled by the same Python to the patch release, gives the same layer. Which foundation that Python is
in, and for which architecture, does not matter; the patch release does, because compilers are mended in them.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from warmbase.catalog.model import CatalogFoundation, Variant
from warmbase.catalog.parents import parents_first
from warmbase.catalog.select import foundations_for
from warmbase.errors import FoundationError, WarmbaseError
from warmbase.foundation.groundwork import codec_of
from warmbase.foundation.pins import FoundationPin, python_of
from warmbase.foundation.stage import pinned_recipe, shared_recipes
from warmbase.image.contract import CONTRACT_REVISION
from warmbase.image.promises import CACHE, VENV
from warmbase.layers.codec import Codec
from warmbase.layers.recipe import recipe_key
from warmbase.lock.index import used_indexes
from warmbase.lock.model import Lock, LockedPackage, hash_inputs, lock_to_json
from warmbase.lock.parents import check_parent
from warmbase.oci.digests import Json
from warmbase.packages.uvcache import KNOWN

WHEEL_REVISION = 4
"""Raised when the same wheel would become another tree, or its layer other notes."""

COMPILING_REVISION = 2
"""Raised when the same source would be compiled otherwise."""


@dataclass(frozen=True, kw_only=True, slots=True)
class WheelStep:
    """One wheel of an image: the recipe of its layer, and the package set that brings it ("" the image itself)."""

    package: LockedPackage
    recipe: str
    group: str


@dataclass(frozen=True, kw_only=True, slots=True)
class NativeBase:
    """A pinned foundation of this machine's own platform, on which uv and an interpreter work for any platform."""

    foundation: CatalogFoundation
    pin: FoundationPin
    platform: str


@dataclass(frozen=True, kw_only=True, slots=True)
class BuildStep:
    """One variant on one platform. `reason` says why it has to be built; it is empty when nothing is to do.

    `verified` says whether the image in the layout is this one and a verification vouches for it; `only_looked_at`
    whether that ran nothing, because this machine cannot. Packages are installed and compiled on `native`: the
    variant's foundation or one with the same minor version of Python, None where none is pinned for this machine. All
    that it decides is `compiler`, its full version of Python, which the wheels' recipes name.

    `parent` is the step of the image that this one is from: its layers come first, in its own order.
    """

    variant: Variant
    platform: str
    lock: Lock
    pin: FoundationPin
    native: NativeBase | None
    foundation: str  # the recipe of the foundation's layer, as pinned
    uv: str  # the recipe of uv's layer
    wheels: tuple[WheelStep, ...]
    contract: str  # the recipe of the last layer, but for the foundation
    codec: Codec = field(default_factory=Codec)
    compiler: str = ""
    recipe: str = ""
    reason: str = ""
    verified: bool = False
    only_looked_at: bool = False
    parent: "BuildStep | None" = None

    @property
    def name(self) -> str:
        """The variant's name, with the platform where there are several."""
        several = len(self.variant.platforms) > 1
        return f"{self.variant.name} ({self.platform})" if several else self.variant.name

    @property
    def compiled(self) -> tuple[WheelStep, ...]:
        """Those of `wheels` that are compiled first, because there is only a source."""
        return tuple(wheel for wheel in self.wheels if wheel.package.is_compiled(self.platform))

    @property
    def shared(self) -> tuple[str, ...]:
        """The recipes of the layers that any image may have: Debian's system, a managed Python, uv and the wheels."""
        below = shared_recipes(self.variant.foundation, self.pin, self.platform, self.codec, self.lock.uv.version)
        return (*below, self.uv, *(wheel.recipe for wheel in self.layered))

    @property
    def own(self) -> tuple[WheelStep, ...]:
        """Those of `wheels` whose layers lie above the parent's."""
        inherited = {wheel.recipe for wheel in self.parent.layered} if self.parent else set()
        return tuple(wheel for wheel in self.wheels if wheel.recipe not in inherited)

    @property
    def layered(self) -> tuple[WheelStep, ...]:
        """All wheels that the image has layers of: `wheels`, and what the parent has otherwise (in the cache alone)."""
        return (*self.parent.layered, *self.own) if self.parent else self.wheels


@dataclass(frozen=True, kw_only=True, slots=True)
class Existing:
    """What is there before a build.

    `images` are the recipes of the images in the layout, by variant name and platform; `unverified` those of them that
    no verification vouches for, and `only_looked_at` those that one vouches for which ran nothing; `layers` the recipes
    whose layer is in the store; `drifted` the foundations that an archive no longer offered as pinned: pinned recipe →
    real one.
    """

    images: Mapping[tuple[str, str], str] = field(default_factory=dict)
    unverified: Collection[tuple[str, str]] = frozenset()
    only_looked_at: Collection[tuple[str, str]] = frozenset()
    layers: Collection[str] = frozenset()
    drifted: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """The steps of a build, in catalog order. `to_lock` are the variants that a build locks first, and why; `unlocked`
    those that it cannot build, because their lock is damaged or cannot be made."""

    steps: tuple[BuildStep, ...]
    to_lock: tuple[tuple[Variant, str], ...] = ()
    unlocked: tuple[tuple[Variant, WarmbaseError], ...] = ()

    @property
    def stale(self) -> tuple[BuildStep, ...]:
        """The steps that have something to do."""
        return tuple(step for step in self.steps if step.reason)


def plan_builds(
    variants: Iterable[Variant],
    platforms: Collection[str],
    locks: Mapping[str, Lock],
    pins: Mapping[tuple[str, str, str], FoundationPin],
    existing: Existing,
    *,
    native: str,
    foundations: Collection[CatalogFoundation] = (),
    verify: bool = True,
) -> Plan:
    """Plan the builds of `variants` on those of their platforms that are in `platforms` (all, if it is empty).

    With `verify`, an image that nothing vouches for is built again, so that it is verified. `locks` is by variant name,
    and has those of all that `variants` are made from; what is made from another of them comes after it. `pins` is by
    (foundation name, platform, Python version). `native` is this machine's own platform, and `foundations` are those of
    the catalog, one of which may have to serve as `NativeBase`. Raises FoundationError for a missing pin, LockError for
    a lock that has not what its parent's has.
    """
    steps = []
    for variant in parents_first(variants):
        for platform in variant.platforms:
            if platforms and platform not in platforms:
                continue
            pin = pins.get((variant.foundation.name, platform, variant.python))
            if pin is None:
                raise FoundationError(
                    f"foundation {variant.foundation.name} is not pinned for {platform}",
                    next_step="run `warmbase lock`",
                )
            base = _find_native(variant, pins, native, foundations)
            steps.append(_plan_step(variant, platform, locks, pin, base, existing, verify=verify))
    return Plan(steps=tuple(steps))


def _find_native(
    variant: Variant,
    pins: Mapping[tuple[str, str, str], FoundationPin],
    platform: str,
    foundations: Collection[CatalogFoundation],
) -> NativeBase | None:
    """The variant's own foundation where that is pinned for `platform`, else the first one with the same Python."""
    for foundation in foundations_for(variant, foundations):
        pin = pins.get((foundation.name, platform, variant.python))
        if pin:
            return NativeBase(foundation=foundation, pin=pin, platform=platform)
    return None


def _plan_step(
    variant: Variant,
    platform: str,
    locks: Mapping[str, Lock],
    pin: FoundationPin,
    native: NativeBase | None,
    existing: Existing,
    *,
    verify: bool,
) -> BuildStep:
    lock, parent = locks[variant.name], None
    if variant.made_from:
        check_parent(lock, locks[variant.parent])
        parent = _plan_step(variant.made_from, platform, locks, pin, native, existing, verify=verify)
    codec = codec_of(variant.compression)
    pinned = pinned_recipe(variant.foundation, pin, platform, codec, lock.uv.version)
    real = existing.drifted.get(pinned, pinned)
    step = BuildStep(
        variant=variant,
        platform=platform,
        lock=lock,
        pin=pin,
        native=native,
        compiler=python_of(native.pin if native else pin, variant.python),
        foundation=pinned,
        uv=_uv_recipe(lock, platform, codec),
        wheels=(),
        codec=codec,
        contract=_contract_recipe(variant, platform, lock),
        parent=parent,
    )
    step = on_foundation(step, real)
    recipe = image_recipe(step, real)
    key = (variant.name, platform)
    verified = existing.images.get(key) == recipe and key not in existing.unverified
    reason = "" if verified else _explain(step, recipe, existing, verify=verify)
    looked_at = verified and key in existing.only_looked_at
    return replace(step, recipe=recipe, reason=reason, verified=verified, only_looked_at=looked_at)


def on_foundation(step: BuildStep, foundation: str) -> BuildStep:
    """The step, where what it compiles is compiled on the foundation with the recipe `foundation`: the one that was
    made, which is not the pinned one if an archive no longer had that. What the parent has is as the parent has it."""
    parent = on_foundation(step.parent, foundation) if step.parent else None
    inherited = {(wheel.package.name, wheel.package.use): wheel for wheel in parent.layered} if parent else {}
    place: dict[str, Json] = {
        "revision": COMPILING_REVISION,
        "foundation": foundation,
        "python": python_of(step.pin, step.variant.python),
        "system": sorted(step.variant.build_packages),
        "platform": step.platform,
    }
    wheels = tuple(
        inherited.get((package.name, package.use))
        or WheelStep(
            package=package,
            recipe=wheel_recipe(package, step.platform, step.compiler, step.codec, place),
            group=package.group,
        )
        for package in step.lock.installed(step.platform)
    )
    return replace(step, wheels=wheels, parent=parent)


def _uv_recipe(lock: Lock, platform: str, codec: Codec) -> str:
    """The recipe of uv's layer."""
    wheel = lock.uv.wheel(platform)
    facts: dict[str, Json] = {
        "revision": WHEEL_REVISION,
        "sha256": wheel.sha256 if wheel else "",
        "version": lock.uv.version,
    }
    return recipe_key("uv", facts, codec)


def _contract_recipe(variant: Variant, platform: str, lock: Lock) -> str:
    """The recipe of the last layer, but for the foundation."""
    indexes = used_indexes(variant.indexes, lock)
    return hash_inputs(
        {
            "revision": CONTRACT_REVISION,
            "variant": variant.name,
            "platform": platform,
            "lock": hash_inputs({"lock": lock_to_json(lock)}),
            "requirements": [r.text for r in variant.requirements],
            "warm": [r.text for r in variant.warm],
            **({"indexes": [[one.name, one.url, *one.mirrors] for one in indexes]} if indexes else {}),
        }
    )


def check_compiler(step: BuildStep, python: str, layers: Collection[str]) -> None:
    """Raise FoundationError if wheel layers, which are not in `layers`, would be compiled by another Python than the
    recipes say: the native foundation has the version `python`, because an archive no longer had the pinned one."""
    if python != step.compiler and any(wheel.recipe not in layers for wheel in step.layered):
        name = step.native.foundation.name if step.native else step.variant.foundation.name
        raise FoundationError(
            f"foundation {name} has Python {python}, and its pin says {step.compiler}: packages compiled with it would"
            " differ from those of others",
            next_step="run `warmbase lock --upgrade-foundation`, or name a snapshot archive in the catalog",
        )


def wheel_recipe(
    package: LockedPackage, platform: str, python: str, codec: Codec, place: Mapping[str, Json] | None = None
) -> str:
    """The recipe of a wheel's layer: the wheel, the full version of the Python that compiles it, and where it lies.

    Of a package that has no wheel it names the source and the `place` where one is made of it: the foundation, its
    Python, what of its system is added, and the platform. Of uv the series counts, not the version: a new uv does not
    make anybody pull everything again.
    """
    wheel = package.wheel(platform)
    facts: dict[str, Json] = {
        "revision": WHEEL_REVISION,
        "wheel": wheel.name if wheel else "",
        "sha256": wheel.sha256 if wheel else "",
        "python": python,
        "use": package.use,
        "venv": VENV,
        "cache": CACHE,
        "uv": str(KNOWN),
    }
    if package.source:
        facts |= {"source": package.source, "asked": package.asked}
    if package.is_compiled(platform):
        facts |= {"wheel": "", "sha256": package.identity(platform), "compiled": dict(place or {})}
    return recipe_key("wheel", facts, codec)


def image_recipe(step: BuildStep, foundation: str) -> str:
    """The recipe of a whole image on the foundation with the recipe `foundation`."""
    variant = step.variant
    facts: dict[str, Json] = {
        "foundation": foundation,
        "uv": step.uv,
        **_stack_facts(step),
        "contract": step.contract,
        "description": variant.description,
        "labels": dict(variant.labels),
        "config": [
            variant.config.user,
            variant.config.workdir,
            variant.config.entrypoint,
            variant.config.command,
        ],
    }
    return recipe_key("image", facts, step.codec)


def _stack_facts(step: BuildStep) -> dict[str, Json]:
    """What decides the layers of the wheels and their order, those of the parent first."""
    return {
        "wheels": [[wheel.recipe, wheel.group] for wheel in step.wheels],
        "winners": [list(pair) for pair in step.variant.winners],
        **({"from": _stack_facts(step.parent)} if step.parent else {}),
    }


def _explain(step: BuildStep, recipe: str, existing: Existing, *, verify: bool) -> str:
    """Why a step whose image is not there, or not verified, has something to do; "" where it has not."""
    known = existing.images.get((step.variant.name, step.platform))
    if known == recipe:
        return "not verified here" if verify else ""
    missing = sum(wheel.recipe not in existing.layers for wheel in step.layered)
    counted = f"{missing} of {len(step.layered)} wheel layers to make"
    compiled = [wheel.package for wheel in step.compiled if wheel.recipe not in existing.layers]
    named = ", ".join(f"{package.name} {package.version}" for package in compiled)
    counted += f" with those of {step.variant.parent}" if step.parent else ""
    return f"{'its recipe changed' if known else 'not built yet'}, {counted}{f', {named} to compile' if named else ''}"


def planned_layers(steps: Sequence[BuildStep], existing: Existing) -> tuple[int, int]:
    """How many wheel layers the steps have in all, each counted once, and how many of them are to be made."""
    recipes = {wheel.recipe for step in steps for wheel in step.layered}
    return len(recipes), len(recipes - set(existing.layers))
