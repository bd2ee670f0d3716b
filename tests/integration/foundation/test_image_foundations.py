"""Foundations that are images: the same system from a registry, a layout and archives, and what no image can be."""

import gzip
import json
import subprocess
import tarfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Event

import pytest
import zstandard
from tests.baseimages import (
    Blob,
    elf,
    entry,
    folder_entry,
    gzip_blob,
    link_entry,
    manifest_of,
    read_document,
    system_blob,
    tar_blob,
    write_image,
    write_index,
)
from tests.bases import PLATFORM, Bases
from tests.grounds import ground_at
from tests.registries import RunningRegistry, copy_with_skopeo, running_registry, skopeo

from warmbase.catalog.model import CatalogFoundation, ImageFoundation, LayoutFoundation
from warmbase.effects.registry.model import Document, Progress, ignore_progress
from warmbase.effects.registry.registries import open_registries
from warmbase.errors import FoundationError, RegistryError
from warmbase.foundation.groundwork import Groundwork, find_foundation
from warmbase.foundation.pins import ImagePin
from warmbase.foundation.sources import open_layout
from warmbase.foundation.stage import make_foundation, pin_foundation, pinned_recipe
from warmbase.foundation.upstream import read_image, take_layers
from warmbase.layers.codec import Codec
from warmbase.oci.manifest import Descriptor

OTHER_PLATFORM = next(platform for platform in ("linux/arm64", "linux/amd64") if platform != PLATFORM)
RUN = {"Env": ["PATH=/srv/tools:/usr/bin:/bin", "LANG=C.UTF-8"], "Cmd": ["python3"], "StopSignal": "SIGINT"}


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningRegistry]:
    with running_registry(tmp_path_factory.mktemp("registry")) as running:
        yield running


@pytest.fixture
def ground(tmp_path: Path) -> Groundwork:
    """An empty store."""
    return ground_at(tmp_path / "cache")


@pytest.fixture
def layout(tmp_path: Path) -> Path:
    """A system with a layer above it that takes something away, and one that nobody compressed."""
    layers = [
        system_blob(),
        tar_blob([entry("usr/lib/gnu/.wh.gone")]),
        tar_blob([folder_entry("srv")], compressed=False),
    ]
    return write_image(tmp_path / "python", layers, RUN, name="python:3.13-slim")


def pin(wanted: CatalogFoundation, ground: Groundwork, *, previous: ImagePin | None = None) -> ImagePin:
    pinned = pin_foundation(wanted, PLATFORM, wanted.pythons[0], ground, previous=previous)
    assert isinstance(pinned, ImagePin)
    return pinned


def at(path: Path | str, python: str = "3.13") -> LayoutFoundation:
    return LayoutFoundation(name="python", oci=str(path), folder=Path("/nowhere"), pythons=(python,))


def named(reference: str) -> ImageFoundation:
    return ImageFoundation(name="python", image=reference, pythons=("3.13",))


def test_a_real_system_becomes_a_foundation_with_its_own_layers(
    foundation: Bases, ground: Groundwork, tmp_path: Path
) -> None:
    """A Debian system; the layers above it hide its copyright files and were not all compressed."""
    (layer,) = (stored.layer for stored in foundation.store.list() if "foundation" in stored.layer.notes)
    hiding = tar_blob([entry("usr/share/doc/.wh..wh..opq"), entry("etc/.wh.debian_version")])
    plain = [link_entry("usr/local/bin/python", "python3"), link_entry("usr/local/bin/python3", "/usr/bin/python3")]
    layers = [gzip_blob(foundation.store, layer), hiding, tar_blob(plain, compressed=False)]
    layout = write_image(tmp_path / "python", layers, RUN)
    wanted = replace(at("python"), folder=tmp_path)
    pinned = pin(wanted, ground)
    made = make_foundation(wanted, pinned, PLATFORM, ground, locked=True)
    facts, upstream = made.foundation, manifest_of(layout)
    assert (facts.interpreter, facts.stdlib, facts.libc[0]) == ("/usr/bin/python3.13", "/usr/lib/python3.13", "glibc")
    assert facts.python.startswith("3.13.")
    assert facts.created == pinned.created == "2026-10-01T12:34:56Z"
    assert [layer.digest for layer in made.layers[:2]] == [layer["digest"] for layer in upstream["layers"][:2]]
    assert [layer.diff_id for layer in made.layers] == read_document(layout, upstream["config"])["rootfs"]["diff_ids"]
    assert made.layers[2].media_type.endswith("zstd")
    assert {"apt", "libc6", "python3.13-minimal"} <= {package.name for package in facts.packages}
    assert {package.licences for package in facts.packages} == {()}
    assert (facts.run, len(facts.history)) == (RUN, 4)
    assert find_foundation(ground.store, pinned_recipe(wanted, pinned, PLATFORM, ground.codec, "")) == made


