"""Nights that look at foundations, one after the other, as a catalog's job does."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.bases import PLATFORM
from tests.grounds import UV, ground_at

from warmbase.catalog.load import load_catalog
from warmbase.effects.process import Finished, run_process
from warmbase.foundation.groundwork import Groundwork
from warmbase.foundation.pins import FoundationPin
from warmbase.foundation.stage import pin_foundation
from warmbase.nightly.archives import ArchiveMemory
from warmbase.nightly.foundations import FoundationSurvey, FoundationTools, survey_foundations
from warmbase.nightly.model import FoundationKey, FoundationNews

NOW = datetime(2026, 11, 21, 2, 0, tzinfo=UTC)


@dataclass(slots=True)
class Nights:
    """Surveys, one night after the other, of a catalog's foundations. Each begins with what the last one remembered,
    written and read as JSON, and with what it found; `started` are the programs that it ran."""

    folder: Path
    foundations: Mapping[str, Mapping[str, Any]]
    ground: Groundwork
    known: dict[FoundationKey, FoundationPin]
    memory: ArchiveMemory
    started: list[str]
    now: datetime = NOW

    @classmethod
    def of(cls, folder: Path, foundations: Mapping[str, Mapping[str, Any]]) -> "Nights":
        return cls(folder, foundations, ground_at(folder / "cache"), {}, ArchiveMemory(), [])

    def survey(self, *wanted: FoundationKey) -> FoundationSurvey:
        """The next night."""
        self.started.clear()
        self.now += timedelta(days=1)
        platforms = dict.fromkeys((PLATFORM, *(platform for _, platform, _ in wanted)))
        image = {"description": "A test.", "requirements": ["packaging"], "foundations": list(self.foundations)}
        document = {
            "uv": UV,
            "platforms": list(platforms),
            "foundations": self.foundations,
            "images": {"data": {**image, "python": ["3.13"], "backends": []}},
        }
        path = self.folder / "images.yaml"
        path.write_text(json.dumps(document))
        tools = FoundationTools(ground=lambda: self.ground, processes=self._run)
        found = survey_foundations(load_catalog(path), wanted, self.known, self.memory, tools, self.now)
        self.memory = ArchiveMemory.from_json(json.loads(json.dumps(found.memory.to_json())))
        assert self.memory == found.memory
        return found

    def news(self, key: FoundationKey) -> FoundationNews:
        """The next night's news of one foundation, whose pin is known from then on."""
        news = self.survey(key).news[key]
        assert news.error is None
        if news.pin:
            self.known[key] = news.pin
        return news

    def pin(self, key: FoundationKey) -> FoundationPin:
        """Pin a foundation as a lock does."""
        catalog = load_catalog(self.folder / "images.yaml")
        wanted = next(one for one in catalog.foundations if one.name == key[0])
        pin = self.known[key] = pin_foundation(wanted, key[1], key[2], self.ground)
        return pin

    def elsewhere(self) -> None:
        """Go on with another machine, which has nothing."""
        self.ground = ground_at(self.folder / f"cache-{self.now:%d}")

    def _run(self, argv: Sequence[str | Path], **options: Any) -> Finished:
        self.started.append(str(argv[0]))
        return run_process(argv, **options)


def said(news: FoundationNews) -> list[str]:
    return [f"{reason.axis}: {reason}" for reason in news.reasons]
