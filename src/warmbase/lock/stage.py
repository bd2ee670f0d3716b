"""The lock stage: pin the foundations, resolve the variants, write what changed."""

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache, partial

from warmbase.catalog.model import Catalog, CatalogFoundation, Variant
from warmbase.catalog.parents import with_parents
from warmbase.catalog.problems import quote, suggest_nearest
from warmbase.catalog.select import foundations_for
from warmbase.effects.clock import now
from warmbase.errors import FoundationError, LockError, RegistryError, WarmbaseError
from warmbase.events import Advanced, Ended, Report, Started, Warned
from warmbase.foundation.baked import Baked
from warmbase.foundation.groundwork import Groundwork
from warmbase.foundation.pins import FoundationPin
from warmbase.foundation.stage import pin_fits, pin_foundation
from warmbase.lock.dockerfiles import bake_for_lock
from warmbase.lock.explain import explain_undated
from warmbase.lock.files import lock_fits, read_lock, read_parent, read_pins, read_previous, write_lock, write_pins
from warmbase.lock.model import Lock
from warmbase.lock.parents import adopt_packages, ask_as_parent, describe_parent, hold_to_parent, lock_inputs
from warmbase.lock.resolve import Resolver, Upgrade
from warmbase.lock.restraint import FREE, restrain, undated_packages
from warmbase.lock.wheels import Libc

Pins = Mapping[tuple[str, str, str], FoundationPin]
"""Pins by foundation name, platform and Python version."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Locked:
    """What became of one variant's lock: whether its files changed, or the error that left them alone."""

    variant: Variant
    changed: bool = False
    moved: tuple[str, ...] = ()
    error: WarmbaseError | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class LocksRead:
    """The locks beside a catalog: those that fit it, by variant name; the variants for which there is none such, and
    why; and those whose lock, or whose foundation's pin, cannot be read."""

    fitting: Mapping[str, Lock]
    missing: tuple[tuple[Variant, str], ...]
    damaged: tuple[tuple[Variant, WarmbaseError], ...]


def read_locks(catalog: Catalog, variants: Iterable[Variant], *, native: str) -> LocksRead:
    """Read the locks of `variants` and of all that they are made from; `native` is this machine's own platform."""
    fitting, missing, damaged = dict[str, Lock](), [], []
    for variant in with_parents(variants):
        try:
            lock, pinned = read_lock(catalog, variant), _foundation_pinned(catalog, variant)
            if variant.parent and variant.parent not in fitting:
                missing.append((variant, f"it is from {variant.parent}, which has to be locked first"))
            elif lock is None:
                missing.append((variant, "it has no lock"))
            elif not lock_fits(catalog, variant, lock):
                missing.append((variant, "its lock was made from something else than the catalog asks for now"))
            elif not pinned:
                missing.append((variant, f"no pin fits its foundation {variant.foundation.name}"))
            elif not _native_pinned(catalog, variant, native):
                missing.append((variant, f"nothing is pinned to install its packages on here, with {native}"))
            else:
                fitting[variant.name] = lock
        except WarmbaseError as error:
            damaged.append((variant, error))
    return LocksRead(fitting=fitting, missing=tuple(missing), damaged=tuple(damaged))


def read_all_pins(catalog: Catalog) -> Pins:
    """The pins of all foundations of the catalog, but for those that cannot be read: variants on them are `damaged`."""
    pins = {}
    for foundation in catalog.foundations:
        with suppress(FoundationError):
            for key, pin in read_pins(catalog, foundation).items():
                pins[foundation.name, *key] = pin
    return pins


def lock_variants(
    catalog: Catalog,
    variants: Iterable[Variant],
    *,
    resolver: Callable[[], Resolver],
    ground: Callable[[], Groundwork],
    upgrade: Upgrade,
    report: Report,
    native: str,
    clock: Callable[[], datetime] = now,
) -> tuple[Locked, ...]:
    """Lock each of `variants`; one that fails leaves its own files and all others as they were.

    Foundations are pinned anew only where a pin is missing or does not fit the catalog, or when `upgrade` says so. For
    variants of foreign platforms alone one is pinned for `native` too, this machine's own, to install packages on. The
    catalog's cooldown and pins count as of the `clock`, unless `upgrade` has a restraint of its own.

    A variant is locked after the one that it is made from; one that is not among `variants` is locked too if it has no
    lock that fits, but not where that is damaged: somebody has to see it.
    """
    results: list[Locked] = []
    failed: dict[tuple[str, str], WarmbaseError] = {}
    done: set[tuple[str, str]] = set()
    moment, resolver = clock(), cache(resolver)
    chosen = _with_unlocked_parents(catalog, tuple(variants), native)
    baked = _bake(catalog, chosen, ground, upgrade, report, native)

    def site() -> Groundwork:
        return replace(ground(), baked=baked)

    for variant in chosen:
        foundation = (variant.foundation.name, variant.python)
        try:
            if foundation in failed:
                raise failed[foundation]
            if foundation not in done:
                _pin(catalog, variant.foundation, variant.python, variant.platforms, site, upgrade, report)
                _pin_native(catalog, variant, native, site, upgrade, report)
                done.add(foundation)
            _check_parent(variant, results)
            results.append(_lock_variant(catalog, variant, resolver(), upgrade, report, moment))
        except WarmbaseError as error:
            if foundation not in done:
                failed[foundation] = error
            results.append(Locked(variant=variant, error=error))
    _warn_of_unknown(catalog, chosen, report)
    return tuple(results)


