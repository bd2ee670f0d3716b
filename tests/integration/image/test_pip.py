"""`pip` in an image: what uv is asked to do when people, or their scripts, call pip."""

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from warmbase.image.inside import pip as program

UV = '#!/bin/sh\nif [ "$1" = --version ]; then echo "uv 0.13.8 (x)"; exit; fi\nprintf "%s|" "$@"\nenv | sort\n'
HERE = Path(sys.executable).with_name("python")

Said = tuple[str, Mapping[str, str]]
Pip = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def pip(tmp_path: Path) -> Pip:
    """Call pip beside a uv that says what it was asked: its arguments, and its environment."""
    (tmp_path / "pip").write_bytes(Path(program.__file__).read_bytes())
    (tmp_path / "uv").write_text(UV)
    (tmp_path / "uv").chmod(0o755)

    def call(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        path = f"{HERE.parent}:/usr/bin:/bin"
        return subprocess.run(
            [HERE, "-IS", tmp_path / "pip", *arguments],
            env={"PATH": path, "HOME": str(tmp_path / "home"), **environment},
            check=False,
            capture_output=True,
            text=True,
        )

    return call


def asked(done: subprocess.CompletedProcess[str]) -> Said:
    """The arguments that uv got, without where it installs, and its variables."""
    assert done.returncode == 0, done.stderr
    arguments, _, variables = done.stdout.rpartition("|")
    pairs = dict(line.partition("=")[::2] for line in variables.splitlines())
    return "|".join(word for word in arguments.split("|") if word != f"--python={HERE}"), pairs


def test_what_pip_is_asked_uv_does(pip: Pip) -> None:
    assert asked(pip("install", "--no-cache-dir", "-r", "a.txt"))[0] == "pip|install|--no-cache-dir|-r|a.txt"
    assert asked(pip("list"))[0] == "pip|list"
    assert asked(pip("help"))[0] == "pip|--help"


def test_the_environment_is_that_of_the_first_python_on_the_path_as_with_pip(pip: Pip) -> None:
    assert pip("list").stdout.startswith(f"pip|list|--python={HERE}|")
    assert asked(pip("list", VIRTUAL_ENV="/opt/x"))[0] == "pip|list"
    assert pip("install", "--target", "x", "a").stdout.startswith("pip|install|--target|x|a|")
    assert pip("--python", "/opt/y", "list").stdout.startswith("pip|list|--python=/opt/y|")


def test_what_means_nothing_to_uv_is_left_out(pip: Pip) -> None:
    assert asked(pip("install", "--user", "--no-input", "--root-user-action=ignore", "a b"))[0] == "pip|install|a b"
    assert asked(pip("--upgrade-strategy=eager", "install", "--log", "x", "--progress-bar", "off", "a"))[0] == (
        "pip|install|a"
    )
    assert asked(pip("install", "a", "--src"))[0] == "pip|install|a"
    assert asked(pip("uninstall", "-y", "a", "--yes"))[0] == "pip|uninstall|a"


def test_what_uv_has_another_word_for_is_said_in_that(pip: Pip) -> None:
    assert asked(pip("install", "-I", "a", "--ignore-installed"))[0] == "pip|install|--reinstall|a|--reinstall"
    assert asked(pip("install", "--index-url=https://index.example/a", "a"))[0] == (
        "pip|install|--default-index=https://index.example/a|a"
    )
    said, variables = asked(
        pip("--default-timeout=100", "install", "--proxy", "http://p.example", "--retries", "3", "a")
    )
    assert said == "pip|install|a"
    assert (variables["UV_HTTP_TIMEOUT"], variables["HTTPS_PROXY"], variables["UV_HTTP_RETRIES"]) == (
        "100", "http://p.example", "3",
    )  # fmt: skip


def test_pips_variables_are_uvs_where_uv_has_none(pip: Pip) -> None:
    given = {
        "PIP_INDEX_URL": "https://index.example/a",
        "PIP_EXTRA_INDEX_URL": "https://index.example/b",
        "PIP_FIND_LINKS": "x y",
        "PIP_CONSTRAINT": "c.txt",
        "PIP_PRE": "1",
        "PIP_NO_CACHE_DIR": "off",
    }
    _, variables = asked(pip("install", "a", **given, UV_INDEX="https://index.example/c"))
    assert variables["UV_DEFAULT_INDEX"] == "https://index.example/a"
    assert variables["UV_INDEX"] == "https://index.example/c"
    assert variables["UV_FIND_LINKS"] == "x,y"
    assert variables["UV_CONSTRAINT"] == "c.txt"
    assert variables["UV_PRERELEASE"] == "allow"
    assert "UV_NO_CACHE" not in variables


def test_what_uv_has_no_variable_for_is_an_option(pip: Pip) -> None:
    assert asked(pip("install", "a", PIP_NO_INDEX="true", PIP_ONLY_BINARY=":all:", PIP_NO_DEPS="0"))[0] == (
        "pip|install|--no-index|--only-binary=:all:|a"
    )
    assert asked(pip("freeze", PIP_NO_INDEX="true"))[0] == "pip|freeze"


def test_pips_files_count_as_pip_reads_them(pip: Pip, tmp_path: Path) -> None:
    (tmp_path / "home/.config/pip").mkdir(parents=True)
    (tmp_path / "home/.config/pip/pip.conf").write_text(
        "[global]\nindex-url = https://index.example/a\nextra-index-url =\n  https://index.example/b\n"
        "  https://index.example/c\ntrusted_host = index.example\n[install]\nno-index = yes\n[list]\nindex-url = x\n"
    )
    said, variables = asked(pip("install", "a", PIP_INDEX_URL="https://index.example/env"))
    assert said == "pip|install|--no-index|a"
    assert variables["UV_DEFAULT_INDEX"] == "https://index.example/env"
    assert variables["UV_INDEX"] == "https://index.example/b https://index.example/c"
    assert variables["UV_INSECURE_HOST"] == "index.example"
    assert "UV_INDEX" not in asked(pip("install", "a", PIP_CONFIG_FILE=os.devnull))[1]


def test_settings_that_do_not_count_are_said_once(pip: Pip) -> None:
    done = pip("install", "a", PIP_HASH_MODE="x", PIP_ABI="y", PIP_USER="1", PIP_DISABLE_PIP_VERSION_CHECK="1")
    assert done.stderr.splitlines() == [
        "pip: this is uv, for which these settings do not count: PIP_HASH_MODE, PIP_ABI"
    ]
    assert pip("install", "a").stderr == ""


@pytest.mark.parametrize("command", ["download", "wheel", "config", "cache", "index"])
def test_what_uv_has_no_word_for_says_how_to_get_pip(pip: Pip, command: str) -> None:
    done = pip(command, "a")
    assert done.returncode == 2
    assert (
        done.stderr.strip() == f"pip: this is uv, which has no `pip {command}`; where you need it: uv pip install pip"
    )


def test_it_says_which_uv_it_is_in_a_line_of_pips_shape(pip: Pip, tmp_path: Path) -> None:
    minor = f"{sys.version_info[0]}.{sys.version_info[1]}"
    assert pip("--version").stdout.strip() == f"pip 0.13.8 from {tmp_path}/uv (python {minor})"