def test_a_folder_a_tar_of_it_and_a_docker_archive_are_the_same_system(
    layout: Path, ground: Groundwork, tmp_path: Path
) -> None:
    with tarfile.open(tmp_path / "python.tar", "w") as tar:
        tar.add(layout, arcname=".")
    skopeo("copy", f"oci:{layout}:python:3.13-slim", f"docker-archive:{tmp_path}/saved.tar:team/python:3.13")
    pins = {source: pin(at(source), ground) for source in (layout, tmp_path / "python.tar", tmp_path / "saved.tar")}
    one, tarred, saved = pins.values()
    assert replace(tarred, reference=one.reference) == one
    assert (saved.python, saved.interpreter, saved.libc) == (one.python, one.interpreter, one.libc)
    diff_ids = {
        tuple(layer.diff_id for layer in make_foundation(at(source), it, PLATFORM, ground, locked=True).layers)
        for source, it in pins.items()
    }
    assert len(diff_ids) == 1


@pytest.mark.parametrize("form", ["oci", "v2s2"])
def test_an_image_of_a_registry_is_pinned_by_digest(
    registry: RunningRegistry, layout: Path, ground: Groundwork, form: str
) -> None:
    reference = f"{registry.host}/{form}/python:3.13-slim"
    skopeo(
        "copy", "--dest-tls-verify=false", "--format", form, f"oci:{layout}:python:3.13-slim", f"docker://{reference}"
    )
    wanted = named(f"{registry.host}/{form}/python:{{python}}-slim")
    pinned = pin(wanted, ground)
    assert pinned.reference == reference
    assert pinned.index == pinned.manifest
    made = make_foundation(wanted, pinned, PLATFORM, ground, locked=True)
    assert made.foundation.base
    assert (made.foundation.base.name, made.foundation.base.digest) == (reference, pinned.manifest)
    assert (made.foundation.base.registry, made.foundation.base.repository) == (registry.host, f"{form}/python")
    raw = json.loads(skopeo("inspect", "--raw", "--tls-verify=false", f"docker://{reference}"))
    assert [layer.digest for layer in made.layers] == [layer["digest"] for layer in raw["layers"]]
    assert {layer.media_type for layer in made.layers} == {"application/vnd.oci.image.layer.v1.tar+gzip"}


def test_a_pin_moves_with_the_image_s_name_and_a_build_does_not(
    registry: RunningRegistry, layout: Path, ground: Groundwork, tmp_path: Path
) -> None:
    wanted = named(f"{registry.host}/moving/python:3")
    copy_with_skopeo(f"oci:{layout}:python:3.13-slim", f"docker://{wanted.image}")
    first = pin(wanted, ground)
    assert pin(wanted, ground, previous=first) is first
    newer = write_image(tmp_path / "newer", [system_blob()], RUN, created="2026-11-01T00:00:00Z")
    copy_with_skopeo(f"oci:{newer}", f"docker://{wanted.image}")
    second = pin(wanted, ground, previous=first)
    assert (second.created, second.manifest == first.manifest) == ("2026-11-01T00:00:00Z", False)
    assert len(make_foundation(wanted, first, PLATFORM, ground, locked=True).layers) == 3
    assert len(make_foundation(wanted, second, PLATFORM, ground, locked=True).layers) == 1


def test_of_an_index_the_platform_s_image_is_taken(
    registry: RunningRegistry, layout: Path, ground: Groundwork, tmp_path: Path
) -> None:
    other = write_image(tmp_path / "other", [tar_blob([entry("x", b"x")])], platform=OTHER_PLATFORM)
    both = write_index(tmp_path / "both", layout, other)
    wanted = named(f"{registry.host}/both/python:3.13")
    copy_with_skopeo(f"oci:{both}", f"docker://{wanted.image}")
    pinned = pin(wanted, ground)
    assert pinned.index != pinned.manifest
    assert pinned.manifest == json.loads((layout / "index.json").read_text())["manifests"][0]["digest"]
    assert pin(at(both), ground).manifest == pinned.manifest


