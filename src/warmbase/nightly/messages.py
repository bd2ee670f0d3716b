"""Messages of failures as they are kept: others read them on other machines, in a registry's records and in reports.

They have no paths of this machine, and not more than a person reads. What failed comes first, and why at the end.
"""

import re
import sys
from collections.abc import Iterable
from pathlib import Path

from warmbase.nightly.setting import Job

_MOST_LINES = 40
_MOST_LETTERS = 4000
_OWN = re.compile(r"^.*\bUsing C?Python .*\n?", re.MULTILINE)
"""With what uv ran on this machine."""
_SCRATCH = re.compile(r"(?<![\w.\]/-])(?:/[^\s:'\"`/]+)*/(?:warmbase|mmdebstrap)-[^\s:'\"`/]+/?")
"""A temporary folder of warmbase's own, wherever temporary files are."""


def as_kept(text: str, job: Job) -> str:
    """A message of a failure in `job`: paths below its folders are relative to them, those of people's own to "~"."""
    text = _SCRATCH.sub("", _OWN.sub("", text))
    text = without_folders(text, (job.catalog.folder, job.folders.root, Path(sys.prefix)))
    return shorten(without_folders(text, [Path.home()], instead="~/"))


def without_folders(text: str, folders: Iterable[Path], *, instead: str = "") -> str:
    """`text`, in which what lies in one of `folders` is told relative to it, after `instead`. "/" is no such folder."""
    spellings = {str(each) for folder in folders for each in (folder.absolute(), folder.resolve())}
    for folder in sorted(spellings - {"/"}, key=len, reverse=True):
        text = re.sub(rf"(?<![\w./-]){re.escape(folder)}(?:/|(?![\w.-]))", instead, text)
    return text


def shorten(text: str) -> str:
    """`text` without the middle of what is too long to be read."""
    lines = text.strip().splitlines()
    if len(lines) > _MOST_LINES:
        left = len(lines) - _MOST_LINES
        lines = [*lines[: _MOST_LINES // 2], f"… {left} more lines …", *lines[-_MOST_LINES // 2 :]]
    said = "\n".join(lines)
    return said if len(said) <= _MOST_LETTERS else f"{said[: _MOST_LETTERS // 2]} … {said[-_MOST_LETTERS // 2 :]}"
