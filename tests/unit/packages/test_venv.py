"""A venv that uv made on one machine becomes that of an interpreter on another."""

from pathlib import Path

import pytest

from warmbase.errors import PackagesError
from warmbase.packages.wheels import Interpreter, retarget_venv

CONFIG = """\
home = /usr/bin
implementation = CPython
uv = 0.13.8
version_info = 3.13.5
include-system-site-packages = false
relocatable = true
"""
OWN = Interpreter(path="/usr/bin/python3.13", version="3.13.5")
TARGET = Interpreter(path="/usr/local/bin/python3.13", version="3.13.9")


@pytest.fixture
def venv(tmp_path: Path) -> Path:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/python").symlink_to(OWN.path)
    (tmp_path / "bin/python3").symlink_to("python")
    (tmp_path / "pyvenv.cfg").write_text(CONFIG)
    return tmp_path


def contents(venv: Path) -> dict[str, str]:
    links = {path.name: str(path.readlink()) for path in (venv / "bin").iterdir()}
    return links | {"config": (venv / "pyvenv.cfg").read_text()}


def test_the_link_and_the_settings_name_the_other_interpreter(venv: Path) -> None:
    retarget_venv(venv, TARGET)
    assert contents(venv) == {
        "python": "/usr/local/bin/python3.13",
        "python3": "python",
        "config": CONFIG.replace("/usr/bin", "/usr/local/bin").replace("3.13.5", "3.13.9"),
    }


def test_the_interpreter_that_made_it_changes_nothing(venv: Path) -> None:
    before = contents(venv)
    retarget_venv(venv, OWN)
    assert contents(venv) == before


@pytest.mark.parametrize("spoil", ["home", "version_info", "link"])
def test_a_venv_that_looks_otherwise_is_not_guessed_at(venv: Path, spoil: str) -> None:
    (venv / "pyvenv.cfg").write_text(CONFIG.replace(f"{spoil} =", f"{spoil}s ="))
    if spoil == "link":
        (venv / "bin/python").unlink()
        (venv / "bin/python").write_text("")
    with pytest.raises(PackagesError, match="uv's venv is not as expected") as caught:
        retarget_venv(venv, TARGET)
    assert "catalog (`uv:`)" in caught.value.next_step
