"""Names with colons in bash's completion.

Bash takes a colon for the end of a word (COMP_WORDBREAKS, bash(1), "Programmable Completion"): of `data:py3` it hands
over three words, and puts in the place of the last one alone what it is told. Here the words are joined before the
command line sees them, and what stands before the last colon is taken off the answer.
"""

import io
import sys
from collections.abc import Iterator, MutableMapping, Sequence
from contextlib import contextmanager, redirect_stdout

_ASKED = "_WARMBASE_COMPLETE"


@contextmanager
def joining_words(environment: MutableMapping[str, str]) -> Iterator[None]:
    """Answer bash, if it is what asks, for words as people write them. Changes `environment`, which says what is
    asked."""
    words = environment.get("COMP_WORDS", "").split()
    if environment.get(_ASKED) != "complete_bash" or ":" not in words:
        yield
        return
    joined, current = join_words(words, int(environment.get("COMP_CWORD", "0")))
    environment["COMP_WORDS"], environment["COMP_CWORD"] = "\n".join(joined), str(current)
    head, colon, _ = (joined[current] if current < len(joined) else "").rpartition(":")
    answer = io.StringIO()
    try:
        with redirect_stdout(answer):
            yield
    finally:
        for line in answer.getvalue().splitlines():
            sys.stdout.write(f"{line.removeprefix(head + colon)}\n")


def join_words(words: Sequence[str], current: int) -> tuple[list[str], int]:
    """The words as people wrote them, and which of them they are at; `words` and `current` are as bash has them."""
    joined: list[str] = []
    at = 0
    for number, word in enumerate(words):
        if joined and (word == ":" or joined[-1].endswith(":")):
            joined[-1] += word
        else:
            joined.append(word)
        if number <= current:
            at = len(joined) - 1
    return joined, at if current < len(words) else len(joined)
