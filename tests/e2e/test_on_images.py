"""Building on an image of a registry: what the base has stays, what the contract promises is there."""

import gzip
import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from tests.baseimages import Blob, Member, entry, folder_entry, gzip_blob, link_entry, tar_blob, write_image
from tests.bases import Bases
from tests.images import environment_of, opened
from tests.registries import RunningRegistry, copy_with_skopeo, inspect_with_skopeo, running_registry

RUN = {
    "Env": [
        "PATH=/srv/tools:/usr/local/bin:/usr/bin:/bin",
        "LANG=C.UTF-8",
        "VIRTUAL_ENV=/srv/venv",
        "PYTHONHOME=/srv",
        "LD_LIBRARY_PATH=/srv/lib",
    ],
    "User": "65534",
    "WorkingDir": "/srv",
    "Entrypoint": ["/srv/tools/enter"],
    "Cmd": ["python3"],
    "StopSignal": "SIGINT",
    "Labels": {"com.example.team": "platform", "org.opencontainers.image.title": "python"},
}


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningRegistry]:
    with running_registry(tmp_path_factory.mktemp("registry")) as running:
        yield running


@pytest.fixture(scope="module")
def debian(foundation: Bases) -> Blob:
    (layer,) = (stored.layer for stored in foundation.store.list() if "foundation" in stored.layer.notes)
    return gzip_blob(foundation.store, layer)


def library_of(system: Blob, name: str) -> tuple[str, bytes]:
    """The path and the content of a library that `system` has under a link called `name`."""
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(system.content))) as files:
        (link,) = (member for member in files if member.name.endswith(f"/{name}"))
        file = files.extractfile(link)
        assert file
        return link.name, file.read()


def whiteout(path: str) -> Member:
    """What takes a path of the layers below away (image specification, layer.md, "Whiteouts")."""
    folder, _, name = path.rpartition("/")
    return entry(f"{folder}/.wh.{name}")


