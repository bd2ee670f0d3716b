"""What the programs of a Dockerfile's commands install, by their words. Pure."""

import re
from collections.abc import Iterable, Sequence

PYTHON_PROGRAM = re.compile(r"(?:/usr(?:/local)?/bin/)?python3?(?:\.\d+)?")

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def is_install(program: Sequence[str]) -> bool:
    """Whether it installs Python packages, by uv's or pip's own commands."""
    match program:
        case ("uv", "pip", ("install" | "sync" | "uninstall"), *_):
            return True
        case (pip, "install", *_) if re.fullmatch(r"pip3?(?:\.\d+)?", pip):
            return True
        case (python, "-m", "pip", "install", *_) if PYTHON_PROGRAM.fullmatch(python):
            return True
        case _:
            return False


def installed_names(program: Sequence[str]) -> frozenset[str]:
    """The names that an installation lists, empty where it reads them from files."""
    if not is_install(program):
        return frozenset()
    words = program[program.index("install") + 1 :] if "install" in program else ()
    if any(word in ("-r", "--requirement", "-e", "--editable") or word.startswith(("-r", ".")) for word in words):
        return frozenset()
    return frozenset(bare_name(word) for word in without_options(words))


def system_packages(program: Sequence[str]) -> tuple[str, ...]:
    """The packages of Debian that it installs."""
    if program[0:1] and program[0] in ("apt-get", "apt") and "install" in program:
        return tuple(without_options(program[program.index("install") + 1 :]))
    return ()


def without_options(words: Iterable[str]) -> list[str]:
    """The words that are no options."""
    return [word for word in words if not word.startswith("-")]


def bare_name(requirement: str) -> str:
    """The name of a requirement."""
    found = _NAME.match(requirement)
    return found[0].lower() if found else requirement
