"""`python -m tests.bench`: measure every case, print the table, and the machine it was measured on.

A whole run, in which every case was measured, is written to `report/measured.json`, of which `python -m
tests.bench.reporting` makes the report. It ends with 0 when every case was measured, met or missed, and with 1 when one
could not be.
"""

import argparse
import os
import platform
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from tests.bench.browsing import measure_search, measure_site
from tests.bench.building import (
    measure_bump,
    measure_cold_build,
    measure_help,
    measure_memory,
    measure_packing,
    measure_verify,
)
from tests.bench.catalog_cases import measure_nothing_changed, measure_sharing
from tests.bench.children import measure_import, measure_sync
from tests.bench.choosing import measure_choose, measure_find
from tests.bench.docker_builds import GUIDE, measure_against_docker, measure_bake, measure_plain_child
from tests.bench.docker_pushes import measure_pandas, measure_small_package
from tests.bench.model import BUSY, BenchError, Measured, Row
from tests.bench.publishing import (
    measure_bumped_push,
    measure_nothing_to_publish,
    measure_push,
    measure_second_machine,
    measure_transfer_memory,
)
from tests.bench.refreshing import TOGETHER, measure_many, measure_moved, measure_quiet
from tests.bench.reporting import MEASURED
from tests.bench.usage import Elsewhere
from tests.bench.workbench import Workbench, open_workbench

from warmbase.errors import WarmbaseError

CASES: dict[str, Callable[[Workbench], Iterable[Row]]] = {
    "help": measure_help,
    "cold": measure_cold_build,
    "memory": measure_memory,
    "packing": measure_packing,
    "bump": measure_bump,
    "verify": measure_verify,
    "sync": measure_sync,
    "import": measure_import,
    "nothing": measure_nothing_changed,
    "unique": measure_sharing,
    "push": measure_push,
    "push-nothing": measure_nothing_to_publish,
    "push-bump": measure_bumped_push,
    "second": measure_second_machine,
    "transfer": measure_transfer_memory,
    "nightly-moved": measure_moved,
    "nightly": measure_quiet,
    "nightly-scale": measure_many,
    "choose": measure_choose,
    "find": measure_find,
    "site": measure_site,
    "site-search": measure_search,
}
DOCKER_CASES: dict[str, Callable[[Workbench], Iterable[Row]]] = {
    "docker": measure_against_docker,
    "docker-child": measure_plain_child,
    "docker-small": measure_small_package,
    "docker-pandas": measure_pandas,
    "docker-bake": measure_bake,
}
ALL_CASES = CASES | DOCKER_CASES
COMPARED = {
    "packing": ("packing", "tar | zstd -1 -T2"),
    "push": ("push", "skopeo copy"),
    "nightly-moved": ("nightly: one moved", TOGETHER),
    "docker": ("cold builds of W, child with bytecode", GUIDE),
    "docker-child": ("child", f"{GUIDE} on slim"),
    "docker-small": ("small package moved", GUIDE),
    "docker-pandas": ("pandas moved", GUIDE),
    "docker-bake": ("six variants, nothing changed", "docker buildx bake"),
}
"""The cases with rivals: what the report calls them, and whom they are compared with, where they cannot be measured."""


def main() -> None:
    """Measure."""
    options = _arguments()
    machine = _machine()
    _say("\n".join(f"{name}: {value}" for name, value in machine.items()))
    _warn_if_busy()
    try:
        _check_machine()
        rows = list(_measure_all(options.only or ALL_CASES, machine))
    except (BenchError, WarmbaseError) as error:
        sys.exit(f"error: {error}")
    _say("\n" + _table(rows))
    if any(row.is_busy for row in rows):
        _say(f"\n!  other programs used {BUSY:g} cores or more meanwhile: times are longer than they are here alone")
    measured = Measured(day=datetime.now(UTC).date().isoformat(), machine=machine, rows=tuple(rows))
    write_run(measured, options.json or (None if options.only else MEASURED))
    sys.exit(any(row.value is None for row in rows))


