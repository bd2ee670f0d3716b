"""A built image in a real Docker engine: loaded, run, and inherited by a child that is built with `docker build`.

Both kinds of image store are tried, the containerd store and the older graph drivers.
"""

import json
import subprocess
import tarfile
from pathlib import Path

import pytest
from tests.e2e.docker.engines import BASE, IMPORTS, PROJECT, REGISTRY, DockerEngine

pytestmark = pytest.mark.docker

DOCKERFILE = f"""
FROM {BASE}
WORKDIR /app
COPY pyproject.toml uv.lock ./
RUN uv sync --frozen
"""
MOST = 100_000  # bytes of a child's layer: nothing of what the base has is copied


@pytest.fixture(scope="module")
def loaded(every_engine: DockerEngine, bases: Path) -> DockerEngine:
    """An engine that has the image."""
    done = every_engine.warmbase("load", "tiny", cwd=bases)
    assert done.returncode == 0, done.stderr
    return every_engine


def names_in(engine: DockerEngine) -> set[str]:
    return set(engine.docker("image", "ls", "--format", "{{.Repository}}:{{.Tag}}").splitlines())


def id_of(engine: DockerEngine, name: str) -> str:
    return engine.docker("image", "inspect", "--format", "{{.Id}}", name)


def digest_in_layout(bases: Path) -> str:
    index = json.loads((bases / "dist" / "index.json").read_bytes())
    (digest,) = {entry["digest"] for entry in index["manifests"]}
    return str(digest)


def test_an_image_is_loaded_under_all_its_tags_and_the_registrys_name(loaded: DockerEngine) -> None:
    assert {f"{REGISTRY}/tiny:py3.13", f"{REGISTRY}/tiny:py3.13-trixie"} <= names_in(loaded)


def test_the_engine_has_the_very_image_of_the_layout(loaded: DockerEngine, bases: Path) -> None:
    if loaded.store == "containerd":
        assert id_of(loaded, BASE) == digest_in_layout(bases)
    else:  # a graph driver's store knows images by their configs only
        manifest = digest_in_layout(bases).removeprefix("sha256:")
        document = json.loads((bases / "dist" / "blobs" / "sha256" / manifest).read_bytes())
        assert id_of(loaded, BASE) == document["config"]["digest"]


def test_python_in_the_image_imports_its_packages(loaded: DockerEngine) -> None:
    said = loaded.docker("run", "--rm", "--network", "none", BASE, "python", "-c", IMPORTS).split()
    assert said[0] == "/opt/venv"
    assert said[1].startswith("/opt/venv/lib/python3.13/site-packages/")
    assert said[2] == "3"


def test_docker_builds_a_child_that_adds_next_to_nothing(loaded: DockerEngine, tmp_path: Path) -> None:
    """The promise: a project that asks for what the base has adds kilobytes by its own `uv sync`."""
    (tmp_path / "pyproject.toml").write_text(PROJECT, encoding="utf-8")
    (tmp_path / "Dockerfile").write_text(DOCKERFILE, encoding="utf-8")
    lock = loaded.docker(
        "run", "--rm", "--network", "none", "--volume", f"{tmp_path}:/project", BASE,
        "uv", "lock", "--offline", "--project", "/project",
    )  # fmt: skip
    assert (tmp_path / "uv.lock").exists(), lock
    loaded.docker("build", "--network", "none", "--tag", "child", tmp_path)
    base_layers = json.loads(loaded.docker("image", "inspect", "--format", "{{json .RootFS.Layers}}", BASE))
    child_layers = json.loads(loaded.docker("image", "inspect", "--format", "{{json .RootFS.Layers}}", "child"))
    assert child_layers[: len(base_layers)] == base_layers
    saved, size = saved_layers(loaded, "child", tmp_path)
    assert saved - len(base_layers) == len(child_layers) - len(base_layers) == 3  # WORKDIR, COPY, RUN
    assert 0 < size < MOST
    said = loaded.docker("run", "--rm", "--network", "none", "child", "python", "-c", IMPORTS)
    assert said.startswith("/opt/venv ")


def saved_layers(engine: DockerEngine, name: str, folder: Path) -> tuple[int, int]:
    """How many layers `docker save` writes of an image, and the uncompressed size of the topmost one."""
    archive = folder / f"{name}.tar"
    engine.docker("save", "--output", archive, name)
    with tarfile.open(archive) as saved:
        document, layer = saved.extractfile("manifest.json"), folder / "layer"
        assert document
        (image,) = json.load(document)
        topmost = saved.extractfile(image["Layers"][-1])
        assert topmost
        layer.write_bytes(topmost.read())
    return len(image["Layers"]), unpacked_size(layer)


def unpacked_size(blob: Path) -> int:
    magic = blob.read_bytes()[:4]
    tool = ["zstd", "-dc"] if magic == b"\x28\xb5\x2f\xfd" else ["gzip", "-dc"] if magic[:2] == b"\x1f\x8b" else ["cat"]
    return len(subprocess.run([*tool, blob], check=True, capture_output=True).stdout)


def test_loading_again_is_harmless(loaded: DockerEngine, bases: Path) -> None:
    before = id_of(loaded, BASE)
    done = loaded.warmbase("load", "tiny", "--json", cwd=bases)
    assert done.returncode == 0, done.stderr
    (document,) = json.loads(done.stdout)
    assert document["names"] == [f"{REGISTRY}/tiny:py3.13-trixie", BASE]
    assert document["digest"] == digest_in_layout(bases)
    assert id_of(loaded, BASE) == before
