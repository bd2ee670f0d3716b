"""Foundations that a Dockerfile makes: what decides the result, what a builder is asked, and what it answers."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from warmbase.catalog.model import BuildSecret, DockerfileFoundation
from warmbase.errors import FoundationError
from warmbase.foundation.dockerfile import Order, dockerfile_recipe, find_bases, name_targets, target_of
from warmbase.foundation.inputs import hash_inputs
from warmbase.foundation.pins import DockerfilePin, FoundationPin, ManagedPin, PinKey, pins_from_json, pins_to_json
from warmbase.foundation.stage import pin_fits
from warmbase.foundation.staging import stage_target
from warmbase.layers.codec import Codec

PLATFORM = "linux/amd64"
DIGEST = f"sha256:{'a' * 64}"
OTHER = f"sha256:{'b' * 64}"


@pytest.fixture
def wanted(tmp_path: Path) -> DockerfileFoundation:
    folder = tmp_path / "bases" / "geo"
    (folder / "files").mkdir(parents=True)
    (folder / "Dockerfile").write_text("FROM debian:trixie-slim\nCOPY files /\n")
    (folder / "files" / "one").write_text("1")
    return DockerfileFoundation(name="geo", dockerfile="bases/geo/Dockerfile", folder=tmp_path, pythons=("3.13",))


def pin_of(wanted: DockerfileFoundation, python: str = "3.13") -> DockerfilePin:
    return DockerfilePin(
        inputs=hash_inputs(wanted, python),
        platform=PLATFORM,
        bases=(("docker.io/library/debian:trixie-slim", DIGEST),),
        image=OTHER,
        created="2026-11-21T00:00:00Z",
        python="3.13.5",
        interpreter="/usr/bin/python3.13",
        libc=("glibc", "2.41"),
    )


def order_of(wanted: DockerfileFoundation, python: str = "3.13", *, pinned: bool = False) -> Order:
    pin = pin_of(wanted, python) if pinned else None
    return Order(
        foundation=wanted,
        platform=PLATFORM,
        python=python,
        codec=Codec(),
        created="2026-11-21T00:00:00Z",
        bases=pin.bases if pin else (),
        pin=pin,
    )


def test_the_hash_of_the_inputs_is_that_of_their_content(wanted: DockerfileFoundation) -> None:
    before = hash_inputs(wanted, "3.13")
    (wanted.context / "files" / "one").write_text("1")
    assert hash_inputs(wanted, "3.13") == before

    (wanted.context / "files" / "one").write_text("2")
    assert hash_inputs(wanted, "3.13") != before


@pytest.mark.parametrize(
    "change",
    [
        lambda file: file.write_text("FROM debian:trixie-slim\n"),
        lambda file: (file.parent / "more").write_text(""),
        lambda file: (file.parent / "files" / "one").unlink(),
        lambda file: (file.parent / "files" / "one").rename(file.parent / "files" / "two"),
        lambda file: (file.parent / "files" / "one").chmod(0o755),
        lambda file: (file.parent / "link").symlink_to("files"),
        lambda file: (file.parent / ".dockerignore").write_text("files/one\n"),
    ],
    ids=["dockerfile", "new file", "file gone", "file renamed", "file executable", "link", "file ignored"],
)
def test_whatever_a_step_could_see_is_an_input(wanted: DockerfileFoundation, change: object) -> None:
    before = hash_inputs(wanted, "3.13")
    assert callable(change)
    change(wanted.file)
    assert hash_inputs(wanted, "3.13") != before


def test_what_belongs_to_the_image_beside_the_dockerfile_is_no_input(wanted: DockerfileFoundation) -> None:
    """A lock that depended on itself would never be done."""
    before = hash_inputs(wanted, "3.13")
    for name in ("py3.13-geo.json", "py3.13-geo.txt", "smoke.py"):
        (wanted.context / name).write_text("")
    (wanted.context / "files" / "one").chmod(0o664)  # another umask
    assert hash_inputs(wanted, "3.13") == before


def test_arguments_stage_and_contexts_are_inputs(wanted: DockerfileFoundation, tmp_path: Path) -> None:
    (tmp_path / "assets").mkdir()
    (tmp_path / "assets" / "a").write_text("1")
    hashes = {
        hash_inputs(one, "3.13")
        for one in (
            wanted,
            replace(wanted, args=(("A", "b"),)),
            replace(wanted, args=(("A", "c"),)),
            replace(wanted, target="run"),
            replace(wanted, contexts=(("assets", "assets"),)),
            replace(wanted, contexts=(("debian", "docker-image://mirror.example/debian"),)),
        )
    }
    assert len(hashes) == 6
    (tmp_path / "assets" / "a").write_text("2")
    assert hash_inputs(replace(wanted, contexts=(("assets", "assets"),)), "3.13") not in hashes


def test_secrets_are_no_input(wanted: DockerfileFoundation) -> None:
    secret = BuildSecret(id="token", env="TOKEN")
    assert hash_inputs(replace(wanted, secrets=(secret,), ssh=("default",)), "3.13") == hash_inputs(wanted, "3.13")


def test_a_python_is_an_input_only_where_an_argument_names_it(wanted: DockerfileFoundation) -> None:
    assert hash_inputs(wanted, "3.12") == hash_inputs(wanted, "3.13")
    named = replace(wanted, args=(("PY", "{python}"),))
    assert hash_inputs(named, "3.12") != hash_inputs(named, "3.13")


def test_a_context_that_is_not_there_is_said_with_its_path(wanted: DockerfileFoundation, tmp_path: Path) -> None:
    with pytest.raises(FoundationError) as caught:
        hash_inputs(replace(wanted, contexts=(("assets", "gone"),)), "3.13")
    assert caught.value.message == f"foundation geo: {tmp_path}/gone cannot be read: No such file or directory"
    assert "correct `dockerfile` or `contexts` in the catalog" in caught.value.next_step


def test_a_layout_that_is_none_is_said_with_its_file(wanted: DockerfileFoundation, tmp_path: Path) -> None:
    (tmp_path / "layout").mkdir()
    (tmp_path / "layout" / "index.json").write_text("{")
    with pytest.raises(FoundationError, match=r"foundation geo: .*/layout/index.json is not an OCI layout's index"):
        hash_inputs(replace(wanted, contexts=(("base", "oci-layout://layout:1"),)), "3.13")


def test_a_pattern_that_is_none_is_said_with_its_file(wanted: DockerfileFoundation) -> None:
    (wanted.context / ".dockerignore").write_text("a[\n")
    with pytest.raises(FoundationError, match=r"geo/\.dockerignore has a pattern that is none: 'a\['"):
        hash_inputs(wanted, "3.13")


def test_a_pin_fits_as_long_as_its_inputs_are_the_same(wanted: DockerfileFoundation) -> None:
    pin = pin_of(wanted)
    assert pin_fits(wanted, pin, "3.13")
    assert not pin_fits(replace(wanted, managed=True), pin, "3.13")
    wanted.file.write_text("FROM debian:forky-slim\n")
    assert not pin_fits(replace(wanted), pin, "3.13")
    assert pin_fits(wanted, pin, "3.13")  # whose files were read for this run


def test_pins_are_written_and_read_back(wanted: DockerfileFoundation) -> None:
    pin = pin_of(wanted)
    managed = ManagedPin(
        base=replace(pin, python="", interpreter=""), python="3.12.4", archive="cpython.tar.gz", sha256="c" * 64
    )
    added = replace(pin, bases=(*pin.bases, ("https://git.example/x.git", f"sha1:{'6' * 40}")))
    pins: dict[PinKey, FoundationPin] = {(PLATFORM, "3.12"): managed, (PLATFORM, "3.13"): added}
    text = pins_to_json(pins)
    assert pins_from_json(text, source="geo.json") == pins
    assert pins_to_json(pins_from_json(text, source="geo.json")) == text


@pytest.mark.parametrize("wrong", [("image", "latest"), ("inputs", "many")])
def test_a_damaged_pin_is_said_with_its_file(wanted: DockerfileFoundation, wrong: tuple[str, str]) -> None:
    name, value = wrong
    text = pins_to_json({(PLATFORM, "3.13"): pin_of(wanted)}).replace(getattr(pin_of(wanted), name), value)
    with pytest.raises(FoundationError, match=r"geo\.json is not a foundation's pin"):
        pins_from_json(text, source="geo.json")


def test_the_recipe_is_what_came_out_and_not_what_went_in(wanted: DockerfileFoundation) -> None:
    """An edit that changes nothing in the result makes no image anew."""
    pin = pin_of(wanted)
    recipe = dockerfile_recipe(pin, Codec())
    assert dockerfile_recipe(replace(pin, inputs="0" * 64, bases=()), Codec()) == recipe
    assert dockerfile_recipe(replace(pin, image=DIGEST), Codec()) != recipe
    assert dockerfile_recipe(pin, Codec(name="gzip", level=6)) != recipe


def test_a_target_says_all_that_the_catalog_says(wanted: DockerfileFoundation, tmp_path: Path) -> None:
    said = replace(
        wanted,
        target="run",
        args=(("PY", "python{python}"),),
        contexts=(("docker.io/library/debian:trixie-slim", "oci-layout://layouts/debian:13"), ("files", "assets")),
        secrets=(BuildSecret(id="token", env="TOKEN"), BuildSecret(id="netrc", file="netrc")),
        ssh=("default", "git=keys/one,/keys/two"),
    )
    for name in ("layouts/debian", "assets"):
        (tmp_path / name).mkdir(parents=True)
    target = target_of(order_of(said), "geo", tmp_path / "out")
    assert (target.context, target.dockerfile, target.stage) == (str(tmp_path / "bases/geo"), "Dockerfile", "run")
    assert target.args == {"PY": "python3.13", "SOURCE_DATE_EPOCH": "1795219200"}
    assert target.contexts == {
        "debian:trixie-slim": f"oci-layout://{tmp_path}/layouts/debian:13",
        "files": str(tmp_path / "assets"),
    }
    assert [(one.id, one.env, one.file) for one in target.secrets] == [
        ("token", "TOKEN", ""),
        ("netrc", "", str(tmp_path / "netrc")),
    ]
    assert target.ssh == ("default", f"git={tmp_path}/keys/one,/keys/two")
    assert (target.platforms, target.cached) == ((PLATFORM,), False)
    assert target.output["rewrite-timestamp"] == "true"


def test_what_is_pinned_is_built_on_the_pinned_images(wanted: DockerfileFoundation, tmp_path: Path) -> None:
    target = target_of(order_of(wanted, pinned=True), "geo", tmp_path)
    assert target.contexts == {"debian:trixie-slim": f"docker-image://docker.io/library/debian:trixie-slim@{DIGEST}"}
    order = order_of(wanted, pinned=True)
    added = replace(order, bases=(*order.bases, ("https://files.example/a.tar", DIGEST)))
    assert target_of(added, "geo", tmp_path).contexts == target.contexts
    swapped = replace(wanted, contexts=(("debian:13", "docker-image://debian:trixie-slim"),))
    assert target_of(order_of(swapped, pinned=True), "geo", tmp_path).contexts == {
        "debian:13": f"docker-image://docker.io/library/debian:trixie-slim@{DIGEST}"
    }


def test_a_builder_is_sent_what_counts_and_nothing_of_a_checkout(wanted: DockerfileFoundation, tmp_path: Path) -> None:
    """Neither modes nor times of a checkout, and nothing that is written beside a Dockerfile later."""
    layout, assets = tmp_path / "layout", tmp_path / "assets"
    for folder in (layout / "blobs", assets):
        folder.mkdir(parents=True)
    (assets / "tool").write_text("tool")
    (assets / "tool").chmod(0o775)
    (assets / "link").symlink_to("tool")
    for file in (layout / "index.json", layout / "oci-layout", *(wanted.context / name for name in ("smoke.py", "x"))):
        file.write_text("{}")
    (wanted.context / "py3.13-geo.json").write_text("{}")
    (wanted.context / "Dockerfile.dockerignore").write_text("x\nDockerfile*\n")
    (wanted.context / "files" / "one").chmod(0o664)
    os.utime(wanted.context / "files" / "one", (1, 1))
    said = replace(wanted, contexts=(("assets", "assets"), ("base", "oci-layout://layout:1")))
    order = order_of(said)
    staged = stage_target(target_of(order, "geo", tmp_path / "out"), tmp_path / "staged", epoch=order.epoch)
    context, named, linked = Path(staged.context), Path(staged.contexts["assets"]), tmp_path / "staged" / "context-1"
    assert Path(staged.dockerfile).read_text() == wanted.file.read_text()
    assert Path(f"{staged.dockerfile}.dockerignore").read_text() == "x\nDockerfile*\n"
    assert sorted(str(path.relative_to(context)) for path in context.rglob("*")) == ["files", "files/one"]
    assert (named / "link").readlink() == Path("tool")
    found = {path.name: path.lstat() for folder in (context, named) for path in [folder, *folder.rglob("*")]}
    assert {int(status.st_mtime) for status in found.values()} == {order.epoch}
    assert found["one"].st_mtime_ns != found["tool"].st_mtime_ns  # or a builder would take one for the other
    modes = {name: oct(status.st_mode & 0o777) for name, status in found.items() if name != "link"}
    assert modes == {"context": "0o755", "files": "0o755", "one": "0o644", "context-0": "0o755", "tool": "0o755"}
    assert staged.contexts["base"] == f"oci-layout://{linked}:1"
    assert (linked / "blobs").resolve() == layout / "blobs"


def test_what_is_the_same_is_built_once(wanted: DockerfileFoundation) -> None:
    named = replace(wanted, name="py.geo", args=(("PY", "{python}"),))
    orders = [order_of(one, python) for one in (wanted, named) for python in ("3.12", "3.13")]
    gzip = replace(orders[0], codec=Codec(name="gzip", level=6))
    targets = name_targets([*orders, gzip])
    assert {name: len(served) for name, served in targets.items()} == {
        "geo-amd64": 3,
        "py_geo-py3_12-amd64": 1,
        "py_geo-py3_13-amd64": 1,
    }


def test_the_images_below_are_read_from_the_provenance() -> None:
    uris = {
        "pkg:docker/debian@trixie-slim?platform=linux%2Famd64": "1",
        "pkg:docker/nvidia/cuda@12.8.1-runtime-ubuntu24.04?platform=linux%2Famd64": "2",
        "pkg:docker/registry.example:5000/team/base@1?platform=linux%2Famd64": "3",
        f"pkg:docker/python?digest=sha256:{'4' * 64}&platform=linux%2Famd64": "4",
        "pkg:oci/layout@1?platform=linux%2Famd64": "5",
    }
    materials = [{"uri": uri, "digest": {"sha256": digit * 64}} for uri, digit in uris.items()]
    materials.append({"uri": "https://git.example/x.git#v1", "digest": {"sha1": "6" * 40}})
    materials.append({"uri": "https://joe:pw@files.example/a.tar?token=1", "digest": {"sha256": "7" * 64}})
    assert find_bases({"buildx.build.provenance": {"materials": materials}, "buildx.build.ref": "x"}) == (
        ("docker.io/library/debian:trixie-slim", f"sha256:{'1' * 64}"),
        (f"docker.io/library/python@sha256:{'4' * 64}", f"sha256:{'4' * 64}"),
        ("docker.io/nvidia/cuda:12.8.1-runtime-ubuntu24.04", f"sha256:{'2' * 64}"),
        ("https://***@files.example/a.tar", f"sha256:{'7' * 64}"),
        ("https://git.example/x.git#v1", f"sha1:{'6' * 40}"),
        ("registry.example:5000/team/base:1", f"sha256:{'3' * 64}"),
    )