def pin_foundations(
    catalog: Catalog,
    variants: Iterable[Variant],
    *,
    ground: Callable[[], Groundwork],
    upgrade: Upgrade,
    report: Report,
    native: str,
) -> Mapping[tuple[str, str], WarmbaseError]:
    """Pin the foundations of `variants` as `lock_variants` does, all Dockerfiles in one bake, and lock nothing.

    Returns why those failed that did, by name and Python version.
    """
    chosen = {(variant.foundation.name, variant.python): variant for variant in variants}
    baked = _bake(catalog, chosen.values(), ground, upgrade, report, native)
    failed = {}
    for key, variant in chosen.items():
        try:
            site = partial(replace, ground(), baked=baked)
            _pin(catalog, variant.foundation, variant.python, variant.platforms, site, upgrade, report)
        except WarmbaseError as error:
            failed[key] = error
    return failed


def _with_unlocked_parents(catalog: Catalog, chosen: tuple[Variant, ...], native: str) -> tuple[Variant, ...]:
    names = {variant.name for variant in chosen}
    family = with_parents(chosen)
    others = [variant for variant in family if variant.name not in names]
    if others:
        read = read_locks(catalog, others, native=native)
        names |= {variant.name for variant, _ in read.missing}
        for other in others:  # one between two of them moves with the first
            names |= {other.name} if other.parent in names and other.name in read.fitting else set()
    return tuple(variant for variant in family if variant.name in names)


def _check_parent(variant: Variant, results: Iterable[Locked]) -> None:
    """Raise LockError if what a variant is made from could not be locked in this run."""
    if any(result.error and result.variant.name == variant.parent for result in results):
        raise LockError(
            f"{variant.name} is from {variant.parent}, which could not be locked",
            next_step=f"see why, and run `warmbase lock {variant.parent} {variant.name}`",
        )


def _warn_of_unknown(catalog: Catalog, variants: Iterable[Variant], report: Report) -> None:
    """Warn of names under `no_binary` that no package has, of any variant that they are said of."""
    said = dict.fromkeys((name, place) for variant in variants for name, place in variant.no_binary_at)
    for name, place in said:
        meant = [variant for variant in catalog.variants if (name, place) in variant.no_binary_at]
        locks = [read_previous(catalog, variant) for variant in meant]
        known = {package.name for lock in locks if lock for package in lock.packages}
        if all(locks) and name not in known:
            advice = suggest_nearest(name, known)
            message = f"{place}: {quote(name)} under `no_binary` is no package of {meant[0].image}"
            report(Warned(subject=meant[0].name, message=f"{message}; {advice}"))


def _bake(
    catalog: Catalog,
    variants: Iterable[Variant],
    ground: Callable[[], Groundwork],
    upgrade: Upgrade,
    report: Report,
    native: str,
) -> Baked:
    """Build the Dockerfile foundations that are to be pinned; on a foreign machine for its own platform too."""
    wanted = []
    for variant in variants:
        with suppress(FoundationError):  # of a damaged pin its own variants will tell
            pinned = _native_pinned(catalog, variant, native) and not upgrade.moves_foundations
            more = () if native in variant.platforms or pinned else (native,)
            wanted.append((variant, (*variant.platforms, *more)))
    return bake_for_lock(catalog, wanted, ground, report, upgrade=upgrade.moves_foundations, rebuild=upgrade.rebuild)


def _lock_variant(
    catalog: Catalog, variant: Variant, resolver: Resolver, upgrade: Upgrade, report: Report, moment: datetime
) -> Locked:
    report(Started(subject=variant.name, stage="lock"))
    previous = read_previous(catalog, variant)
    restraint = upgrade.restraint or restrain(variant, moment, previous)
    pins = read_pins(catalog, variant.foundation)
    libc = {platform: pins[platform, variant.python].libc for platform in variant.platforms}
    own = resolver.for_sources(variant)
    lock = _resolve(catalog, variant, own or resolver, libc, previous, replace(upgrade, restraint=restraint))
    if own is None and any(lock.compiled(platform) for platform in variant.platforms):
        message = (
            f"no Python {variant.python} is on this machine: what packages without wheels need was asked with another"
            f" one, and is checked when they are compiled; `uv python install {variant.python}` gives one"
        )
        report(Warned(subject=variant.name, message=message))
    undated = undated_packages(lock) - set(variant.cooldown.exempt)
    if restraint.newest and undated:
        report(Warned(subject=variant.name, message=explain_undated(undated)))
    changed = write_lock(catalog, variant, lock)
    moved = tuple(describe_moves(previous, lock))
    report(Ended(subject=variant.name, stage="lock", seconds=0, detail=", ".join(moved)))
    return Locked(variant=variant, changed=changed, moved=moved)


