"""Rolling back: a new entry in the journal that names an old digest, and then the rolling tags."""

from collections.abc import Sequence
from dataclasses import replace

from warmbase import __version__
from warmbase.errors import PublishError
from warmbase.events import Report, ignore
from warmbase.publish.baseline import carry_origin
from warmbase.publish.history import find_entry
from warmbase.publish.journal import Entry, Journal
from warmbase.publish.ledger import Ledger
from warmbase.publish.model import Place
from warmbase.publish.names import never_published
from warmbase.publish.release import Clock, Release, Released
from warmbase.publish.yank import check_not_yanked, find_yanks


def roll_back(
    place: Place, variant: str, rolling: Sequence[str] = (), *, to: str = "", clock: Clock, report: Report = ignore
) -> Released:
    """Make the rolling tags of `variant` name what they named before, or what `to` means in its journal.

    `rolling` are its tags in the catalog; where that does not have it, those of its newest entry. A rollback that was
    interrupted is finished. What was yanked or is gone is passed over, and refused for `to`. `report` hears of what the
    new entry lacks (see `baseline`). Raises RegistryError, and PublishError where there is nothing to go back to.
    """
    journal = Ledger(place, variant).read()
    newest = journal.newest
    if newest is None:
        raise never_published(place, variant, is_in_catalog=bool(rolling))
    tags = tuple(rolling) or newest.rolling
    if to:
        target = find_entry(journal, to)
        check_not_yanked(place.registry, place.repository(target.image), [target.digest])
    else:
        target = newest if _was_interrupted(place, newest, tags) else _choose(place, journal, newest)
    index = place.registry.read_manifest(place.repository(target.image), target.digest)
    if index is None:
        raise PublishError(
            f"{place}/{target.image} no longer has {target.digest}",
            next_step=f"`warmbase history {variant}` lists others",
        )
    draft = replace(target, action="rollback", rolling=tags, source="", tool=__version__)
    return Release(place, index, draft, clock, made_from=carry_origin(place, target, report)).force()


def _was_interrupted(place: Place, newest: Entry, rolling: Sequence[str]) -> bool:
    """Whether the newest entry is a rollback whose tags have not all moved."""
    if newest.action != "rollback":
        return False
    found = [place.registry.find_manifest(place.repository(newest.image), tag) for tag in rolling]
    return any(each is None or each.digest != newest.digest for each in found)


def _choose(place: Place, journal: Journal, newest: Entry) -> Entry:
    for entry in journal.before(newest.digest):
        repository = place.repository(entry.image)
        if not place.registry.find_manifest(repository, entry.digest):
            continue
        if not find_yanks(place.registry, repository, entry.digest):
            return entry
    raise PublishError(
        f"{newest.variant} has no older image in {place} to go back to",
        next_step=f"`warmbase history {newest.variant}` lists what was published",
    )
