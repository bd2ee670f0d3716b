"""Markers of the forks of a lock, joined so that people can read them. Pure.

uv writes a fork for each combination of what decides anything in a lock: six of them may say no more than "from Python
3.12 on". Where markers name nothing but minor versions of Python and systems, and the systems turn out not to matter,
they are joined to that; others are joined with `or`.
"""

import re
from collections.abc import Sequence

from packaging.markers import Marker

_PYTHON = re.compile(r"python_full_version (?:>=|<) '(\d+\.\d+)'")
_SYSTEM = re.compile(r"sys_platform [=!]= '(\w+)'")
_BELOW, _OTHER = "2.7", "other"


def join_markers(markers: Sequence[str]) -> str:
    """A marker that holds where one of the markers holds; "" where there are none. They are as uv writes them."""
    joined = " or ".join(f"({each})" for each in markers) if len(markers) > 1 else "".join(markers)
    rest = re.sub(r"[()\s]|\band\b|\bor\b", "", _SYSTEM.sub("", _PYTHON.sub("", joined)))
    if len(markers) < 2 or rest:
        return joined
    bounds = sorted(set(_PYTHON.findall(joined)), key=lambda text: [int(part) for part in text.split(".")])
    systems = [*sorted(set(_SYSTEM.findall(joined))), _OTHER]
    marker = Marker(joined)
    table = [
        {marker.evaluate({"python_full_version": python, "sys_platform": system}) for system in systems}
        for python in (_BELOW, *bounds)
    ]
    if any(len(answers) > 1 for answers in table):
        return joined
    return _range([answers.pop() for answers in table], bounds) or joined


def _range(holds: Sequence[bool], bounds: Sequence[str]) -> str:
    """The marker of a range without holes, "" for another; the first of `holds` is below all bounds."""
    if True not in holds:
        return ""
    first, last = holds.index(True), len(holds) - 1 - holds[::-1].index(True)
    if not all(holds[first : last + 1]) or (first == 0 and last == len(holds) - 1):
        return ""
    lower = [f"python_full_version >= '{bounds[first - 1]}'"] if first else []
    upper = [f"python_full_version < '{bounds[last]}'"] if last < len(bounds) else []
    return " and ".join([*lower, *upper])
