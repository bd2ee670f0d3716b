"""Cases of building W: from nothing, the packing alone, one wheel bumped, nothing changed, memory, start-up."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from tests.bench import inside
from tests.bench.model import BenchError, Row, Took, in_unit, median_of, rival_row, size_row, time_row
from tests.bench.usage import run_measured, sample_memory
from tests.bench.wheelhouse import unpack_sources, wheels_of
from tests.bench.workbench import BUMPED, JOBS, Bases, W, Workbench, bench_environment

from warmbase.effects.runner import Bind, find_runner
from warmbase.layers.codec import Codec
from warmbase.layers.pack import pack_tree
from warmbase.layers.unpack import UnpackedLayers
from warmbase.oci.manifest import Manifest
from warmbase.packages.wheels import WHEEL_POLICY


def measure_cold_build(bench: Workbench, times: int = 3) -> Iterator[Row]:
    """A build of W with nothing in the store but the foundation, and the bytecode compiler alone as its limit."""
    usages = [bench.build_cold() for _ in range(times)]
    alone = median_of([_compile_alone(bench) for _ in range(2)])
    note = (
        f"store: foundation, unpacked; uv's layer is made, too; page cache warm; compiling alone, {JOBS} processes: "
        f"{alone.seconds:.2f} s, {alone.cpu:.1f} CPU s, so {median_of(usages).seconds / alone.seconds:.2f} × that limit"
    )
    yield time_row("cold", usages, 9, note)


def measure_packing(bench: Workbench, times: int = 5) -> Iterator[Row]:
    """The packing of W's wheel trees, against tar and zstd over the same files."""
    bases, work = bench.built, bench.new_folder("packing")
    work.mkdir()
    trees = UnpackedLayers(work / "trees", bases.store).folders(bases.wheel_layers())
    ours, rival = [], []
    _pack_like_tar(trees, work)
    for _ in range(times):
        rival.append(_pack_like_tar(trees, work))
        ours.append(_pack(trees, work))
    note = f"{len(trees)} trees, page cache warm, both digests of each layer included, {JOBS} threads"
    yield rival_row("packing", ours, rival, 1.4, "tar | zstd -1 -T2", note)


def measure_bump(bench: Workbench, times: int = 5) -> Iterator[Row]:
    """A build after one small wheel moved to another version, and how many bytes that made."""
    usages, sizes = [], []
    for _ in range(times):
        bases = bench.built.copy(bench.new_folder("bump"))
        bases.take_lock(BUMPED)
        before, old = _blobs(bases), bases.manifest(W)
        usages.append(bases.build())
        sizes.append(_new_bytes(bases, before, old))
        shutil.rmtree(bases.folder.parent)
    yield time_row("bump", usages, 1.5, "from the index to the layout; page cache warm")
    new, pool, last = sizes[-1]
    note = f"its pool {in_unit(pool, 'B')} + last layer {in_unit(last, 'B')}; config and manifest count"
    yield Row(
        case="bump: new bytes",
        target="≤ 1.1 × pool + last layer",
        value=new,
        unit="B",
        ratio=new / (pool + last),
        met=new <= 1.1 * (pool + last),
        n=len(sizes),
        note=note,
    )
    yield size_row("bump: last layer", [last for _, _, last in sizes], 1e6)


def measure_verify(bench: Workbench, times: int = 3) -> Iterator[Row]:
    """The verification of W with the usual build backends in its cache, so that all children are made."""
    bases = bench.built.copy(bench.new_folder("verify"))
    bases.build("w-warm")
    usages = [bases.run("verify", "w-warm", "--jobs", str(JOBS), "--json") for _ in range(times)]
    (found,) = json.loads(usages[-1].output)
    outcomes = [finding["outcome"] for finding in found["findings"]]
    not_run = [finding["check"] for finding in found["findings"] if finding["outcome"] == "not run"]
    if outcomes.count("passed") + len(not_run) < len(outcomes) or len(outcomes) == len(not_run):
        raise BenchError(f"the image did not pass: {outcomes}")
    note = f"{len(outcomes)} checks, not run: {', '.join(not_run) or 'none'}; the first run unpacks the layers"
    yield time_row("verify", usages, 15, note)


