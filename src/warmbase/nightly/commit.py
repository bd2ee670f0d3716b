"""New locks as a change to review: the files of what was verified, a changelog, and a message for the pull request.

A lock is taken over only for a variant that was verified with it. A foundation's pins are a file that several variants
share: its new pins come with the first variant that was verified on them. Where another variant failed on the same
pins, its own lock stays, and the message says so; publishing builds it anew and leaves its tags where they are if it
fails again.
"""

from collections.abc import Sequence
from pathlib import Path

from warmbase.catalog.model import Catalog, Variant
from warmbase.nightly.model import Night

CHANGELOG = "changelog.md"
MESSAGE = "message.txt"


def take_locks(scratch: Catalog, target: Catalog, variants: Sequence[Variant]) -> tuple[Path, ...]:
    """Write the locks of `variants` and the pins they stand on, which `scratch` has, to where `target` keeps its own.

    Both are the same catalog but for its folder of locks. Files are replaced whole, pins of other platforms and Pythons
    stay. Returns the files that changed. Raises LockError, FoundationError.
    """
    raise NotImplementedError


def write_messages(night: Night, folder: Path) -> tuple[Path, Path]:
    """Write the changelog (Markdown) and the message (a subject of at most 72 characters, a blank line, a body) of a
    night into `folder`; where they are. Raises OSError."""
    raise NotImplementedError
