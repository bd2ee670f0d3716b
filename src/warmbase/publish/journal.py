"""The journal: the history tag → digest of every variant, kept in the registry itself.

One immutable record per entry, in a repository of its own, so that no two writers lose one: a registry's tags are no
lock. A record's tag says whose entry it is and when it was made (`stamps`):

    <image, / as _>-<rolling tag>-<YYYYMMDDThhmmssZ>-<12 digits of the record's digest>

Whoever reads gets all entries of a variant in one order, by time and then by digest, whoever wrote them. Further layers
of a record are what the variant was made from (`baseline`).
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, get_args

from warmbase.oci.digests import Json
from warmbase.oci.records import Layers, Record, record_manifest
from warmbase.publish.stamps import LONGEST_FRONT, Stamp
from warmbase.publish.tags import same_day

KIND = "journal"
FORMAT = 1

Action = Literal["publish", "promote", "rollback"]

_DIGITS = 12


@dataclass(frozen=True, kw_only=True, slots=True)
class PublishedPlatform:
    """One platform of an entry: its manifest's digest, how it was verified ("run", "static only" …), its image's recipe
    and the digests of its foundation and of what is attested of it."""

    digest: str
    verified: str
    recipe: str = ""
    foundation: str = ""
    attestation: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """What happened to a variant's tags. `time` is RFC 3339 text in UTC, to the second.

    `digest` is the index that the `rolling` tags name from then on, `previous` what they named until then ("" for
    nothing); `dated` and `content` are its own tags. `lock` is the lock's hash, `foundation` a name, `packages` name →
    version, `layers` the recipes of its packages' layers, `source` where a promoted image came from. `seconds` is how
    long its images took to build (0: not known), `size` the bytes of their layers. `id` is the tag of its record.
    """

    variant: str
    action: Action
    time: str
    digest: str
    rolling: tuple[str, ...]
    content: str
    dated: str = ""
    previous: str = ""
    platforms: Mapping[str, PublishedPlatform] = field(default_factory=dict, hash=False)
    lock: str = ""
    foundation: str = ""
    packages: Mapping[str, str] = field(default_factory=dict, hash=False)
    layers: tuple[str, ...] = ()
    tool: str = ""
    source: str = ""
    seconds: float = 0.0
    size: int = 0
    id: str = field(default="", compare=False)

    @property
    def image(self) -> str:
        """The image's name, e.g. "data"."""
        return self.variant.partition(":")[0]

    @property
    def manifests(self) -> tuple[str, ...]:
        """The digests that the index names: images and attestations."""
        parts = (part for each in self.platforms.values() for part in (each.digest, each.attestation))
        return tuple(part for part in parts if part)

    @property
    def tags(self) -> tuple[str, ...]:
        """All tags that the entry gave away: rolling, dated, content."""
        return tuple(tag for tag in (*self.rolling, self.dated, self.content) if tag)


@dataclass(frozen=True, kw_only=True, slots=True)
class Journal:
    """The entries of one variant, the oldest first."""

    entries: tuple[Entry, ...] = ()

    @property
    def newest(self) -> Entry | None:
        """The entry that decides what the rolling tags name."""
        return self.entries[-1] if self.entries else None

    def find(self, digest: str) -> Entry | None:
        """The oldest entry of a digest: what published it."""
        return next((entry for entry in self.entries if entry.digest == digest), None)

    def find_content(self, content: str) -> Entry | None:
        """The oldest entry with a content tag: what it names."""
        return next((entry for entry in self.entries if entry.content == content), None)

    def owner(self, dated: str) -> str:
        """The digest that a dated tag belongs to; "" for none."""
        return next((entry.digest for entry in self.entries if entry.dated == dated), "")

    def before(self, digest: str) -> tuple[Entry, ...]:
        """What the rolling tags named before `digest` was published for the first time, each once, the newest first."""
        found: dict[str, Entry] = {}
        for entry in self.entries:
            if entry.digest == digest:
                break
            found.pop(entry.digest, None)
            found[entry.digest] = entry
        return tuple(reversed(found.values()))

    def next_time(self, now: datetime) -> str:
        """The time of the next entry: now, or just after the newest one where a clock lags behind."""
        if self.newest and format_time(now) <= self.newest.time:
            now = parse_time(self.newest.time) + timedelta(seconds=1)
        return format_time(now)