def _resolve(
    catalog: Catalog,
    variant: Variant,
    resolver: Resolver,
    libc: Mapping[str, Libc],
    previous: Lock | None,
    upgrade: Upgrade,
) -> Lock:
    """The lock of a variant; of a child within what its parent's lock has."""
    if variant.made_from is None:
        return resolver.resolve(variant, libc=libc, previous=previous, upgrade=upgrade)
    parent = read_parent(catalog, variant)
    if parent is None:
        raise LockError(
            f"{variant.name} is from {variant.parent}, whose lock cannot be read",
            next_step=f"run `warmbase lock {variant.parent}`",
        )
    asking = ask_as_parent(variant, parent)
    held = replace(upgrade, restraint=hold_to_parent(upgrade.restraint or FREE, parent))
    try:
        lock = resolver.resolve(asking, libc=libc, previous=previous, upgrade=held)
    except LockError as error:
        said = f"{error.message}\nheld to what {variant.parent} has, which it is from"
        raise LockError(said + describe_parent(error.message, variant, parent), next_step=error.next_step) from None
    return adopt_packages(lock, parent, lock_inputs(variant, catalog.uv, parent))


def describe_moves(previous: Lock | None, lock: Lock) -> Iterable[str]:
    """Each package whose version is another than before: "numpy 2.5.4 → 2.5.5"; nothing for a first lock."""
    if previous is None:
        return
    before = {p.name: p.version for p in previous.packages if p.use != "index"}
    after = {p.name: p.version for p in lock.packages if p.use != "index"}
    for name in sorted(before.keys() | after.keys()):
        if before.get(name) != after.get(name):
            yield f"{name} {before.get(name, '(new)')} → {after.get(name, '(gone)')}"


def _pin(
    catalog: Catalog,
    foundation: CatalogFoundation,
    python: str,
    platforms: Iterable[str],
    ground: Callable[[], Groundwork],
    upgrade: Upgrade,
    report: Report,
) -> None:
    """Pin a foundation for `platforms` and a Python, all of them to the same image where it is one."""
    pins = dict(read_pins(catalog, foundation))
    siblings = [] if upgrade.moves_foundations else [pin for key, pin in pins.items() if key[1] == python]
    sibling = next((pin for pin in siblings if pin_fits(foundation, pin, python)), None)

    def advance(done: int, total: int) -> None:
        report(Advanced(subject=foundation.name, stage="pin", done=done, total=total, detail="layers"))

    for platform in platforms:
        previous = pins.get((platform, python))
        if upgrade.moves_foundations or not pin_fits(foundation, previous, python):
            report(Started(subject=foundation.name, stage="pin", detail=platform))
            site = replace(ground(), advance=advance)
            pinned = pin_foundation(foundation, platform, python, site, previous=previous, sibling=sibling)
            pins[platform, python] = sibling = pinned
    # What was pinned of another kind, or under another name, is of no use any more.
    write_pins(catalog, foundation, {key: pin for key, pin in pins.items() if pin_fits(foundation, pin, key[1])})


def _pin_native(
    catalog: Catalog,
    variant: Variant,
    native: str,
    ground: Callable[[], Groundwork],
    upgrade: Upgrade,
    report: Report,
) -> None:
    """See that some foundation is pinned for `native`: the variant's own if it can be, else one with its Python."""
    if native in variant.platforms or (_native_pinned(catalog, variant, native) and not upgrade.moves_foundations):
        return
    failures: list[WarmbaseError] = []
    for foundation in foundations_for(variant, catalog.foundations):
        try:
            _pin(catalog, foundation, variant.python, [native], ground, upgrade, report)
        except (FoundationError, RegistryError) as error:  # an image that does not have this platform
            failures.append(error)
        else:
            return
    said = "".join(f"\n  {failure.message}" for failure in failures)
    raise FoundationError(
        f"{variant.name}: packages of foreign platforms are installed on a foundation of this machine's own, {native};"
        f" none with Python {variant.python} has it:{said}",
        next_step=f"add a foundation to the catalog that has {native} and Python {variant.python}, or lock and build on"
        f" a machine of {variant.platforms[0]}",
    )


def _native_pinned(catalog: Catalog, variant: Variant, native: str) -> bool:
    """Whether there is something to install the packages of `variant` on (see `plan.NativeBase`)."""
    return any(
        pin_fits(foundation, read_pins(catalog, foundation).get((native, variant.python)), variant.python)
        for foundation in foundations_for(variant, catalog.foundations)
    )


def _foundation_pinned(catalog: Catalog, variant: Variant) -> bool:
    pins = read_pins(catalog, variant.foundation)
    python = variant.python
    return all(pin_fits(variant.foundation, pins.get((platform, python)), python) for platform in variant.platforms)
