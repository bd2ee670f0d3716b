"""What a registry no longer needs. Pure: what is there goes in, what to delete and why comes out.

Kept are the images that a tag names which no entry of the journal has as its own (rolling tags do, and any that people
give), that an entry within the retention names, and that no entry names at all: somebody may be publishing them. With
an image stay its platforms and its attestations; with one that goes, go its dated and content tags and the records that
refer to it.
"""

import re
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from warmbase.publish.journal import Entry, merge, parse_time
from warmbase.publish.stamps import Stamp

_ABOUT_TAG = re.compile(r"sha256-[0-9a-f]{64}(\.yank-[0-9a-f]{12})?")
"""Of what is about another manifest: a list of referrers (OCI distribution specification 1.1, "Referrers Tag Schema"),
or a yank."""

SETTLED = timedelta(days=2)
"""No night lasts longer: who keeps what a night knows has read all that was kept so long before."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Retention:
    """An entry is kept while it is one of the last `last` images of its variant, or not older than `days`."""

    days: float
    last: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Holdings:
    """What the repository of an image has: tag → digest, index → what it names, and manifest → what refers to it.

    Of `gone`, indexes that are deleted already, `children` has what is left of what they named.
    """

    image: str
    tags: Mapping[str, str] = field(hash=False)
    children: Mapping[str, tuple[str, ...]] = field(hash=False)
    gone: frozenset[str] = frozenset()
    referrers: Mapping[str, tuple[str, ...]] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class Removal:
    """A manifest to delete, with the tags that name it, and why. `name` is its repository, below the place's prefix."""

    name: str
    digest: str
    reason: str
    tags: tuple[str, ...] = ()


def retained(entries: Iterable[Entry], retention: Retention, now: datetime) -> frozenset[str]:
    """The ids of the entries within the retention, the newest of each variant always among them."""
    oldest = now - timedelta(days=retention.days)
    kept: set[str] = set()
    seen: dict[str, set[str]] = {}
    for entry in sorted(entries, key=lambda entry: (entry.time, entry.id), reverse=True):
        digests = seen.setdefault(entry.variant, set())
        digests.add(entry.digest)
        if len(digests) <= max(retention.last, 1) or parse_time(entry.time) >= oldest:
            kept.add(entry.id)
    return frozenset(kept)


def needed_digests(holdings: Holdings, entries: Iterable[Entry], kept: frozenset[str]) -> frozenset[str]:
    """Every index of a repository that stays, by the entries of its image."""
    own = [entry for entry in entries if entry.image == holdings.image]
    given = _own_tags(own)
    roots = {entry.digest for entry in own if entry.id in kept}
    for tag, digest in holdings.tags.items():
        if not _ABOUT_TAG.fullmatch(tag) and (tag, digest) not in given:
            roots.add(digest)
    return frozenset(roots)


def _own_tags(entries: Iterable[Entry]) -> set[tuple[str, str]]:
    """The content and dated tags of entries, as they were written and as the journal settles them, with digests."""
    variants: dict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        variants[entry.variant].append(entry)
    known = (entry for each in variants.values() for entry in (*each, *merge(each).entries))
    return {(tag, entry.digest) for entry in known for tag in (entry.content, entry.dated) if tag}


