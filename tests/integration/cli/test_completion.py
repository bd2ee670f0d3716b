"""Names of bases are completed in a real bash, from what is known on the machine."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.offered import PLACE, base

from warmbase.downstream.index import index_to_json, render_index
from warmbase.downstream.kept import Keeper, Kept
from warmbase.downstream.listing import Listing
from warmbase.effects.clock import now

BASES = (base("data:py3.13-trixie"), base("data:py3.12-trixie"), base("web:py3.13-trixie"))

ASK = """
source "$HOME/.bash_completions/warmbase.sh"
COMP_WORDS=({words}); COMP_CWORD={current}
_warmbase_completion warmbase
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


class Shell:
    """A bash of somebody who has installed the completion, in a folder of a project; nothing is ever asked."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        self._environment = {"PATH": programs, "HOME": str(folder), "WARMBASE_CACHE_DIR": str(folder / "cache")}
        self._run("warmbase", "--install-completion", "bash")

    def complete(self, *words: str) -> list[str]:
        """What bash offers for the last of these words, which it takes apart at colons."""
        quoted = " ".join(f"'{word}'" for word in words)
        return self._run("bash", "--norc", "-c", ASK.format(words=quoted, current=len(words) - 1)).split()

    def _run(self, *command: str) -> str:
        ended = subprocess.run(
            command, cwd=self._folder, env=self._environment, capture_output=True, check=True, text=True
        )
        assert ended.stderr == ""
        return ended.stdout


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Shell:
    folder = tmp_path_factory.mktemp("home")
    (folder / "pyproject.toml").write_text(f'[tool.warmbase]\nindex = "{PLACE}"\n')
    content = render_index(index_to_json(Listing(bases=BASES, source=PLACE)))
    Keeper(folder=folder / "cache/published", source=PLACE).write(Kept(asked=now(), stamp={}, content=content))
    return Shell(folder)


def test_a_name_is_completed_with_its_tags(shell: Shell) -> None:
    offered = shell.complete("warmbase", "adopt", "--base", "da")
    assert offered[:2] == ["data:py3.13", "data:py3.12"]
    assert {BASES[0].dated, BASES[1].dated} <= {name.partition(":")[2] for name in offered[2:]}
    assert not [name for name in offered if not name.startswith("data:")]


def test_behind_a_colon_bash_gets_what_it_puts_there(shell: Shell) -> None:
    offered = shell.complete("warmbase", "diff", "web", ":", "py3.13", "data", ":", "py3.12")
    assert offered == ["py3.12", "py3.12-trixie", f"{BASES[1].dated}"]


def test_a_place_that_is_named_counts(shell: Shell) -> None:
    assert shell.complete("warmbase", "diff", "--index", "other.example/bases", "da") == []


def test_commands_are_completed(shell: Shell) -> None:
    assert shell.complete("warmbase", "cho") == ["choose"]
