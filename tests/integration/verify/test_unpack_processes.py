"""Unpacking with a helper, by several processes at once, and by one that is killed."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from warmbase.effects.process import Finished, run_process
from warmbase.layers.codec import Codec
from warmbase.layers.layer import Layer
from warmbase.layers.pack import pack_entries
from warmbase.layers.store import LayerStore
from warmbase.layers.unpack import UnpackedLayers
from warmbase.oci.tar import file_of

UNPACK = """
import sys
from pathlib import Path
from warmbase.layers.store import LayerStore
from warmbase.layers.unpack import UnpackedLayers
store = LayerStore(Path(sys.argv[1]))
UnpackedLayers(Path(sys.argv[2]), store).folders([stored.layer for stored in store.list()])
"""


@pytest.fixture
def store(tmp_path: Path) -> LayerStore:
    return LayerStore(tmp_path / "store")


@pytest.fixture
def layers(store: LayerStore) -> list[Layer]:
    """Four layers of 20 MB with a thousand small files each: together worth a helper."""
    made = []
    for number in range(4):
        small = [file_of(f"small/{i:04}", b"%d %d" % (number, i) * 100) for i in range(1000)]
        with store.workspace() as work:
            packed = pack_entries([*small, file_of("large", os.urandom(20_000_000))], Codec(), work)
            made.append(store.put(f"layer{number}", packed))
    return made


def check(folders: Sequence[Path]) -> None:
    for number, folder in enumerate(folders):
        assert (folder / "large").stat().st_size == 20_000_000
        assert len(list((folder / "small").iterdir())) == 1000
        assert (folder / "small/0999").read_bytes() == b"%d 999" % number * 100


def start(store: LayerStore, folder: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", UNPACK, str(store.root), str(folder)]
    return subprocess.Popen(command, process_group=0, stderr=subprocess.PIPE)


def test_a_helper_takes_a_part_of_the_work(store: LayerStore, layers: list[Layer], tmp_path: Path) -> None:
    finished: list[Finished] = []

    def run(*arguments: object, **options: object) -> Finished:
        finished.append(run_process(*arguments, **options))  # type: ignore[arg-type]
        return finished[-1]

    check(UnpackedLayers(tmp_path / "unpacked", store, processes=run).folders(layers))
    assert [one.code for one in finished] == [0], finished


def test_a_helper_that_cannot_work_is_not_missed(store: LayerStore, layers: list[Layer], tmp_path: Path) -> None:
    def fail(*arguments: object, **options: object) -> Finished:
        return run_process(["false"], check=False)

    check(UnpackedLayers(tmp_path / "unpacked", store, processes=fail).folders(layers))


def test_two_processes_unpack_each_layer_once(store: LayerStore, layers: list[Layer], tmp_path: Path) -> None:
    both = [start(store, tmp_path / "unpacked") for _ in range(2)]
    assert [process.communicate()[1] for process in both] == [b"", b""]
    assert [process.returncode for process in both] == [0, 0]
    check(UnpackedLayers(tmp_path / "unpacked", store).folders(layers))
    assert not list((tmp_path / "unpacked").glob(".*.partial"))


def test_a_killed_process_leaves_nothing_that_counts(store: LayerStore, layers: list[Layer], tmp_path: Path) -> None:
    folder = tmp_path / "unpacked"
    process = start(store, folder)
    deadline = time.monotonic() + 60
    while not list(folder.glob(".*.partial/small/*")) and time.monotonic() < deadline:
        time.sleep(0.001)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert len(list(folder.glob("*.json"))) < len(layers)
    check(UnpackedLayers(folder, store).folders(layers))
    assert not list(folder.glob(".*.partial"))
