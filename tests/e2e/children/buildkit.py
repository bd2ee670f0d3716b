"""Builds of a real BuildKit: how long each step took by its own clock, and what each layer of the image weighs."""

import base64
import gzip
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from tests.e2e.docker.engines import DockerEngine, run
from tests.registries import RunningRegistry, client_of

from warmbase.oci.digests import hex_of
from warmbase.oci.manifest import Descriptor, Manifest


@dataclass(frozen=True, kw_only=True, slots=True)
class Build:
    """A build that has ended: what it said, and the steps, name → seconds. `image` is "" where it failed."""

    image: str
    said: str
    steps: tuple[tuple[str, float], ...]

    def seconds(self, pattern: str) -> float:
        """What the steps whose text has the pattern took together."""
        return sum(seconds for name, seconds in self.steps if re.search(pattern, name))


def build_image(engine: DockerEngine, folder: Path, image: str) -> Build:
    """Build the Dockerfile in `folder`, no step of which has a network, nor a result of an earlier build."""
    done = run(
        "docker", "buildx", "build", "--network=none", "--no-cache", "--provenance=false", "--progress=rawjson",
        "--tag", image, ".", cwd=folder, env=engine.environment,
    )  # fmt: skip
    seconds: dict[str, float] = {}
    said: list[str] = []
    for line in done.stderr.splitlines():
        if not line.startswith("{"):
            said.append(line)
            continue
        status = json.loads(line)
        said += [base64.b64decode(log["data"]).decode(errors="replace") for log in status.get("logs") or ()]
        for vertex in status.get("vertexes") or ():
            if "completed" in vertex and "started" in vertex:
                seconds[vertex["name"]] = _seconds(vertex["completed"]) - _seconds(vertex["started"])
    return Build(image="" if done.returncode else image, said="\n".join(said), steps=tuple(seconds.items()))


def _seconds(time: str) -> float:
    """A time of Go's RFC 3339 with up to nine digits of a second, of which Python reads six."""
    return datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", time)).timestamp()


@dataclass(frozen=True, kw_only=True, slots=True)
class PushedLayer:
    """A layer in the registry: the instruction that made it, and its bytes there and unpacked."""

    made_by: str
    compressed: int
    unpacked: int


def push_layers(engine: DockerEngine, registry: RunningRegistry, image: str) -> Iterator[PushedLayer]:
    """Push an image named "host/repository:tag" to the registry; the layers that instructions made, lowest first."""
    engine.docker("push", "--quiet", image)
    repository, _, tag = image.removeprefix(f"{registry.host}/").partition(":")
    found = client_of(registry.host).read_manifest(repository, tag)
    assert found, image
    manifest = Manifest.from_bytes(found.content)
    config: dict[str, Any] = json.loads(_blob(registry, manifest.config).read_bytes())
    made = [entry.get("created_by", "") for entry in config["history"] if not entry.get("empty_layer")]
    for made_by, layer in zip(made, manifest.layers, strict=True):
        if "buildkit" in made_by:
            unpacked = len(gzip.decompress(_blob(registry, layer).read_bytes()))
            yield PushedLayer(made_by=made_by, compressed=layer.size, unpacked=unpacked)


def _blob(registry: RunningRegistry, descriptor: Descriptor) -> Path:
    digest = hex_of(descriptor.digest)
    return registry.storage / "docker/registry/v2/blobs/sha256" / digest[:2] / digest / "data"
