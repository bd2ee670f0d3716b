"""What a night is given: the catalog and the place, folders, tools and the clock."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from warmbase.catalog.model import Catalog, Variant
from warmbase.effects.files import CacheFolders
from warmbase.effects.registry.model import Traffic
from warmbase.effects.uv import Uv
from warmbase.events import Report, ignore
from warmbase.foundation.groundwork import Groundwork
from warmbase.lock.resolve import Resolver
from warmbase.nightly.shards import Shard
from warmbase.plan import Existing
from warmbase.publish.model import Place
from warmbase.publish.release import Clock

if TYPE_CHECKING:
    from warmbase.layers.remote import RegistryLayers
    from warmbase.pipeline import Plant


@dataclass(frozen=True, kw_only=True, slots=True)
class Tools:
    """What work is done with; each is found when it is first asked for.

    `existing` says what there is before a build of a catalog into an empty layout, `traffic` what went to each registry
    so far; `native` is this machine's own platform, `jobs` how many processes compile, pack and resolve.
    """

    uv: Callable[[], Uv]
    ground: Callable[[], Groundwork]
    resolver: Callable[[], Resolver]
    plant: "Callable[[], Plant]"
    existing: Callable[[Catalog], Existing]
    traffic: Callable[[], Mapping[str, Traffic]]
    native: str
    jobs: int = 2


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """One night's work on `variants` of a catalog, which name what they are `from` too, and before themselves.

    In the mode "publish" images go to `place`; "commit" starts from the locks beside the catalog and writes new ones
    there, for review. After `max_seconds` nothing new is begun. `shard` is the part that this machine begins with, and
    `worker` what it is known as to the others. `shared` gets the layers of what is published, and `placed` says
    of each blob which repository has it: what many images have in common is sent once in a night, and then mounted.
    """

    catalog: Catalog
    variants: tuple[Variant, ...]
    place: Place
    folders: CacheFolders
    tools: Tools
    clock: Clock
    report: Report = ignore
    mode: Literal["publish", "commit"] = "publish"
    max_seconds: float | None = None
    shard: Shard | None = None
    worker: str = ""
    shared: "RegistryLayers | None" = None
    placed: dict[str, str] = field(default_factory=dict, compare=False, repr=False)

    def at(self, locks: Path) -> Catalog:
        """The catalog, with its locks and pins in the folder `locks`."""
        return replace(self.catalog, locks=locks)
