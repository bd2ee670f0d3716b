"""What a build does not need to be sent: the `.dockerignore` of a project. Pure."""

from collections.abc import Collection, Iterator

from warmbase.foundation.dockerignore import IgnorePattern, is_ignored, read_patterns

_USUAL: tuple[tuple[str, str], ...] = (
    (".git", ".git/HEAD"),
    ("**/.venv", ".venv/bin/python"),
    ("**/__pycache__", "package/__pycache__/module.pyc"),
    ("**/.mypy_cache", ".mypy_cache/file"),
    ("**/.pytest_cache", ".pytest_cache/file"),
    ("**/.ruff_cache", ".ruff_cache/file"),
    ("**/.ipynb_checkpoints", ".ipynb_checkpoints/file"),
)
"""The patterns, and for each a path that is left out where it or something like it is there already."""


def complete_ignored(text: str | None, needed: Collection[str], *, keeps_git: bool = False) -> str:
    """A `.dockerignore` that leaves out what no build needs, and nothing that is `needed`.

    `text` is what there is (None nothing). Its lines stay, in their order; with `keeps_git` the history is sent, as
    versions that come from it need.

    Raises ValueError for a pattern that means nothing.
    """
    old = text or ""
    patterns = read_patterns(old)
    lines = [*_missing(patterns, old, keeps_git=keeps_git)]
    lines += [f"!{path}" for path in sorted(needed) if is_ignored(path, patterns)]
    if not lines:
        return old
    newline = "\r\n" if "\r\n" in old else "\n"
    gap = newline if old and not old.endswith("\n") else ""
    return old + gap + "".join(f"{line}{newline}" for line in lines)


def _missing(patterns: Collection[IgnorePattern], text: str, *, keeps_git: bool) -> Iterator[str]:
    said = {line.strip().lstrip("!").strip("/") for line in text.splitlines()}
    for pattern, example in _USUAL:
        wanted_anyway = pattern == ".git" and keeps_git
        if not wanted_anyway and pattern.removeprefix("**/") not in said and not is_ignored(example, tuple(patterns)):
            yield pattern
