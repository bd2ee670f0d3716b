"""What time it is."""

from datetime import UTC, datetime


def now() -> datetime:
    """The machine's time.

    SOURCE_DATE_EPOCH (reproducible-builds.org) is about the content of images, and not about when one is published.
    """
    return datetime.now(UTC)
