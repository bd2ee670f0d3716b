"""Which files of a build context count, by the rules of `.dockerignore`."""

import pytest

from warmbase.foundation.dockerignore import is_ignored, read_patterns

CASES = {
    "*.md": ({"a.md"}, {"docs/a.md", "a.txt"}),
    "**/*.md": ({"a.md", "docs/a.md", "a/b/c.md"}, {"a.txt"}),
    "docs": ({"docs/a", "docs/b/c"}, {"docs2/a", "a/docs/b"}),
    "/docs/": ({"docs/a"}, {"a/docs"}),
    "**/docs": ({"docs/a", "a/docs/b"}, {"a/docs2"}),
    "a/**/b": ({"a/b", "a/x/y/b", "a/x/b/c"}, {"b", "x/a/b"}),
    "docs/**": ({"docs/a", "docs/b/c"}, {"a"}),
    "te?t": ({"test", "text/a"}, {"te/t", "tet"}),
    "[ab].txt": ({"a.txt"}, {"c.txt"}),
    "[^ab].txt": ({"c.txt"}, {"a.txt"}),
    "a\\*b": ({"a*b"}, {"axb"}),
    "*\n!keep\n!docs/keep": ({"a", "docs/a"}, {"keep", "keep/a", "docs/keep"}),
    "!keep\n*": ({"keep"}, set()),
    "docs\n!docs/a\ndocs/a/b": ({"docs/b", "docs/a/b"}, {"docs/a", "docs/a/c"}),
    "# a comment\n\n  spaced  \n": ({"spaced"}, {"a", "#"}),
    "\ufeffa": ({"a"}, {"b"}),
    "./a/../b": ({"b"}, {"a"}),
    "a.b+c": ({"a.b+c"}, {"axb+c", "a.bbc"}),
}


@pytest.mark.parametrize("text", CASES)
def test_the_last_pattern_that_matches_decides(text: str) -> None:
    ignored, kept = CASES[text]
    patterns = read_patterns(text)
    assert {path for path in ignored | kept if is_ignored(path, patterns)} == ignored


def test_a_pattern_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match=r"'a\['"):
        read_patterns("a[")
