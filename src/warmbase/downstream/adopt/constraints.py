"""The constraints that a project's pyproject.toml keeps: the versions of its base, in lines of their own. Pure.

`[tool.uv]` has `constraint-dependencies`, which hold in `uv lock`, `uv add` and `uv lock --upgrade` what the base has,
and `build-constraint-dependencies`, which do so for build backends. What adopting wrote lies between two comments at
the beginning of the array; what people wrote stays, and so does every other byte of the file.
"""

import json
import re
import tomllib
from collections.abc import Mapping, Sequence
from typing import Any

from warmbase.errors import ProjectError

CONSTRAINTS = "constraint-dependencies"
BUILD_CONSTRAINTS = "build-constraint-dependencies"

_HEADER = re.compile(r"^[ \t]*\[[ \t]*tool[ \t]*\.[ \t]*uv[ \t]*\][ \t]*(?:#.*)?$", re.MULTILINE)
_BEGIN, _END = "# warmbase adopt: what {name} has", "# warmbase adopt: end"
_OURS = re.compile(r"[ \t]*# warmbase adopt: what [^\n]*\n(?:[^\n]*\n)*?[ \t]*# warmbase adopt: end[ \t]*\n")


def has_constraints(text: str) -> bool:
    """Whether a pyproject.toml has constraints that adopting wrote."""
    return bool(_OURS.search(text.replace("\r\n", "\n")))


def without_constraints(text: str) -> str:
    """A pyproject.toml without what adopting wrote. Raises ProjectError for a file that is none."""
    return set_constraints(text, {}, "")


def set_constraints(text: str, wanted: Mapping[str, Sequence[str]], name: str) -> str:
    """A pyproject.toml whose `[tool.uv]` has what is `wanted` of each array, in the place of what adopting wrote.

    `name` is the base's. Raises ProjectError for a file that is none, or that this would damage."""
    newline = "\r\n" if "\r\n" in text else "\n"
    document = _load(text)
    plain = text.replace("\r\n", "\n")
    for key in (BUILD_CONSTRAINTS, CONSTRAINTS):
        values = wanted.get(key, ())
        own = _own_values(_arrays(document).get(key, []), _our_values(plain, key))
        if key in _arrays(document):
            plain = _replace_array(plain, key, own, values, name)
        elif values:
            plain = _insert_array(plain, f"{key} = {_array(own, values, name)}\n")
    changed = plain.replace("\n", newline) if newline != "\n" else plain
    try:
        written = tomllib.loads(changed)
    except tomllib.TOMLDecodeError:
        raise _cannot(CONSTRAINTS) from None
    _see_that_the_rest_stays(document, written, wanted)
    return changed


def _load(text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ProjectError(f"pyproject.toml: {error}", next_step="correct it; `uv lock` says the same") from None


def _arrays(document: Mapping[str, Any]) -> dict[str, Any]:
    tool = document.get("tool", {})
    settings = tool.get("uv", {}) if isinstance(tool, dict) else {}
    return settings if isinstance(settings, dict) else {}


def _our_values(text: str, key: str) -> list[str]:
    """What adopting wrote into an array."""
    found = re.search(rf"^[ \t]*{key}[ \t]*=[ \t]*\[[ \t]*\n(?={_OURS.pattern})", text, re.MULTILINE)
    block = _OURS.match(text, found.end()) if found else None
    return (
        [json.loads(word) for word in re.findall(r'^\s*("(?:[^"\\]|\\.)*"),?\s*$', block[0], re.MULTILINE)]
        if block
        else []
    )


def _own_values(values: object, ours: Sequence[str]) -> list[str]:
    """What people wrote into an array: all that comes after what adopting wrote."""
    return [str(value) for value in values][len(ours) :] if isinstance(values, list) else []


def _array(own: Sequence[str], values: Sequence[str], name: str) -> str:
    block = [_BEGIN.format(name=name), *(f"{json.dumps(value)}," for value in values), _END] if values else []
    lines = "".join(f"  {line}\n" for line in [*block, *(f"{json.dumps(value)}," for value in own)])
    return f"[\n{lines}]"


def _replace_array(text: str, key: str, own: Sequence[str], values: Sequence[str], name: str) -> str:
    """Another array in the place of the one that is there; its own lines stay as they are written."""
    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    try:
        document = tomlkit.parse(text)
        settings: Any = document["tool"]
        settings = settings["uv"]
        written = settings[key].as_string()
        rest = _OURS.sub("", written, count=1)
        if rest == written and not values:
            return text
        if not values and not own and rest != written:
            del settings[key]
        elif "\n" not in rest and own:
            settings[key] = tomlkit.parse(f"x = {_array(own, values, name)}")["x"]
        else:
            block = _array((), values, name).removeprefix("[\n").removesuffix("]") if values else ""
            inside = rest.removeprefix("[").removeprefix("\n") if own or "#" in rest else "]"
            settings[key] = tomlkit.parse(f"x = [\n{block}{inside}")["x"]
        return tomlkit.dumps(document)
    except (TOMLKitError, KeyError, AttributeError, TypeError) as error:
        raise _cannot(key) from error


def _insert_array(text: str, line: str) -> str:
    """An array where there is none: after the header of `[tool.uv]`, or in a table of its own at the end."""
    header = _HEADER.search(text)
    if header:
        end = text.find("\n", header.end()) + 1 or len(text)
        gap = "" if text[:end].endswith("\n") else "\n"
        return f"{text[:end]}{gap}{line}{text[end:]}"
    before = text.rstrip("\n")
    return f"{before}\n\n[tool.uv]\n{line}" if before else f"[tool.uv]\n{line}"


def _see_that_the_rest_stays(
    before: dict[str, Any], after: dict[str, Any], wanted: Mapping[str, Sequence[str]]
) -> None:
    for key in (CONSTRAINTS, BUILD_CONSTRAINTS):
        values = list(wanted.get(key, ()))
        if _arrays(after).get(key, [])[: len(values)] != values:
            raise _cannot(key)
    if _without_arrays(before) != _without_arrays(after):
        raise _cannot(CONSTRAINTS)


def _without_arrays(document: Mapping[str, Any]) -> dict[str, Any]:
    tool = dict(document.get("tool", {}))
    settings = {key: value for key, value in _arrays(document).items() if key not in (CONSTRAINTS, BUILD_CONSTRAINTS)}
    tool["uv"] = settings
    return {**document, "tool": {key: value for key, value in tool.items() if value or key != "uv"}}


def _cannot(key: str) -> ProjectError:
    return ProjectError(
        f"pyproject.toml: `{key}` of [tool.uv] cannot be written without changing more than that",
        next_step="write `[tool.uv]` as a table with a header of its own, and adopt again",
    )
