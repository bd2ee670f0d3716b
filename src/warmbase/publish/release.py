"""Giving an index that a registry holds its tags: dated tag, journal, and the rolling tags last.

The journal decides what rolling tags name. Whoever moves them reads it again afterwards, until what it says is what
they name: two publishers at once end in the same state, and one that was killed is finished by the next.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from warmbase.effects.registry.model import Document
from warmbase.errors import PublishError
from warmbase.oci.records import Layers
from warmbase.publish.journal import Entry, Journal
from warmbase.publish.ledger import Ledger
from warmbase.publish.model import Place
from warmbase.publish.tags import dated_tags, same_day

Clock = Callable[[], datetime]


@dataclass(frozen=True, kw_only=True, slots=True)
class Released:
    """What became of an index: the entry that published it, and the newest one, which the rolling tags name.

    `is_new` says whether the entry was written now, `moved` are the rolling tags that named something else before.
    """

    entry: Entry
    newest: Entry
    is_new: bool
    moved: tuple[str, ...] = ()

    @property
    def is_superseded(self) -> bool:
        """Whether the rolling tags name something newer, and stay there."""
        return self.newest.digest != self.entry.digest


class Release:
    """Gives tags to `index`, which is in the repository with all that it names.

    `draft` is its entry, without time and previous digest, and with a dated tag only if it has one already; `made_from`
    are further layers of the entry's record (see `baseline`). Raises RegistryError, and PublishError where a rule of
    the tags forbids it.
    """

    def __init__(self, place: Place, index: Document, draft: Entry, clock: Clock, *, made_from: Layers = ()) -> None:
        self._place = place
        self._repository = place.repository(draft.image)
        self._index = index
        self._draft = draft
        self._clock = clock
        self._made_from = made_from
        self._ledger = Ledger(place, draft.variant)
        self._moved: dict[str, None] = {}

    def publish(self) -> Released:
        """Publish the index, unless the journal has it: then only see that tags name what the journal says."""
        journal = self._ledger.read()
        known = self._find(journal)
        if known is None or self._names_change(journal):
            dated = known.dated if known else self._give_dated_tag(journal)
            self._write(journal, dated)
        return self._released(self._move_rolling_tags(), is_new=known is None)

    def force(self) -> Released:
        """Make the rolling tags name the index though the journal has newer entries."""
        journal = self._ledger.read()
        is_new = not journal.newest or journal.newest.digest != self._draft.digest
        if is_new:
            self._write(journal, self._draft.dated)
        return self._released(self._move_rolling_tags(), is_new=is_new)

    def _released(self, journal: Journal, *, is_new: bool) -> Released:
        entry = self._find(journal)
        if entry is None:
            raise self._lost()
        return Released(entry=entry, newest=self._newest(journal), is_new=is_new, moved=tuple(self._moved))

    def _newest(self, journal: Journal) -> Entry:
        if journal.newest is None:
            raise self._lost()
        return journal.newest

    def _lost(self) -> PublishError:
        return PublishError(
            f"the journal of {self._place} lost what was written to it of {self._draft.variant}",
            next_step="see who else deletes there, and run the command again",
        )

    def _find(self, journal: Journal) -> Entry | None:
        """What published the index, or the same content at the same moment as another index, which then counts."""
        return journal.find(self._draft.digest) or journal.find_content(self._draft.content)

    def _names_change(self, journal: Journal) -> bool:
        """Whether the catalog gives the newest digest other rolling tags than before."""
        newest = journal.newest
        return newest is not None and newest.digest == self._draft.digest and newest.rolling != self._draft.rolling

    def _write(self, journal: Journal, dated: str) -> None:
        previous = journal.newest.digest if journal.newest else ""
        time = journal.next_time(self._clock())
        self._ledger.write(replace(self._draft, time=time, dated=dated, previous=previous), self._made_from)

    def _give_dated_tag(self, journal: Journal) -> str:
        """The day's first tag that is free, or has been given to this digest by a run that was killed."""
        for tag in dated_tags(self._draft.rolling[0], self._clock()):
            if journal.owner(tag) not in ("", self._draft.digest):
                continue
            found = self._place.registry.find_manifest(self._repository, tag)
            if found is None:
                self._put(tag, self._draft.digest)
            if found is None or found.digest == self._draft.digest:
                return tag
        raise AssertionError("there are endless dated tags")

    def _move_rolling_tags(self) -> Journal:
        """Returns the journal that they agree with in the end."""
        journal = self._ledger.read()
        while True:
            newest = self._newest(journal)
            for tag in self._draft.rolling:
                if self._see_to(tag, newest.digest):
                    self._moved[tag] = None
            self._settle_own_tags(journal)
            journal = self._ledger.read()
            if journal.newest == newest:
                return journal

    def _settle_own_tags(self, journal: Journal) -> None:
        """Content and dated tags name what the journal says: two publishers may have given away the same one."""
        own = self._find(journal)
        if own and own.digest != self._draft.digest:
            self._see_to(own.content, own.digest)
        for tag in same_day(own.dated) if own and own.dated else ():
            owner = journal.owner(tag)
            if not owner:
                return
            self._see_to(tag, owner)

    def _see_to(self, tag: str, digest: str) -> bool:
        """Let a tag name a digest; whether it did not."""
        found = self._place.registry.find_manifest(self._repository, tag)
        is_wrong = found is None or found.digest != digest
        if is_wrong:
            self._put(tag, digest)
        return is_wrong

    def _put(self, tag: str, digest: str) -> None:
        registry = self._place.registry
        index = self._index if digest == self._index.digest else registry.read_manifest(self._repository, digest)
        if index is None:
            raise PublishError(
                f"{registry.host}/{self._repository} has no {digest}, which the journal names for {tag}",
                next_step=f"`warmbase rollback {self._draft.variant} --to DIGEST` to one that `warmbase history` lists",
            )
        registry.write_manifest(self._repository, tag, index.content, index.media_type)