def merge(entries: Iterable[Entry]) -> Journal:
    """The journal of one variant from its entries in any order.

    Where two publishers wrote down the same content at once, the older entry counts. Where they gave the same dated tag
    to different content it belongs to the older entry, and the other one has the day's next free tag.
    """
    merged: list[Entry] = []
    owners: dict[str, str] = {}
    for entry in sorted(entries, key=lambda entry: (entry.time, entry.id)):
        if merged and _is_repeated(merged[-1], entry):
            continue
        dated = entry.dated
        if owners.setdefault(dated, entry.digest) != entry.digest and dated:
            dated = next(tag for tag in same_day(dated) if owners.setdefault(tag, entry.digest) == entry.digest)
        merged.append(replace(entry, dated=dated))
    return Journal(entries=tuple(merged))


def _is_repeated(old: Entry, new: Entry) -> bool:
    is_same = old.digest == new.digest or (new.action == "publish" and old.content == new.content)
    return is_same and old.rolling == new.rolling


def front(variant: str) -> str:
    """How the tags of a variant's entries begin; two variants may share it, the entries say whose they are."""
    plain = variant.replace("/", "_").replace(":", "-")
    if len(plain) <= LONGEST_FRONT:
        return plain
    return f"{plain[: LONGEST_FRONT - _DIGITS - 1]}-{hashlib.sha256(plain.encode()).hexdigest()[:_DIGITS]}"


def is_entry(tag: str) -> bool:
    """Whether a tag of the journal's repository has the form of an entry's; others may have put more there."""
    return Stamp.parse(tag) is not None


def is_entry_of(tag: str, variant: str) -> bool:
    """Whether a tag of the journal's repository may be an entry of a variant."""
    stamp = Stamp.parse(tag)
    return stamp is not None and stamp.front == front(variant)


def is_entry_of_image(tag: str, image: str) -> bool:
    """Whether a tag of the journal's repository may be an entry of any variant of an image."""
    begin = f"{image.replace('/', '_')}-"[: LONGEST_FRONT - _DIGITS - 1]
    return tag.startswith(begin) and is_entry(tag)


def record_entry(entry: Entry, made_from: Layers = ()) -> tuple[Record, str]:
    """The record of an entry, and its tag. `made_from` are further layers."""
    record = record_manifest(KIND, entry_to_json(entry), more=made_from, is_embedded=True)
    return record, str(Stamp.make(front(entry.variant), parse_time(entry.time), record.digest[7:]))


def format_time(moment: datetime) -> str:
    """RFC 3339 text in UTC, to the second."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def parse_time(text: str) -> datetime:
    """Read `format_time` back. Raises ValueError."""
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)


def entry_to_json(entry: Entry) -> dict[str, Json]:
    """The document of an entry."""
    return {
        "format": FORMAT,
        "variant": entry.variant,
        "action": entry.action,
        "time": entry.time,
        "digest": entry.digest,
        "previous": entry.previous,
        "tags": {"rolling": list(entry.rolling), "dated": entry.dated, "content": entry.content},
        "platforms": {
            name: {
                "digest": platform.digest,
                "verified": platform.verified,
                "recipe": platform.recipe,
                "foundation": platform.foundation,
                "attestation": platform.attestation,
            }
            for name, platform in entry.platforms.items()
        },
        "lock": entry.lock,
        "foundation": entry.foundation,
        "packages": dict(entry.packages),
        "layers": list(entry.layers),
        "tool": entry.tool,
        "source": entry.source,
        "seconds": round(entry.seconds, 1),
        "size": entry.size,
    }


def entry_from_json(value: Mapping[str, Any], id_: str = "") -> Entry:
    """Read `entry_to_json` back. Raises ValueError where it is something else, or of another format."""
    try:
        if value["format"] != FORMAT:
            raise ValueError(f"format {value['format']!r} instead of {FORMAT}")
        if value["action"] not in get_args(Action):
            raise ValueError(f"an unknown action {value['action']!r}")
        parse_time(value["time"])
        return Entry(
            variant=value["variant"],
            action=value["action"],
            time=value["time"],
            digest=value["digest"],
            previous=value["previous"],
            rolling=tuple(value["tags"]["rolling"]),
            dated=value["tags"]["dated"],
            content=value["tags"]["content"],
            platforms={name: PublishedPlatform(**facts) for name, facts in value["platforms"].items()},
            lock=value["lock"],
            foundation=value["foundation"],
            packages=dict(value["packages"]),
            layers=tuple(value["layers"]),
            tool=value["tool"],
            source=value["source"],
            seconds=float(value.get("seconds", 0)),
            size=int(value.get("size", 0)),
            id=id_,
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"not a journal entry: {error}") from error
