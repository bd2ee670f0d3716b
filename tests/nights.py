"""A world that goes on from night to night, and the nightly job in it.

There is a package index, a Debian archive and a registry, all on loopback and changed by the tests, and a clock that
they set: a month of nights takes as long as its builds. What a night did is told in words.

    python -m tests.nights CATALOG REGISTRY TIME

does one night in a process of its own, which can be killed.
"""

import io
import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.archives import Archive, serve_archive
from tests.baseimages import Blob, read_tar, tar_blob, write_image
from tests.bases import PLATFORM, Bases
from tests.faults import FaultProxy, fault_proxy
from tests.grounds import UV, ground_at
from tests.publishing import Clock
from tests.registries import RunningRegistry, client_of, copy_with_skopeo, running_registry
from tests.wheelhouse import Mirror, make_wheel, serve, uv_wheel
from uv import find_uv_bin

from warmbase.catalog.load import load_catalog
from warmbase.cli.nightly import make_job
from warmbase.cli.publish import open_place
from warmbase.cli.session import Session
from warmbase.events import ignore
from warmbase.foundation.stage import make_foundation, pin_foundation
from warmbase.nightly.job import NightPlan, plan_night, run_night
from warmbase.nightly.model import Night, VariantResult
from warmbase.nightly.setting import Job

BEGAN = datetime(2026, 11, 2, 2, 23, tzinfo=UTC)
"""The first night: a Monday's."""

ROOT = Path(__file__).parents[1]

_SPARED = ("gconv/", "perl-base/", "python3.13/test/", "pydoc_data/", "usr/share/doc/", "var/lib/dpkg/info/")
"""What the images that foundations are have no use for: each verification looks into every file."""


