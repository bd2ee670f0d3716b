"""The fields of a wheel's core metadata (core metadata specification, RFC 822 headers)."""

from email.message import Message
from email.parser import HeaderParser
from pathlib import Path


def read_fields(wheel: Path) -> Message:
    """The fields of an unpacked wheel's METADATA, without the description; none where it has no such file."""
    found = sorted(wheel.glob("*.dist-info/METADATA"))
    text = found[0].read_text(encoding="utf-8", errors="replace") if found else ""
    return HeaderParser().parsestr(text.partition("\n\n")[0])
