"""Dockerfiles of which only making them tells what they are: all of a night's are built at once, before all else.

Of machines that share a night each builds those of its own part so, and others when it takes what stands on them.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from warmbase.catalog.model import DockerfileFoundation, Variant
from warmbase.errors import WarmbaseError
from warmbase.lock.resolve import Upgrade
from warmbase.lock.stage import pin_foundations, read_all_pins
from warmbase.nightly.facts import own_keys
from warmbase.nightly.model import Decision, FoundationKey
from warmbase.nightly.setting import Job
from warmbase.publish.baseline import Pins


@dataclass(frozen=True, kw_only=True, slots=True)
class Baked:
    """The pins of what was built, and by foundation and Python why the rest was not."""

    pins: Pins = field(default_factory=dict, hash=False)
    unmade: Mapping[tuple[str, str], WarmbaseError] = field(default_factory=dict, hash=False)


def takes_dockerfile(variant: Variant, decision: Decision) -> bool:
    """Whether a decision takes anew what a Dockerfile makes: what a variant that is from another one stands on is what
    that one does."""
    is_own = isinstance(variant.foundation, DockerfileFoundation) and not variant.parent
    return is_own and decision.verdict == "stale" and decision.takes_foundation


def bake(
    job: Job, variants: Iterable[Variant], decisions: Mapping[str, Decision], known: Collection[FoundationKey]
) -> Baked:
    """Build the Dockerfiles that `variants` take anew by these `decisions`; of those `known` it is clear what they
    are."""
    unknown = [
        variant
        for variant in variants
        if takes_dockerfile(variant, decisions[variant.name]) and any(key not in known for key in own_keys(variant))
    ]
    if not unknown:
        return Baked()
    tools = job.tools
    with tools.ground().store.workspace() as folder:
        catalog = job.at(folder)
        unmade = pin_foundations(
            catalog, unknown, ground=tools.ground, upgrade=Upgrade(), report=job.report, native=tools.native
        )
        return Baked(pins=read_all_pins(catalog), unmade=unmade)
