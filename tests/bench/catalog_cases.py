"""Cases of the project's own catalog: nothing to do, and how much its images share. It is built first if need be."""

import json
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from tests.bench.model import BenchError, Row, in_unit, time_row
from tests.bench.usage import Usage, run_measured
from tests.bench.workbench import PROJECT, Workbench, bench_environment

from warmbase.oci.layout import Layout, read_layout
from warmbase.oci.manifest import Descriptor, Manifest


def measure_nothing_changed(bench: Workbench, times: int = 9) -> Iterator[Row]:
    """A build of the whole catalog when every image is there and verified."""
    options, said = build_catalog(bench)
    usages = [run_on_catalog(bench, "build", "--json", *options) for _ in range(times)]
    built = [row["variant"] for row in json.loads(usages[-1].output) if row["seconds"]]
    if built:
        raise BenchError(f"there was something to do for {', '.join(built)}")
    count = len(json.loads(usages[-1].output))
    yield time_row("nothing", usages, 0.5, f"{count} images, page cache warm{said}")


def measure_sharing(bench: Workbench) -> Iterator[Row]:
    """The bytes of the layout of the whole catalog, against the sum of its images."""
    _, said = build_catalog(bench)
    layout = read_layout(_output(bench))
    images = [_image_blobs(layout, name) for name in layout.names]
    distinct = {tuple(sorted(image.items())): image for image in images}.values()
    unique = {digest: size for image in distinct for digest, size in image.items()}
    total, together = sum(sum(image.values()) for image in distinct), sum(unique.values())
    stored = {f"sha256:{blob.name}": blob.stat().st_size for blob in (layout.path / "blobs/sha256").iterdir()}
    once = stored == unique
    yield Row(
        case="unique bytes",
        target="≤ 0.78 × its images; blobs once",
        value=together,
        unit="B",
        ratio=together / total,
        met=together <= 0.78 * total and once,
        n=1,
        note=f"{len(distinct)} images of together {in_unit(total, 'B')}; "
        + (f"{len(stored)} blobs, each once" if once else "the layout holds other blobs than its images name")
        + said,
    )


def _image_blobs(layout: Layout, name: str) -> dict[str, int]:
    """Every blob of an image, its documents included: digest → bytes."""
    (build,) = layout.builds(name)
    manifest = Manifest.from_bytes(layout.read(build))
    blobs: tuple[Descriptor, ...] = (build, manifest.config, *manifest.layers)
    return {blob.digest: blob.size for blob in blobs}


@cache
def build_catalog(bench: Workbench) -> tuple[tuple[str, ...], str]:
    """Bring the layout up to date; the options that this took, and what is to be said of them."""
    try:
        run_on_catalog(bench, "build", "--json")
    except BenchError:  # an image that does not pass is not in the layout
        run_on_catalog(bench, "build", "--json", "--no-verify")
        return ("--no-verify",), "; --no-verify, because not every image passes its verification"
    return (), ""


def _output(bench: Workbench) -> Path:
    return bench.kept / "dist"


def run_on_catalog(bench: Workbench, *arguments: str) -> Usage:
    """Run `warmbase` on the project's catalog and the layout of the bench."""
    command = [sys.executable, "-m", "warmbase", *arguments, "--output", str(_output(bench))]
    return run_measured(command, env=bench_environment(), cwd=PROJECT)
