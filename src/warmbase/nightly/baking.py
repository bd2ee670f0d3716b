"""Dockerfiles of which only making them tells what they are: all of a night's are built at once, before all else."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from warmbase.catalog.model import DockerfileFoundation
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


def bake(job: Job, decisions: Mapping[str, Decision], known: Collection[FoundationKey]) -> Baked:
    """Build the Dockerfiles that a night of these `decisions`, by variant, takes anew; of those `known` it is clear
    what they are."""
    unknown = [
        variant
        for variant in job.variants
        if isinstance(variant.foundation, DockerfileFoundation)
        and decisions[variant.name].verdict == "stale"
        and decisions[variant.name].takes_foundation
        and any(key not in known for key in own_keys(variant))
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
