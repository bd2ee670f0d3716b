"""Folders for temporary files: nothing of them stays, however a process ends."""

import fcntl
import os
import signal
from pathlib import Path

import pytest

from warmbase.effects.workspaces import Workspaces, remove_tree


def test_a_folder_is_there_while_it_is_used_and_gone_afterwards(tmp_path: Path) -> None:
    with Workspaces(tmp_path / "root").open() as folder:
        (folder / "a").mkdir()
        (folder / "a" / "file").write_text("content")
    assert list((tmp_path / "root").iterdir()) == []


def test_what_a_dead_process_left_half_removed_is_removed_by_the_next(tmp_path: Path) -> None:
    (tmp_path / "1-abandoned" / "writes").mkdir(parents=True)
    with Workspaces(tmp_path).open() as folder:
        assert list(tmp_path.iterdir()) == [folder]


def test_a_folder_in_use_is_not_swept(tmp_path: Path) -> None:
    used = tmp_path / "1-used"
    used.mkdir()
    lock = os.open(used, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        Workspaces(tmp_path).sweep()
        assert used.exists()
    finally:
        os.close(lock)
    Workspaces(tmp_path).sweep()
    assert not used.exists()


def interrupt_and_remove(folder: Path) -> None:
    """Remove `folder`, with Ctrl-C in the midst of it."""
    signal.raise_signal(signal.SIGINT)
    remove_tree(folder)


def test_ctrl_c_while_a_folder_is_removed_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), Workspaces(tmp_path, remove=interrupt_and_remove).open() as folder:
        (folder / "file").touch()
    assert list(tmp_path.iterdir()) == []


def test_sigterm_while_a_folder_is_removed_is_handled_afterwards(tmp_path: Path) -> None:
    def remove(folder: Path) -> None:
        signal.raise_signal(signal.SIGTERM)
        remove_tree(folder)

    left: list[list[Path]] = []
    usual = signal.signal(signal.SIGTERM, lambda *_: left.append(list(tmp_path.iterdir())))
    try:
        with Workspaces(tmp_path, remove=remove).open() as folder:
            (folder / "file").touch()
    finally:
        signal.signal(signal.SIGTERM, usual)
    assert left == [[]]


def test_ctrl_c_while_a_folder_is_made_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "1-abandoned").mkdir()  # removing it is a part of making the next
    usual = signal.getsignal(signal.SIGINT)
    workspaces = Workspaces(tmp_path, remove=interrupt_and_remove)
    with pytest.raises(KeyboardInterrupt), workspaces.open():
        pytest.fail("it goes on after Ctrl-C")
    assert list(tmp_path.iterdir()) == []
    assert signal.getsignal(signal.SIGINT) is usual
