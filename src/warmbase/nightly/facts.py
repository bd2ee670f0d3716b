"""What decides a variant's image beside its lock and its foundation's pins: the catalog's part and the tool's. Pure.

A changed check is a fact too: what is published was verified with another one. Nobody's clock and nobody's machine is,
so all workers come to the same.
"""

from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path

from warmbase.catalog.model import Catalog, DebianFoundation, Variant
from warmbase.errors import WarmbaseError
from warmbase.foundation.pins import DebianPin, FoundationPin, ImagePin, ManagedPin, pins_to_json
from warmbase.image.contract import CONTRACT_REVISION
from warmbase.lock.model import Lock, hash_inputs
from warmbase.lock.resolve import variant_inputs
from warmbase.nightly.model import FoundationKey
from warmbase.oci.digests import Json
from warmbase.packages.uvcache import KNOWN
from warmbase.plan import COMPILING_REVISION, WHEEL_REVISION, Existing, plan_builds
from warmbase.publish.baseline import Pins
from warmbase.publish.tags import content_tag
from warmbase.verify.record import hash_smoke


def facts_of(variant: Variant, smokes: Mapping[Path, str]) -> str:
    """The hash of what the catalog says of a variant's image; `smokes` are the hashes of its checks."""
    foundation = variant.foundation
    system: list[Json] = [type(foundation).__name__, foundation.name, foundation.managed]
    if isinstance(foundation, DebianFoundation):
        system += [foundation.suite, list(foundation.packages)]
    config: dict[str, Json] = {**asdict(variant.config)}
    return hash_inputs(
        {
            "inputs": variant_inputs(replace(variant, made_from=None), ""),
            "parent": variant.parent,
            "foundation": system,
            "description": variant.description,
            "labels": [list(pair) for pair in variant.labels],
            "winners": [list(pair) for pair in variant.winners],
            "config": {name: list(value) if isinstance(value, tuple) else value for name, value in config.items()},
            "compression": [variant.compression.codec, variant.compression.level],
            "tags": list(variant.tags),
            "indexes": [[index.name, index.url, *index.mirrors] for index in variant.indexes],
            "sources": [list(pair) for pair in variant.sources],
            "build_packages": list(variant.build_packages),
            "smokes": [smokes[path] for path in variant.smokes],
        }
    )


def hash_smokes(variants: tuple[Variant, ...]) -> dict[Path, str]:
    """The hashes of all checks, each file read once; of one that cannot be read its name: verifying will tell."""
    found: dict[Path, str] = {}
    for path in (path for variant in variants for path in variant.smokes):
        if path not in found:
            try:
                found[path] = hash_smoke(path)
            except WarmbaseError:
                found[path] = path.name
    return found


def tool_of(uv: str) -> dict[str, str]:
    """What of warmbase and of the uv that a catalog pins decides an image, in words."""
    return {"uv": uv, "recipe": f"{WHEEL_REVISION}.{COMPILING_REVISION} of {KNOWN}", "contract": str(CONTRACT_REVISION)}


def fingerprint_of_pins(pins: Mapping[FoundationKey, FoundationPin | None]) -> str:
    """The hash of what stands in pins, "" where one is missing. When an archive was signed, and under which index an
    image lies, says nothing of what is in them."""
    known = {key: pin for key, pin in sorted(pins.items()) if pin}
    if len(known) < len(pins):
        return ""
    return hash_inputs({" ".join(key): pins_to_json({key[1:]: _content_of(pin)}) for key, pin in known.items()})


def _content_of(pin: FoundationPin) -> FoundationPin:
    match pin:
        case ManagedPin(base=DebianPin() | ImagePin() as base):
            content = _content_of(base)
            return replace(pin, base=content) if isinstance(content, DebianPin | ImagePin) else pin
        case DebianPin():
            return replace(pin, epoch=0, archives=())
        case ImagePin():
            return replace(pin, index=pin.manifest)
        case _:
            return pin


def own_keys(variant: Variant) -> tuple[FoundationKey, ...]:
    """The foundations that a variant stands on, one for each of its platforms."""
    return tuple((variant.foundation.name, platform, variant.python) for platform in variant.platforms)


def own_pins(variant: Variant, pins: Pins) -> dict[FoundationKey, FoundationPin | None]:
    """The pins of a variant's own foundation, None where one is missing."""
    return {key: pins.get(key) for key in own_keys(variant)}


def makes_content(
    catalog: Catalog, variant: Variant, locks: Mapping[str, Lock], pins: Pins, *, content: str, native: str
) -> bool:
    """Whether building `variant` now from its own of `locks` and from `pins` would make what the content tag `content`
    names. What it is made from has its lock there too."""
    try:
        plan = plan_builds(
            [variant], (), locks, pins, Existing(), native=native, foundations=catalog.foundations, verify=False
        )
    except (WarmbaseError, KeyError):  # no longer pinned for some platform, or from nothing that is published
        return False
    recipes = {step.platform: step.recipe for step in plan.steps}
    return content_tag(variant.tag, recipes) == content
