"""Writing a night's report."""

import json
from pathlib import Path

from warmbase.effects.files import replace_file
from warmbase.nightly.model import Night
from warmbase.nightly.report.document import night_to_json
from warmbase.nightly.report.markdown import night_to_markdown
from warmbase.nightly.report.page import night_to_page

MARKDOWN, DOCUMENT, PAGE = "report.md", "report.json", "report.html"


def write_report(night: Night, folder: Path) -> tuple[Path, ...]:
    """Write the three forms of a night's report into `folder`, which is made; where they are. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    texts = {
        MARKDOWN: night_to_markdown(night),
        DOCUMENT: json.dumps(night_to_json(night), indent=2, ensure_ascii=False) + "\n",
        PAGE: night_to_page(night),
    }
    for name, text in texts.items():
        replace_file(folder / name, text.encode())
    return tuple(folder / name for name in texts)
