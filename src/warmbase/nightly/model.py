"""What the nightly job finds, decides and does, as values that its modules share.

A night goes: state (what was) → surveys (what the world offers) → decisions (pure) → results → report and state.

An axis is what a change comes from. `security` are a system's packages from the archive's security suite, and packages
that their index has yanked; `packages` the Python packages; `foundation` all else that an image stands on; `catalog`
what people wrote, and `tool` warmbase, uv and the Python's patch release. The catalog's `refresh` batches the first
three; the last two never wait.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from warmbase.errors import WarmbaseError
from warmbase.foundation.pins import FoundationPin

Axis = Literal["security", "packages", "foundation", "catalog", "tool"]

HeldBy = Literal["cooldown", "pin", "wheels", "conflict", "broken", "untried", "refresh", "upstream", "rollback"]
"""Why something newer is not taken: it is too young, pinned in the catalog, lacks a wheel for a platform, is excluded
by another package or the catalog's own requirement, broke a verification, may be what broke one, is not due by
`refresh`, has to come with the foundation's own next image, or the variant was rolled back from it by somebody."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Reason:
    """One reason why a variant is stale: `subject` went from `old` to `new`. `note` says more, e.g. "security"."""

    axis: Axis
    subject: str
    old: str = ""
    new: str = ""
    note: str = ""

    def __str__(self) -> str:
        """In words: "numpy 2.5.5 → 2.5.6", "openssl 3.5.1-1 → 3.5.1-1+deb13u2 (security)"."""
        moved = f" {self.old or '(new)'} → {self.new or '(gone)'}" if self.old or self.new else ""
        return f"{self.subject}{moved}{f' ({self.note})' if self.note else ''}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Held:
    """Something newer that was not taken: `subject` stays at `current` though `offered` is there.

    `detail` says what or who holds it ("scikit-learn 1.7.1 wants numpy<2.6"); `until` is the RFC 3339 time at which
    that ends by itself, "" for never.
    """

    subject: str
    current: str
    offered: str
    by: HeldBy
    detail: str = ""
    until: str = ""

    def __str__(self) -> str:
        """In words: "numpy 2.5.5, not 2.5.6: cooldown until 2026-11-24"."""
        ends = f" until {self.until[:10]}" if self.until else ""
        more = f", {self.detail}" if self.detail else ""
        return f"{self.subject} {self.current}, not {self.offered}: {self.by}{ends}{more}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Broken:
    """A package version that a verification failed with on a variant; it is not taken again as long as the rest is what
    it was. `why` is the first line of what failed, `since` RFC 3339 text. `found_with` is the hash of what it was tried
    with: catalog, checks, tool and foundation."""

    package: str
    version: str
    why: str
    since: str
    found_with: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Failure:
    """A variant that keeps failing: the first and the last time (RFC 3339), how often, and what was tried.

    `attempt` is the hash of everything that went in: something else is tried at once, the same not before `retry`.
    `next_step` is what people can do about it, "" where nobody said.
    """

    since: str
    last: str
    count: int
    attempt: str
    retry: str
    message: str
    next_step: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class VariantState:
    """What is known of a variant after a night; everything may be missing but `time`, the RFC 3339 time it was true.

    `digest` is the index that its rolling tags named, `entry` the tag of the journal's entry that published it. `facts`
    is the hash of all in the catalog that decides its image but for lock and pins, `tool` says the same of warmbase and
    uv in words. `packages` is the fingerprint of its lock (`lock.fingerprint`), `pins` that of its foundation's pins.
    `refused` are the attempts (`Decision.attempt`) that somebody rolled back from, `taken` when each axis that is not
    taken every night was last brought up to date. `seconds` is how long its last build took.
    """

    time: str
    digest: str = ""
    entry: str = ""
    facts: str = ""
    tool: Mapping[str, str] = field(default_factory=dict, hash=False)
    packages: str = ""
    pins: str = ""
    refused: tuple[str, ...] = ()
    taken: Mapping[str, str] = field(default_factory=dict, hash=False)
    broken: tuple[Broken, ...] = ()
    held: tuple[Held, ...] = ()
    failure: Failure | None = None
    seconds: float = 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class PackageNews:
    """What resolving a variant anew came to. `versions` are all its packages with what is in its cache alone.

    `fingerprint` is that of the lock which a relock would make, `yanked` names what of the *baseline* its index has
    yanked, and why. With `error` it could not be resolved, and nothing else is said.
    """

    fingerprint: str = ""
    versions: Mapping[str, str] = field(default_factory=dict, hash=False)
    yanked: Mapping[str, str] = field(default_factory=dict, hash=False)
    held: tuple[Held, ...] = ()
    error: WarmbaseError | None = None


