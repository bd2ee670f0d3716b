"""Where the cases work: the wheelhouse and its server, a foundation, and folders of bases in every state needed.

What is slow to make and the same each time (wheelhouse, foundation) lies in `bench` in warmbase's cache folder and
stays; what a run makes lies beside it, on the same file system, and goes with the run. States are made when a case
asks for them and are copied as hardlinks, so that cases do not disturb each other.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from tests.bench.model import BenchError
from tests.bench.usage import Usage, run_measured
from tests.bench.wheelhouse import fill_wheelhouse
from tests.grounds import ground_at

from warmbase.catalog.load import load_catalog
from warmbase.effects.files import CacheFolders, cache_folders
from warmbase.effects.uv import Uv, find_uv
from warmbase.foundation.groundwork import FoundationLayers
from warmbase.foundation.stage import make_foundation
from warmbase.layers.layer import Layer
from warmbase.layers.store import LayerStore
from warmbase.lock.files import read_pins
from warmbase.lock.model import Lock, lock_from_json
from warmbase.oci.layout import read_layout
from warmbase.oci.manifest import Config, Manifest

CATALOG = Path(__file__).parent / "catalog"
PROJECT = Path(__file__).parents[2]
W = "w:py3.13-trixie"
BUMPED = CATALOG / "bumped" / "py3.13-trixie.txt"
"""The lock of W with one small wheel in another version."""
BUMPED_LARGE = CATALOG / "bumped-large" / BUMPED.name
"""The same with another pandas."""

PLATFORM = "linux/amd64"
JOBS = 2


@dataclass(frozen=True, kw_only=True, slots=True)
class Bases:
    """A catalog in `folder` with the layout `dist`, the cache that its builds use, and their environment."""

    folder: Path
    cache: Path
    environment: Mapping[str, str]

    @property
    def output(self) -> Path:
        """The layout."""
        return self.folder / "dist"

    @property
    def store(self) -> LayerStore:
        """The layer store."""
        return LayerStore(CacheFolders(root=self.cache).store)

    def run(self, *arguments: str) -> Usage:
        """Run `warmbase` here."""
        environment = {**self.environment, "WARMBASE_CACHE_DIR": str(self.cache)}
        return run_measured([sys.executable, "-m", "warmbase", *arguments], env=environment, cwd=self.folder)

    def build(self, image: str = "w") -> Usage:
        """Build an image without verification, after what is still to be written has reached the disk."""
        os.sync()
        return self.run("build", image, "--no-verify", "--jobs", str(JOBS))

    def copy(self, root: Path) -> "Bases":
        """A copy below `root`: files are linked, and whoever changes one replaces it."""
        root.mkdir(parents=True)
        for source, name in ((self.folder, "bases"), (self.cache, "cache")):
            subprocess.run(["cp", "-al", source, root / name], check=True)
        return Bases(folder=root / "bases", cache=root / "cache", environment=self.environment)

    def take_lock(self, text: Path) -> None:
        """Put the lock whose requirements file is `text` in the place of the image's."""
        for source in (text, text.with_suffix(".json")):
            target = self.folder / "bases/w" / source.name
            target.unlink()
            shutil.copy(source, target)

    def manifest(self, name: str) -> Manifest:
        """The manifest of a built image."""
        layout = read_layout(self.output)
        (found,) = layout.builds(name)
        return Manifest.from_bytes(layout.read(found))

    def config(self, name: str) -> Config:
        """The config of a built image."""
        return Config.from_bytes(read_layout(self.output).read(self.manifest(name).config))

    def layers(self, name: str) -> list[Layer]:
        """The layers of a built image as the store knows them, the lowest first."""
        known = {stored.layer.digest: stored.layer for stored in self.store.list()}
        return [known[layer.digest] for layer in self.manifest(name).layers]

    def wheel_layers(self) -> list[Layer]:
        """Every wheel's own layer in the store, also of those that images have in a pool, the largest first."""
        wheels = [stored.layer for stored in self.store.list() if "files" in stored.layer.notes]
        return sorted(wheels, key=lambda layer: -layer.unpacked_size)


