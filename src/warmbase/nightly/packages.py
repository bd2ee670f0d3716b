"""What the Python packages of variants would be today: the survey of a night.

Each distinct question is answered once, whatever the number of variants that ask it, and from memory where no page that
decided it has changed (see `nightly.pages`). uv resolves all others, from pages that are fetched once for all of them.
A question that fails stops no other.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from warmbase.catalog.model import Variant
from warmbase.effects.uv import Uv
from warmbase.lock.project import Pins
from warmbase.lock.restraint import FREE, Restraint
from warmbase.lock.wheels import Libc
from warmbase.nightly.model import PackageNews
from warmbase.nightly.pages import IndexMemory


@dataclass(frozen=True, kw_only=True, slots=True)
class Question:
    """What would `variant` be locked to today, with `libc` as the C library of each platform, within `restraint`?

    A variant that stands `from` another one is asked within the versions that this one is answered in the same survey;
    or within the versions `base`, by name, where they are given: those of a parent that does not move.
    """

    variant: Variant
    libc: Mapping[str, Libc]
    restraint: Restraint = FREE
    base: Mapping[str, str] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class PackageTools:
    """What a survey of packages needs: the uv that the catalog pins, a folder that is kept from night to night, and how
    many resolutions may run at a time."""

    uv: Uv
    folder: Path
    jobs: int = 2


@dataclass(frozen=True, kw_only=True, slots=True)
class PackageSurvey:
    """The news of each variant that was asked about, by name, what to remember, and how many requests and resolutions
    it took. `news.yanked` is about the versions that are the answer: those of the baseline where the fingerprints are
    equal; for other versions ask `yanked`."""

    news: Mapping[str, PackageNews] = field(default_factory=dict, hash=False)
    memory: IndexMemory = field(default_factory=IndexMemory)
    requests: int = 0
    resolutions: int = 0

    def yanked(self, pins: Pins) -> dict[str, str]:
        """Which of these packages (name → version and the catalog's name of its index) are yanked, and why."""
        raise NotImplementedError


def survey_packages(
    questions: Sequence[Question], tools: PackageTools, memory: IndexMemory, now: datetime
) -> PackageSurvey:
    """Answer `questions`, at most one for a variant; errors are values, in the news of the variant that has them.

    Nothing is downloaded of what is as it was, but a page that decided something and is not on this machine.
    """
    raise NotImplementedError
