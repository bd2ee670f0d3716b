"""Cases of what a child of W pays: `uv sync --frozen`, its layer, and the first import."""

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from tests.bench import inside
from tests.bench.model import BenchError, Row, Took, rival_row, size_row, time_row
from tests.bench.workbench import W, Workbench

from warmbase.effects.runner import Bind, Root, Sandbox, find_runner
from warmbase.layers.unpack import UnpackedLayers

IMPORTS = "import pandas, numpy, pyarrow, sklearn, matplotlib.pyplot, requests, pytest"
PROJECT = '[project]\nname = "app"\nversion = "0.1.0"\nrequires-python = ">=3.13"\ndependencies = {}\n'
MOST_ADDED = 100e3

_NO_BYTECODE = "find /opt/venv /opt/uv/cache -name __pycache__ -prune -exec rm -rf {} +"


@dataclass(frozen=True, kw_only=True)
class Child:
    """The image of W, to be run: every sandbox is a fresh child of it."""

    bench: Workbench
    scratch: Path

    @cached_property
    def root(self) -> Root:
        """The image as a root filesystem."""
        bases = self.bench.built
        return UnpackedLayers(self.scratch.with_name("image"), bases.store).root(bases.layers(W))

    @cached_property
    def environment(self) -> Mapping[str, str]:
        """What a container of the image starts with, for root."""
        pairs = self.bench.built.config(W).run["Env"]
        assert isinstance(pairs, list)
        return {"HOME": "/root", **dict(str(pair).split("=", 1) for pair in pairs)}

    @contextmanager
    def open(self) -> Iterator[Sandbox]:
        """A child that is the image and nothing more."""
        programs = Bind(source=Path(inside.__path__[0]), target="/run/bench", read_only=True)
        with find_runner(self.scratch).open(self.root, binds=[programs]) as sandbox:
            yield sandbox

    def run(self, sandbox: Sandbox, *command: str, **more: str) -> str:
        """Run a command as root. Raises BenchError if it fails."""
        finished = sandbox.run(command, env={**self.environment, **more}, cwd="/")
        if finished.code:
            raise BenchError(f"{' '.join(command)} failed: {finished.stderr.decode(errors='replace')[-500:]}")
        return finished.text

    def time(self, sandbox: Sandbox, *command: str, **more: str) -> Took:
        """What a command took, measured inside by the foundation's Python, whose own start does not count."""
        interpreter = self.bench.foundation.foundation.interpreter
        text = self.run(sandbox, interpreter, "-I", "-S", "-B", "/run/bench/timed.py", *command, **more)
        seconds, cpu = map(float, text.split())
        return Took(seconds=seconds, cpu=cpu)

    def added(self, sandbox: Sandbox, *command: str, **more: str) -> int:
        """The bytes of the layer that a command makes (see `inside/layer.sh`)."""
        return int(self.run(sandbox, "sh", "/run/bench/layer.sh", *command, **more))


def open_child(bench: Workbench) -> Child:
    """The image of W, built if it is not yet."""
    folder = bench.new_folder("child")
    scratch = folder / "scratch"
    scratch.mkdir(parents=True)
    return Child(bench=bench, scratch=scratch)


def measure_sync(bench: Workbench) -> Iterator[Row]:
    """`uv sync --frozen` of a project that has the base's own lock, without a network."""
    child = open_child(bench)
    yield from _measure_sync(child, "sync", 0.05)
    yield from _measure_sync(child, "sync, UV_COMPILE_BYTECODE=1", 0.3, UV_COMPILE_BYTECODE="1")
    shutil.rmtree(child.scratch.parent)


def _measure_sync(child: Child, case: str, most: float, times: int = 9, **more: str) -> Iterator[Row]:
    command = ("uv", "sync", "--frozen", "--offline", "--project", "/app")
    took = []
    for _ in range(times + 1):
        with child.open() as sandbox:
            _make_project(child, sandbox)
            took.append(child.time(sandbox, *command, **more))
    yield time_row(case, took[1:], most, "page cache warm, a fresh child each time")
    with child.open() as sandbox:
        _make_project(child, sandbox)
        added = child.added(sandbox, *command, **more)
    yield size_row(f"{case}: layer", [added], MOST_ADDED, "what is changed on the root filesystem, as a tar")


def _make_project(child: Child, sandbox: Sandbox) -> None:
    """A project with the requirements of W and the lock that the image has for it."""
    wanted = ["matplotlib", "numpy", "pandas", "pyarrow", "pytest", "requests", "scikit-learn"]
    script = 'mkdir /app && cp /opt/warmbase/uv.lock /app/ && printf %s "$1" > /app/pyproject.toml'
    child.run(sandbox, "sh", "-c", script, "sh", PROJECT.format(json.dumps(wanted)))


def measure_import(bench: Workbench, times: int = 5) -> Iterator[Row]:
    """The first import of W in a child, with the image's bytecode and without any."""
    child = open_child(bench)
    with_bytecode, without = [], []
    for _ in range(times + 1):
        with child.open() as sandbox:
            with_bytecode.append(child.time(sandbox, "python", "-c", IMPORTS))
        with child.open() as sandbox:
            child.run(sandbox, "sh", "-c", _NO_BYTECODE)
            without.append(child.time(sandbox, "python", "-c", IMPORTS, PYTHONDONTWRITEBYTECODE="1"))
    shutil.rmtree(child.scratch.parent)
    note = "page cache warm for both, a fresh child each time"
    yield rival_row("import", with_bytecode[1:], without[1:], 0.4, "the same without bytecode", note)
