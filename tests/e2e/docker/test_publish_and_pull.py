"""A published image in a real Docker engine: pulled, inspected with Buildx, and inherited from the registry."""

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.e2e.docker.engines import IMPORTS, PROJECT, DockerEngine, run
from tests.registries import inspect_with_skopeo, running_registry

pytestmark = pytest.mark.docker


@pytest.fixture(scope="session")
def published(bases: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The image in a real registry: its reference without a tag."""
    with running_registry(tmp_path_factory.mktemp("registry")) as registry:
        prefix = f"{registry.host}/bases"
        environment = os.environ | {"WARMBASE_CACHE_DIR": str(bases.with_name("cache"))}
        command = (sys.executable, "-m", "warmbase", "publish", "--registry", prefix, "--json")
        done = run(*command, cwd=bases, env=environment)
        assert done.returncode == 0, done.stdout + done.stderr
        yield f"{prefix}/tiny"


def test_docker_pulls_what_was_published(every_engine: DockerEngine, published: str) -> None:
    every_engine.docker("pull", "--quiet", f"{published}:py3.13")
    digests = json.loads(
        every_engine.docker("image", "inspect", "--format", "{{json .RepoDigests}}", f"{published}:py3.13")
    )
    own = [digest for digest in digests if digest.startswith(f"{published}@")]  # of an engine that others use, too
    assert own == [f"{published}@{inspect_with_skopeo(f'{published}:py3.13')['Digest']}"]
    said = every_engine.docker("run", "--rm", "--network", "none", f"{published}:py3.13", "python", "-c", IMPORTS)
    assert said.startswith("/opt/venv ")


def test_buildx_reads_the_bill_of_materials_and_the_provenance(every_engine: DockerEngine, published: str) -> None:
    def inspect(what: str) -> str:
        return every_engine.docker(
            "buildx", "imagetools", "inspect", f"{published}:py3.13", "--format", f"{{{{json .{what}}}}}"
        )

    bill, provenance = json.loads(inspect("SBOM")), json.loads(inspect("Provenance"))
    assert {"httpx", "numpy"} <= {package["name"] for package in bill["SPDX"]["packages"]}
    assert provenance["SLSA"]["buildDefinition"]["externalParameters"]["variant"] == "tiny:py3.13-trixie"


def test_a_child_is_built_on_the_registrys_tag(every_engine: DockerEngine, published: str, tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(PROJECT, encoding="utf-8")
    (tmp_path / "Dockerfile").write_text(
        f"FROM {published}:py3.13\nWORKDIR /app\nCOPY pyproject.toml .\nRUN uv lock --offline && uv sync --frozen\n",
        encoding="utf-8",
    )
    every_engine.docker("build", "--network", "none", "--tag", "heir", tmp_path)
    said = every_engine.docker("run", "--rm", "--network", "none", "heir", "python", "-c", IMPORTS)
    assert said.startswith("/opt/venv ")
