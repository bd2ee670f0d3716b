"""What is in an image: what a plain `uv pip sync` of its lock gives, and a cache that a child's uv hits."""

import json
import os
import shutil
import time
from pathlib import Path

import pytest
from tests.bases import Bases
from tests.conftest import go_without
from tests.images import check_same, environment_of, files_of_a_plain_sync, files_of_the_image, opened, pinned_uv

from warmbase.catalog.load import load_catalog
from warmbase.cli.session import Session
from warmbase.effects.files import cache_folders
from warmbase.effects.runner import Bind
from warmbase.plan import Existing, planned_layers

NAME = "small:py3.13-trixie"
PROJECT = Path(__file__).parents[2]


def test_an_image_holds_what_a_plain_sync_of_its_lock_gives(built: Bases, tmp_path: Path) -> None:
    image = files_of_the_image(built, NAME)
    assert "/opt/venv/bin/pytest" in image
    assert len(image) > 500
    check_same(image, files_of_a_plain_sync(built, NAME, tmp_path))


def test_the_layers_leave_room_for_the_children(built: Bases) -> None:
    """Docker stacks at most 125 layers."""
    assert len(built.manifest(NAME).layers) <= 125 - 30


def test_bytecode_is_up_to_date(built: Bases) -> None:
    program = "import requests, pytest, markupsafe"
    with opened(built, built.layers(NAME)) as sandbox:
        finished = sandbox.run(["python", "-v", "-c", program], env=environment_of(built, NAME))
    said = finished.stderr.decode()
    assert finished.code == 0
    assert "/opt/venv/lib/python3.13/site-packages/requests/__pycache__/" in said
    assert "bytecode is stale" not in said
    assert "# wrote" not in said


PYPROJECT = """
[project]
name = "child"
version = "0.1.0"
requires-python = ">=3.13"
dependencies = {dependencies}
"""


def child(folder: Path, *dependencies: str) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "pyproject.toml").write_text(PYPROJECT.format(dependencies=json.dumps(dependencies)))
    return folder


def versions_in(lock: Path) -> dict[str, str]:
    import tomllib

    document = tomllib.loads(lock.read_text())
    return {package["name"]: package["version"] for package in document["package"] if "registry" in package["source"]}


def base_versions(bases: Bases) -> dict[str, str]:
    lock = json.loads((bases.folder / "bases/small/py3.13-trixie.json").read_text())
    return {package["name"]: package["version"] for package in lock["packages"]}


def test_an_offline_lock_in_a_child_gives_the_base_s_own_versions_in_milliseconds(built: Bases, tmp_path: Path) -> None:
    folder = child(tmp_path / "child", "requests", "pytest", "markupsafe")
    binds = [Bind(source=folder, target="/app")]
    with opened(built, built.layers(NAME), binds) as sandbox:
        environment = environment_of(built, NAME)
        seconds = []
        for _ in range(3):
            (folder / "uv.lock").unlink(missing_ok=True)
            begun = time.monotonic()
            finished = sandbox.run(["uv", "lock", "--offline"], env=environment, cwd="/app")
            seconds.append(time.monotonic() - begun)
            assert finished.code == 0, finished.stderr.decode()
        synced = sandbox.run(["uv", "sync", "--offline", "--frozen"], env=environment, cwd="/app")
        assert synced.code == 0, synced.stderr.decode()
        imported = sandbox.run(["python", "-c", "import requests; print(requests.__file__)"], env=environment)
    found = versions_in(folder / "uv.lock")
    assert found == {name: version for name, version in base_versions(built).items() if name in found}
    assert found.keys() >= {"requests", "urllib3", "pytest", "pluggy", "markupsafe", "colorama"}
    assert min(seconds) < 0.3, "resolving should take milliseconds; starting uv in a sandbox takes 0.05 s"
    assert imported.text.strip() == "/opt/venv/lib/python3.13/site-packages/requests/__init__.py"
    assert "Installed" not in synced.stderr.decode()


def test_an_offline_child_gets_its_own_environment_from_the_cache_alone(built: Bases, tmp_path: Path) -> None:
    folder = child(tmp_path / "child", "requests")
    with opened(built, built.layers(NAME), [Bind(source=folder, target="/app")]) as sandbox:
        environment = environment_of(built, NAME) | {"UV_PROJECT_ENVIRONMENT": "/app/.venv"}
        for command in (["uv", "sync", "--offline"], ["/app/.venv/bin/python", "-c", "import requests"]):
            finished = sandbox.run(command, env=environment, cwd="/app")
            assert finished.code == 0, finished.stderr.decode()


