"""The layer store with several processes, some of which are killed."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from warmbase.errors import StoreError
from warmbase.layers.store import LayerStore

PUT = """
import sys, time
from pathlib import Path
from warmbase.layers.codec import Codec
from warmbase.layers.pack import pack_entries
from warmbase.layers.store import LayerStore
from warmbase.oci.tar import file_of
store = LayerStore(Path(sys.argv[1]))
start = float(sys.argv[2])
for number in range(int(sys.argv[3])):
    with store.workspace() as work:
        packed = pack_entries([file_of("x", b"%d" % number * 50_000)], Codec(), work)
        time.sleep(max(0.0, start - time.time()))
        print(store.put(f"recipe{number}", packed).digest, flush=True)
"""

HOLD = """
import sys, time
from pathlib import Path
from warmbase.layers.store import LayerStore
store = LayerStore(Path(sys.argv[1]))
with store.in_use(), store.workspace() as work:
    (work / "half.blob").write_bytes(b"half")
    print("ready", flush=True)
    time.sleep(60)
"""


def start(code: str, *arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", code, *map(str, arguments)], stdout=subprocess.PIPE, text=True)


def test_processes_that_put_the_same_recipes_at_once_agree(tmp_path: Path) -> None:
    begin = time.time() + 1
    processes = [start(PUT, tmp_path / "store", begin, 30) for _ in range(3)]
    results = {process.communicate(timeout=60)[0] for process in processes}
    assert [process.returncode for process in processes] == [0, 0, 0]
    assert len(results) == 1
    store = LayerStore(tmp_path / "store")
    assert len(store.list()) == 30
    assert all(store.get(f"recipe{number}") for number in range(30))
    assert store.verify() == ()
    assert list((store.root / "work").iterdir()) == []


def test_a_build_killed_at_any_moment_leaves_nothing_half_done(tmp_path: Path) -> None:
    root = tmp_path / "store"
    for attempt in range(12):
        process = start(PUT, root, 0, 10_000)
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(0.003 * attempt)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        store = LayerStore(root)
        for stored in store.list():
            assert store.get(stored.layer.recipe) == stored.layer
        assert store.verify() == ()
        with store.workspace() as mine:
            assert [path for path in (root / "work").iterdir() if path != mine] == []
        for recipe in [stored.layer.recipe for stored in store.list()][:5]:
            (root / "records" / f"{recipe}.json").unlink()  # so that the next one has something to put
    before = sum(stored.layer.size for stored in store.list())
    store.prune(now=time.time())
    on_disk = sum(path.stat().st_size for path in (root / "blobs" / "sha256").iterdir())
    assert on_disk == before


def test_prune_is_refused_while_another_process_builds_and_allowed_once_it_was_killed(tmp_path: Path) -> None:
    store = LayerStore(tmp_path / "store")
    process = start(HOLD, store.root)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    with pytest.raises(StoreError, match="is in use by a build"):
        store.prune(now=time.time())
    with store.workspace() as mine:
        assert len([path for path in (store.root / "work").iterdir() if path != mine]) == 1
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    assert store.prune(now=time.time()).recipes == ()
    assert list((store.root / "work").iterdir()) == []