def write_run(measured: Measured, target: Path | None) -> None:
    """Write a run; one that is not whole does not take the place of the committed one."""
    if target is None:
        return
    lost = [row.case for row in measured.rows if row.value is None]
    if lost and target == MEASURED:
        _say(f"\n{target.name} stays as it was: not measured: {', '.join(lost)}; --json FILE writes what there is")
        return
    target.write_text(measured.to_json(), encoding="utf-8")


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description="Measure what the project promises.")
    parser.add_argument("--only", metavar="CASE", action="append", choices=ALL_CASES, help=f"of {', '.join(ALL_CASES)}")
    parser.add_argument("--json", metavar="FILE", type=Path, help=f"write the results there instead of {MEASURED.name}")
    return parser.parse_args()


def _check_machine() -> None:
    """The locks of the bench are for one platform, and the rivals are real programs."""
    if platform.machine() != "x86_64":
        raise BenchError(f"the bench's locks are for x86_64, this machine is {platform.machine()}")
    missing = [
        program for program in ("bash", "cp", "docker-registry", "skopeo", "tar", "zstd") if not shutil.which(program)
    ]
    if missing:
        raise BenchError(f"install {', '.join(missing)}")


def _measure_all(names: Iterable[str], machine: dict[str, str]) -> Iterator[Row]:
    """Measure, and add to `machine` what is known of the programs used only then."""
    with open_workbench() as bench:
        for name in names:
            _say(f"measuring {name} …")
            for row in _measure(name, bench):
                _say("  " + "  ".join(cell for cell in _cells(row) if cell))
                yield row
        machine |= bench.programs


def _measure(name: str, bench: Workbench) -> list[Row]:
    """An engine's containers are no children of this process: the other programs are watched for a second before."""
    elsewhere = Elsewhere([bench.server.pid])
    before = None
    if name in DOCKER_CASES:
        time.sleep(1)
        before = elsewhere.cores()
    try:
        rows = list(ALL_CASES[name](bench))
    except Exception as error:  # the other cases go on, whatever it is
        case, against = COMPARED.get(name, (name, ""))
        rows = [Row(case=case, against=against, target="-", note=f"not measured: {type(error).__name__}: {error}")]
    others = elsewhere.cores() if before is None else before
    return [replace(row, others=round(others, 2)) for row in rows]


def _machine() -> dict[str, str]:
    from importlib.metadata import version

    models = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    return {
        "CPU": models[0].partition(":")[2].strip() if models else platform.machine(),
        "cores": str(len(os.sched_getaffinity(0))),
        "kernel": platform.release(),
        "Python": platform.python_version(),
        "uv": version("uv"),
        "load average": " ".join(f"{load:.2f}" for load in os.getloadavg()),
    }


def _warn_if_busy() -> None:
    load, cores = os.getloadavg()[0], len(os.sched_getaffinity(0))
    if load > cores / 4:
        _say(f"warning: the machine is busy (load average {load:.2f} on {cores} cores): absolute times mean little")


def _table(rows: Sequence[Row]) -> str:
    head = ("case", "ours", "rival's", "ratio", "target", "", "n", "CPU s", "others", "note")
    return "\n".join(_lines([head, *map(_cells, rows)]))


def _cells(row: Row) -> tuple[str, ...]:
    rival = f"{row.rivals} ({row.against})" if row.against else "-"
    cpu = "-" if row.cpu is None else f"{row.cpu:.2f}"
    return (
        row.case,
        row.measured,
        rival,
        row.compared,
        row.target,
        row.result,
        str(row.n),
        cpu,
        row.elsewhere,
        row.note,
    )


def _lines(table: Sequence[tuple[str, ...]]) -> Iterator[str]:
    widths = [max(len(row[column]) for row in table) for column in range(len(table[0]))]
    for row in table:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


if __name__ == "__main__":
    main()
