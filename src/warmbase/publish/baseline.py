"""What a variant was made from when it was published: its lock and its foundations' pins, kept with the journal.

An entry's record has them as further layers (see `journal`), so that a run on a fresh machine starts from what is
published, and what is rolled back to or promoted brings its own along. Entries of older versions have none.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from warmbase.foundation.pins import FoundationPin
from warmbase.lock.model import Lock
from warmbase.publish.journal import Entry
from warmbase.publish.model import Place


@dataclass(frozen=True, kw_only=True, slots=True)
class Baseline:
    """What an entry of the journal was made from. `pins` are by foundation name, platform and Python version, as in
    `lock.stage.Pins`: those of the variant's own foundation, and of the one that its packages were compiled on."""

    entry: Entry
    lock: Lock
    pins: Mapping[tuple[str, str, str], FoundationPin] = field(hash=False)


def read_baseline(place: Place, tag: str) -> Baseline | None:
    """The baseline of the journal's entry with this tag (`Entry.id`); None where there is no such entry, or an older
    version of warmbase wrote it. Raises RegistryError."""
    raise NotImplementedError


def newest_entries(place: Place, variants: Iterable[str], folder: Path | None = None) -> dict[str, Entry]:
    """The newest entry of each of `variants` (by full name) that has one, from one listing of the journal.

    Entries never change: what was read once is kept in `folder`, if there is one. Raises RegistryError.
    """
    raise NotImplementedError
