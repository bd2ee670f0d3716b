"""What an image says of newer releases: `refresh`, `cooldown` and `pins`, each merged over what it inherits.

An image inherits them from `defaults`, or from the image that it is `from`. `refresh` is merged key by key, `pins`
package by package, a `cooldown` replaces the other.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from datetime import date, timedelta

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name

from warmbase.catalog.document import CooldownEntry, DefaultsEntry, PinEntry
from warmbase.catalog.model import Cooldown, Image, PackagePin, Refresh, Variant
from warmbase.catalog.problems import DocumentPath, Report, quote


@dataclass(frozen=True, kw_only=True, slots=True)
class Policy:
    """What holds for newer releases in all variants of an image. `pins` are by package, each with its path in the
    document, or that of the image which inherits it."""

    refresh: Refresh
    cooldown: Cooldown
    pins: Mapping[str, tuple[PackagePin, DocumentPath]]


def resolve_policy(
    entry: DefaultsEntry, path: DocumentPath, defaults: DefaultsEntry, parent: Image | None, report: Report
) -> Policy:
    """The policy of the image `entry` at `path`, which is from the image `parent` if there is one.

    Reports what cannot be understood, and leaves it out.
    """
    if parent and parent.variants:
        above = parent.variants[0]
        pins = {pin.package: (pin, path) for pin in above.pins}
        inherited = Policy(refresh=above.refresh, cooldown=above.cooldown, pins=pins)
    else:
        inherited = _merge(defaults, ("defaults",), Policy(refresh=Refresh(), cooldown=Cooldown(), pins={}), report)
    return _merge(entry, path, inherited, report)


def apply_policy(variant: Variant, policy: Policy, report: Report) -> Variant:
    """The variant with the policy of its image; report pins that contradict what it asks for."""
    pins = [policy.pins[package] for package in sorted(policy.pins)]
    for pin, path in pins:
        for asked in (*variant.requirements, *variant.warm):
            requirement = asked.requirement
            if canonicalize_name(requirement.name) != pin.package:
                continue
            if requirement.url:
                message = (
                    f"a pin of {pin.package}, which comes from an address: that says its version ({asked.position})"
                )
                report.add(path, message, "take the pin out, or name a tag or a commit there", key=True)
            elif not requirement.marker and SpecifierSet(pin.version).is_disjoint(requirement.specifier):
                message = f"the pin of {pin.package} to {quote(pin.version)} admits no version of {quote(asked.text)}"
                report.add(path, f"{message} ({asked.position})", "change one of the two", key=True)
    return replace(variant, refresh=policy.refresh, cooldown=policy.cooldown, pins=tuple(pin for pin, _ in pins))


def _merge(entry: DefaultsEntry, path: DocumentPath, inherited: Policy, report: Report) -> Policy:
    refresh = inherited.refresh
    if entry.refresh is not None:
        said = {item.name: getattr(entry.refresh, item.name) for item in fields(entry.refresh)}
        refresh = replace(refresh, **{axis: every for axis, every in said.items() if every is not None})
    cooldown = inherited.cooldown if entry.cooldown is None else _read_cooldown(entry.cooldown)
    pins = dict(inherited.pins)
    spellings: dict[str, str] = {}
    for package, written in entry.pins.items():
        place: DocumentPath = (*path, "pins", package)
        name = str(canonicalize_name(package))
        if spellings.setdefault(name, package) != package:
            report.add(place, f"{quote(spellings[name])} is the same package", "keep one of the two", key=True)
        elif pin := _read_pin(name, written, place, report):
            pins[name] = (pin, place)
    return Policy(refresh=refresh, cooldown=cooldown, pins=pins)


def _read_cooldown(written: str | CooldownEntry) -> Cooldown:
    time, exempt = (written, ()) if isinstance(written, str) else (written.time, written.exempt)
    number, unit = time.split()
    return Cooldown(
        time=timedelta(**{f"{unit.removesuffix('s')}s": int(number)}),
        exempt=tuple(sorted({str(canonicalize_name(package)) for package in exempt})),
    )


def _read_pin(package: str, written: PinEntry, path: DocumentPath, report: Report) -> PackagePin | None:
    try:
        specifier = SpecifierSet(written.version)
    except InvalidSpecifier:
        specifier = SpecifierSet()
    if not specifier:
        advice = "write it as in PEP 440, e.g. '<2.5' or '==2.4.*'"
        report.add((*path, "version"), f"{quote(written.version)} says of no version that it is admitted", advice)
        return None
    if specifier.is_unsatisfiable():
        report.add((*path, "version"), f"no version is {quote(written.version)}", "correct it")
        return None
    until = None
    if written.until is not None:
        try:
            until = date.fromisoformat(written.until)
        except ValueError:
            report.add((*path, "until"), f"there is no day {quote(written.until)}", "write YYYY-MM-DD")
    return PackagePin(
        package=package,
        version=str(specifier),
        reason=written.reason,
        until=until,
        position=report.position(path),
    )
