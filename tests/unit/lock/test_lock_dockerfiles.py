"""Which Dockerfiles a lock builds: what has no pin, what another Python pins already, and what is to be made anew."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import pytest

from warmbase.catalog.load import load_catalog
from warmbase.catalog.model import Catalog, DockerfileFoundation
from warmbase.effects.docker.bake import Target
from warmbase.errors import BuilderError, RegistryError
from warmbase.events import Event, Warned
from warmbase.foundation.baked import Baked
from warmbase.foundation.groundwork import Groundwork
from warmbase.foundation.inputs import hash_inputs
from warmbase.foundation.pins import DockerfilePin, ManagedPin
from warmbase.layers.codec import Codec
from warmbase.layers.store import LayerStore
from warmbase.lock.dockerfiles import bake_for_lock
from warmbase.lock.files import write_pins

PLATFORM = "linux/amd64"
DIGEST = f"sha256:{'a' * 64}"


class Asked:
    """A builder that writes down what it is asked for, and a registry that does not answer."""

    name, platforms = "asked", frozenset({PLATFORM})

    def __init__(self) -> None:
        self.targets: list[Target] = []

    def bake(self, targets: Sequence[Target], folder: Path, **_: object) -> Mapping[str, Any]:
        self.targets += targets
        raise BuilderError("it builds nothing")

    def at(self, host: str) -> "Asked":
        raise RegistryError(f"{host} cannot be reached")


def catalog_at(folder: Path, foundation: Mapping[str, Any], pythons: Sequence[str]) -> Catalog:
    """A catalog of one image on a Dockerfile, for each of `pythons`."""
    (folder / "bases" / "geo").mkdir(parents=True, exist_ok=True)
    (folder / "bases" / "geo" / "Dockerfile").write_text("FROM debian:trixie-slim\n")
    document = {
        "uv": "0.13.8",
        "platforms": [PLATFORM],
        "foundations": {"geo": {"dockerfile": "bases/geo", **foundation}},
        "images": {"app": {"requirements": ["it"], "foundation": "geo", "python": pythons}},
    }
    (folder / "images.yaml").write_text(json.dumps(document))
    return load_catalog(folder / "images.yaml")


def geo(catalog: Catalog) -> DockerfileFoundation:
    (foundation,) = catalog.foundations
    assert isinstance(foundation, DockerfileFoundation)
    return foundation


def pin_of(catalog: Catalog, python: str) -> DockerfilePin:
    return DockerfilePin(
        inputs=hash_inputs(geo(catalog), python),
        platform=PLATFORM,
        bases=(("docker.io/library/debian:trixie-slim", DIGEST),),
        image=DIGEST,
        created="2026-01-02T00:00:00Z",
        python="" if geo(catalog).managed else f"{python}.5",
        interpreter="" if geo(catalog).managed else f"/usr/bin/python{python}",
        libc=("glibc", "2.41"),
    )


@pytest.fixture
def asked() -> Asked:
    return Asked()


def bake(catalog: Catalog, folder: Path, asked: Asked, **how: bool) -> tuple[Baked, list[Event]]:
    nothing = cast("Any", None)
    ground = Groundwork(
        store=LayerStore(folder / "store"),
        unpacked=nothing,
        registries=lambda: cast("Any", asked),
        codec=Codec(),
        uv=nothing,
        runner=nothing,
        builder=lambda: cast("Any", asked),
    )
    events: list[Event] = []
    wanted = [(variant, variant.platforms) for variant in catalog.variants]
    return bake_for_lock(catalog, wanted, lambda: ground, events.append, **{"upgrade": False, **how}), events


def test_a_registry_that_does_not_answer_moves_nothing(tmp_path: Path, asked: Asked) -> None:
    catalog = catalog_at(tmp_path, {"python": "3.13"}, ["3.13"])
    pin = pin_of(catalog, "3.13")
    write_pins(catalog, geo(catalog), {(PLATFORM, "3.13"): pin})
    baked, (event,) = bake(catalog, tmp_path, asked, upgrade=True)
    assert baked == Baked(pins={("geo", PLATFORM, "3.13"): pin})
    assert asked.targets == []
    assert isinstance(event, Warned)
    assert event.message.startswith("docker.io cannot be reached; whether an image below has changed is not known")
    assert "--rebuild-foundation" in event.message


def test_what_is_to_be_rebuilt_is_built_on_the_images_of_today(tmp_path: Path, asked: Asked) -> None:
    catalog = catalog_at(tmp_path, {"python": "3.13"}, ["3.13"])
    write_pins(catalog, geo(catalog), {(PLATFORM, "3.13"): pin_of(catalog, "3.13")})
    assert bake(catalog, tmp_path, asked, upgrade=True, rebuild=True)[0].failures
    (target,) = asked.targets
    assert target.contexts == {}


def test_a_managed_python_stands_on_the_system_that_is_pinned_for_another(tmp_path: Path, asked: Asked) -> None:
    catalog = catalog_at(tmp_path, {"python": "managed"}, ["3.12", "3.13"])
    pin = pin_of(catalog, "3.13")
    managed = ManagedPin(base=pin, python="3.13.5", archive="cpython.tar.gz", sha256="c" * 64)
    write_pins(catalog, geo(catalog), {(PLATFORM, "3.13"): managed})
    baked, events = bake(catalog, tmp_path, asked)
    assert baked == Baked(pins={("geo", PLATFORM, python): pin for python in ("3.12", "3.13")})
    assert (asked.targets, events) == ([], [])


def test_a_further_python_is_built_as_the_others_were(tmp_path: Path, asked: Asked) -> None:
    """Where the layers are not on this machine: on the same images and with the same time, so that they come out."""
    catalog = catalog_at(tmp_path, {"python": ["3.12", "3.13"]}, ["3.12", "3.13"])
    write_pins(catalog, geo(catalog), {(PLATFORM, "3.13"): pin_of(catalog, "3.13")})
    assert set(bake(catalog, tmp_path, asked)[0].pins) == {("geo", PLATFORM, "3.13")}
    (target,) = asked.targets
    assert target.contexts == {"debian:trixie-slim": f"docker-image://docker.io/library/debian:trixie-slim@{DIGEST}"}
    assert target.args["SOURCE_DATE_EPOCH"] == "1767312000"


def test_a_dockerfile_that_makes_another_image_for_each_python_is_built_for_each(tmp_path: Path, asked: Asked) -> None:
    catalog = catalog_at(tmp_path, {"python": ["3.12", "3.13"], "args": {"PY": "{python}"}}, ["3.12", "3.13"])
    write_pins(catalog, geo(catalog), {(PLATFORM, "3.13"): pin_of(catalog, "3.13")})
    bake(catalog, tmp_path, asked)
    (target,) = asked.targets
    assert (target.args["PY"], target.contexts) == ("3.12", {})
