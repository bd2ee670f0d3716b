"""Words that bash took apart at colons are put together again."""

import sys

import pytest

from warmbase.cli.bash import join_words, joining_words


@pytest.mark.parametrize(
    ("words", "current", "joined", "at"),
    [
        (["w", "show", "data", ":", "py3"], 4, ["w", "show", "data:py3"], 2),
        (["w", "show", "data", ":"], 3, ["w", "show", "data:"], 2),
        (["w", "diff", "data", ":", "py3", "we"], 5, ["w", "diff", "data:py3", "we"], 3),
        (["w", "diff", "data", ":", "py3", "web", ":", "py"], 4, ["w", "diff", "data:py3", "web:py"], 2),
        (["w", "diff", "data", ":", "py3"], 5, ["w", "diff", "data:py3"], 3),
        (["w", "sh"], 1, ["w", "sh"], 1),
    ],
)
def test_a_name_is_one_word(words: list[str], current: int, joined: list[str], at: int) -> None:
    assert join_words(words, current) == (joined, at)


@pytest.mark.parametrize(
    ("asked", "words", "answer"),
    [
        ("complete_bash", "w\nshow\ndata\n:\npy3", "py3.13\npy3.12\n"),
        ("complete_bash", "w\nshow\ndata:py3", "data:py3.13\ndata:py3.12\n"),
        ("complete_zsh", "w\nshow\ndata\n:\npy3", "data:py3.13\ndata:py3.12\n"),
        ("", "", "data:py3.13\ndata:py3.12\n"),
    ],
)
def test_what_bash_has_already_is_taken_off_the_answer(
    capsys: pytest.CaptureFixture[str], asked: str, words: str, answer: str
) -> None:
    with joining_words({"_WARMBASE_COMPLETE": asked, "COMP_WORDS": words, "COMP_CWORD": "4"}):
        sys.stdout.write("data:py3.13\ndata:py3.12\n")
    assert capsys.readouterr().out == answer
