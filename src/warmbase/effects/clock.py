"""What time it is."""

import os
from datetime import UTC, datetime


def now() -> datetime:
    """The machine's time.

    SOURCE_DATE_EPOCH (reproducible-builds.org) is about the content of images, and not about when one is published.
    """
    return datetime.now(UTC)


def as_of() -> datetime:
    """The time that content is made as of: SOURCE_DATE_EPOCH (reproducible-builds.org), or the machine's."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH", "")
    return datetime.fromtimestamp(int(epoch), UTC) if epoch.isascii() and epoch.isdigit() else now()
