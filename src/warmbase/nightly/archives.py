"""What is remembered of Debian archives from night to night, so that apt is asked only when one has changed.

A suite is known by the address of its InRelease file, which apt says. That file is asked for with its validator (RFC
9110, section 13); an answer of apt's holds as long as all the suites that it came from say the same. An archive is
signed anew several times a day: what counts of InRelease is the hashes of the package lists that apt reads, not the
date.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from warmbase.errors import FoundationError
from warmbase.foundation.pins import DebianPin, FoundationPin, pins_from_json, pins_to_json
from warmbase.publish.journal import format_time

_KEPT = timedelta(days=30)


@dataclass(frozen=True, kw_only=True, slots=True)
class SuiteMemory:
    """A suite as it was at the RFC 3339 time `seen`: the validator of its InRelease, and the hash of what counts in it.

    `lists` are the package lists in it that count, e.g. "main/binary-amd64/Packages".
    """

    seen: str
    validator: str
    content: str
    lists: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Offer:
    """A package in the version that an archive offers; `security` says that its security suite does. `installed` is
    what an image has of it, "" where it is not asked of an image."""

    name: str
    version: str
    security: bool = False
    installed: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What apt said at the RFC 3339 time `asked`, and from what: the addresses of suites with their `content`.

    `pin` is what a Debian foundation would be pinned to; of an image there is none, and `offers` are newer than what it
    has.
    """

    asked: str
    suites: Mapping[str, str] = field(default_factory=dict, hash=False)
    pin: DebianPin | None = None
    offers: tuple[Offer, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class ArchiveMemory:
    """Suites by the address of their InRelease, and apt's answers by question.

    The same memory comes from the same archives: nothing in it changes in a night on which no archive did.
    """

    suites: Mapping[str, SuiteMemory] = field(default_factory=dict, hash=False)
    answers: Mapping[str, Answer] = field(default_factory=dict, hash=False)

    def merge(self, other: "ArchiveMemory") -> "ArchiveMemory":
        """What both know; of what they say differently the later one's counts. The order does not matter."""
        raise NotImplementedError

    def to_json(self) -> dict[str, Any]:
        """The memory as a JSON object."""
        raise NotImplementedError

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "ArchiveMemory":
        """Read `to_json` back; what cannot be read is forgotten, as it can be asked for anew."""
        raise NotImplementedError