def test_an_online_lock_in_a_child_sees_every_version(built: Bases, tmp_path: Path) -> None:
    """The base's pages do not hide what they do not offer; they are asked for again."""
    uv = pinned_uv(built)
    if uv.serving_index() != uv.default_index():
        go_without("this machine uses a mirror of the index whose address the image has")
    older = child(tmp_path / "child", "packaging<26", "requests")
    bundle = Path(os.environ.get("SSL_CERT_FILE", "/etc/ssl/certs/ca-certificates.crt"))
    binds = [
        Bind(source=older, target="/app"),
        Bind(source=bundle.resolve(), target="/run/ca.pem", read_only=True),
    ]
    proxies = {key: value for key, value in os.environ.items() if key.lower().endswith("_proxy")}
    environment = environment_of(built, NAME) | {"SSL_CERT_FILE": "/run/ca.pem"} | proxies
    with opened(built, built.layers(NAME), binds, network=True) as sandbox:
        offline = sandbox.run(["uv", "lock", "--offline"], env=environment, cwd="/app")
        online = sandbox.run(["uv", "lock"], env=environment, cwd="/app")
    assert offline.code == 1
    assert "packaging" in offline.stderr.decode()
    assert online.code == 0, online.stderr.decode()
    assert int(versions_in(older / "uv.lock")["packaging"].split(".")[0]) < 26


def test_a_child_s_lock_is_one_that_anybody_can_use(built: Bases, tmp_path: Path) -> None:
    """It names the files of every platform, at the real index."""
    folder = child(tmp_path / "child", "markupsafe")
    with opened(built, built.layers(NAME), [Bind(source=folder, target="/app")]) as sandbox:
        assert sandbox.run(["uv", "lock", "--offline"], env=environment_of(built, NAME), cwd="/app").code == 0
    text = (folder / "uv.lock").read_text()
    assert pinned_uv(built).default_index() in text
    assert "www" not in text
    for platform in ("macosx", "win_amd64", "musllinux", "aarch64"):
        assert platform in text


def count_missing_layers(bases: Bases) -> int:
    """How many wheel layers of a catalog its cache lacks."""
    session = Session(bases.catalog, lambda event: None)
    planned = session.plan([], [], bases.output, locked=True, relock=False, verify=False)
    return planned_layers(planned.steps, Existing(layers=session.store.recipes()))[1]


def variants_of_the_catalog() -> list[str]:
    """Each image and each foundation of the project's own catalog once: all together take minutes to build."""
    variants = load_catalog(PROJECT / "images.yaml").variants
    images = {variant.image: variant.name for variant in reversed(variants)}
    foundations = {variant.foundation.name: variant.name for variant in reversed(variants)}
    return sorted({*images.values(), *foundations.values()})


@pytest.fixture(scope="session")
def default_catalog(tmp_path_factory: pytest.TempPathFactory) -> Bases:
    """The project's own catalog, built into a layout of its own with the cache that WARMBASE_CACHE_DIR names, or with
    the user's own where that has the layers: making them all takes minutes, which somebody has to ask for."""
    cache = cache_folders(os.environ).root
    bases = Bases(folder=tmp_path_factory.mktemp("catalog") / "bases", cache=cache)
    bases.folder.mkdir()
    shutil.copy(PROJECT / "images.yaml", bases.catalog)
    shutil.copytree(PROJECT / "bases", bases.folder / "bases")
    missing = count_missing_layers(bases)
    if missing and "WARMBASE_CACHE_DIR" not in os.environ:
        go_without(f"{cache} lacks {missing} layers of the project's own catalog: run `make build` before")
    bases.build(*variants_of_the_catalog())
    return bases


@pytest.mark.catalog
@pytest.mark.parametrize("variant", variants_of_the_catalog())
def test_every_image_of_the_catalog_holds_what_a_plain_sync_gives(
    default_catalog: Bases, variant: str, tmp_path: Path
) -> None:
    assert len(default_catalog.manifest(variant).layers) <= 125 - 30
    image = files_of_the_image(default_catalog, variant)
    check_same(image, files_of_a_plain_sync(default_catalog, variant, tmp_path))
