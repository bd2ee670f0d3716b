"""What a wheel's tree brings into the venv, and what happens where two wheels bring the same path.

The content of a file is known from the RECORD that uv wrote (binary distribution format, "The .dist-info
directory"). Bytecode is in no RECORD: it is equal where its source is.
"""

import csv
import os
import posixpath
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from warmbase.errors import OverlapError
from warmbase.image.promises import VENV


@dataclass(frozen=True, kw_only=True, slots=True)
class InstalledWheel:
    """A wheel's name and its files below the venv: path → hash as RECORD writes it ("" where it says none)."""

    name: str
    files: Mapping[str, str]


def read_installed(tree: Path) -> Mapping[str, str]:
    """The files of a wheel's tree below the venv, with the hashes of its RECORD."""
    venv = os.fspath(tree / VENV)
    files: dict[str, str] = {}
    records = []
    for folder, folders, names in os.walk(venv):
        below = folder[len(venv) + 1 :]
        links = [name for name in folders if Path(folder, name).is_symlink()]
        files.update((f"{below}/{name}" if below else name, "") for name in (*names, *links))
        if below.endswith(".dist-info") and "RECORD" in names:
            records.append(below)
    for folder in records:
        site = folder.rpartition("/")[0]
        with Path(venv, folder, "RECORD").open(newline="", encoding="utf-8") as lines:
            files.update((path, recorded) for path, recorded in read_record(lines, site) if path in files)
    return files


def read_record(lines: Iterable[str], site: str) -> Iterator[tuple[str, str]]:
    """The files that a RECORD names, which lies below the folder `site`, and their hashes as it writes them."""
    for name, recorded, _ in csv.reader(lines):
        yield posixpath.normpath(f"{site}/{name}"), recorded


def order_wheels(
    wheels: Sequence[InstalledWheel],
    winners: Iterable[tuple[str, str]],
    variant: str,
    below: Collection[str] = (),
) -> list[str]:
    """The names of the wheels in the order of their layers: by name, the winner of an overlap after the others.

    Those named in `below` lie under all others already, in an order of their own, and are left out.

    Raises OverlapError naming every path that two wheels bring with different content and for which `winners` (path or
    glob below the venv, package) has no answer, or one that lies below.
    """
    chosen = tuple(winners)
    owners: dict[str, list[InstalledWheel]] = {}
    for wheel in sorted(wheels, key=lambda wheel: wheel.name):
        for path in wheel.files:
            owners.setdefault(path, []).append(wheel)
    after: dict[str, set[str]] = {wheel.name: set() for wheel in wheels}
    undecided = []
    for path, sharing in sorted(owners.items()):
        if len(sharing) < 2 or len({wheel.files[path] for wheel in sharing}) == 1:
            continue
        names = {wheel.name for wheel in sharing}
        if names <= set(below):
            continue
        winner = next((name for glob, name in chosen if fnmatchcase(path, glob) and name in names), None)
        if winner is None or winner in below:
            undecided.append(f"  {path}: {', '.join(sorted(names))}")
        else:
            after[winner] |= names - {winner}
    if undecided:
        raise OverlapError(
            f"{variant}: wheels bring the same path with different content\n" + "\n".join(undecided),
            next_step='say under the image\'s `winners:` which package wins, e.g. `winners: {"PATH": PACKAGE}`'
            + ("; it has to be one that the image adds to what it is from" if below else ""),
        )
    return [name for name in _sort(after, variant) if name not in below]


def _sort(after: Mapping[str, set[str]], variant: str) -> list[str]:
    from graphlib import CycleError, TopologicalSorter

    sorter = TopologicalSorter({name: sorted(before) for name, before in sorted(after.items())})
    try:
        sorter.prepare()
    except CycleError as error:
        circle = " → ".join(error.args[1])
        raise OverlapError(
            f"{variant}: the winners make a circle: {circle}", next_step="let one package win over the others"
        ) from None
    ordered: list[str] = []
    while sorter.is_active():
        ready = sorted(sorter.get_ready())
        ordered += ready
        sorter.done(*ready)
    return ordered
