"""Projects of ten shapes adopt a base with one command, and their real builds then download nothing.

No step has a network, so that what is not in the base cannot come. The layers are those that BuildKit pushes, and are
as large as `warmbase adopt` said they would be. To build a package uv asks the index for the backends that it has, even
so: where people's own Dockerfile has it do that (`offline`), a line more stands behind FROM, `ENV UV_OFFLINE=1`.
"""

import json
import re
import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.children.buildkit import build_image, push_layers
from tests.e2e.children.shapes import ENVIRONMENT, SHAPES, Shape
from tests.e2e.children.workshop import Workshop

from warmbase.lock.model import lock_from_json

pytestmark = pytest.mark.docker


@dataclass(frozen=True, kw_only=True, slots=True)
class Adopted:
    """A project that has adopted its base: what the command said, and what it says when it is run again."""

    folder: Path
    said: Mapping[str, Any] = field(repr=False)
    again: Mapping[str, Any] = field(repr=False)


def adopt(shape: Shape, workshop: Workshop, root: Path) -> Adopted:
    """Copy a project and run `warmbase adopt --yes`, twice."""
    image = shape.base.partition(":")[0]
    locked = workshop.bases.folder / "bases" / image / "py3.13-trixie.json"
    lock = lock_from_json(locked.read_text(encoding="utf-8"))
    folder = root / shape.name
    project = shape.copy(folder, lock)
    command: list[str | Path] = [
        sys.executable,
        "-m",
        "warmbase",
        "adopt",
        project,
        "--base",
        shape.base,
        "--yes",
        "--json",
    ]
    environment = {
        **ENVIRONMENT,
        "WARMBASE_CACHE_DIR": str(root / "cache"),
        "WARMBASE_INDEX": f"{workshop.registry.host}/bases",
        "UV_CACHE_DIR": str(root / "uv"),
    }
    said = []
    for _ in range(2):
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        said.append(json.loads(done.stdout))
    return Adopted(folder=folder, said=said[0], again=said[1])


@pytest.fixture(scope="module")
def adopted(workshop: Workshop, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Adopted]:
    """All projects, adopted: they mostly wait for the index."""
    root = tmp_path_factory.mktemp("adopted")
    with ThreadPoolExecutor(4) as pool:
        return dict(zip((s.name for s in SHAPES), pool.map(lambda s: adopt(s, workshop, root), SHAPES), strict=True))


def test_there_are_ten_shapes() -> None:
    assert len({shape.says for shape in SHAPES}) == 10


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)
def test_a_project_that_adopted_a_base_builds_from_it_alone(
    workshop: Workshop, adopted: Mapping[str, Adopted], shape: Shape
) -> None:
    project = adopted[shape.name]
    said = project.said
    assert said["misses"] == []
    assert said["left"] == 0
    assert not [note for note in said["notes"] if note["blocking"]]
    lock_diff = "".join(change["diff"] for change in said["changes"] if change["path"] == "uv.lock")
    assert shape.moves <= set(re.findall(r'^ name = "(.+)"$', lock_diff, re.MULTILINE))
    assert project.again["changes"] == []

    dockerfile = project.folder / "Dockerfile"
    text = dockerfile.read_text(encoding="utf-8")
    assert said["reference"] in text
    if shape.offline:
        dockerfile.write_text(re.sub(r"(?m)^(FROM .*)$", r"\1\nENV UV_OFFLINE=1", text), encoding="utf-8")
    build = build_image(workshop.engine, project.folder, f"{workshop.registry.host}/adopted/{shape.name}:latest")
    assert build.image, build.said
    layers = push_layers(workshop.engine, workshop.registry, build.image)
    installed = sum(layer.unpacked for layer in layers if re.search(shape.step, layer.made_by))
    assert said["layer"] == pytest.approx(installed, rel=0.2)
    for wanted in shape.runs:
        workshop.start(build.image, wanted)