FoundationKey = tuple[str, str, str]
"""A foundation's name, a platform and a Python version, as in `lock.stage.Pins`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FoundationNews:
    """What a foundation is now for one platform and Python: `pin` is what a lock would pin today, the known pin itself
    where nothing changed, None where only making or pulling it would tell: it moved, or was never pinned.

    `reasons` say what differs from the known pin; `held` what is newer and cannot be had (a registry image whose
    packages are behind their archive); `notes` what could not be told, and why.
    """

    pin: FoundationPin | None = None
    reasons: tuple[Reason, ...] = ()
    held: tuple[Held, ...] = ()
    notes: tuple[str, ...] = ()
    error: WarmbaseError | None = None


Verdict = Literal["fresh", "stale", "held", "waiting"]
"""Of a variant: nothing to do; something is to be taken now; what is newer is not due or not wanted; it failed before,
and is not tried again yet (or waits for the image that it stands `from`)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Decision:
    """What a night does about a variant, and why.

    `reasons` is what is taken. `takes_packages` says whether its packages are resolved anew (else only what is in
    `moving` moves); `takes_foundation` whether it gets the foundation's new pin. `attempt` is the hash of everything
    that went in, as in `Failure`; `taken` the axes that are up to date once this is done. With `error` something
    could not be asked; without any reason nothing can come of it then.
    """

    variant: str
    verdict: Verdict
    reasons: tuple[Reason, ...] = ()
    held: tuple[Held, ...] = ()
    takes_packages: bool = False
    takes_foundation: bool = False
    moving: tuple[str, ...] = ()
    attempt: str = ""
    taken: tuple[Axis, ...] = ()
    error: WarmbaseError | None = None


Status = Literal["fresh", "refreshed", "held", "waiting", "failed", "left"]
"""What became of a variant in a night; `left` is stale, and time ran out before it was begun, or another
machine is at it: then `VariantResult.error` says so."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Move:
    """A package that went from `old` to `new`; "" is not there. The kind "tool" are Python itself and uv. `links` are
    addresses that the package's own metadata gives, by what they lead to. `platforms` are those on which it moved so,
    where it did otherwise on others; none where it moved alike on all."""

    kind: Literal["python", "debian", "alpine", "tool"]
    name: str
    old: str
    new: str
    links: Mapping[str, str] = field(default_factory=dict, hash=False)
    platforms: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class VariantResult:
    """What a night did about a variant. `before` and `digest` are the index that its rolling tags named and name,
    `size` bytes of its layers; `stages` is seconds by stage, `sent` bytes pushed. `base` is what FROM takes."""

    variant: str
    status: Status
    reasons: tuple[Reason, ...] = ()
    held: tuple[Held, ...] = ()
    moves: tuple[Move, ...] = ()
    before: str = ""
    digest: str = ""
    base: str = ""
    dated: str = ""
    size: int = 0
    size_before: int = 0
    sent: int = 0
    stages: Mapping[str, float] = field(default_factory=dict, hash=False)
    broken: tuple[Broken, ...] = ()
    failure: Failure | None = None
    error: str = ""

    @property
    def seconds(self) -> float:
        """How long it took, in all stages."""
        return sum(self.stages.values())


@dataclass(frozen=True, kw_only=True, slots=True)
class NightSummary:
    """A night in numbers, for the picture of the last ones: how many variants of each status, bytes, seconds.

    It is one machine's part of the night where several share it; `variants` is how many the night is about, whoever
    does them (0 where an older record does not say).
    """

    began: str
    counts: Mapping[str, int] = field(default_factory=dict, hash=False)
    sent: int = 0
    seconds: float = 0.0
    variants: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Night:
    """A whole night: its results in catalog order, and the summaries of the nights before it, the oldest first.

    `mode` is "publish", "commit" (new locks, for review) or "plan" (nothing was done). `requests` counts what was asked
    of registries, indexes and archives; `received` are bytes from registries (foundations and shared layers above all).
    """

    began: str
    ended: str
    mode: Literal["publish", "commit", "plan"]
    place: str
    results: tuple[VariantResult, ...]
    before: tuple[NightSummary, ...] = ()
    requests: Mapping[str, int] = field(default_factory=dict, hash=False)
    received: int = 0
    notes: tuple[str, ...] = ()

    def of(self, *statuses: Status) -> tuple[VariantResult, ...]:
        """The results with one of `statuses`."""
        return tuple(result for result in self.results if result.status in statuses)
