"""Which variants can be published: those whose images are all built and verified, in this run or an earlier one."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from warmbase.catalog.model import Variant
from warmbase.errors import PublishError, WarmbaseError
from warmbase.oci.layout import Layout
from warmbase.plan import BuildStep, Plan
from warmbase.publish.model import PublishableVariant
from warmbase.verify.model import VerifiedImage
from warmbase.verify.recorded import find_verified


@dataclass(frozen=True, kw_only=True, slots=True)
class Ready:
    """The variants that can be published, and why the others cannot."""

    variants: tuple[PublishableVariant, ...]
    failed: tuple[tuple[Variant, WarmbaseError], ...]


def find_ready(
    plan: Plan,
    built: Mapping[tuple[str, str], VerifiedImage | WarmbaseError],
    layout: Layout | None,
    records: Path,
    seconds: Mapping[str, float] | None = None,
) -> Ready:
    """Sort out the variants of `plan`, which has a step for each of their platforms.

    `built` is what this run made, or failed at, by variant and platform; `layout` has what earlier runs made, and
    `records` vouch for it. `seconds` is how long this run took to make each variant, by name.
    """
    steps: dict[str, list[BuildStep]] = {}
    for step in plan.steps:
        steps.setdefault(step.variant.name, []).append(step)
    ready, failed = [], list(plan.unlocked)
    for own in steps.values():
        try:
            took = (seconds or {}).get(own[0].variant.name, 0.0)
            images = tuple((step, _verified(step, built, layout, records)) for step in _by_platform(own))
            ready.append(PublishableVariant(variant=own[0].variant, images=images, seconds=took))
        except WarmbaseError as error:
            failed.append((own[0].variant, error))
    return Ready(variants=tuple(ready), failed=tuple(failed))


def _verified(
    step: BuildStep,
    built: Mapping[tuple[str, str], VerifiedImage | WarmbaseError],
    layout: Layout | None,
    records: Path,
) -> VerifiedImage:
    made = built.get((step.variant.name, step.platform))
    if isinstance(made, WarmbaseError):
        raise made
    if made:
        return made
    found = find_verified(layout, step.variant, step.platform, records) if layout and not step.reason else None
    if found is None:
        raise PublishError(
            f"{step.name} is not built and verified: {step.reason or 'no record vouches for it'}",
            next_step=f"run `warmbase build {step.variant.name}`",
        )
    return found


def _by_platform(steps: Iterable[BuildStep]) -> list[BuildStep]:
    return sorted(steps, key=lambda step: step.platform)
