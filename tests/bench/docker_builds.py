"""Cases against builds with Docker: W from nothing, children, nothing changed."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.bench.catalog_cases import build_catalog, run_on_catalog
from tests.bench.model import BenchError, Row, Took, rival_row, rival_size_row, together
from tests.bench.publishing import registry_of
from tests.bench.rivals import NAME, Rivals, open_rivals
from tests.bench.usage import Usage
from tests.bench.workbench import PLATFORM, Workbench
from tests.registries import client_of

from warmbase.oci.manifest import Manifest
from warmbase.publish.contents import platforms_of

GUIDE = "the guide's Dockerfile"
PIP = "pip's Dockerfile"
_WARM = "Docker's side: cache mount with the wheels, base image in the engine"
_CHILD = f"{NAME}/child"
_SIX = ("requests", "pytest", "python-dateutil", "pygments", "narwhals", "joblib")


@dataclass(frozen=True, kw_only=True, slots=True)
class _Children:
    """A project built on the slim Python and on the image of W, with the Dockerfile of uv's guide."""

    rivals: Rivals
    project: Path
    bytecode: str
    slim: list[Usage] = field(default_factory=list)
    ours: list[Usage] = field(default_factory=list)

    def build(self) -> None:
        """Build both once more."""
        self.slim.append(self.rivals.build("guide", self.project, BYTECODE=self.bytecode))
        self.ours.append(
            self.rivals.build("guide", self.project, name=_CHILD, BASE=self.rivals.base, BYTECODE=self.bytecode)
        )

    def rows(self, case: str) -> Iterator[Row]:
        """What came of it."""
        against, note = f"{GUIDE} on slim", f"{_WARM}; only FROM differs"
        yield rival_row(case, self.ours, self.slim, 0.1, against, note)
        ours = added_bytes(self.rivals, _CHILD, self.rivals.base)
        slim = added_bytes(self.rivals, f"{NAME}/guide", f"{NAME}/python")
        note = "all layers above the base image, as they are pushed"
        yield rival_size_row(f"{case}: layers", [ours], [slim], 0.001, against, note)
        self.rivals.remove(_CHILD, f"{NAME}/guide")


def measure_against_docker(bench: Workbench, times: int = 2) -> Iterator[Row]:
    """A build of W from nothing against the Dockerfiles of uv's guide and of pip; the guide's child on W."""
    rivals = open_rivals(bench)
    project = rivals.with_requirements(rivals.project())
    children = _Children(rivals=rivals, project=project, bytecode="1")
    rivals.fill_mount(project)
    rivals.build("pip", project)  # fills its cache mount
    pip: list[Took] = []
    ours: list[Took] = []
    verified: list[Took] = []
    for _ in range(times):
        with bench.cold() as (bases, built):
            ours.append(built)
            verified.append(together(built, bases.run("verify", "w")))
        children.build()
        pip.append(rivals.build("pip", project))
    for took, said, case in ((ours, "not verified, as the rival's is not", ""), (verified, "verified", ", verified")):
        note = (
            f"ours: {said}; the foundation in the store, wheels from the index, into an OCI layout; {_WARM}; both"
            " compile all bytecode"
        )
        yield rival_row(f"cold build of W{case}", took, children.slim, 0.4, GUIDE, note)
        yield rival_row(f"cold build of W{case}, pip", took, pip, 0.25, PIP, note)
    rivals.remove(f"{NAME}/pip")
    yield from children.rows("child, UV_COMPILE_BYTECODE=1")


def measure_plain_child(bench: Workbench, times: int = 2) -> Iterator[Row]:
    """The guide's child without bytecode."""
    rivals = open_rivals(bench)
    project = rivals.project()
    children = _Children(rivals=rivals, project=project, bytecode="0")
    rivals.fill_mount(project)
    for _ in range(times):
        children.build()
    yield from children.rows("child")


def measure_bake(bench: Workbench, times: int = 5) -> Iterator[Row]:
    """A build of six variants where nothing changed, against a bake of six targets where nothing changed."""
    rivals = open_rivals(bench)
    definition = _define_bake(rivals)
    command = ("buildx", "bake", "--allow", "network.host", "--file", definition)
    rivals.engine.docker(*command, cwd=definition.parent)
    options, said = build_catalog(bench)
    ours, rival = [], []
    for _ in range(times):
        rival.append(rivals.engine.docker(*command, cwd=definition.parent))
        ours.append(run_on_catalog(bench, "build", "--json", *options))
    rows = json.loads(ours[-1].output)
    if len(rows) != len(_SIX) or any(row["seconds"] for row in rows):
        raise BenchError(f"{len(rows)} variants, not all of them up to date: {ours[-1].output}")
    rivals.remove(*(f"{NAME}/{name}" for name in _SIX))
    note = f"six variants of the default catalog{said}; six small projects of {GUIDE}, into the engine; all caches warm"
    yield rival_row("six variants, nothing changed", ours, rival, 1.0, "docker buildx bake", note)


def added_bytes(rivals: Rivals, image: str, base: str) -> int:
    """The bytes of the layers that `image` has on top of those of `base`, as a registry gets them."""
    with registry_of(rivals.bench) as registry:
        pushed = f"{registry.host}/{image}"
        rivals.engine.docker("tag", image, pushed)
        rivals.engine.docker("push", pushed)
        rivals.remove(pushed)
        layers = _manifest(registry.host, image).layers
    return sum(layer.size for layer in layers[_count_layers(rivals, base) :])


def _manifest(host: str, repository: str) -> Manifest:
    """What the engine pushed: an index that also has what BuildKit attests."""
    client = client_of(host)
    index = client.read_manifest(repository, "latest")
    assert index
    manifest = client.read_manifest(repository, platforms_of(index.content)[PLATFORM].digest)
    assert manifest
    return Manifest.from_bytes(manifest.content)


def _count_layers(rivals: Rivals, image: str) -> int:
    said = rivals.engine.docker("image", "inspect", "--format", "{{json .RootFS.Layers}}", image).output
    return len(json.loads(said))


def _define_bake(rivals: Rivals) -> Path:
    """Six projects with a target each; the path of the definition."""
    folder = rivals.bench.new_folder("bake")
    folder.mkdir()
    targets = {}
    for name in _SIX:
        shutil.move(rivals.project([name]), folder / name)
        shutil.copy(rivals.dockerfile("guide"), folder / name / "Dockerfile")
        targets[name] = {"context": name, "tags": [f"{NAME}/{name}"], "network": "host"}
    definition = folder / "docker-bake.json"
    definition.write_text(json.dumps({"group": {"default": {"targets": list(_SIX)}}, "target": targets}))
    return definition
