"""Keeping the state: immutable records in a repository of the registry, and a copy on this machine.

A record holds all that a run knew when it wrote it, and names the records that went into that. Its tag says when:

    state-<YYYYMMDDThhmmssZ>-<12 digits>

No run locks another out. Whoever reads takes the newest record, and with it those that it does not name: a run that
overlapped wrote them. They are merged (`state`), and the next record holds both. What ended long before the newest
record (`retention.SETTLED`) was there when that run began, and is not looked at: whoever writes the next record deletes
it, or else `warmbase gc` does.

The copy on this machine is the last state that a run read or wrote here. Where it holds all records there are, nothing
but their listing is asked for. It has quiet nights too, of which no record is written.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from hashlib import sha256
from http import HTTPStatus
from pathlib import Path

from warmbase import __version__
from warmbase.effects.files import replace_file
from warmbase.effects.registry.records import read_packed, write_record
from warmbase.errors import RegistryError
from warmbase.nightly.state import FORMAT, State, merge_states, state_from_json, state_to_json
from warmbase.oci.digests import Json, canonical_json
from warmbase.oci.records import pack, parse_document, record_manifest, unpack
from warmbase.publish.journal import format_time
from warmbase.publish.ledger import REFUSED
from warmbase.publish.model import NIGHTS, Place
from warmbase.publish.retention import split_nights
from warmbase.publish.stamps import Stamp

KIND, STATE = "night", "state"

_AT_ONCE = 8


def read_state(place: Place, folder: Path, warn: Callable[[str], object] = lambda _: None) -> State:
    """The state at a place, merged from its records and this machine's copy in `folder` (of any number of places).

    One request where the copy holds all records. What cannot be read is as if it were not there, and `warn` hears of
    it: all of it can be found out anew. Raises RegistryError where the registry does not answer.
    """
    young, _ = split_nights(_list_records(place, warn))
    state = _read_copy(_copy_path(place, folder))
    if state.records.issuperset(young):
        return state
    newest = next(tag for tag in young if tag not in state.records)
    state = merge_states(state, *_read_records(place, [newest], warn))
    return merge_states(state, *_read_records(place, [tag for tag in young if tag not in state.records], warn))


def save_state(
    place: Place, folder: Path, before: State, state: State, ended: datetime, warn: Callable[[str], object]
) -> State:
    """Keep what is known when a night ends that began with `before`; the state with its record's tag.

    Where nothing is new but the night's numbers, it is kept in `folder` alone. So it is where the registry does not
    take it: `warn` hears of that, and the next night on this machine sends it, whatever happens until then.
    """
    if replace(state, nights=()) == replace(before, nights=()) and not before.unsent:
        keep_state(place, folder, state)
        return state
    try:
        return write_state(place, folder, state, ended)
    except RegistryError as error:
        warn(f"what is known now could not be kept at {place}: {error.message}")
        keep_state(place, folder, replace(state, unsent=True))
        return state


def write_state(place: Place, folder: Path, state: State, ended: datetime) -> State:
    """Keep a state in the registry and in `folder`; the state with the record's tag. Raises RegistryError.

    It is the newest record even where somebody's clock is ahead.
    """
    young, old = split_nights(state.records)
    newest = Stamp.parse(young[0]) if young else None
    moment = max(ended, newest.moment + timedelta(seconds=1)) if newest else ended
    kept = replace(state, records=frozenset(young), unsent=False)
    document: Json = {"format": FORMAT, "time": format_time(moment), "tool": __version__}
    record = record_manifest(KIND, document, more=[pack(STATE, canonical_json(state_to_json(kept)))])
    tag = str(Stamp.make(STATE, moment, record.digest[7:]))
    write_record(place.registry, place.repository(NIGHTS), record, tag)
    kept = replace(kept, records=kept.records | {tag})
    keep_state(place, folder, kept)
    _drop(place, old)
    return kept


def keep_state(place: Place, folder: Path, state: State) -> None:
    """Keep a state in `folder` alone, after a night on which nothing changed. A folder that cannot be written to is
    passed over: the copy only saves requests."""
    _, content = pack(STATE, canonical_json(state_to_json(state)))
    with suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        replace_file(_copy_path(place, folder), content)


def _drop(place: Place, old: Sequence[str]) -> None:
    """Delete what nobody reads any more, where the registry can and lets us; `warmbase gc` does it otherwise."""
    with suppress(RegistryError):
        for tag in old:
            found = place.registry.find_manifest(place.repository(NIGHTS), tag)
            if found and not place.registry.delete_manifest(place.repository(NIGHTS), found.digest):
                return


def _list_records(place: Place, warn: Callable[[str], object]) -> Sequence[str]:
    try:
        return place.registry.tags(place.repository(NIGHTS))
    except RegistryError as error:
        if error.status not in REFUSED:
            raise
        warn(f"{place}/{NIGHTS} is not there yet, or may not be read: {error.message}")
        return ()


def _copy_path(place: Place, folder: Path) -> Path:
    return folder / f"{sha256(str(place).encode()).hexdigest()}.zst"


def _read_copy(path: Path) -> State:
    try:
        return _parse(path.read_bytes())
    except (OSError, ValueError):
        return State()


def _read_records(place: Place, tags: Sequence[str], warn: Callable[[str], object]) -> list[State]:
    """What each record holds; of one that is damaged, or gone by now, only that it was looked at."""

    def read(tag: str) -> State:
        try:
            found = read_packed(place.registry, place.repository(NIGHTS), tag, [STATE])
            state = _parse(found[0][1]) if found else State()
        except (ValueError, RegistryError) as error:
            if isinstance(error, RegistryError) and error.status != HTTPStatus.NOT_FOUND:
                raise
            warn(f"{place}/{NIGHTS}:{tag} is passed over: {error}")
            state = State()
        return replace(state, records=state.records | {tag})

    with ThreadPoolExecutor(max_workers=_AT_ONCE, thread_name_prefix="nights") as executor:
        return list(executor.map(read, tags))


def _parse(content: bytes) -> State:
    return state_from_json(parse_document(unpack(content)))
