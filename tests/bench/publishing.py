"""Cases of publishing to a registry on this machine: Debian's docker-registry, with skopeo as the rival."""

import json
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.bench import inside
from tests.bench.catalog_cases import build_catalog, run_on_catalog
from tests.bench.model import BenchError, Row, in_unit, rival_row, time_row
from tests.bench.usage import Usage, run_measured, sample_memory
from tests.bench.workbench import BUMPED, Bases, W, Workbench, bench_environment
from tests.faults import fault_proxy
from tests.registries import RunningRegistry, running_registry

LARGE = 2 << 30
MOST_MEMORY = 200e6
PREFIX = "bases"


def measure_push(bench: Workbench, times: int = 5) -> Iterator[Row]:
    """Publishing W, verified before, to an empty registry, against skopeo's copy of the same image."""
    bases = published(bench)
    ours, rival = [], []
    for _ in range(times):
        with registry_of(bench) as registry:
            ours.append(_publish(bases, registry, "--no-share-layers"))
        with registry_of(bench) as registry:
            rival.append(_copy(bases, registry))
    note = "an empty registry each time; the command as a whole, with attestations and the journal, layers not shared"
    yield rival_row("push", ours, rival, 1.0, "skopeo copy", note)


def measure_nothing_to_publish(bench: Workbench, times: int = 9) -> Iterator[Row]:
    """Publishing the whole catalog where all of it is published."""
    build_catalog(bench)
    with registry_of(bench) as registry:
        run_on_catalog(bench, "publish", "--registry", f"{registry.host}/{PREFIX}")
        usages = [
            run_on_catalog(bench, "publish", "--json", "--registry", f"{registry.host}/{PREFIX}") for _ in range(times)
        ]
        rows = json.loads(usages[-1].output)
        moved = [row["variant"] for row in rows if row["status"] != "up to date"]
        if moved:
            raise BenchError(f"there was something to publish of {', '.join(moved)}")
        yield time_row("publish nothing", usages, 0.5, f"{len(rows)} variants, page cache warm")
        with fault_proxy(registry.host) as proxy:
            run_on_catalog(bench, "publish", "--registry", f"{proxy.host}/{PREFIX}")
            methods = sorted({seen.method for seen in proxy.seen})
    yield Row(
        case="publish nothing: bodies",
        target="0 B sent",
        value=float(sum(int(seen.headers.get("content-length", 0)) for seen in proxy.seen)),
        unit="B",
        ratio=None,
        met=methods == ["HEAD"],
        n=1,
        note=f"{len(proxy.seen)} requests, all of them {' or '.join(methods)}",
    )


def measure_bumped_push(bench: Workbench) -> Iterator[Row]:
    """The bytes that publishing sends after one small wheel moved to another version."""
    bases = published(bench).copy(bench.new_folder("bumped-push"))
    with registry_of(bench) as registry:
        _publish(bases, registry)
        before = {layer.digest for layer in bases.manifest(W).layers}
        bases.take_lock(BUMPED)
        bases.run("build", "w")
        changed = sum(layer.size for layer in bases.manifest(W).layers if layer.digest not in before)
        with fault_proxy(registry.host) as proxy:
            usage = bases.run("publish", "w", "--registry", f"{proxy.host}/{PREFIX}")
            sent = sum(int(seen.headers.get("content-length", 0)) for seen in proxy.seen)
    yield Row(
        case="publish a bump: bytes",
        target="≤ 1.1 × the changed layers",
        value=float(sent),
        unit="B",
        ratio=sent / changed,
        met=sent <= 1.1 * changed,
        n=1,
        note=f"changed layers: {in_unit(changed, 'B')}; everything that goes out counts, also the attestations, the"
        f" layer records and the journal; {usage.seconds:.2f} s through a proxy that counts",
    )


def measure_second_machine(bench: Workbench) -> Iterator[Row]:
    """A build on a machine that has nothing but the catalog, its locks and the registry."""
    bases = published(bench)
    with registry_of(bench) as registry:
        _publish(bases, registry)
        folder = bench.new_folder("second")
        shutil.copytree(bases.folder, folder / "bases", ignore=shutil.ignore_patterns("dist"))
        _name_registry(folder / "bases/images.yaml", f"{registry.host}/{PREFIX}")
        second = Bases(folder=folder / "bases", cache=folder / "cache", environment=bases.environment)
        usage = second.run("build", "w", "--no-verify", "--pull-layers", "--json")
    (row,) = json.loads(usage.output)
    yield Row(
        case="second machine: wheels",
        target="0 made",
        value=float(row["wheels_made"]),
        unit="made",
        met=row["wheels_made"] == 0 and not row["error"],
        n=1,
        cpu=usage.cpu,
        note=f"of {row['wheels']} wheels, in {usage.seconds:.1f} s, with an empty store; the foundation is shared, too",
    )


def measure_transfer_memory(bench: Workbench) -> Iterator[Row]:
    """The memory of pushing and pulling one layer of 2 GB."""
    folder = bench.new_folder("large")
    folder.mkdir()
    file = folder / "layer"
    with file.open("wb") as sparse:
        sparse.truncate(LARGE)
    with registry_of(bench) as registry:
        script = Path(inside.__file__).with_name("transfer.py")
        command: list[str | Path] = [sys.executable, script, registry.host, file, folder / "pulled"]
        with sample_memory() as peaks:  # what the kernel keeps of a child begins with its parent's size
            usage = run_measured(command, env=bench_environment(), cwd=folder)
    (peak,) = (size for program, size in peaks.items() if script.name in program)
    whole = (folder / "pulled").stat().st_size == LARGE
    shutil.rmtree(folder)
    yield Row(
        case="transfer: memory",
        target=f"≤ {in_unit(MOST_MEMORY, 'B')}",
        value=float(peak),
        unit="B",
        ratio=peak / MOST_MEMORY,
        met=whole and peak <= MOST_MEMORY,
        n=1,
        cpu=usage.cpu,
        note=f"a blob of {in_unit(LARGE, 'B')} hashed, pushed and pulled in {usage.seconds:.1f} s",
    )


def published(bench: Workbench) -> Bases:
    """W, built and verified, ready to be published."""
    bases = bench.built
    bases.run("build", "w")
    return bases


def _publish(bases: Bases, registry: RunningRegistry, *options: str) -> Usage:
    return bases.run("publish", "w", "--registry", f"{registry.host}/{PREFIX}", *options)


def _copy(bases: Bases, registry: RunningRegistry) -> Usage:
    command = ["skopeo", "--insecure-policy", "copy", "--all", "--preserve-digests", "--dest-tls-verify=false"]
    source, target = f"oci:{bases.output}:{W}", f"docker://{registry.host}/{PREFIX}/{W}"
    return run_measured([*command, source, target], env=bench_environment(), cwd=bases.folder)


def _name_registry(catalog: Path, registry: str) -> None:
    lines = [line for line in catalog.read_text().splitlines() if not line.startswith("registry:")]
    catalog.unlink()  # a link, perhaps
    catalog.write_text("\n".join([f"registry: {registry}", *lines]) + "\n")


@contextmanager
def registry_of(bench: Workbench) -> Iterator[RunningRegistry]:
    """A registry with nothing in it."""
    folder = bench.new_folder("registry")
    with running_registry(folder) as registry:
        yield registry
    shutil.rmtree(folder)
