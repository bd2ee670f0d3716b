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


_TWO_WORDS = frozenset({"pip", "tool", "cache", "python"})
_BEFORE = frozenset(
    {"--directory", "--project", "--cache-dir", "--config-file", "--color", "--allow-insecure-host", "--trusted-host"}
)
"""uv's options that take a value and may stand before its command."""
_TAKE_A_VALUE = (
    _BEFORE
    | INSTALL_PLACES
    | {"-r", "--requirement", "--requirements", "-c", "--constraint", "--constraints", "-e", "--editable", "-p"}
    | {"--python", "-i", "--index-url", "--default-index", "--index", "--extra-index-url", "-f", "--find-links"}
    | {"--index-strategy", "--keyring-provider", "--resolution", "--prerelease", "--link-mode", "--config-setting"}
    | {"-b", "--build-constraint", "--overrides", "--override", "--exclude-newer", "--python-version", "--extra"}
    | {"--python-platform", "--platform", "--group", "--no-binary", "--only-binary", "--upgrade-package", "-P"}
    | {"--reinstall-package", "--refresh-package", "--no-build-package", "--no-binary-package", "--torch-backend"}
    | {"--with", "--with-requirements", "--with-editable", "--from", "--package", "--optional", "--tag", "--branch"}
    | {"--rev", "--timeout", "--retries", "--proxy", "--cert", "--log", "--upgrade-strategy", "--abi", "-C"}
)  # fmt: skip


def settle(program: Sequence[str]) -> tuple[str, ...]:
    """The words of a program; of uv, options that stand before its command come behind it."""
    if program[:1] != ("uv",):
        return tuple(program)
    place = 1
    while place < len(program) and program[place].startswith("-"):
        place += 2 if program[place] in _BEFORE else 1
    end = place + (2 if program[place : place + 1] and program[place] in _TWO_WORDS else 1)
    return ("uv", *program[place:end], *program[1:place], *program[end:])


def installs_project(program: Sequence[str]) -> bool:
    """Whether a settled program installs a project's packages, whichever tool does."""
    match program:
        case ("uv", "sync", *_) | (("poetry" | "pipenv"), ("install" | "sync"), *_):
            return True
        case (python, "-m", ("poetry" | "pipenv"), ("install" | "sync"), *_) if PYTHON_PROGRAM.fullmatch(python):
            return True
        case _:
            return is_install(program)


def uses_cache(program: Sequence[str]) -> bool:
    """Whether a settled program takes packages, or the cache's word for what there is."""
    if is_install(program) or program[:1] == ("uvx",):
        return True
    return program[:1] == ("uv",) and program[1:2] in (("sync",), ("run",), ("add",), ("lock",), ("venv",), ("pip",),
                                                        ("tool",))  # fmt: skip


def requested(program: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The requirements that a settled program installs by their names, and the files of requirements."""
    more = tuple(option_values(program, {"--with", "--from"}))
    match program:
        case ("uv", "tool", ("install" | "run"), *rest) | ("uvx", *rest):
            named = () if "--from" in program else tuple(_operands(rest))[:1]
            return tuple(name.replace("@", "==").removesuffix("==latest") for name in named) + more, ()
        case ("uv", "run", *_):
            return more, ()
        case ("uv", "add", *rest):
            return tuple(_operands(rest)), ()
        case ("uv", "pip", "sync", *rest):
            return (), tuple(_operands(rest))
    if not is_install(program) or "install" not in program:
        return (), ()
    words = program[program.index("install") + 1 :]
    files = [word[2:] for word in words if re.fullmatch(r"-r[^=].*", word)]
    return tuple(_operands(words)), (*option_values(words, {"-r", "--requirement", "--requirements"}), *files)


def _operands(words: Sequence[str]) -> Iterator[str]:
    """The words that are neither options nor their values, nor redirections."""
    skipped = False
    for word in words:
        if not skipped and not word.startswith("-") and not re.match(r"\d*[<>]", word):
            yield word
        skipped = not skipped and word in _TAKE_A_VALUE
