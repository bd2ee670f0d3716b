"""Cases of who chooses a base: a lock of 300 packages against 200 published variants of 150 packages each, in a
registry on loopback, with nothing kept of what is published and with all of it; and looking for some packages there.
"""

import json
import shutil
import sys
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from tests.bench.model import BenchError, Row, time_row
from tests.bench.usage import Usage, run_measured
from tests.bench.workbench import Workbench, bench_environment
from tests.listed import list_bases
from tests.offered import INDEX, fleet, names_of_fleet, number, version_in_fleet, wheel_hash, wheel_name, wheel_size
from tests.registries import running_registry

from warmbase.effects.files import cache_folders
from warmbase.effects.registry.registries import open_registries

VARIANTS, PACKAGES, LOCKED = 200, 150, 300
IMAGE = "data"
"""The image whose versions the project's lock has, as far as it goes."""
LONG_AGO = "2026-01-01T00:00:00Z"
_COMPILED = 3
"""One package in so many has a wheel for each platform and Python."""
_PYTHONS, _PLATFORMS = ("311", "312", "313", "314"), ("manylinux_2_28_x86_64", "manylinux_2_28_aarch64", "win_amd64")


def write_lock(folder: Path) -> None:
    """Write a project and its uv.lock: as many packages as a large application has, half of them a fleet's."""
    names = names_of_fleet(PACKAGES)
    names += [f"own-part-{each:03}" for each in range(LOCKED - len(names))]
    listed = sorted(names)
    requires = {name: listed[place + 1 : place + 1 + number(name, 4)] for place, name in enumerate(listed)}
    direct = ", ".join(f'{{ name = "{name}" }}' for name in listed[::3] + listed[1::3] + listed[2::3])
    parts = [
        'version = 1\nrevision = 3\nrequires-python = ">=3.11"\n',
        f'[[package]]\nname = "app"\nversion = "0.1.0"\nsource = {{ virtual = "." }}\ndependencies = [{direct}]\n',
        *(_write_package(name, requires[name]) for name in listed),
    ]
    (folder / "uv.lock").write_text("\n".join(parts), encoding="utf-8", newline="\n")
    text = (
        f'[project]\nname = "app"\nversion = "0.1.0"\nrequires-python = ">=3.11"\ndependencies = {json.dumps(listed)}\n'
    )
    (folder / "pyproject.toml").write_text(text, encoding="utf-8", newline="\n")


def _write_package(name: str, requires: list[str]) -> str:
    version = version_in_fleet(name, IMAGE)
    files = [wheel_name(name, version)]
    if number(name, _COMPILED) == 0:
        stem = files[0].removesuffix("-py3-none-any.whl")
        files += [f"{stem}-cp{python}-cp{python}-{platform}.whl" for python in _PYTHONS for platform in _PLATFORMS]
    lines = [f"    {_write_file(file, wheel_size(name))},\n" for file in files]
    dependencies = "".join(f'    {{ name = "{each}" }},\n' for each in requires)
    return (
        f'[[package]]\nname = "{name}"\nversion = "{version}"\nsource = {{ registry = "{INDEX}" }}\n'
        + (f"dependencies = [\n{dependencies}]\n" if requires else "")
        + f"sdist = {_write_file(f'{name}-{version}.tar.gz', wheel_size(name))}\nwheels = [\n{''.join(lines)}]\n"
    )


def _write_file(file: str, size: int) -> str:
    url = f"https://files.example/packages/{wheel_hash(file)[:2]}/{file}"
    return f'{{ url = "{url}", hash = "sha256:{wheel_hash(file)}", size = {size} }}'


class Shop:
    """Published bases and a project; the commands that are run against them."""

    def __init__(self, folder: Path, place: str) -> None:
        self.folder = folder
        self._place = place
        self._cache = folder / "cache"

    def run(self, *arguments: str) -> Usage:
        """Run a command in the project's folder."""
        environment = bench_environment("") | {"WARMBASE_CACHE_DIR": str(self._cache), "WARMBASE_INDEX": self._place}
        return run_measured([sys.executable, "-m", "warmbase", *arguments], env=environment, cwd=self.folder)

    def age(self) -> None:
        """Let what is kept be of long ago, so that the registry is asked again."""
        for path in cache_folders({"WARMBASE_CACHE_DIR": str(self._cache)}).published.glob("*.json"):
            head, _, content = path.read_bytes().partition(b"\n")
            path.write_bytes(json.dumps({**json.loads(head), "asked": LONG_AGO}).encode() + b"\n" + content)

    def forget(self) -> None:
        """Let nothing be kept of what is published."""
        shutil.rmtree(self._cache, ignore_errors=True)


@cache
def _open(bench: Workbench) -> Shop:
    folder = bench.new_folder("choosing")
    (folder / "project").mkdir(parents=True)
    write_lock(folder / "project")
    registry = bench.stack.enter_context(running_registry(folder / "registry"))
    place = f"{registry.host}/bases"
    bases = (replace(base, place=place) for base in fleet(variants=VARIANTS, packages=PACKAGES))
    list_bases(open_registries({}).at(registry.host), bases)
    return Shop(folder / "project", place)


def measure_choose(bench: Workbench, times: int = 9) -> Iterator[Row]:
    """Choosing a base, with what is published read anew each time, with it kept for long, and with it just read."""
    shop = _open(bench)
    note = f"a lock of {LOCKED} packages, {VARIANTS} variants of {PACKAGES}; the command as a whole"
    cold = []
    for _ in range(times):
        shop.forget()
        cold.append(_checked(shop.run("choose", "--json")))
    yield time_row("choose: cold", cold, 2.0, f"{note}; a registry on loopback, nothing kept")
    again = []
    for _ in range(times):
        shop.age()
        again.append(_checked(shop.run("choose", "--json")))
    if any(json.loads(usage.output)["time"] == LONG_AGO for usage in again):
        raise BenchError("what was kept was told without asking")
    yield time_row("choose: asked again", again, 1.0, f"{note}; a registry on loopback, kept and older than seconds")
    warm = [_checked(shop.run("choose", "--json")) for _ in range(times)]
    yield time_row("choose", warm, 0.5, note)


def measure_find(bench: Workbench, times: int = 9) -> Iterator[Row]:
    """Looking for bases with some packages, with what is published kept."""
    shop = _open(bench)
    shop.run("choose")
    usages = [shop.run("find", "numpy", "pandas", "--python", "3.13", "--json") for _ in range(times)]
    if not all(json.loads(usage.output)["found"] for usage in usages):
        raise BenchError("no base has numpy and pandas")
    yield time_row("find", usages, 0.3, f"two packages in {VARIANTS} variants; the command as a whole")


def _checked(usage: Usage) -> Usage:
    document: dict[str, Any] = json.loads(usage.output)
    hits = document["best"]["hits"]["file"]
    if len(document["ranked"]) + len(document["barred"]) != VARIANTS or hits < PACKAGES // 2:
        raise BenchError(f"{len(document['ranked'])} bases, and {hits} hits in the best")
    return usage
