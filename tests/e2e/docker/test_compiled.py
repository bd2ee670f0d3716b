"""Packages without wheels, compiled by a real builder: from an index and a repository behind a password."""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.bases import Bases
from tests.e2e.docker.engines import DockerEngine
from tests.sources import PASSWORD, USER, SourceHost, make_repository, make_source, serve_sources
from tests.wheelhouse import Mirror, uv_wheel
from uv import find_uv_bin

pytestmark = pytest.mark.docker

CODE = "int LZ4_versionNumber(void); int answer(void) { return LZ4_versionNumber(); }"
YAML = "int yaml_get_version_string(void); int answer(void) { return yaml_get_version_string(); }"
ANSWER = (
    "import ctypes, coded, filed, kept, pathlib;"
    "library = ctypes.CDLL(str(pathlib.Path(coded.__file__).with_name('_coded.so')));"
    "print(library.answer(), kept.NAME, filed.NAME)"
)
BASE = "registry.example/bases/own:py3.13"
DOCKERFILE = f"""
FROM {BASE}
WORKDIR /app
RUN cp /opt/warmbase/uv.lock . && printf '[project]\\nname = "app"\\nversion = "0.1.0"\\n\
requires-python = ">=3.13"\\ndependencies = ["coded", "kept @ git+HOST/kept/.git@main", \
"filed @ HOST/filed-3.0.tar.gz"]\\n' > pyproject.toml
RUN uv sync --frozen --offline --dry-run 2>&1 | tee said && grep 'Would make no changes' said
RUN uv pip install --offline --dry-run coded 2>&1 | tee said && grep 'Would make no changes' said
WORKDIR /own
RUN printf '[project]\\nname = "own"\\nversion = "1"\\nrequires-python = ">=3.13"\\n\
dependencies = ["coded"]\\n' > pyproject.toml
ENV UV_PROJECT_ENVIRONMENT=.venv UV_OFFLINE=1
RUN uv lock && uv sync --frozen && .venv/bin/python -c 'import coded; assert coded.__file__.startswith("/own/.venv")'
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Made:
    """What became of one build: the folder, the host of the sources, a row for each image, and all that was said."""

    bases: Bases
    host: SourceHost
    rows: dict[str, dict[str, Any]]
    said: str
    commit: str


@pytest.fixture(scope="module")
def made(engine: DockerEngine, foundation: Bases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Made]:
    """A build of images whose packages have no wheels."""
    root = tmp_path_factory.mktemp("compiled")
    commit = make_repository(root / "files/kept", "kept", "2.0")
    gateway = engine.docker("network", "inspect", "bridge", "--format", "{{(index .IPAM.Config 0).Gateway}}")
    offered = [
        uv_wheel("0.13.8", Path(find_uv_bin())),
        make_source("coded", "1.0", code=CODE, flags=("-llz4",)),
        make_source("lacking", "1.0", code=YAML, flags=("-lyaml",)),
        make_source("broken", "1.0", code="this is no C"),
    ]
    (root / "files/filed-3.0.tar.gz").write_bytes(make_source("filed", "3.0").content)
    mirror = Mirror(wheels=offered)
    with serve_sources(SourceHost(host=gateway, mirror=mirror, folder=root / "files")) as host:
        bases = foundation.copy(root / "made").with_environment(_environment(engine, root / "home", host))
        elsewhere = [f"kept @ git+{host.url}/kept/.git@main", f"filed @ {host.url}/filed-3.0.tar.gz"]
        asked = {"own": ["coded", *elsewhere], "other": ["coded"], "lacking": ["lacking"], "broken": ["broken"]}
        tools = ["tcc", "liblz4-dev", "libyaml-dev"]
        bases.write_catalog({name: {"requirements": each, "build_packages": tools} for name, each in asked.items()})
        done = [bases.run("build", "--json", "own"), bases.run("build", "--json", "--no-verify", code=1)]
        rows = {row["variant"].partition(":")[0]: row for one in reversed(done) for row in json.loads(one.stdout)}
        said = "".join(f"{one.stdout}{one.stderr}" for one in done)
        yield Made(bases=bases, host=host, rows=rows, said=said, commit=commit)


def _environment(engine: DockerEngine, home: Path, host: SourceHost) -> dict[str, str]:
    """This user's, who has told uv and git their passwords."""
    home.mkdir()
    (home / ".gitconfig").write_text("[credential]\n  helper = store\n")
    (home / ".netrc").write_text(host.netrc)
    (home / ".git-credentials").write_text(host.url.replace("http://", f"http://{USER}:{PASSWORD}@") + "\n")
    names = ("PATH", "DOCKER_HOST", "DOCKER_CONFIG")
    own = {name: value for name in names if (value := engine.environment.get(name))}
    return own | {"HOME": str(home), "UV_DEFAULT_INDEX": host.index}


