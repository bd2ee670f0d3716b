"""What git says of locks that are not committed, and what that makes of a proposal."""

from collections.abc import Callable
from pathlib import Path

import pytest

from warmbase.effects.git import read_uncommitted
from warmbase.effects.process import run_process

Write = Callable[[str, str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a file of the repository `tmp_path`, in whose commit are two locks and a note beside them."""

    def write(name: str, text: str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    for name in ("bases/data/one.json", "bases/wéb/two words.json", "note"):
        write(name, "committed\n\n")
    git = ("git", "-C", tmp_path, "-c", "user.name=a", "-c", "user.email=a@b.invalid")
    run_process((*git, "init", "--quiet"))
    run_process((*git, "add", "."))
    run_process((*git, "commit", "--quiet", "--message", "Lock"))
    return write


def test_what_is_committed_is_not_told(write: Write, tmp_path: Path) -> None:
    write("note", "changed")
    assert read_uncommitted(tmp_path / "bases") == {}


def test_what_is_changed_new_or_gone_is_told_with_what_the_last_commit_has(write: Write, tmp_path: Path) -> None:
    changed = write("bases/wéb/two words.json", "by hand")
    new = write("bases/data/new.json", "by hand")
    gone = tmp_path / "bases/data/one.json"
    gone.unlink()
    found = read_uncommitted(tmp_path / "bases")
    assert found == {new: None, gone: b"committed\n\n", changed: b"committed\n\n"}
    assert list(found) == sorted(found)


def test_outside_of_a_repository_nothing_is_known(tmp_path: Path) -> None:
    (tmp_path / "bases").mkdir()
    (tmp_path / "bases/one.json").write_text("{}")
    assert read_uncommitted(tmp_path / "bases") == {}
    assert read_uncommitted(tmp_path / "nowhere") == {}
