"""What uv is told: by its configuration files, by variables, and by the words of a command. Pure.

One name stands for the three ways to say a thing, uv's own in its configuration: `no-cache` in uv.toml, UV_NO_CACHE,
`--no-cache`. uv lets a command's words overrule variables, and these its files, of which the project's come last; so
options are listed in that order.
"""

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence

from warmbase.downstream.doctor.model import Option, Place
from warmbase.errors import ProjectError, mask_userinfo

VARIABLES: Mapping[str, str] = {
    "UV_NO_CACHE": "no-cache",
    "UV_CACHE_DIR": "cache-dir",
    "UV_LINK_MODE": "link-mode",
    "UV_PROJECT_ENVIRONMENT": "environment",
    "VIRTUAL_ENV": "virtual-env",
    "UV_SYSTEM_PYTHON": "system",
    "UV_PYTHON": "python",
    "UV_PYTHON_PREFERENCE": "python-preference",
    "UV_MANAGED_PYTHON": "managed-python",
    "UV_DEFAULT_INDEX": "default-index",
    "UV_INDEX_URL": "default-index",
    "UV_INDEX": "index",
    "UV_EXTRA_INDEX_URL": "index",
    "UV_FIND_LINKS": "find-links",
    "UV_NO_BINARY": "no-binary",
    "UV_NO_BINARY_PACKAGE": "no-binary-package",
    "UV_NO_BUILD_ISOLATION": "no-build-isolation",
    "UV_OFFLINE": "offline",
    "UV_LOCKED": "locked",
    "UV_BREAK_SYSTEM_PACKAGES": "break-system-packages",
}

SWITCHES: Mapping[str, str] = {
    "--no-cache": "no-cache",
    "--no-cache-dir": "no-cache",
    "-n": "no-cache",
    "--refresh": "refresh",
    "--reinstall": "reinstall",
    "--force-reinstall": "reinstall",
    "--system": "system",
    "--active": "active",
    "--no-binary": "no-binary",
    "--no-build-isolation": "no-build-isolation",
    "--no-index": "no-index",
    "--offline": "offline",
    "--managed-python": "managed-python",
    "--locked": "locked",
    "--break-system-packages": "break-system-packages",
}

VALUES: Mapping[str, str] = {
    "--cache-dir": "cache-dir",
    "--link-mode": "link-mode",
    "--refresh-package": "refresh-package",
    "--reinstall-package": "reinstall-package",
    "--no-binary-package": "no-binary-package",
    "--python": "python",
    "-p": "python",
    "--python-preference": "python-preference",
    "--default-index": "default-index",
    "--index-url": "default-index",
    "-i": "default-index",
    "--index": "index",
    "--extra-index-url": "index",
    "--find-links": "find-links",
    "-f": "find-links",
    "--target": "target",
    "--prefix": "target",
}

_IN_FILES = frozenset(
    {*VARIABLES.values(), *SWITCHES.values(), *VALUES.values(), "required-version", "constraint-dependencies"}
) - {"environment", "virtual-env", "active", "target", "index", "managed-python", "locked"}
_RENAMED = {"index-url": "default-index", "extra-index-url": "index"}
SWITCHED_ON = frozenset({"1", "true", "t", "yes", "y", "on"})
"""How a variable of uv's switches something on."""


def is_on(option: Option | None) -> bool:
    """Whether something that is switched is switched on."""
    return option is not None and option.value.lower() in SWITCHED_ON


def read_variables(variables: Mapping[str, str], place: Place, how: str = "") -> Iterator[Option]:
    """What variables tell uv; `how` is what stands before one, e.g. "ENV "."""
    for variable, given in variables.items():
        if variable in VARIABLES:
            value = mask_userinfo(given)
            yield Option(name=VARIABLES[variable], value=value, said=f"{how}{variable}={value}", place=place)


def read_words(words: Sequence[str], place: Place) -> Iterator[Option]:
    """What the words of a command of uv or pip tell it; those of the program that `uv run` starts are its own."""
    rest = list(words)
    is_run = "run" in words[1:2]
    del rest[: 2 if is_run else 1]
    while rest:
        word = rest.pop(0)
        if is_run and not word.startswith("-"):
            return
        name, sign, value = word.partition("=")
        if name in VALUES:
            value = value if sign else (rest.pop(0) if rest else "")
            value = mask_userinfo(value)
            yield Option(name=VALUES[name], value=value, said=f"{name} {value}", place=place)
        elif name == "--no-binary" and "pip" in words[:3]:  # takes packages there
            value = value if sign else (rest.pop(0) if rest else "")
            kind = "no-binary" if value == ":all:" else "no-binary-package"
            yield Option(name=kind, value=value, said=f"{name} {value}", place=place)
        elif word in SWITCHES:
            yield Option(name=SWITCHES[word], value="true", said=word, place=place)


def read_file(text: str, file: str, *, for_pip: bool = False) -> Iterator[Option]:
    """What a pyproject.toml or a uv.toml tells uv; with `for_pip` also what is for `uv pip` alone. Raises ProjectError
    for what is no TOML."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ProjectError(f"{file}: {error}", next_step="correct the file; `uv lock` names the line too") from None
    table: object = document
    if file.endswith("pyproject.toml"):
        tool = document.get("tool")
        table = tool.get("uv") if isinstance(tool, dict) else None
    if not isinstance(table, dict):
        return
    tables = [table]
    if for_pip and isinstance(table.get("pip"), dict):
        tables.append(table["pip"])
    for settings in tables:
        for key, value in settings.items():
            if key in _IN_FILES or key in _RENAMED:
                yield from _read_setting(key, value, text, file)
        yield from _read_indexes(settings.get("index"), text, file)


def _read_setting(key: str, value: object, text: str, file: str) -> Iterator[Option]:
    place = Place(file=file, line=line_of(text, rf"^\s*{re.escape(key)}\s*="))
    for one in value if isinstance(value, list) else [value]:
        spelled = mask_userinfo(str(one).lower() if isinstance(one, bool) else str(one))
        yield Option(name=_RENAMED.get(key, key), value=spelled, said=f"{key} = {spelled}", place=place)


def _read_indexes(indexes: object, text: str, file: str) -> Iterator[Option]:
    for index in indexes if isinstance(indexes, list) else ():
        if isinstance(index, dict) and isinstance(index.get("url"), str):
            url = mask_userinfo(index["url"])
            place = Place(file=file, line=line_of(text, rf"^\s*url\s*=\s*[\"']{re.escape(index['url'])}"))
            name = "default-index" if index.get("default") is True else "index"
            yield Option(name=name, value=url, said=f'url = "{url}"', place=place)


def line_of(text: str, pattern: str) -> int:
    """The number of the first line in which a pattern is found, 0 for none."""
    found = re.search(pattern, text, re.MULTILINE)
    return text.count("\n", 0, found.end()) + 1 if found else 0


def packages_of(options: Iterable[Option]) -> frozenset[str]:
    """The names, normalized, in options that take packages."""
    from packaging.utils import canonicalize_name

    return frozenset(str(canonicalize_name(name)) for option in options for name in re.split(r"[\s,]+", option.value))