def measure_memory(bench: Workbench) -> Iterator[Row]:
    """The largest process of a cold build, sampled and as the kernel counted it."""
    bases = bench.ready.copy(bench.new_folder("memory"))
    with sample_memory() as peaks:
        usage = bases.build()
    shutil.rmtree(bases.folder.parent)
    largest = sorted(peaks.items(), key=lambda item: -item[1])[:5]
    note = "largest: " + ", ".join(f"{name} {in_unit(size, 'B')}" for name, size in largest)
    yield size_row("memory", [max(usage.peak, *peaks.values())], 300e6, note)


def measure_help(bench: Workbench, times: int = 15) -> Iterator[Row]:
    """`warmbase --help`."""
    script = Path(sys.executable).with_name("warmbase")
    command: list[str | Path] = [script] if script.exists() else [sys.executable, "-m", "warmbase"]
    environment = bench_environment()
    runs = [run_measured([*command, "--help"], env=environment, cwd=bench.folder) for _ in range(times + 1)]
    yield time_row("help", runs[1:], 0.15, "page cache and the tool's bytecode warm")


def _compile_alone(bench: Workbench) -> Took:
    """What it takes to compile all of W's Python files with the foundation's interpreter."""
    sources = bench.new_folder("sources")
    unpack_sources(wheels_of(bench.lock, bench.wheelhouse), sources)
    scratch = bench.new_folder("scratch")
    programs = Path(inside.__path__[0])
    binds = [Bind(source=programs, target="/run/bench", read_only=True), Bind(source=sources, target="/sources")]
    foundation = bench.foundation
    cache = bench.ready.cache
    root = UnpackedLayers(cache / "unpacked", bench.ready.store).root(foundation.layers)
    with find_runner(scratch).open(root, binds=binds) as sandbox:
        command = [foundation.foundation.interpreter, "-I", "-B", "/run/bench/compile_all.py", "/sources", str(JOBS)]
        finished = sandbox.run(command, env={})
    if finished.code:
        raise BenchError(f"the compiler failed: {finished.stderr.decode()[-500:]}")
    seconds, cpu = map(float, finished.text.split())
    shutil.rmtree(sources)
    return Took(seconds=seconds, cpu=cpu)


def _pack(trees: Sequence[Path], work: Path) -> Took:
    blobs = work / "blobs"
    blobs.mkdir()
    with _timing() as took, ThreadPoolExecutor(JOBS) as pool:
        for _ in pool.map(lambda tree: pack_tree(tree, WHEEL_POLICY, Codec(), blobs), trees):
            pass
    shutil.rmtree(blobs)
    os.sync()
    return took[0]


def _pack_like_tar(trees: Sequence[Path], work: Path) -> Took:
    target = work / "all.tar.zst"
    script = 'set -o pipefail; cd "$1"; target=$2; shift 2; tar --create "$@" | zstd --quiet -1 -T2 -o "$target"'
    with _timing() as took:
        subprocess.run(["bash", "-c", script, "bash", trees[0].parent, target, *(t.name for t in trees)], check=True)
    target.unlink()
    os.sync()
    return took[0]


@contextmanager
def _timing() -> Iterator[list[Took]]:
    """What the block takes, with the programs that it runs, in a list that is filled at its end."""
    took: list[Took] = []
    begun, before = time.perf_counter(), sum(os.times()[:4])
    yield took
    took.append(Took(seconds=time.perf_counter() - begun, cpu=sum(os.times()[:4]) - before))


def _blobs(bases: Bases) -> dict[str, int]:
    return {blob.name: blob.stat().st_size for blob in (bases.output / "blobs/sha256").iterdir()}


def _new_bytes(bases: Bases, before: dict[str, int], old: Manifest) -> tuple[int, int, int]:
    """Bytes that the layout did not have, of them of the pool that changed, and of the last layer."""
    manifest = bases.manifest(W)
    new = sum(size for name, size in _blobs(bases).items() if name not in before)
    known = {layer.digest for layer in old.layers}
    changed = [layer for layer in manifest.layers[:-1] if layer.digest not in known]
    if len(changed) != 1:
        raise BenchError(f"one wheel changed {len(changed)} layers beside the last one")
    return new, changed[0].size, manifest.layers[-1].size
