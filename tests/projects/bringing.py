"""Brings a real project here, made with the real tools somewhere else, with made-up hosts in place of the real ones.

`python tests/projects/bringing.py FOLDER NAME` copies the files that say what a project needs to tests/projects/NAME.
An index becomes index.example, one of this machine company.example, files lie at files.example, and what was cloned
from this machine at git.example.
"""

import re
import sys
from pathlib import Path

NAMES = ("*.toml", "*.lock", "*.txt", "*.in", "Pipfile", ".python-version", "*.py", "*.yml")

_HOSTS = (
    (re.compile(r"https?://(?:127\.0\.0\.1|localhost):\d+"), "https://company.example"),
    (re.compile(r"https://(?![^/]*\.example)[^/\s\"']+/simple"), "https://index.example/simple"),
    (re.compile(r"https://(?![^/]*\.example)[^/\s\"']+/"), "https://files.example/"),
    (re.compile(r"file:///[^\s\"'@?]*/gitrepo"), "https://git.example/tidy"),
    (re.compile(r"file:///[^\s\"'@?]*/(libs/[a-z]+)"), r"file:./\1"),
    (re.compile(r"file:///[^\s\"']*/([^/\"]+\.whl)"), r"https://files.example/\1"),
)


def with_made_up_hosts(text: str) -> str:
    """A file's text with no real host in it."""
    for pattern, name in _HOSTS:
        text = pattern.sub(name, text)
    return text


def bring(folder: Path, target: Path) -> None:
    """Copy a project's files."""
    found = {path for pattern in NAMES for path in folder.rglob(pattern) if path.is_file()}
    for path in sorted(found):
        if ".venv" in path.parts or "src" in path.relative_to(folder).parts or path.name == "__init__.py":
            continue
        copy = target / path.relative_to(folder)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text(with_made_up_hosts(path.read_text(encoding="utf-8")), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    bring(Path(sys.argv[1]), Path(__file__).parent / sys.argv[2])
