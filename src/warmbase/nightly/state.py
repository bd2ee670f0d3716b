"""What is known after a night, as a value: it is kept in the registry, and two runs' are merged.

Merging converges: it does not matter in which order, how often and by whom states are merged. So runs that overlap
need no lock, and one that was lost costs the next one some requests, never correctness.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime, timedelta
from functools import reduce
from typing import Any, TypeVar

from warmbase.errors import FoundationError
from warmbase.foundation.pins import FoundationPin
from warmbase.nightly.archives import ArchiveMemory
from warmbase.nightly.model import Broken, Failure, FoundationKey, Held, NightSummary, VariantState
from warmbase.nightly.pages import IndexMemory
from warmbase.oci.digests import canonical_json
from warmbase.publish.baseline import keyed_pins_from_json, keyed_pins_to_json
from warmbase.publish.journal import format_time, parse_time

FORMAT = 1

MOST_DAYS = 30
"""Of how many days a state remembers the nights in numbers."""

_MOST_NIGHTS = 1200

_Key = TypeVar("_Key")


@dataclass(frozen=True, kw_only=True, slots=True)
class KnownPin:
    """What a foundation was at the RFC 3339 time at which a survey found it."""

    time: str
    pin: FoundationPin


@dataclass(frozen=True, kw_only=True, slots=True)
class State:
    """All that is known: variants by their full names, the newest pins of foundations, what is remembered of indexes
    and archives, and the last nights, the oldest first.

    `records` are the tags of the records that went into it (see `nightly.record`). `unsent` says of this machine's copy
    that it has what no record has.
    """

    variants: Mapping[str, VariantState] = field(default_factory=dict, hash=False)
    pins: Mapping[FoundationKey, KnownPin] = field(default_factory=dict, hash=False)
    index: IndexMemory = field(default_factory=IndexMemory)
    archives: ArchiveMemory = field(default_factory=ArchiveMemory)
    nights: tuple[NightSummary, ...] = ()
    records: frozenset[str] = frozenset()
    unsent: bool = False


def time_after(before: str, now: datetime) -> str:
    """The RFC 3339 time of what is found out `now` about something that was last known at `before` ("" for never).

    What is newer gets a later time, even where it was another machine, whose clock is ahead, that knew the older.
    """
    return format_time(max(now, parse_time(before) + timedelta(seconds=1)) if before else now)


def merge_states(*states: State) -> State:
    """What all of `states` know: of each variant and each pin what was true last, of nights the last ones."""
    return reduce(_merge, states) if states else State()


def _merge(one: State, other: State) -> State:
    return State(
        variants=_newest(one.variants, other.variants),
        pins=_newest(one.pins, other.pins),
        index=one.index.merge(other.index),
        archives=one.archives.merge(other.archives),
        nights=_last_nights((*one.nights, *other.nights)),
        records=one.records | other.records,
        unsent=one.unsent or other.unsent,
    )


_Timed = TypeVar("_Timed", VariantState, KnownPin)


def _newest(one: Mapping[_Key, _Timed], other: Mapping[_Key, _Timed]) -> dict[_Key, _Timed]:
    """Of each key the value that was true last; of two at the same time one of them, whoever asks."""
    merged = dict(one)
    for key, theirs in other.items():
        ours = merged.setdefault(key, theirs)
        if theirs.time > ours.time or (theirs.time == ours.time and theirs != ours and _text(theirs) > _text(ours)):
            merged[key] = theirs
    return merged


def _text(value: VariantState | KnownPin) -> bytes:
    return canonical_json(_variant_to_json(value) if isinstance(value, VariantState) else asdict(value))


def _last_nights(nights: Iterable[NightSummary]) -> tuple[NightSummary, ...]:
    """The nights, each once, of the last days on which there were any: machines that share the work have one each."""
    once = {canonical_json(asdict(night)): night for night in nights}
    last = [night for _, night in sorted(once.items(), key=lambda item: (item[1].began, item[0]))]
    days = sorted({night.began[:10] for night in last})[-MOST_DAYS:]
    return tuple(night for night in last if night.began[:10] in days)[-_MOST_NIGHTS:]


def state_to_json(state: State) -> dict[str, Any]:
    """The document of a state."""
    return {
        "format": FORMAT,
        "variants": {name: _variant_to_json(each) for name, each in state.variants.items()},
        "pins": keyed_pins_to_json({key: known.pin for key, known in state.pins.items()}),
        "found": {" ".join(key): known.time for key, known in state.pins.items()},
        "index": state.index.to_json(),
        "archives": state.archives.to_json(),
        "nights": [asdict(night) for night in state.nights],
        "records": sorted(state.records),
        **({"unsent": True} if state.unsent else {}),
    }


def state_from_json(document: Mapping[str, Any]) -> State:
    """Read `state_to_json` back. Raises ValueError where it is something else, or of another format."""
    try:
        if document["format"] != FORMAT:
            raise ValueError(f"format {document['format']!r} instead of {FORMAT}")
        found = document["found"]
        return State(
            variants={name: _variant_from_json(each) for name, each in document["variants"].items()},
            pins={
                key: KnownPin(time=found[" ".join(key)], pin=pin)
                for key, pin in keyed_pins_from_json(document["pins"]).items()
            },
            index=IndexMemory.from_json(document["index"]),
            archives=ArchiveMemory.from_json(document["archives"]),
            nights=tuple(NightSummary(**night) for night in document["nights"]),
            records=frozenset(document["records"]),
            unsent=bool(document.get("unsent", False)),
        )
    except (KeyError, TypeError, AttributeError, FoundationError) as error:
        raise ValueError(f"not what a night knows: {error}") from error


def _variant_to_json(state: VariantState) -> dict[str, Any]:
    """Without what nothing is known of: most variants are neither broken nor held."""
    said = {name: value for name, value in _fields(state).items() if value}
    if state.failure:
        said["failure"] = _fields(state.failure)
    for name in ("broken", "held"):
        if name in said:
            said[name] = [_fields(each) for each in said[name]]
    return said


def _fields(value: VariantState | Held | Broken | Failure) -> dict[str, Any]:
    """The fields of a value as they are; `asdict` copies what is in them, which takes ten times as long."""
    return {each.name: getattr(value, each.name) for each in fields(value)}


def _variant_from_json(document: Mapping[str, Any]) -> VariantState:
    failure = document.get("failure")
    return VariantState(
        **{
            **document,
            "refused": tuple(document.get("refused", ())),
            "broken": tuple(Broken(**each) for each in document.get("broken", ())),
            "held": tuple(Held(**each) for each in document.get("held", ())),
            "failure": Failure(**failure) if failure else None,
        }
    )