@pytest.fixture(scope="module")
def reference(registry: RunningRegistry, debian: Blob, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A Python image of several layers: one adds, one takes away, and the interpreter is a link to another one.

    It starts only with LD_LIBRARY_PATH, because a library of the interpreter's lies in /srv/lib; and there is no `cat`.
    """
    library, content = library_of(debian, "libz.so.1")
    python = [
        folder_entry("srv/tools"),
        entry("srv/tools/enter", b'#!/bin/sh\nexec "$@"\n'),
        entry("srv/removed", b"x"),
        entry("srv/lib/libz.so.1", content),
        link_entry("usr/local/bin/python", "python3"),
        link_entry("usr/local/bin/python3", "../../bin/python3"),
    ]
    removing = [
        whiteout("srv/removed"),
        whiteout(library),
        whiteout("usr/bin/cat"),
        folder_entry("usr/share/doc"),
        entry("usr/share/doc/.wh..wh..opq"),
    ]
    layout = write_image(
        tmp_path_factory.mktemp("images") / "python", [debian, tar_blob(python), tar_blob(removing)], RUN
    )
    copy_with_skopeo(f"oci:{layout}", f"docker://{registry.host}/team/python:3.13-slim")
    return f"{registry.host}/team/python:3.13-slim"


@pytest.fixture(scope="module")
def bases(reference: str, registry: RunningRegistry, tmp_path_factory: pytest.TempPathFactory) -> Bases:
    """A catalog on that image, locked and built."""
    root = tmp_path_factory.mktemp("on-images")
    made = Bases(folder=root / "bases", cache=root / "cache")
    made.write_catalog(
        {"small": {"requirements": ["packaging", "markupsafe"], "config": {"command": ["python", "-V"]}}},
        foundations={"slim": {"image": reference.replace("3.13", "{python}"), "python": ["3.13"]}},
        defaults={"foundations": ["slim"], "backends": []},
        registry=f"{registry.host}/bases",
    )
    made.run("build")
    return made


@pytest.fixture(scope="module")
def config(bases: Bases) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(bases.layout().read(bases.manifest("small:py3.13-slim").config))
    return document


def test_an_image_is_verified_on_the_layers_of_its_base(
    bases: Bases, reference: str, registry: RunningRegistry
) -> None:
    manifest = bases.manifest("small:py3.13-slim")
    pinned = json.loads((bases.folder / "bases/foundations/slim.json").read_text())
    (pin,) = (pin for pins in pinned["platforms"].values() for pin in pins.values())
    assert manifest.annotations["org.opencontainers.image.base.name"] == reference
    assert manifest.annotations["org.opencontainers.image.base.digest"] == pin["manifest"]
    base = json.loads(
        (
            registry.storage / "docker/registry/v2/blobs/sha256" / pin["manifest"][7:9] / pin["manifest"][7:] / "data"
        ).read_text()
    )
    assert [layer.digest for layer in manifest.layers[:3]] == [layer["digest"] for layer in base["layers"]]
    rows = json.loads(bases.run("build", "--json").stdout)
    assert [row["error"] for row in rows] == [""]


def test_what_the_base_starts_as_stays_but_where_the_catalog_says_otherwise(config: dict[str, Any]) -> None:
    run = config["config"]
    assert (run["User"], run["WorkingDir"], run["StopSignal"]) == ("65534", "/srv", "SIGINT")
    assert (run["Entrypoint"], run["Cmd"]) == (["/srv/tools/enter"], ["python", "-V"])
    assert run["Labels"]["com.example.team"] == "platform"
    assert run["Labels"]["org.opencontainers.image.title"] == "small:py3.13-slim"


def test_the_base_s_path_stays_usable_behind_the_venv_s(bases: Bases) -> None:
    variables = environment_of(bases, "small:py3.13-slim")
    assert variables["PATH"].split(":")[:4] == ["/opt/venv/bin", "/usr/local/bin", "/srv/tools", "/usr/bin"]
    assert (variables["LANG"], "VIRTUAL_ENV" in variables) == ("C.UTF-8", False)
    with opened(bases, bases.layers("small:py3.13-slim")) as sandbox:
        program = "import sys, packaging, markupsafe; print(sys.prefix, sys.base_prefix)"
        finished = sandbox.run(["enter", "python", "-c", program], env=variables)
        assert finished.text == "/opt/venv /usr\n"
        assert (
            sandbox.run(["ls", "/srv", "/usr/share/doc"], env=variables).text
            == "/srv:\nlib\ntools\n\n/usr/share/doc:\n"
        )
        said = sandbox.run(["head", "/usr/lib/python3.13/EXTERNALLY-MANAGED"], env=variables).text
        assert "the packages of this image are in /opt/venv" in said


def test_the_history_is_the_base_s_and_then_ours(config: dict[str, Any]) -> None:
    words = [step["created_by"] for step in config["history"]]
    assert words[:4] == ["step 0", "step 1", "step 2", "CMD"]
    assert all(word.startswith("warmbase: ") for word in words[4:])


def test_the_base_s_layers_are_mounted_where_it_is_in_the_target_s_registry(
    bases: Bases, registry: RunningRegistry
) -> None:
    bases.run("publish")
    base = [layer.digest for layer in bases.manifest("small:py3.13-slim").layers[:3]]
    assert inspect_with_skopeo(f"{registry.host}/bases/small:py3.13-slim")["Layers"][:3] == base
    created = [line for line in registry.log if "/v2/bases/small/blobs/uploads/" in line and "status=201" in line]
    mounted = [digest for digest in base if any(f"mount={quote(digest, safe='')}&" in line for line in created)]
    assert mounted == base


def test_locking_again_writes_the_same_bytes_and_upgrading_moves(
    bases: Bases, registry: RunningRegistry, debian: Blob, reference: str, tmp_path: Path
) -> None:
    files = {path: path.read_bytes() for path in (bases.folder / "bases").rglob("*") if path.is_file()}
    newer = write_image(tmp_path / "newer", [debian], RUN, created="2026-11-01T00:00:00Z")
    copy_with_skopeo(f"oci:{newer}", f"docker://{reference}")
    bases.run("lock")
    assert {path: path.read_bytes() for path in files} == files
    bases.run("lock", "--upgrade-foundation")
    assert [path.name for path in files if path.read_bytes() != files[path]] == ["slim.json"]
    assert registry.host in (bases.folder / "bases/foundations/slim.json").read_text()
