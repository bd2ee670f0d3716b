"""What the programs of a Dockerfile's commands install, by their words. Pure."""

import re
from collections.abc import Collection, Iterable, Iterator, Sequence

PYTHON_PROGRAM = re.compile(r"(?:/usr(?:/local)?/bin/)?python3?(?:\.\d+)?")

INSTALL_PLACES = frozenset({"--prefix", "--target", "-t", "--root"})
"""The options of an installation that send it to a folder of its own."""
WHEEL_PLACES = frozenset({"--wheel-dir", "-w"})
"""Those that say where built wheels go."""

INSTALLER = re.compile(r"astral\.sh/uv|install-poetry|install\.python-poetry")
"""The addresses of installers of uv, and of what it takes the place of."""

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


def is_wheel_build(program: Sequence[str]) -> bool:
    """Whether it has pip build wheels."""
    words = program[2:] if program[1:3] == ("-m", "pip") else program
    return len(words) > 1 and words[1] == "wheel" and bool(re.fullmatch(r"pip3?(?:\.\d+)?", words[0]))


def option_values(program: Sequence[str], options: Collection[str]) -> Iterator[str]:
    """The values of options, as a word of their own or after a "="."""
    for word, following in zip(program, [*program[1:], ""], strict=True):
        name, equals, value = word.partition("=")
        if name in options:
            yield value if equals else following


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