def test_a_platform_that_is_added_gets_the_image_that_the_others_have(
    registry: RunningRegistry, ground: Groundwork, tmp_path: Path
) -> None:
    """The name has moved on in the meantime."""
    platforms = (PLATFORM, OTHER_PLATFORM)
    images = {
        (minute, platform): write_image(
            tmp_path / f"{minute}-{platform.replace('/', '-')}",
            [system_blob(platform)],
            platform=platform,
            created=f"2026-11-01T00:0{minute}:00Z",
        )
        for minute in (1, 2)
        for platform in platforms
    }
    both = [write_index(tmp_path / f"both-{minute}", *(images[minute, one] for one in platforms)) for minute in (1, 2)]
    wanted = named(f"{registry.host}/growing/python:3.13")
    copy_with_skopeo(f"oci:{both[0]}", f"docker://{wanted.image}")
    first = pin(wanted, ground)
    copy_with_skopeo(f"oci:{both[1]}", f"docker://{wanted.image}")
    second = pin_foundation(wanted, OTHER_PLATFORM, "3.13", ground, sibling=first)
    assert isinstance(second, ImagePin)
    assert (second.index, second.created) == (first.index, first.created)


def test_a_platform_that_the_pinned_image_lacks_gets_what_the_name_means_now(
    layout: Path, ground: Groundwork, tmp_path: Path
) -> None:
    wanted = at(tmp_path / "python")
    first = pin(wanted, ground)
    other = write_image(tmp_path / "other", [system_blob(OTHER_PLATFORM)], platform=OTHER_PLATFORM)
    newer = write_index(tmp_path / "newer", layout, other)
    layout.rename(tmp_path / "older")
    newer.rename(layout)
    second = pin_foundation(wanted, OTHER_PLATFORM, "3.13", ground, sibling=first)
    assert isinstance(second, ImagePin)
    assert second.index != first.index


def test_it_is_told_how_many_layers_of_an_image_are_there(layout: Path, ground: Groundwork) -> None:
    told: list[tuple[int, int]] = []
    pin(at(layout), replace(ground, advance=lambda done, total: told.append((done, total))))
    assert told == [(1, 3), (2, 3), (3, 3)]


def test_a_mirror_gives_the_image_and_no_pin_names_it(
    registry: RunningRegistry, layout: Path, ground: Groundwork
) -> None:
    copy_with_skopeo(f"oci:{layout}:python:3.13-slim", f"docker://{registry.host}/hub/library/python:3.13-slim")
    mirrored = replace(ground, registries=lambda: open_registries({}, mirrors={"docker.io": f"{registry.host}/hub"}))
    wanted = named("python:{python}-slim")
    pinned = pin(wanted, mirrored)
    made = make_foundation(wanted, pinned, PLATFORM, mirrored, locked=True)
    assert pinned.reference == "python:3.13-slim"
    assert made.foundation.base
    assert made.foundation.base.name == "docker.io/library/python:3.13-slim"


def test_a_damaged_layer_is_no_foundation(layout: Path, ground: Groundwork, tmp_path: Path) -> None:
    subprocess.run(["cp", "-a", layout, tmp_path / "damaged"], check=True)
    digest = manifest_of(layout)["layers"][1]["digest"]
    (tmp_path / "damaged/blobs/sha256" / digest[7:]).write_bytes(b"damaged")
    with pytest.raises(FoundationError, match=f"is damaged: {digest} has another content"):
        pin(at(tmp_path / "damaged"), ground)


