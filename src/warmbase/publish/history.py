"""What changed from one entry of the journal to the next, for people. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from warmbase.errors import PublishError
from warmbase.publish.journal import Entry, Journal

_SHORTEST_PREFIX = 6


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """How one entry differs from the one before: packages as (name, version) and (name, old, new), and the foundation's
    move in words, "" for none."""

    added: tuple[tuple[str, str], ...] = ()
    removed: tuple[tuple[str, str], ...] = ()
    moved: tuple[tuple[str, str, str], ...] = ()
    foundation: str = ""
    is_first: bool = False

    def words(self, most: int = 6) -> str:
        """One line; of the packages at most `most` are named."""
        packages = [
            *(f"{name} {old} → {new}" for name, old, new in self.moved),
            *(f"+{name} {version}" for name, version in self.added),
            *(f"-{name} {version}" for name, version in self.removed),
        ]
        if self.is_first:
            return f"first, {len(self.added)} packages"
        words = packages[:most] + ([f"{len(packages) - most} more"] if len(packages) > most else [])
        return ", ".join([*words, *([self.foundation] if self.foundation else [])]) or "nothing but the files"


def history(journal: Journal) -> Iterator[tuple[Entry, Change]]:
    """Each entry with what it changed, the newest first."""
    before = (None, *journal.entries)
    return reversed([(entry, compare(old, entry)) for old, entry in zip(before, journal.entries, strict=False)])


def compare(old: Entry | None, new: Entry) -> Change:
    """What `new` has other than `old`; everything, if there was nothing before."""
    if old is None:
        return Change(added=tuple(sorted(new.packages.items())), is_first=True)
    common = old.packages.keys() & new.packages.keys()
    return Change(
        added=_without(new.packages, common),
        removed=_without(old.packages, common),
        moved=tuple(
            (name, old.packages[name], new.packages[name])
            for name in sorted(common)
            if old.packages[name] != new.packages[name]
        ),
        foundation=_foundation(old, new),
    )


def find_strays(journal: Journal, named: Mapping[str, str]) -> dict[str, str]:
    """The rolling tags that do not name what the journal says, and what they name instead, "" for nothing: a command
    was interrupted, or somebody moved them.

    `named` has the digest of each rolling tag that there is. A short name that names something which this journal does
    not know is another variant's now.
    """
    newest = journal.newest
    found = {tag: named.get(tag, "") for tag in newest.rolling} if newest else {}
    return {
        tag: digest
        for tag, digest in found.items()
        if newest and digest != newest.digest and (tag == newest.rolling[0] or not digest or journal.find(digest))
    }


def find_entry(journal: Journal, text: str) -> Entry:
    """The entry that a digest, the beginning of one, or a dated or content tag means.

    Raises PublishError where there is none, or several.
    """
    prefix = text.removeprefix("sha256:")
    found = {
        entry.digest: entry
        for entry in journal.entries
        if text in (entry.dated, entry.content)
        or (len(prefix) >= _SHORTEST_PREFIX and entry.digest.removeprefix("sha256:").startswith(prefix))
    }
    if len(found) == 1:
        return next(iter(found.values()))
    name = journal.newest.variant if journal.newest else "the variant"
    raise PublishError(
        f"the journal of {name} has {'several entries' if found else 'no entry'} for {text!r}",
        next_step=f"`warmbase history {name}` lists what it has",
    )


def _without(packages: Mapping[str, str], names: object) -> tuple[tuple[str, str], ...]:
    assert isinstance(names, set | frozenset)
    return tuple(sorted((name, version) for name, version in packages.items() if name not in names))


def _foundation(old: Entry, new: Entry) -> str:
    if old.foundation != new.foundation:
        return f"foundation {old.foundation} → {new.foundation}"
    moved = [
        name
        for name, platform in new.platforms.items()
        if name in old.platforms and old.platforms[name].foundation != platform.foundation
    ]
    return f"foundation {new.foundation} moved" if moved else ""