class Workbench:
    """One run of the bench; see the module."""

    def __init__(self, kept: Path, folder: Path, server: "Server", uv: Uv, stack: ExitStack) -> None:
        self.kept = kept
        self.folder = folder
        self.server = server
        self.uv = uv
        self.stack = stack
        """What is to be ended with the run."""
        self.programs: dict[str, str] = {}
        """Versions of programs that cases used."""
        self._count = 0

    @property
    def wheelhouse(self) -> Path:
        """The wheels of W."""
        return self.kept / "wheelhouse"

    def new_folder(self, name: str) -> Path:
        """A path for something new; nothing is there."""
        self._count += 1
        return self.folder / f"{self._count}-{name}"

    @cached_property
    def lock(self) -> Lock:
        """The lock of W."""
        return lock_from_json((CATALOG / "bases/w/py3.13-trixie.json").read_text())

    @cached_property
    def ready(self) -> Bases:
        """The bench's catalog with nothing built but the foundation, which is unpacked, too."""
        bases = Bases(
            folder=self.new_folder("ready"),
            cache=self.kept / "foundation",
            environment=bench_environment(self.server.index),
        )
        shutil.copytree(CATALOG, bases.folder)
        shutil.copytree(PROJECT / "bases/foundations", bases.folder / "bases/foundations", dirs_exist_ok=True)
        self._foundation(bases)
        bases.run("--help")  # the tool's own bytecode
        return bases

    @cached_property
    def foundation(self) -> FoundationLayers:
        """W's foundation, in the store of `ready`."""
        return self._foundation(self.ready)

    @cached_property
    def built(self) -> Bases:
        """W, built. Copy it before you change anything."""
        bases = self.ready.copy(self.new_folder("built"))
        bases.build()
        return bases

    def build_cold(self) -> Usage:
        """Build W with nothing in the store but the foundation."""
        with self.cold() as (_, usage):
            return usage

    @contextmanager
    def cold(self) -> Iterator[tuple[Bases, Usage]]:
        """W, built with nothing in the store but the foundation, and what that took."""
        bases = self.ready.copy(self.new_folder("cold"))
        yield bases, bases.build()
        shutil.rmtree(bases.folder.parent)

    def _foundation(self, bases: Bases) -> FoundationLayers:
        catalog = load_catalog(bases.folder / "images.yaml")
        (wanted,) = catalog.foundations
        (python,) = wanted.pythons
        pin = read_pins(catalog, wanted)[PLATFORM, python]
        ground = ground_at(bases.cache)
        made = make_foundation(wanted, pin, PLATFORM, ground, locked=False)
        ground.unpacked.folders(made.layers)
        return made


@dataclass(frozen=True, kw_only=True, slots=True)
class Server:
    """A running index server."""

    pid: int
    index: str


def bench_environment(index: str = "") -> dict[str, str]:
    """The environment of the measured programs: none of the caller's uv settings where an `index` is given."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name != "PYTHONDONTWRITEBYTECODE" and not (index and name.startswith("UV_"))
    }
    return kept | ({"UV_DEFAULT_INDEX": index, "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"} if index else {})


@contextmanager
def open_workbench() -> Iterator[Workbench]:
    """Fill the wheelhouse, start the server; end it and remove the run's files afterwards."""
    kept = cache_folders(os.environ).root / "bench"
    kept.mkdir(parents=True, exist_ok=True)
    _remove_abandoned(kept)
    uv = _users_uv()
    fill_wheelhouse(kept / "wheelhouse", _locks(), uv)
    folder = Path(tempfile.mkdtemp(prefix=f"run-{os.getpid()}-", dir=kept))
    try:
        with serving(kept / "wheelhouse") as server, ExitStack() as stack:
            yield Workbench(kept, folder, server, uv, stack)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _remove_abandoned(kept: Path) -> None:
    for folder in kept.glob("run-*"):
        if not Path("/proc", folder.name.split("-")[1]).exists():
            shutil.rmtree(folder, ignore_errors=True)


def _locks() -> list[Lock]:
    paths: Sequence[Path] = sorted(CATALOG.glob("*/py*.json")) + sorted(CATALOG.glob("bases/*/py*.json"))
    return [lock_from_json(path.read_text()) for path in paths]


def _users_uv() -> Uv:
    wanted = _locks()[0].uv.version
    return find_uv(wanted, cache=cache_folders(os.environ).root, environment=os.environ)


@contextmanager
def serving(wheelhouse: Path) -> Iterator[Server]:
    """Serve a wheelhouse as an index, in a process of its own, while the context lasts."""
    command = [sys.executable, "-m", "tests.bench.serve", str(wheelhouse)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=PROJECT) as process:
        assert process.stdout
        port = process.stdout.readline().strip()
        if not port:
            raise BenchError("the index server does not start")
        yield Server(pid=process.pid, index=f"http://127.0.0.1:{port}/simple")
        # Leaving closes its standard input, which ends it.