def plan_images(holdings: Holdings, entries: Iterable[Entry], kept: frozenset[str]) -> tuple[Removal, ...]:
    """What to delete from the repository of an image: indexes first, then what only they need, then what refers to it.

    `children` of the holdings has every index that a tag or an entry names.
    """
    own = [entry for entry in entries if entry.image == holdings.image]
    roots = needed_digests(holdings, own, kept)
    needed = {digest for root in roots for digest in _closure(root, holdings.children)}
    last = {entry.digest: entry for entry in sorted(own, key=lambda entry: (entry.time, entry.id))}
    removals: dict[str, Removal] = {}

    def remove(digest: str, reason: str) -> None:
        tags = tuple(sorted(tag for tag, of in holdings.tags.items() if of == digest))
        if digest not in needed and digest not in holdings.gone:
            removals.setdefault(digest, Removal(name=holdings.image, digest=digest, reason=reason, tags=tags))

    old = [entry for digest, entry in last.items() if digest not in roots]
    for entry in old:
        remove(entry.digest, f"{entry.variant} named it last on {entry.time[:10]}")
    for entry in old:
        for digest in _closure(entry.digest, holdings.children):
            remove(digest, f"only {_short(entry.digest)} needs it")
    subjects = deque([*(entry.digest for entry in old if entry.digest in holdings.gone), *removals])
    while subjects:
        digest = subjects.popleft()
        for manifest, why in _about(digest, holdings):
            if manifest not in removals:
                remove(manifest, f"it {why} {_short(digest)}")
                subjects.append(manifest)
    return tuple(removals.values())


def plan_entries(
    entries: Mapping[str, Entry], kept: frozenset[str], needed: Mapping[str, frozenset[str]]
) -> tuple[str, ...]:
    """The tags of the entries to delete: older than the retention, and not what published an image that stays.

    The oldest entry of an image says what it came after, which a rollback has to know. Without a younger one within the
    retention, the rest of what is known of an image stays too. `entries` are by tag, `needed` the indexes that stay, by
    image; of an image that is not in it, all entries stay.
    """
    described = {(entry.variant, entry.digest) for tag, entry in entries.items() if tag in kept}
    oldest: dict[tuple[str, str], str] = {}
    for tag, entry in sorted(entries.items(), key=lambda item: (item[1].time, item[0])):
        oldest.setdefault((entry.variant, entry.digest), tag)

    def is_old(tag: str, entry: Entry) -> bool:
        image = (entry.variant, entry.digest)
        return entry.digest not in needed[entry.image] or (image in described and tag != oldest[image])

    old = (tag for tag, entry in entries.items() if entry.image in needed and tag not in kept and is_old(tag, entry))
    return tuple(sorted(old))


def plan_layers(unnamed: Mapping[str, str], retention: Retention, now: datetime) -> tuple[str, ...]:
    """The recipes of the layer records to delete: `unnamed` are the times of those that no entry that stays names."""
    oldest = now - timedelta(days=retention.days)
    return tuple(recipe for recipe, time in sorted(unnamed.items()) if parse_time(time) < oldest)


def split_nights(tags: Iterable[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The records of nights that may know something which the newest one does not, and those which it holds for sure,
    both from the newest to the oldest. Tags of another form are in neither."""
    stamps = sorted(filter(None, map(Stamp.parse, tags)), key=lambda stamp: (stamp.time, stamp.digits), reverse=True)
    oldest = stamps[0].moment - SETTLED if stamps else None
    young = sum(1 for stamp in stamps if oldest and stamp.moment >= oldest)
    return tuple(map(str, stamps[:young])), tuple(map(str, stamps[young:]))


def plan_claims(tags: Iterable[str], now: datetime) -> tuple[str, ...]:
    """The claims whose time has ended; of a released one there is another tag with the same manifest."""
    ended = (stamp for stamp in map(Stamp.parse, tags) if stamp and stamp.moment < now)
    return tuple(sorted(map(str, ended)))


def _about(digest: str, holdings: Holdings) -> Iterator[tuple[str, str]]:
    """The manifests that are about another one, and in what way."""
    for referrer in holdings.referrers.get(digest, ()):
        yield referrer, "refers to"
    begin = digest.replace(":", "-")
    for tag, named in holdings.tags.items():
        if tag == begin:
            yield named, "lists what refers to"
        elif tag.startswith(f"{begin}.yank-"):
            yield named, "yanks"


def _closure(digest: str, children: Mapping[str, tuple[str, ...]]) -> Iterator[str]:
    yield digest
    for child in children.get(digest, ()):
        yield from _closure(child, children)


def _short(digest: str) -> str:
    return digest[:19]
