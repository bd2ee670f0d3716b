"""What git knows of a folder of files: what of it is not committed.

git is nobody's requirement here: where it is missing, or the folder is in no repository of its own, nothing is known.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from warmbase.effects.process import Processes, run_process
from warmbase.errors import ProcessError

_TIMEOUT = 60


def read_uncommitted(folder: Path, processes: Processes = run_process) -> Mapping[Path, bytes | None]:
    """The files in `folder` that are not as the last commit has them, in order: what it has by their paths, None for a
    file that it does not have."""
    git = ("git", "--no-optional-locks", "-C", folder)
    try:
        if not folder.is_dir():
            return {}
        changed = processes(
            (*git, "diff", "--name-only", "-z", "--relative", "--no-renames", "HEAD", "--", "."), timeout=_TIMEOUT
        )
        new = processes((*git, "ls-files", "--others", "--exclude-standard", "-z"), timeout=_TIMEOUT)
        names = _names(changed.text)
        asked = "".join(f"HEAD:./{name}\n" for name in names)
        known = (
            processes((*git, "cat-file", "--batch"), input=asked.encode(), timeout=_TIMEOUT).stdout if names else b""
        )
        found = {**dict(zip(names, _contents(known), strict=True)), **dict.fromkeys(_names(new.text))}
    except (ProcessError, ValueError, OSError):
        return {}
    return {folder / name: found[name] for name in sorted(found)}


def _names(text: str) -> Sequence[str]:
    return [name for name in text.split("\0") if name]


def _contents(batch: bytes) -> Iterator[bytes | None]:
    """The objects of git-cat-file(1)'s batch output; None for what is missing. Raises ValueError."""
    at = 0
    while at < len(batch):
        end = batch.index(b"\n", at)
        words = batch[at:end].split(b" ")
        at = end + 1
        if words[-1] == b"missing":
            yield None
            continue
        size = int(words[-1])
        yield batch[at : at + size]
        at += size + 1
