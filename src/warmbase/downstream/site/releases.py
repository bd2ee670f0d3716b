"""What the first page searches: which bases have which version of each package, as a script of the site. Pure.

It is turned round, from package to version to bases, as a search asks it. Bases of one image stand side by side and
have much in common, so that most of the lists are a range or two.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from packaging.version import InvalidVersion, Version

from warmbase.downstream.listing import Base
from warmbase.downstream.site.model import main_platform

_Where = dict[int, list[int]]
"""Bases by number, each with the numbers of the platforms on which it has a version."""


def search_script(bases: Sequence[Base]) -> str:
    """The script: `warmbaseCatalog`, with platforms, bases in the order of the page, and packages by name.

    A package is its name and then its versions, the newest first, each followed by the bases that have it: "0-7 12",
    and "9@1" for one that has it on the platform with number 1 alone.
    """
    platforms = sorted({each.platform for base in bases for each in base.offer.platforms})
    numbers = {name: number for number, name in enumerate(platforms)}
    found: dict[str, dict[str, _Where]] = {}
    for position, base in enumerate(bases):
        for platform in base.offer.platforms:
            for package in platform.packages:
                where = found.setdefault(package.name, {}).setdefault(package.version, {})
                where.setdefault(position, []).append(numbers[platform.platform])
    every = [len({each.platform for each in base.offer.platforms}) for base in bases]
    document = {
        "platforms": platforms,
        "bases": [_base(base, numbers) for base in bases],
        "packages": [[name, *_versions(found[name], every)] for name in sorted(found)],
    }
    text = json.dumps(document, ensure_ascii=True, separators=(",", ":"), sort_keys=True)
    return f"var warmbaseCatalog={text};\n"


def examples(bases: Sequence[Base]) -> list[str]:
    """What to type for a start: of the packages that many bases have the largest with a plain name, and versions that
    there are."""
    counts: Counter[str] = Counter()
    sizes: dict[str, int] = {}
    versions: dict[str, set[str]] = {}
    for base in bases:
        platform = main_platform(base)
        for package in platform.packages if platform else ():
            counts[package.name] += 1
            sizes[package.name] = max(sizes.get(package.name, 0), package.size)
            versions.setdefault(package.name, set()).add(package.version)
    most = max(counts.values(), default=0)
    common = [name for name, count in counts.items() if 3 * count >= most and name.isalpha()]
    first = sorted(common, key=lambda name: (-sizes[name], name))[:3]
    if len(first) < 3:
        return first
    one, two, three = first
    newest = {name: newest_first(versions[name])[0].split(".") for name in first}
    return [f"{one}>={'.'.join(newest[one][:2])}", f"{two} {three}", f"{three} {newest[three][0]}"]


def newest_first(versions: Iterable[str]) -> list[str]:
    """Versions in the order of PEP 440; what is none comes last."""
    return sorted(versions, key=_age, reverse=True)


def _base(base: Base, numbers: dict[str, int]) -> dict[str, Any]:
    """What is searched of a base itself. Of its platforms the one whose sizes stand for the base comes first."""
    main = main_platform(base)
    sizes = {main.platform: main.size} if main else {}
    sizes |= {each.platform: each.size for each in base.offer.platforms}
    return {
        "from": base.reference,
        "name": base.name,
        "platforms": [numbers[platform] for platform in sizes],
        "python": base.offer.python,
        "sizes": list(sizes.values()),
        "tags": [each for each in (*base.tags, base.dated, base.content) if each],
        "time": base.time,
    }


def _versions(versions: dict[str, _Where], every: Sequence[int]) -> Iterator[str]:
    for version in newest_first(versions):
        yield version
        yield _ranges(versions[version], every)


def _ranges(where: _Where, every: Sequence[int]) -> str:
    """Numbers of bases in as few characters as they take."""
    parts: list[str] = []
    whole: list[tuple[int, int]] = []
    for position in sorted(where):
        if len(where[position]) < every[position]:
            parts += [f"{position}@{number}" for number in where[position]]
        elif whole and whole[-1][1] == position - 1:
            whole[-1] = (whole[-1][0], position)
        else:
            whole.append((position, position))
    return " ".join([*(f"{first}-{last}" if last > first else f"{first}" for first, last in whole), *parts])


def _age(version: str) -> tuple[bool, Version, str]:
    try:
        return True, Version(version), version
    except InvalidVersion:
        return False, Version("0"), version
