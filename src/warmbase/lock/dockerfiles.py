"""Pinning Dockerfile foundations: which of them have to be built for a lock, and building them all at once."""

from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC

from warmbase.catalog.model import Catalog, DockerfileFoundation, Variant
from warmbase.effects.clock import as_of
from warmbase.errors import FoundationError
from warmbase.events import Report
from warmbase.foundation.baked import NOTHING_BAKED, Baked, BakeKey
from warmbase.foundation.baking import bake_foundations
from warmbase.foundation.dockerfile import Order, bases_moved
from warmbase.foundation.groundwork import Groundwork, codec_of
from warmbase.foundation.pins import DockerfilePin, system_of
from warmbase.foundation.stage import pin_fits
from warmbase.lock.files import read_pins


def bake_for_lock(
    catalog: Catalog,
    wanted: Iterable[tuple[Variant, Iterable[str]]],
    ground: Callable[[], Groundwork],
    report: Report,
    *,
    upgrade: bool,
) -> Baked:
    """Build what has no pin that fits the catalog, in one bake; with `upgrade` also what stands on an image that is
    another one now.

    `wanted` are variants, each with the platforms for which it is pinned.
    """
    orders, kept = dict[object, Order](), dict[BakeKey, DockerfilePin]()
    for variant, platforms in wanted:
        with suppress(FoundationError):  # of a damaged pin its own variants will tell
            for order in _orders(catalog, variant, platforms):
                if order.pin and not (upgrade and bases_moved(order.pin, ground().registries)):
                    kept[order.key] = order.pin
                else:
                    orders[order.key, order.codec] = replace(order, pin=None, created=_today())
    baked = bake_foundations(list(orders.values()), ground(), report) if orders else NOTHING_BAKED
    return Baked(pins=kept | dict(baked.pins), failures=baked.failures)


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
        whole = pins.get((platform, variant.python))
        pin = system_of(whole) if whole and pin_fits(foundation, whole, variant.python) else None
        assert pin is None or isinstance(pin, DockerfilePin)  # or it would not fit
        yield Order(
            foundation=foundation,
            platform=platform,
            python=variant.python,
            codec=codec_of(variant.compression),
            created=pin.created if pin else _today(),
            pin=pin,
        )


def _today() -> str:
    """The beginning of the day: what is built on one day has one time, also where clocks differ a little."""
    return as_of().astimezone(UTC).strftime("%Y-%m-%dT00:00:00Z")
