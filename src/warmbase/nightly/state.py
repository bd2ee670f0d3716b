"""What is known after a night, as a value: it is kept in the registry, and two runs' are merged.

Merging converges: it does not matter in which order, how often and by whom states are merged. So runs that overlap
need no lock, and one that was lost costs the next one some requests, never correctness.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from warmbase.foundation.pins import FoundationPin
from warmbase.nightly.archives import ArchiveMemory
from warmbase.nightly.model import FoundationKey, NightSummary, VariantState
from warmbase.nightly.pages import IndexMemory

MOST_NIGHTS = 30
"""How many nights a state remembers in numbers."""


@dataclass(frozen=True, kw_only=True, slots=True)
class KnownPin:
    """What a foundation was at the RFC 3339 time at which a survey found it."""

    time: str
    pin: FoundationPin


@dataclass(frozen=True, kw_only=True, slots=True)
class State:
    """All that is known: variants by their full names, the newest pins of foundations, what is remembered of indexes
    and archives, and the last nights, the oldest first.

    `records` are the tags of the records that went into it (see `nightly.record`).
    """

    variants: Mapping[str, VariantState] = field(default_factory=dict, hash=False)
    pins: Mapping[FoundationKey, KnownPin] = field(default_factory=dict, hash=False)
    index: IndexMemory = field(default_factory=IndexMemory)
    archives: ArchiveMemory = field(default_factory=ArchiveMemory)
    nights: tuple[NightSummary, ...] = ()
    records: frozenset[str] = frozenset()


def merge_states(*states: State) -> State:
    """What all of `states` know: of each variant and each pin what was true last, of nights the last ones."""
    raise NotImplementedError


def state_to_json(state: State) -> dict[str, Any]:
    """The document of a state, without `records`."""
    raise NotImplementedError


def state_from_json(document: Mapping[str, Any]) -> State:
    """Read `state_to_json` back. Raises ValueError where it is something else, or of another format."""
    raise NotImplementedError
