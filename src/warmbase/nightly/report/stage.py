"""Writing a night's report."""

from pathlib import Path

from warmbase.nightly.model import Night

MARKDOWN, DOCUMENT, PAGE = "report.md", "report.json", "report.html"


def write_report(night: Night, folder: Path) -> tuple[Path, ...]:
    """Write the three forms of a night's report into `folder`, which is made; where they are. Raises OSError."""
    raise NotImplementedError