def test_a_time_without_a_zone_is_utc_wherever_it_is_read(
    ground: Groundwork, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = at(write_image(tmp_path / "python", [system_blob()], created="2026-10-01T12:34:56"))
    try:
        monkeypatch.setenv("TZ", "XXX+7")
        time.tzset()
        assert pin(wanted, ground).created == "2026-10-01T12:34:56Z"
    finally:
        monkeypatch.undo()
        time.tzset()


def test_who_chose_gzip_gets_no_layer_in_zstd(ground: Groundwork, tmp_path: Path) -> None:
    plain = system_blob()
    content = zstandard.compress(gzip.decompress(plain.content))
    zstd = Blob(content=content, media_type="application/vnd.oci.image.layer.v1.tar+zstd", diff_id=plain.diff_id)
    wanted = at(write_image(tmp_path / "python", [zstd, tar_blob([entry("x", b"x")])]))
    pinned = pin(wanted, ground)
    for codec, types in ((Codec(name="gzip"), ["gzip", "gzip"]), (Codec(), ["zstd", "gzip"])):
        made = make_foundation(wanted, pinned, PLATFORM, replace(ground, codec=codec), locked=True)
        assert [layer.media_type.rpartition("+")[2] for layer in made.layers] == types
        assert made.layers[0].diff_id == plain.diff_id
        assert (made.layers[0].digest == zstd.digest) == (types[0] == "zstd")


@dataclass(kw_only=True)
class BrokenLayer:
    """A source of which the layer `broken` fails while the others are on their way, which they are until stopped."""

    broken: str
    name: str = "broken"
    under_way: Event = field(default_factory=Event)
    stopped: list[str] = field(default_factory=list)

    def root(self) -> Document:
        raise NotImplementedError

    def document(self, descriptor: Descriptor) -> bytes:
        raise NotImplementedError

    def pull(self, blob: Descriptor, target: Path, *, progress: Progress = ignore_progress) -> None:
        if blob.digest == self.broken:
            assert self.under_way.wait(30)
            raise FoundationError("the layer is broken")
        self.under_way.set()
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            try:
                progress(1)
            except RegistryError:
                self.stopped.append(blob.digest)
                raise
        raise AssertionError("nothing stopped the transfer")


def test_a_layer_that_fails_ends_the_transfer_of_the_others(ground: Groundwork, tmp_path: Path) -> None:
    layers = [tar_blob([entry(f"file-{number}")]) for number in range(12)]
    write_image(tmp_path / "many", layers)
    image = read_image(open_layout(tmp_path, "many"), PLATFORM)
    source = BrokenLayer(broken=layers[0].digest)
    with pytest.raises(FoundationError, match="the layer is broken"):
        take_layers(source, image, ground)
    assert 0 < len(source.stopped) < 6


def test_an_image_without_the_promised_python_says_what_it_has(layout: Path, ground: Groundwork) -> None:
    with pytest.raises(FoundationError) as caught:
        pin(at(layout, "3.12"), ground)
    assert caught.value.message == (
        f"{layout} for {PLATFORM} has no Python 3.12: it is Debian GNU/Linux 13 (trixie) and has Python 3.13"
        " (/usr/bin/python3.13)"
    )
    assert "correct `python` of the foundation" in caught.value.next_step


def test_an_image_for_another_machine_than_it_says_is_refused(ground: Groundwork, tmp_path: Path) -> None:
    wrong = write_image(tmp_path / "wrong", [system_blob(OTHER_PLATFORM)])
    with pytest.raises(FoundationError, match=f"says that it is for {PLATFORM}, but /usr/bin/python3.13 is not"):
        pin(at(wrong), ground)


def test_an_image_without_python_says_so(ground: Groundwork, tmp_path: Path) -> None:
    empty = write_image(tmp_path / "empty", [tar_blob([entry("etc/os-release", b'PRETTY_NAME="Tiny 1"\n')])])
    with pytest.raises(FoundationError, match=r"has no Python 3\.13: it is Tiny 1 and has no Python on its PATH"):
        pin(at(empty), ground)


def test_an_image_with_a_free_threaded_python_alone_says_so(ground: Groundwork, tmp_path: Path) -> None:
    members = [
        entry("etc/os-release", b'PRETTY_NAME="Tiny 1"\n'),
        entry("usr/bin/python3.13t", elf(PLATFORM)),
        link_entry("usr/bin/python3", "python3.13t"),
        entry("usr/lib/python3.13t/os.py"),
    ]
    free = write_image(tmp_path / "free", [tar_blob(members)])
    with pytest.raises(FoundationError, match=r"has a free-threaded or debug build \(/usr/bin/python3\.13t\)"):
        pin(at(free), ground)


def test_an_image_for_other_platforms_names_them(ground: Groundwork, tmp_path: Path) -> None:
    other = write_image(tmp_path / "other", [tar_blob([entry("x", b"x")])], platform=OTHER_PLATFORM)
    with pytest.raises(FoundationError, match=f"is not there for {PLATFORM}, but for {OTHER_PLATFORM}"):
        pin(at(other), ground)


def test_an_image_that_does_not_exist_is_named(registry: RunningRegistry, ground: Groundwork) -> None:
    with pytest.raises(FoundationError, match=f"{registry.host}/no/such:image does not exist") as caught:
        pin(named(f"{registry.host}/no/such:image"), ground)
    assert "correct the name in the catalog" in caught.value.next_step


def test_a_folder_that_is_no_layout_says_how_to_write_one(ground: Groundwork, tmp_path: Path) -> None:
    with pytest.raises(FoundationError, match="there is no OCI layout and no archive at"):
        pin(at(tmp_path / "missing"), ground)
    with pytest.raises(FoundationError, match=r"is no OCI layout and no archive of `docker save`") as caught:
        pin(at(tmp_path), ground)
    assert "skopeo copy" in caught.value.next_step
