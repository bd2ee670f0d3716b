"""Which Python an image has, and which C library, told from its files alone."""

import platform
import sys
import sysconfig
from pathlib import Path

import pytest
from tests.baseimages import Files, elf, system_files
from tests.unit.foundation.conftest import See

from warmbase.foundation.model import Package
from warmbase.foundation.python import FoundPython, find_libc, find_other_builds, find_pythons, full_version, is_for
from warmbase.layers.elf import read_variable

PROGRAM = elf("linux/amd64", "/lib64/ld-linux.so.2")
DEBIAN = system_files("linux/amd64")
LOCAL: Files = {
    "usr/local/bin/python3.12": elf("linux/amd64", "/lib/ld-musl-x86_64.so.1"),
    "usr/local/bin/python3": "python3.12",
    "usr/local/bin/python": "python3",
    "usr/local/lib/python3.12/os.py": b"",
    "usr/local/include/python3.12/patchlevel.h": b'#define PY_VERSION      \t"3.12.11+"\n',
    "lib/ld-musl-x86_64.so.1": elf("linux/amd64") + b"\x001.2.5\0",
}
ON_DEBIAN = FoundPython(minor="3.13", interpreter="/usr/bin/python3.13", stdlib="/usr/lib/python3.13")
LOCALLY = FoundPython(minor="3.12", interpreter="/usr/local/bin/python3.12", stdlib="/usr/local/lib/python3.12")


def test_a_debian_system_s_python(see: See) -> None:
    tree = see(DEBIAN)
    assert find_pythons(tree, {}) == (ON_DEBIAN,)
    assert full_version(tree, ON_DEBIAN, ()) == "3.13.5"
    assert find_libc(tree, ON_DEBIAN.interpreter) == ("glibc", "2.41")


def test_a_python_built_from_source_on_musl(see: See) -> None:
    tree = see(LOCAL)
    assert find_pythons(tree, {}) == (LOCALLY,)
    assert full_version(tree, LOCALLY, ()) == "3.12.11"
    assert find_libc(tree, LOCALLY.interpreter) == ("musl", "1.2.5")


def test_the_path_decides_which_python_comes_first(see: See) -> None:
    tree = see(DEBIAN, LOCAL)
    assert find_pythons(tree, {"PATH": "/usr/local/bin:/bin"}) == (LOCALLY, ON_DEBIAN)
    assert find_pythons(tree, {"PATH": "/bin"}) == (ON_DEBIAN,)
    assert find_pythons(tree, {"PATH": "relative:/nowhere"}) == ()


@pytest.mark.parametrize("python", ["/usr/bin/python3.13", PROGRAM], ids=["a link", "a copy"])
def test_a_venv_leads_to_the_python_that_it_was_made_of(see: See, python: bytes | str) -> None:
    venv: Files = {
        "venv/bin/python": python,
        "venv/pyvenv.cfg": b"home = /usr/bin\n",
        "venv/lib/python3.13/site-packages/x.py": b"",
    }
    assert find_pythons(see(DEBIAN, venv), {"PATH": "/venv/bin"}) == (ON_DEBIAN,)


def test_a_standard_library_in_lib64_is_found_there(see: See) -> None:
    files: Files = {
        "usr/bin/python3.12": PROGRAM,
        "usr/lib/python3.12/site-packages/x.py": b"",
        "usr/lib64/python3.12/os.py": b"",
    }
    (python,) = find_pythons(see(files), {})
    assert python.stdlib == "/usr/lib64/python3.12"


def test_a_script_and_a_python_without_a_library_are_none(see: See) -> None:
    assert find_pythons(see({"usr/bin/python3": b"#!/bin/sh\n", "usr/bin/python3.13": PROGRAM}), {}) == ()


@pytest.mark.parametrize("build", ["python3.13t", "python3.13d", "python3.13td"])
def test_a_free_threaded_or_debug_build_is_not_taken_for_the_usual_one(see: See, build: str) -> None:
    files: Files = {
        "usr/bin/python3": build,
        f"usr/bin/{build}": PROGRAM,
        "usr/lib/python3.13/os.py": b"",
        "usr/lib/python3.13t/os.py": b"",
    }
    assert find_pythons(see(files), {}) == ()
    assert find_other_builds(see(files), {}) == (f"/usr/bin/{build}",)


def test_what_a_higher_layer_takes_away_is_not_found(see: See) -> None:
    assert find_pythons(see(DEBIAN, {"usr/lib/.wh.python3.13": b""}), {}) == ()
    assert find_pythons(see(DEBIAN, {"usr/lib/.wh..wh..opq": b""}), {}) == ()


def test_without_a_banner_the_newest_symbol_tells_glibc_s_version(see: See) -> None:
    symbols = b"\0GLIBC_2.2.5\0GLIBC_2.9\0GLIBC_2.36\0GLIBC_PRIVATE\0"
    tree = see({**DEBIAN, "usr/lib/gnu/libc.so.6": symbols})
    assert find_libc(tree, ON_DEBIAN.interpreter) == ("glibc", "2.36")


def test_a_loader_s_name_may_stand_far_behind_the_head(see: See) -> None:
    moved = bytearray(PROGRAM + b"\0" * 8000 + PROGRAM[120:])
    moved[72:80] = (len(PROGRAM) + 8000).to_bytes(8, "little")  # p_offset of the one segment
    assert find_libc(see({**DEBIAN, "usr/bin/python3.13": bytes(moved)}), ON_DEBIAN.interpreter) == ("glibc", "2.41")


def test_a_program_without_a_loader_has_no_c_library(see: See) -> None:
    assert find_libc(see({**DEBIAN, "usr/bin/python3.13": elf("linux/amd64")}), ON_DEBIAN.interpreter) is None
    assert find_libc(see({**DEBIAN, "lib64": "nowhere"}), ON_DEBIAN.interpreter) is None


def test_the_debian_package_tells_the_version_where_the_code_does_not(see: See) -> None:
    tree = see({**DEBIAN, "usr/bin/python3.13": PROGRAM})
    package = Package(name="python3.13-minimal", version="3.13.0~rc2-1+b1", architecture="amd64")
    assert full_version(tree, ON_DEBIAN, (package,)) == "3.13.0rc2"
    assert full_version(tree, ON_DEBIAN, ()) == "3.13"


def test_an_interpreter_s_code_tells_its_version(see: See) -> None:
    """The one that runs this test, without its headers; it may have its code in a library."""
    variables = sysconfig.get_config_vars()
    libraries = [Path(variables["LIBDIR"], variables["INSTSONAME"]), Path(sys.executable).resolve()]
    minor = f"{sys.version_info.major}.{sys.version_info.minor}"
    code = next(path for path in libraries if path.is_file() and path.suffix != ".a").read_bytes()
    python = FoundPython(minor=minor, interpreter="/usr/bin/python3", stdlib="/usr/lib/python3")
    assert full_version(see({"usr/bin/python3": code}), python, ()) == platform.python_version()
    assert full_version(see({f"usr/lib/libpython{minor}.so.1.0": code}), python, ()) == platform.python_version()


@pytest.mark.parametrize("damaged", [elf("linux/amd64"), elf("linux/amd64") + b"\xff" * 64, b"\x7fELF", b""])
def test_a_program_without_symbols_has_no_variables(damaged: bytes) -> None:
    assert read_variable(damaged, b"Py_Version") is None


def test_a_program_tells_for_which_machines_it_is(see: See) -> None:
    tree = see(DEBIAN)
    assert is_for(tree, ON_DEBIAN, "linux/amd64")
    assert not is_for(tree, ON_DEBIAN, "linux/arm64")
