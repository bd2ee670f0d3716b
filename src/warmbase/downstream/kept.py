"""What was last read of a place, kept in the cache folder: `index.json`'s own text after one line that says of when.

It saves requests, and stands in where the place cannot be reached. It holds what is published and nothing of who asked.
"""

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from warmbase.effects.files import replace_file
from warmbase.publish.journal import format_time, parse_time

FRESH = timedelta(seconds=20)
"""For so long nobody is asked again: people run one command after the other."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Kept:
    """A text that was read. `asked` is when the place was last asked whether it still holds, `stamp` what it said then:
    the journal's tags, or what a server wants back."""

    asked: datetime
    stamp: Mapping[str, Any] = field(hash=False)
    content: bytes = field(repr=False)

    def is_fresh(self, now: datetime) -> bool:
        """Whether it holds without asking."""
        return timedelta() <= now - self.asked < FRESH


@dataclass(frozen=True, kw_only=True, slots=True)
class Keeper:
    """Keeps the text of one source in a folder. A text that cannot be kept, or read again, counts as none.

    `secret` is what of the source nobody may read, as its address's query; it is part of the file's name as a hash.
    """

    folder: Path
    source: str
    secret: str = field(default="", repr=False)

    @property
    def path(self) -> Path:
        """The file."""
        return self.folder / f"{hashlib.sha256(f'{self.source}{self.secret}'.encode()).hexdigest()[:16]}.json"

    def read(self) -> Kept | None:
        """What is kept."""
        try:
            head, _, content = self.path.read_bytes().partition(b"\n")
            known = json.loads(head)
            if known["source"] != self.source:
                return None
            return Kept(asked=parse_time(known["asked"]), stamp=dict(known["stamp"]), content=content)
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def write(self, kept: Kept) -> None:
        """Keep a text in the place of what was kept."""
        head = {"source": self.source, "asked": format_time(kept.asked), "stamp": dict(kept.stamp)}
        with suppress(OSError):
            self.folder.mkdir(parents=True, exist_ok=True)
            replace_file(self.path, json.dumps(head).encode() + b"\n" + kept.content)
