"""The rivals: images that Docker builds of the Dockerfiles in `dockerfiles/`, as people write them.

They stand on an image like an official slim Python, made of the very foundation that W has. Their cache mounts are
emptied when a run begins and when it ends; what fills them is not measured. A build argument has the `RUN` steps run
again: `--no-cache` would start with empty mounts.
"""

import json
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from itertools import count
from pathlib import Path

from tests.bench.engine import Engine, open_engine
from tests.bench.model import BenchError
from tests.bench.usage import Usage, run_measured
from tests.bench.workbench import Workbench

from warmbase.layers.unpack import UnpackedLayers
from warmbase.lock.model import Lock

NAME = "warmbase-bench"
_PYTHON = f"{NAME}/python"
DOCKERFILES = Path(__file__).parent / "dockerfiles"
W_REQUIREMENTS = ("matplotlib", "numpy", "pandas", "pyarrow", "pytest", "requests", "scikit-learn")
_PIP = "pip==25.3"
_PIP_SCRIPT = "#!/usr/bin/python3.13\nfrom pip._internal.cli.main import main\n\nraise SystemExit(main())\n"
_PYPROJECT = """[project]
name = "app"
version = "0.1.0"
requires-python = "==3.13.*"
dependencies = {dependencies}

[tool.uv]
environments = ["sys_platform == 'linux' and platform_machine == 'x86_64'"]

[[tool.uv.index]]
url = "{index}"
default = true
"""


@dataclass(frozen=True, kw_only=True, eq=False)
class Rivals:
    """What builds the rivals. The images of a run are removed at its end."""

    bench: Workbench
    engine: Engine
    _rounds: Iterator[int] = field(default_factory=count)
    _in_mount: set[str] = field(default_factory=set)

    def build(self, file: str, context: Path, *, name: str = "", push: bool = False, **arguments: str) -> Usage:
        """Build a Dockerfile again with `name` as the tag, and push it there with `push`. Raises BenchError."""
        os.sync()
        given = {"ROUND": f"{os.getpid()}-{next(self._rounds)}", **arguments}
        return self.engine.docker(
            "buildx", "build", "--network", "host", "--file", self.dockerfile(file),
            *(word for name, value in given.items() for word in ("--build-arg", f"{name}={value}")),
            "--tag", name or f"{NAME}/{file}", *(["--push"] if push else []), context,
        )  # fmt: skip

    def fill_mount(self, project: Path) -> None:
        """See that the guide's cache mount has what a project locks."""
        locked = (project / "uv.lock").read_text()
        if locked not in self._in_mount:
            self.build("guide", project, BYTECODE="0")
            self._in_mount.add(locked)

    def dockerfile(self, name: str) -> Path:
        """One of the Dockerfiles."""
        return DOCKERFILES / f"{name}.Dockerfile"

    def remove(self, *names: str) -> None:
        """Remove images; what stays costs room and no result."""
        with suppress(BenchError):
            self.engine.docker("image", "rm", "--force", *names)

    def project(self, requirements: Sequence[str] = W_REQUIREMENTS) -> Path:
        """A new folder with a project that has `requirements`, locked with the newest versions of the index."""
        folder = self.bench.new_folder("project")
        folder.mkdir()
        index = self.bench.server.index
        text = _PYPROJECT.format(dependencies=json.dumps(list(requirements)), index=index)
        (folder / "pyproject.toml").write_text(text)
        (folder / "main.py").write_text("import sys\n\nprint(sys.prefix)\n")
        self._lock(folder)
        return folder

    def bump(self, project: Path, lock: Lock) -> Path:
        """A copy of a project with the versions of `lock` where they are others."""
        folder = self.bench.new_folder("bumped")
        shutil.copytree(project, folder)
        moved = set(_versions(lock)) - set(_versions(self.bench.lock))
        self._lock(folder, *(word for pin in sorted(moved) for word in ("--upgrade-package", pin)))
        return folder

    def with_requirements(self, project: Path) -> Path:
        """The project with a requirements.txt of the bench's lock, for pip."""
        pins = "\n".join(_versions(self.bench.lock))
        (project / "requirements.txt").write_text(f"--index-url {self.bench.server.index}\n{pins}\n")
        return project

    @cached_property
    def base(self) -> str:
        """The image of W, loaded into the engine: its name there."""
        names = ("PATH", "DOCKER_HOST", "DOCKER_CONFIG")
        pointed = {name: self.engine.environment[name] for name in names if name in self.engine.environment}
        bases = self.bench.built
        usage = replace(bases, environment={**bases.environment, **pointed}).run("load", "w", "--json")
        (loaded,) = json.loads(usage.output)
        name = str(loaded["names"][0])
        self.bench.stack.callback(self.remove, *loaded["names"])
        return name

    def _lock(self, folder: Path, *options: str) -> None:
        bound = f"{folder}:/app"
        self.engine.docker(
            "run", "--rm", "--network", "host", "--volume", bound, "--workdir", "/app", _PYTHON, "uv", "lock", *options
        )


@cache
def open_rivals(bench: Workbench) -> Rivals:
    """The rivals of a run, with nothing in their cache mounts. Raises BenchError, also where there is no engine."""
    rivals = Rivals(bench=bench, engine=_start_engine(bench))
    bench.stack.enter_context(_prepared(rivals))
    return rivals


@cache
def _start_engine(bench: Workbench) -> Engine:
    """Once, also where what comes next fails: two engines of one machine would fight over its network."""
    engine = bench.stack.enter_context(open_engine(bench.new_folder("engine")))
    bench.programs["Docker Engine"] = engine.version()
    return engine


@contextmanager
def _prepared(rivals: Rivals) -> Iterator[None]:
    bench, folder = rivals.bench, rivals.bench.new_folder("python")
    folder.mkdir()
    (root,) = UnpackedLayers(bench.ready.cache / "unpacked", bench.ready.store).folders(bench.foundation.layers)
    script = 'set -o pipefail; tar --create --directory "$1" . | docker import - "$2"'
    run_measured(["bash", "-c", script, "bash", root, f"{NAME}/debian"], env=rivals.engine.environment, cwd=folder)
    bench.uv.run(["pip", "install", "--target", folder / "pip", _PIP], cache=bench.folder / "locking")
    script_file = folder / "pip3"
    script_file.write_text(_PIP_SCRIPT)
    script_file.chmod(0o755)
    for tool in ("uv", "uvx"):
        shutil.copy(bench.uv.binary.with_name(tool), folder)
    rivals.build("python", folder)
    rivals.build("empty", folder)
    try:
        yield
    finally:
        with suppress(BenchError):
            rivals.build("empty", folder)
        rivals.remove(*(f"{NAME}/{name}" for name in ("debian", "python", "empty")))


def _versions(lock: Lock) -> list[str]:
    return [f"{package.name}=={package.version}" for package in lock.packages if package.wheels]
