"""Poetry's way of writing versions and dependencies (its documentation, "Dependency specification"). Pure.

`^1.2.3` admits what does not change the first number that is not 0, `~1.2.3` what does not change the second, `1.2.*`
what begins so, a bare `1.2.3` itself; `,` and a space mean "and". Alternatives (`||`) cannot be said in PEP 440: the
span around them stands for them, which admits a little more.
"""

import re
from collections.abc import Container, Iterator
from dataclasses import replace

from packaging.specifiers import InvalidSpecifier, Specifier, SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from warmbase.downstream.projects.document import Table
from warmbase.downstream.projects.environment import MarkerError, check_marker
from warmbase.downstream.projects.wanted import Wanted, at_address, need_within

_PART = re.compile(r"\s*(\^|~=|~|===|==|=|!=|>=|<=|>|<)?\s*v?([^\s,^~=!<>|]+)\s*,?")


def to_specifier(text: str) -> SpecifierSet:
    """What a version constraint of poetry admits, in PEP 440's words. Raises ValueError."""
    alternatives = [one.strip() for one in re.split(r"\|\|?", text)]
    try:
        sets = [SpecifierSet(",".join(_translate(one))) for one in alternatives]
    except (InvalidSpecifier, InvalidVersion) as error:
        raise ValueError(str(error)) from None
    return sets[0] if len(sets) == 1 else _span(sets)


def poetry_dependencies(table: Table, *, optional: Container[str] = ()) -> list[Wanted]:
    """What a table of dependencies wants, as `[tool.poetry.dependencies]` has it; without Python itself, and
    of what is optional only what `optional` names."""
    found = []
    for name in table.data:
        if canonicalize_name(name) == "python":
            continue
        value = table.data[name]
        if isinstance(value, str):
            found.append(_wanted(name, value, None, table))
        elif isinstance(value, list):
            found += [_wanted(name, one.text("version"), one, table) for one in table.tables(name)]
        else:
            entry = table.table(name)
            if not entry.flag("optional") or canonicalize_name(name) in optional:
                found.append(_wanted(name, entry.text("version"), entry, table))
    return found


def poetry_python(table: Table, key: str = "python") -> str:
    """The Python versions that a table asks for at `key`, as a specifier; "" for any."""
    value = table.data.get(key, "")
    try:
        return str(to_specifier(table.text("version") if isinstance(value, dict) else table.text(key)))
    except ValueError as error:
        table.refuse(f"{error}", key)


def _wanted(name: str, version: str, entry: Table | None, table: Table) -> Wanted:
    try:
        need = need_within(name, to_specifier(version))
        if entry is None:
            return Wanted(need=need)
        need = replace(need, extras=tuple(sorted(canonicalize_name(one) for one in entry.texts("extras"))))
        address = _address(entry)
        markers = [entry.text("markers"), *_python_marker(entry), *_platform_marker(entry)]
        marker = " and ".join(f"({one})" for one in markers if one)
        check_marker(marker)
    except (ValueError, MarkerError) as error:
        (entry or table).refuse(f"{error}", "" if entry else name)
    return Wanted(need=at_address(need, address) if address else need, marker=marker)


def _address(entry: Table) -> str:
    if entry.text("git"):
        commit = next(filter(None, (entry.text(key) for key in ("rev", "tag", "branch"))), "")
        return f"git+{entry.text('git')}" + (f"@{commit}" if commit else "")
    return next(filter(None, (entry.text(key) for key in ("url", "path", "file"))), "")


def _python_marker(entry: Table) -> Iterator[str]:
    for one in to_specifier(entry.text("python")):
        yield f"python_full_version {one.operator} '{one.version}'"


def _platform_marker(entry: Table) -> Iterator[str]:
    if entry.text("platform"):
        yield f"sys_platform == '{entry.text('platform').replace(chr(39), '')}'"


def _translate(text: str) -> Iterator[str]:
    if text in ("", "*"):
        return
    end = 0
    for found in _PART.finditer(text):
        if found.start() != end:
            break
        end = found.end()
        operator, version = found[1] or "==", found[2]
        if version == "*":
            continue
        if operator in ("^", "~"):
            yield from _caret(version) if operator == "^" else _tilde(version)
        elif version.endswith((".*", "*")) and operator not in ("==", "=", "!="):
            yield f"{operator}{version.rstrip('.*')}"
        else:
            yield f"{'==' if operator == '=' else operator}{version}"
    if end != len(text):
        raise ValueError(f"'{text[:60]}' is not a version constraint")


def _caret(text: str) -> Iterator[str]:
    release = Version(text).release
    place = next((number for number, part in enumerate(release) if part), len(release) - 1)
    yield from _from_up_to(text, release, place)


def _tilde(text: str) -> Iterator[str]:
    release = Version(text).release
    yield from _from_up_to(text, release, min(1, len(release) - 1))


def _from_up_to(text: str, release: tuple[int, ...], place: int) -> Iterator[str]:
    above = (*release[:place], release[place] + 1)
    yield f">={text}"
    yield f"<{'.'.join(str(part) for part in above)}"


def _span(sets: list[SpecifierSet]) -> SpecifierSet:
    """The bounds around several sets: the lowest of their lower, and the highest of their upper ones."""
    lower = [[_version(one) for one in each if one.operator in (">=", ">", "==", "~=")] for each in sets]
    upper = [[_upper(one) for one in each if one.operator in ("<", "<=", "==")] for each in sets]
    bounds = [f">={min(max(versions) for versions in lower)}"] if all(lower) else []
    if all(upper):
        above, included = max(min(versions) for versions in upper)
        bounds.append(f"<{'=' if included else ''}{above}")
    return SpecifierSet(",".join(bounds))


def _upper(one: Specifier) -> tuple[Version, bool]:
    """The version below which a bound admits, and whether that one is admitted too."""
    version = _version(one)
    if one.version.endswith(".*"):
        *first, last = version.release
        return Version(".".join(str(part) for part in (*first, last + 1))), False
    return version, one.operator != "<"


def _version(one: Specifier) -> Version:
    return Version(one.version.removesuffix(".*"))
