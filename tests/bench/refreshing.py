"""Cases of the nightly job: twelve variants and five hundred of which nothing is stale, and twelve that share a small
package of which there is a new release, against making all of them anew.

The twelve are made of the wheels of W, and stand on an image in a registry. Their index is the wheelhouse's, in a copy
that first lacks the newest iniconfig.
"""

import hashlib
import json
import os
import shutil
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from email import message_from_bytes
from functools import cache
from pathlib import Path
from typing import Any

from packaging.utils import parse_wheel_filename
from tests.baseimages import gzip_blob, write_image
from tests.bench.model import BenchError, Row, Took, rival_row, rival_size_row, time_row, together
from tests.bench.publishing import registry_of
from tests.bench.traffic import Traffic, counted
from tests.bench.usage import Usage, run_measured
from tests.bench.workbench import Bases, Workbench, bench_environment, serving
from tests.fleets import open_fleet
from tests.registries import copy_with_skopeo, running_registry
from tests.wheelhouse import make_wheel

MOVED = "iniconfig"
PACKAGES = ("matplotlib", "numpy", "pandas", "pyarrow", "requests", "scikit-learn")
VARIANTS = 12
TOGETHER, ALONE = "all made in one night", "each made alone"
_ELSEWHERE = ("colorama", "tzdata")
"""What W's packages want on Windows: the lock that an image gives to projects is for all systems."""
MANY = 250
"""Images of the large catalog, each in two variants."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Twelve:
    """Twelve published variants: their bases, the registry through which bytes are counted, and the index's folder.

    `together` is what a night took that made all of them, from an empty store and for an empty registry, each layer
    once; `alone` is what it took to make each of them so, as jobs do that share nothing. Both with the bytes sent.
    """

    bases: Bases
    traffic: Traffic
    wheelhouse: Path
    together: tuple[Took, int]
    alone: tuple[Took, int]

    def night(self) -> tuple[dict[str, int], Usage]:
        """A night: how many variants came to what, and what it took."""
        usage = self.bases.run("nightly", "--registry", f"{self.traffic.host}/bases", "--json")
        return _counts(usage), usage

    def release(self) -> None:
        """Let the index have all that the wheelhouse has."""
        _offer(self.wheelhouse, all_versions=True)


def measure_moved(bench: Workbench) -> Iterator[Row]:
    """A night on which one small package moved in all of twelve variants, against making all twelve."""
    twelve = _published(bench)
    before = twelve.traffic.sent
    twelve.release()
    counts, usage = twelve.night()
    sent = twelve.traffic.sent - before
    if counts != {"refreshed": VARIANTS}:
        raise BenchError(f"{MOVED} was to move in {VARIANTS} variants, and it came to {counts}")
    note = (
        f"{MOVED} moved in {VARIANTS} variants, all verified and published; the rival makes the twelve from the"
        " foundation, in an empty store, for an empty registry"
    )
    rivals = ((TOGETHER, twelve.together), (ALONE, twelve.alone))
    rows = [rival_row("nightly: one moved", [usage], [took], 0.1, name, note) for name, (took, _) in rivals]
    rows += [
        rival_size_row("nightly: bytes", [sent], [other], 0.04, name, "all that goes out")
        for name, (_, other) in rivals
    ]
    for row in rows:
        yield row if row.against == TOGETHER else replace(row, target="-", most=None, met=None)


def measure_quiet(bench: Workbench, times: int = 9) -> Iterator[Row]:
    """A night of twelve variants in which nothing happened."""
    twelve = _published(bench)
    twelve.night()  # what moved, if it has not been taken
    usages: list[Took] = []
    for _ in range(times):
        counts, usage = twelve.night()
        if counts != {"fresh": VARIANTS}:
            raise BenchError(f"there was something to do: {counts}")
        usages.append(usage)
    yield time_row("nightly", usages, 1.0, f"{VARIANTS} variants, nothing stale; the command as a whole")


def measure_many(bench: Workbench, times: int = 5) -> Iterator[Row]:
    """A night of five hundred variants over sixty package sets in which nothing happened."""
    folder = bench.new_folder("fleet")
    folder.mkdir()
    with open_fleet(folder) as fleet:
        bases = fleet.bases(MANY)
        fleet.publish(MANY)
        environment = {**bench_environment(fleet.index.url), "WARMBASE_CACHE_DIR": str(bases.cache)}
        command = [sys.executable, "-m", "warmbase", "nightly", "--json", "--registry"]
        usages = [run_measured([*command, fleet.direct(MANY)], env=environment, cwd=bases.folder) for _ in range(times)]
        seen, asked = len(fleet.proxy.seen), len(fleet.index.asked)
        counts = _counts(run_measured([*command, fleet.place(MANY)], env=environment, cwd=bases.folder))
        requests = len(fleet.proxy.seen) - seen + len(fleet.index.asked) - asked
    if counts != {"fresh": 2 * MANY}:
        raise BenchError(f"there was something to do: {counts}")
    note = f"{2 * MANY} variants over 60 package sets, nothing stale; the command as a whole"
    yield time_row("nightly: many", usages, 10.0, note)
    each = requests / (2 * MANY)
    yield Row(
        case="nightly: requests",
        target="≤ 3 per variant",
        value=each,
        unit="",
        ratio=each / 3,
        met=each <= 3,
        n=1,
        note=f"{requests} of the registry and the index, for {2 * MANY} variants",
    )


@cache
def _published(bench: Workbench) -> Twelve:
    """Twelve variants, published for the first time."""
    folder = bench.new_folder("twelve")
    wheelhouse = folder / "wheelhouse"
    shutil.copytree(bench.wheelhouse, wheelhouse, copy_function=os.link)
    _offer(wheelhouse, all_versions=False)
    server = bench.stack.enter_context(serving(wheelhouse))
    registry = bench.stack.enter_context(running_registry(folder / "registry"))
    traffic = bench.stack.enter_context(counted(registry.host))
    (layer,) = bench.foundation.layers
    image = write_image(folder / "image", [gzip_blob(bench.ready.store, layer)], {"Cmd": ["python3"]})
    copy_with_skopeo(f"oci:{image}", f"docker://{registry.host}/team/python:3.13")
    bases = Bases(folder=folder / "bases", cache=folder / "cache", environment=bench_environment(server.index))
    bases.folder.mkdir()
    (bases.folder / "images.yaml").write_text(json.dumps(_catalog(registry.host)), encoding="utf-8")
    bases.run("lock", "image-00")  # pulls the foundation
    alone = [_make_alone(bench, bases, f"image-{number:02}") for number in range(VARIANTS)]
    before = traffic.sent
    usage = bases.run("nightly", "--registry", f"{traffic.host}/bases", "--json")
    if (counts := _counts(usage)) != {"refreshed": VARIANTS}:
        raise BenchError(f"the twelve were to be published, and it came to {counts}")
    return Twelve(
        bases=bases,
        traffic=traffic,
        wheelhouse=wheelhouse,
        together=(usage, traffic.sent - before),
        alone=(together(*(took for took, _ in alone)), sum(sent for _, sent in alone)),
    )


def _make_alone(bench: Workbench, bases: Bases, image: str) -> tuple[Took, int]:
    """Make and publish one image with nothing but the foundation: what it took, and how many bytes it sent."""
    copy = bases.copy(bench.new_folder("alone"))
    with registry_of(bench) as registry, counted(registry.host) as traffic:
        usage = copy.run("nightly", image, "--registry", f"{traffic.host}/bases", "--json")
    shutil.rmtree(copy.folder.parent)
    if (counts := _counts(usage)) != {"refreshed": 1}:
        raise BenchError(f"{image} was to be published, and it came to {counts}")
    return usage, traffic.sent


def _catalog(host: str) -> dict[str, Any]:
    """Twelve images of the packages of W, each without one or two of them, and all with what moves."""
    left = [(package,) for package in PACKAGES] + [(one, PACKAGES[0]) for one in PACKAGES[1:]] + [()]
    return {
        "uv": "0.13.8",
        "registry": "registry.example/bench",
        "platforms": ["linux/amd64"],
        "foundations": {"slim": {"image": f"{host}/team/python:{{python}}", "python": ["3.13"]}},
        "defaults": {"foundations": ["slim"], "backends": []},
        "images": {
            f"image-{number:02}": {
                "description": f"W without {', '.join(without) or 'nothing'}.",
                "requirements": ["pytest", *(package for package in PACKAGES if package not in without)],
            }
            for number, without in enumerate(left)
        },
    }


def _counts(usage: Usage) -> dict[str, int]:
    """How many variants came to what in a night, by what `nightly --json` printed."""
    return dict(Counter(result["status"] for result in json.loads(usage.output)["variants"]))


def _offer(wheelhouse: Path, *, all_versions: bool) -> None:
    """Let an index offer all that its folder has, or all but the newest release of what is to move."""
    path, all_files = wheelhouse / "index.json", wheelhouse / "all.json"
    if not all_files.exists():
        shutil.copy(path, all_files)
    pages: dict[str, list[dict[str, Any]]] = json.loads(all_files.read_bytes())
    pages |= {name: [_write_wheel(wheelhouse, name, "9999")] for name in _ELSEWHERE if name not in pages}
    for name, files in pages.items():
        if not any(file["filename"].endswith("-none-any.whl") for file in files):
            files += [_write_stand_in(wheelhouse, name, file["filename"]) for file in files]
    if not all_versions:
        versions = {parse_wheel_filename(file["filename"])[1] for file in pages[MOVED]}
        newest = max(versions)
        pages[MOVED] = [file for file in pages[MOVED] if parse_wheel_filename(file["filename"])[1] != newest]
    new = path.with_suffix(".new")
    new.write_text(json.dumps(pages), encoding="utf-8")
    new.replace(path)


def _write_stand_in(wheelhouse: Path, name: str, file: str) -> dict[str, Any]:
    """What an index has of a compiled package for other systems and Pythons: an empty wheel that asks for the same."""
    read = message_from_bytes((wheelhouse / f"{file}.metadata").read_bytes())
    requires, extras = read.get_all("Requires-Dist", []), read.get_all("Provides-Extra", [])
    return _write_wheel(wheelhouse, name, read["Version"], requires=requires, extras=extras)


def _write_wheel(wheelhouse: Path, name: str, version: str, **asks: Any) -> dict[str, Any]:
    """Write an empty wheel into the index's folder; its entry on the package's page."""
    wheel = make_wheel(name, version, {}, **asks)
    metadata = wheel.metadata.encode()
    (wheelhouse / wheel.file).write_bytes(wheel.content)
    (wheelhouse / f"{wheel.file}.metadata").write_bytes(metadata)
    return {
        "filename": wheel.file,
        "url": f"/files/{wheel.file}",
        "hashes": {"sha256": wheel.sha256},
        "size": len(wheel.content),
        "core-metadata": {"sha256": hashlib.sha256(metadata).hexdigest()},
    }