def test_packages_are_compiled_into_layers_like_any_other(made: Made) -> None:
    assert made.rows["own"]["error"] == ""
    assert made.rows["own"]["wheels_made"] == 3
    locked = (made.bases.folder / "bases/own/py3.13-trixie.txt").read_text()
    assert f"kept @ git+{made.host.url}/kept/.git@{made.commit}" in locked
    assert f"coded==1.0 \\\n    --hash=sha256:{made.host.mirror.wheels[1].sha256}" in locked


def test_what_one_image_has_compiled_another_one_takes(made: Made) -> None:
    assert made.rows["other"]["error"] == ""
    assert made.rows["other"]["wheels_made"] == 0


def test_a_library_that_the_foundation_lacks_is_named_with_its_package(made: Made) -> None:
    assert "_lacking.so needs libyaml-0.so.2" in made.rows["lacking"]["error"]
    assert "add libyaml-0-2 to the foundation" in made.rows["lacking"]["error"]


def test_a_compiler_that_fails_is_quoted_and_the_way_out_named(made: Made) -> None:
    error = made.rows["broken"]["error"]
    assert "broken 1.0 cannot be compiled for linux/" in error
    assert "code.c:1: error" in error
    assert "`build_packages`" in error


def test_a_child_finds_what_was_compiled_in_the_venv_and_for_its_own(made: Made, engine: DockerEngine) -> None:
    made.bases.run("load", "own")
    folder = made.bases.folder / "child"
    folder.mkdir()
    (folder / "Dockerfile").write_text(DOCKERFILE.replace("HOST", made.host.url))
    engine.docker("build", "--network", "none", "--tag", "compiled-child", folder)
    # tcc marks no stack as it should be; glibc then has to be told to load the library all the same.
    lenient = ("--env", "GLIBC_TUNABLES=glibc.rtld.execstack=2")
    run = ("run", "--rm", "--network", "none", *lenient, "compiled-child", "/opt/venv/bin/python", "-c", ANSWER)
    said = engine.docker(*run)
    assert said.endswith(" kept filed")
    assert int(said.split()[0]) > 10_000


def test_no_password_is_left_in_messages_layers_history_and_the_builders_cache(
    made: Made, engine: DockerEngine, tmp_path: Path
) -> None:
    assert made.host.refused, "nobody asked for a password"
    assert PASSWORD not in made.said
    made.bases.run("load", "own")
    container = engine.docker("create", BASE)
    engine.docker("export", "--output", tmp_path / "all.tar", container)
    engine.docker("rm", container)
    assert PASSWORD.encode() not in (tmp_path / "all.tar").read_bytes()
    for said in (
        engine.docker("history", "--no-trunc", BASE),
        engine.docker("image", "inspect", BASE),
        engine.docker("buildx", "du", "--verbose"),
    ):
        assert PASSWORD not in said
    for path in (made.bases.folder / "bases").rglob("*"):
        assert path.is_dir() or PASSWORD not in path.read_text()


def test_without_a_builder_both_ways_out_are_named(made: Made, tmp_path: Path) -> None:
    bare = tmp_path / "bin"
    bare.mkdir()
    for folder in (*os.environ["PATH"].split(os.pathsep), "/usr/sbin", "/sbin"):
        for program in Path(folder).glob("*"):
            if not program.name.startswith(("docker", "podman")) and not (bare / program.name).is_symlink():
                (bare / program.name).symlink_to(program)
    catalog = json.loads(made.bases.catalog.read_text())
    catalog["images"] = {"broken": catalog["images"]["broken"]}
    without = made.bases.copy(tmp_path / "without").with_environment({"PATH": str(bare)})
    without.catalog.write_text(json.dumps(catalog))
    assert "broken 1.0 to compile" in without.run("plan").stdout
    (row,) = without.build(code=1)
    assert "broken 1.0 has no wheel for linux/" in row["error"]
    assert "docker is not installed" in row["error"]
    for way in ("install Docker with Buildx", "`--builder NAME`", "require a version that has a wheel", "leave the"):
        assert way in row["error"]
