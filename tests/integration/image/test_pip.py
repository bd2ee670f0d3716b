"""`pip` in an image: what uv is asked to do when people, or their scripts, call pip."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from warmbase.image.pip import PIP

UV = '#!/bin/sh\nprintf "%s|" "$@"\nprintf "%s %s" "${UV_DEFAULT_INDEX-}" "${UV_INDEX-}"\n'

Pip = Callable[..., str]


@pytest.fixture
def pip(tmp_path: Path) -> Pip:
    """Call pip beside a uv that says what it was asked: its arguments, and the indexes that its environment names."""
    for name, text in {"pip": PIP, "uv": UV}.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)

    def call(*arguments: str, **environment: str) -> str:
        path = f"{tmp_path}:{os.environ['PATH']}"
        done = subprocess.run(
            ["pip", *arguments], env={"PATH": path, **environment}, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    return call


def test_what_pip_is_asked_uv_does(pip: Pip) -> None:
    assert pip("install", "--no-cache-dir", "-r", "a.txt") == "pip|install|--no-cache-dir|-r|a.txt|"
    assert pip("list") == "pip|list|"


def test_what_means_nothing_to_uv_is_left_out(pip: Pip) -> None:
    assert pip("install", "--user", "--no-input", "--root-user-action=ignore", "a b") == "pip|install|a b|"
    assert pip("--default-timeout=100", "install", "--retries", "3", "--progress-bar", "off", "a") == "pip|install|a|"
    assert pip("install", "a", "--timeout") == "pip|install|a|"


def test_pips_indexes_are_uvs_where_uv_has_none(pip: Pip) -> None:
    assert pip("list", PIP_INDEX_URL="https://index.example/a").endswith("|https://index.example/a")
    said = pip("list", PIP_EXTRA_INDEX_URL="https://index.example/b", UV_DEFAULT_INDEX="https://index.example/c")
    assert said.endswith("|https://index.example/c https://index.example/b")


def test_it_says_which_uv_it_is(pip: Pip) -> None:
    assert pip("--version") == "--version|"