@dataclass(slots=True)
class World:
    """The catalog and what it is made from. The registry is behind a proxy that keeps what it is asked.

    `systems` are what images in the registry are, by their tags: those of "thin" know the archive that they came from.
    `names` are what is told instead of texts that are other ones in each run, `aside` the images whose tags others have
    moved before the night that counts.
    """

    bases: Bases
    index: Mirror
    archive: Archive
    registry: RunningRegistry
    proxy: FaultProxy
    systems: Mapping[str, Blob]
    evening: datetime = BEGAN - timedelta(hours=6)
    catalog: dict[str, Any] = field(default_factory=dict)
    images: list[str] = field(default_factory=list)
    names: dict[str, str] = field(default_factory=dict)
    aside: set[str] = field(default_factory=set)

    @property
    def place(self) -> str:
        """Where images go, through the proxy."""
        return f"{self.proxy.host}/bases"

    def release(
        self,
        name: str,
        version: str,
        source: str = "",
        *,
        requires: Sequence[str] = (),
        tag: str = "py3-none-any",
        uploaded: str = "",
    ) -> None:
        """Upload a package with one module, this evening unless another time is said."""
        time = uploaded or self.evening.strftime("%Y-%m-%dT%H:%M:%S.000000Z")
        files = {f"{name.replace('-', '_')}.py": source or f"VERSION = {version!r}\n"}
        self.index.wheels.append(make_wheel(name, version, files, requires=requires, tag=tag, time=time))

    def yank(self, name: str, version: str, reason: str) -> None:
        """Mark a release."""
        (wheel,) = (wheel for wheel in self.index.wheels if (wheel.name, wheel.version) == (name, version))
        self.index.yanked[wheel.file] = reason

    def push_image(self, tag: str) -> None:
        """Let a tag of the image `team/python` name a new image, with the same system."""
        name = f"image {len(self.images) + 1}"
        folder = self.bases.folder.parent / name
        run = {"Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"], "Cmd": ["python3"]}
        write_image(folder, [self.systems[tag]], run, created=f"2026-10-01T00:00:{len(self.images):02}Z")
        copy_with_skopeo(f"oci:{folder}", f"docker://{self.registry.host}/team/python:{tag}")
        found = client_of(self.registry.host).find_manifest("team/python", tag)
        assert found
        self.images.append(found.digest)
        self.names[found.digest[:19]] = name

    def update_system(self, package: str) -> None:
        """Let the archive have a security update."""
        old, new = self.archive.bump(package, security=True)
        self.names |= {old: "old", new: "new"}

    def edit(self, image: str, **said: Any) -> None:
        """Say something else of an image in the catalog."""
        self.catalog["images"][image] |= said
        self.write()

    def write(self) -> None:
        """Write the catalog as it is meant now."""
        self.bases.write_catalog(self.catalog["images"], **{k: v for k, v in self.catalog.items() if k != "images"})

    def job(self, names: Sequence[str] = (), **options: Any) -> Job:
        """The job of the night that comes."""
        return open_job(self.bases.catalog, self.place, self.evening + timedelta(hours=6), names, **options)

    def plan(self, **options: Any) -> NightPlan:
        """What the night would do."""
        return plan_night(self.job(**options))

    def night(self, names: Sequence[str] = (), **options: Any) -> Night:
        """Do the night."""
        return run_night(self.job(names, **options))

    def start(self, cache: Path | None = None) -> subprocess.Popen[str]:
        """Begin the night in a process of its own, perhaps with another cache than this machine's."""
        time = (self.evening + timedelta(hours=6)).isoformat()
        return subprocess.Popen(
            [sys.executable, "-m", "tests.nights", str(self.bases.catalog), self.place, time],
            cwd=ROOT,
            env={**os.environ, "WARMBASE_CACHE_DIR": str(cache or self.bases.cache)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def told(self, night: Night) -> dict[str, str]:
        """What became of each image: `{"data": "refreshed: numpy 2.5.4 → 2.5.5"}`; nothing is said of those that are
        fresh and hold nothing back."""
        return {image: self.named(words) for image, words in told(night).items()}

    def named(self, words: str) -> str:
        """Words with the world's names in them."""
        for text in sorted(self.names, key=len, reverse=True):
            words = words.replace(text, self.names[text])
        return words

    def tags(self) -> dict[str, str]:
        """What the rolling tag of each image names in the registry."""
        client = client_of(self.registry.host)
        images = [variant.image for variant in load_catalog(self.bases.catalog).variants]
        found = {image: client.find_manifest(f"bases/{image}", "py3.13") for image in images}
        return {image: manifest.digest for image, manifest in found.items() if manifest}


def loopback(index: Mirror, folder: Path) -> dict[str, str]:
    """The variables with which programs use an index of the tests', and nobody's login to registries."""
    direct = {"NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}
    return {"UV_DEFAULT_INDEX": index.url, "DOCKER_CONFIG": str(folder / "nobody"), **direct}


def open_job(catalog: Path, place: str, when: datetime, names: Sequence[str] = (), **options: Any) -> Job:
    """The job of a night at `when`, with real tools; the clock goes on by a second whenever it is asked."""
    session = Session(catalog, ignore)
    clock = Clock(now=when, step=timedelta(seconds=1))
    return make_job(session, open_place(session, place), names, clock=clock, **options)


def told(night: Night) -> dict[str, str]:
    """What became of each image, in the words of the night's own."""
    said = {result.variant.partition(":")[0]: _words(result) for result in night.results}
    return {image: words for image, words in said.items() if words != "fresh"}


def _words(result: VariantResult) -> str:
    lines = [
        *map(str, result.reasons),
        *(f"[{held}]" for held in result.held),
        *(f"broken {b.package} {b.version}" for b in result.broken),
    ]
    error = result.failure.message if result.failure else result.error
    lines += [error.splitlines()[0]] if error else []
    return f"{result.status}: {', '.join(lines)}" if lines else result.status


@contextmanager
def open_world(
    folder: Path, catalog: Mapping[str, Any], *, system_packages: Path | None = None, system: bytes = b""
) -> Iterator[World]:
    """Serve everything while the context lasts. Foundations of the catalog called "trixie" are of the archive.

    The archive has the `system_packages`. With a `system` that is there already, as a layer, nobody has to make one of
    them: it is what "slim" is, and there is no "thin".
    """
    with ExitStack() as stack:
        for name in ("archive", "bases"):
            (folder / name).mkdir()
        index = stack.enter_context(serve(Mirror(wheels=[uv_wheel(UV, Path(find_uv_bin()))], conditional=True)))
        archive = stack.enter_context(serve_archive(folder / "archive", system_packages))
        registry = stack.enter_context(running_registry(folder / "registry"))
        proxy = stack.enter_context(fault_proxy(registry.host))
        bases = Bases(folder=folder / "bases", cache=folder / "cache")
        environment = {**loopback(index, folder), "WARMBASE_CACHE_DIR": str(bases.cache)}
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        for name, value in environment.items():
            patch.setenv(name, value)
        foundations = {
            "trixie": archive.entry(bases.folder),
        }
        systems = {"slim": thin_system(system)} if system else _make_systems(bases, foundations["trixie"])
        for name in systems:
            foundations[name] = {"image": f"{proxy.host}/team/python:{name}", "python": ["3.13"]}
        said = {**catalog, "foundations": foundations, "uv": UV, "registry": f"{proxy.host}/bases"}
        world = World(bases, index, archive, registry, proxy, systems, catalog=said)
        world.names[proxy.host] = "registry"
        for tag in systems:
            world.push_image(tag)
        world.write()
        yield world


def _make_systems(bases: Bases, entry: Mapping[str, Any]) -> dict[str, Blob]:
    """The archive's system, made as a foundation, without what is big and not needed: with apt's sources and not."""
    bases.write_catalog({"nothing": ["nothing"]}, foundations={"trixie": entry})
    wanted = load_catalog(bases.catalog).foundations[0]
    ground = ground_at(bases.cache)
    pin = pin_foundation(wanted, PLATFORM, "3.13", ground)
    (layer,) = make_foundation(wanted, pin, PLATFORM, ground, locked=False).layers
    whole = read_tar(bases.store, layer)
    return {"slim": thin_system(whole), "thin": _without(whole, _SPARED)}


def thin_system(layer: bytes) -> Blob:
    """A system's layer without what is big and not needed, which does not know the archive that it came from."""
    return _without(layer, (*_SPARED, "etc/apt/sources.list"))


def _without(layer: bytes, parts: Sequence[str]) -> Blob:
    """A layer without the paths that have one of `parts`."""
    with tarfile.open(fileobj=io.BytesIO(layer)) as files:
        kept = [member for member in files if not any(part in f"{member.name}/" for part in parts)]
        return tar_blob((member, _content(files, member)) for member in kept)


def _content(files: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = files.extractfile(member) if member.isreg() else None
    return file.read() if file else b""


def main() -> None:
    """Do one night, and print its words."""
    catalog, place, time = sys.argv[1:]
    night = run_night(open_job(Path(catalog), place, datetime.fromisoformat(time)))
    sys.stdout.write(json.dumps(told(night)))


if __name__ == "__main__":
    main()
