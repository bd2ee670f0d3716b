"""Pinning Dockerfile foundations: which of them have to be built for a lock, and building them all at once."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC

from warmbase.catalog.model import Catalog, DockerfileFoundation, Variant
from warmbase.effects.clock import as_of
from warmbase.errors import FoundationError, RegistryError
from warmbase.events import Report, Warned
from warmbase.foundation.baked import NOTHING_BAKED, Baked, BakeKey
from warmbase.foundation.baking import bake_foundations
from warmbase.foundation.dockerfile import Order, bases_moved, has_drifted, take_sibling
from warmbase.foundation.groundwork import Groundwork, codec_of
from warmbase.foundation.inputs import inputs_of
from warmbase.foundation.pins import DockerfilePin, FoundationPin, PinKey, system_of
from warmbase.foundation.stage import pin_fits
from warmbase.lock.files import read_pins


def bake_for_lock(
    catalog: Catalog,
    wanted: Iterable[tuple[Variant, Iterable[str]]],
    ground: Callable[[], Groundwork],
    report: Report,
    *,
    upgrade: bool,
    rebuild: bool = False,
) -> Baked:
    """Build what has no pin that fits the catalog, in one bake; with `upgrade` also what stands on an image that is
    another one now, or has drifted, and with `rebuild` everything.

    `wanted` are variants, each with the platforms for which it is pinned.
    """
    orders, kept = dict[object, Order](), dict[BakeKey, DockerfilePin]()
    failures = dict[BakeKey, FoundationError]()
    for order in _wanted_orders(catalog, wanted):
        try:
            new = rebuild or (upgrade and _is_outdated(order, ground(), report))
            pin = None if new else order.pin or take_sibling(order, ground())
        except FoundationError as error:
            failures[order.key] = error
            continue
        if pin:
            kept[order.key] = pin
        else:
            again = replace(order, pin=None, created=_today(), bases=()) if new else order
            orders[order.key, order.codec] = again
    baked = bake_foundations(list(orders.values()), ground(), report) if orders else NOTHING_BAKED
    return Baked(pins=kept | dict(baked.pins), failures=failures | dict(baked.failures))


def _wanted_orders(catalog: Catalog, wanted: Iterable[tuple[Variant, Iterable[str]]]) -> Iterator[Order]:
    for variant, platforms in wanted:
        with suppress(FoundationError):  # of a damaged pin its own variants will tell
            yield from list(_orders(catalog, variant, platforms))


def _is_outdated(order: Order, ground: Groundwork, report: Report) -> bool:
    """Whether a pin would be another one now; what cannot be told is kept."""
    pin = order.pin or order.sibling
    if pin is None:
        return False
    try:
        return has_drifted(order, ground) or bases_moved(pin, ground.registries)
    except RegistryError as error:
        message = f"{error.message}; whether an image below has changed is not known, and what is pinned stays"
        advice = "`warmbase lock --rebuild-foundation` builds it anew"
        report(Warned(subject=order.foundation.name, message=f"{message}; {advice}"))
        return False


def order_all(catalog: Catalog, variants: Iterable[Variant], platforms: Collection[str]) -> tuple[Order, ...]:
    """Orders for all Dockerfile foundations of `variants`, on those of their platforms that are in `platforms` (all, if
    it is empty): as they are pinned, where a pin fits."""
    return tuple(
        order
        for variant in variants
        for order in _orders(catalog, variant, [one for one in variant.platforms if not platforms or one in platforms])
    )


def _orders(catalog: Catalog, variant: Variant, platforms: Iterable[str]) -> Iterator[Order]:
    foundation = variant.foundation
    if not isinstance(foundation, DockerfileFoundation):
        return
    pins = read_pins(catalog, foundation)
    for platform in platforms:
        pin = _fitting_pin(foundation, pins.get((platform, variant.python)), variant.python)
        sibling = None if pin else _find_sibling(foundation, pins, platform, variant.python)
        if foundation.managed:  # its system is the same for all Pythons
            pin, sibling = pin or sibling, None
        like = pin or sibling
        yield Order(
            foundation=foundation,
            platform=platform,
            python=variant.python,
            codec=codec_of(variant.compression),
            created=like.created if like else _today(),
            bases=like.bases if like else (),
            pin=pin,
            sibling=sibling,
        )


def _fitting_pin(foundation: DockerfileFoundation, pin: FoundationPin | None, python: str) -> DockerfilePin | None:
    system = system_of(pin) if pin and pin_fits(foundation, pin, python) else None
    assert system is None or isinstance(system, DockerfilePin)  # or it would not fit
    return system


def _find_sibling(
    foundation: DockerfileFoundation, pins: Mapping[PinKey, FoundationPin], platform: str, python: str
) -> DockerfilePin | None:
    """What is pinned for another Python, if the Dockerfile makes the same for this one."""
    fitting = (_fitting_pin(foundation, pin, key[1]) for key, pin in pins.items() if key[0] == platform)
    return next((pin for pin in fitting if pin and pin.inputs == inputs_of(foundation, python)), None)


def _today() -> str:
    """The beginning of the day: what is built on one day has one time, also where clocks differ a little."""
    return as_of().astimezone(UTC).strftime("%Y-%m-%dT00:00:00Z")
