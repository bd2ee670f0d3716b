"""Tags of records that say what a record is about and when it was made, so that a listing tells it:

    <front>-<YYYYMMDDThhmmssZ>-<12 hexadecimal digits>

The digits tell apart what two wrote in the same second. Such tags never move.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime

_FORM = "%Y%m%dT%H%M%SZ"
_DIGITS = 12
_LONGEST_TAG = 128  # OCI distribution specification 1.1, "Pulling manifests"
_TAG = re.compile(rf"(?P<front>.+)-(?P<time>\d{{8}}T\d{{6}}Z)-(?P<digits>[0-9a-f]{{{_DIGITS}}})")

LONGEST_FRONT = _LONGEST_TAG - len("-20261121T000000Z-") - _DIGITS


@dataclass(frozen=True, kw_only=True, slots=True)
class Stamp:
    """A tag of a record. `time` is as the tag has it; the order of these texts is that of the times."""

    front: str
    time: str
    digits: str

    @classmethod
    def make(cls, front: str, moment: datetime, digest: str) -> "Stamp":
        """The tag for what is about `front`, made at `moment`; `digest` is hexadecimal, of any length."""
        return cls(front=front, time=moment.astimezone(UTC).strftime(_FORM), digits=digest[:_DIGITS])

    @classmethod
    def parse(cls, tag: str) -> "Stamp | None":
        """What a tag says; None for one of another form."""
        match = _TAG.fullmatch(tag)
        return cls(**match.groupdict()) if match and _is_time(match["time"]) else None

    @property
    def moment(self) -> datetime:
        """When it was made."""
        return datetime.strptime(self.time, _FORM).replace(tzinfo=UTC)

    def __str__(self) -> str:
        return f"{self.front}-{self.time}-{self.digits}"


def _is_time(text: str) -> bool:
    try:
        datetime.strptime(text, _FORM)
    except ValueError:
        return False
    return True
