"""Nights over foundations that Dockerfiles make: two images on one of them, and one on another."""

import gzip
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from tests.baseimages import Blob
from tests.e2e.docker.dockerfiles import PYTHON, Dockerfiles, push_base
from tests.grounds import UV
from tests.nights import BEGAN, loopback, open_job, thin_system, told
from tests.registries import RunningRegistry, client_of
from tests.wheelhouse import Mirror, make_wheel, serve, uv_wheel
from uv import find_uv_bin

from warmbase.nightly.job import plan_night, run_night
from warmbase.nightly.model import Night

pytestmark = pytest.mark.docker

ON = {"app": "geo", "web": "geo", "log": "now"}
"""Each image's foundation."""

ONE_DAY = "1790000000"
"""The day of all builds, so that the same is made before and after midnight."""

FIRST = "refreshed: nothing is published of it"
GEO = "FROM {base}\nCOPY --chmod=0755 hello /usr/local/bin/hello\n"
NOW = "FROM {base}\nRUN echo now > /srv/now\n"
BREAKS = "FROM {base}\nRUN echo nothing to be had && false\n"


@dataclass(slots=True)
class Nights:
    """Images on Dockerfiles, and a registry that has the image `base` that those stand on and gets theirs."""

    dockerfiles: Dockerfiles
    registry: RunningRegistry
    system: Blob
    scratch: Path
    base: str = ""
    when: datetime = BEGAN
    pushed: list[str] = field(default_factory=list)

    def move_base(self) -> None:
        """Let the tag of the base name a new image."""
        number = len(self.pushed) + 1
        folder = self.scratch / f"base-{number}"
        self.base = push_base(self.registry, self.system, folder, "nightly", news=b"%d\n" % number)
        found = client_of(self.registry.host).find_manifest("standin", "nightly")
        assert found
        self.pushed.append(found.digest[:19])

    def night(self) -> Night:
        """Do the night that comes."""
        self.when += timedelta(days=1)
        return run_night(open_job(self.dockerfiles.bases.catalog, self.place, self.when))

    def stale(self) -> dict[str, str]:
        """Why a plan calls variants stale."""
        plan = plan_night(open_job(self.dockerfiles.bases.catalog, self.place, self.when))
        return {one.variant.partition(":")[0]: ", ".join(map(str, one.reasons)) for one in plan.stale}

    @property
    def place(self) -> str:
        return f"{self.registry.host}/bases"

    def asked(self) -> list[str]:
        """What `docker` was asked since this was last looked at."""
        log = self.dockerfiles.log
        said = log.read_text(encoding="utf-8").splitlines()
        log.write_text("")
        return said

    def tags(self) -> dict[str, str]:
        """What each image's rolling tag names."""
        client = client_of(self.registry.host)
        found = {image: client.find_manifest(f"bases/{image}", f"py{PYTHON}") for image in ON}
        return {image: manifest.digest for image, manifest in found.items() if manifest}

    def write_geo(self, said: str) -> None:
        self.dockerfiles.write("geo", GEO.format(base=self.base), hello=f"#!/bin/sh\necho {said}\n")

    def write_now(self, remark: str = "") -> None:
        self.dockerfiles.write("now", NOW.format(base=self.base) + remark)


@pytest.fixture(scope="module")
def nights(
    empty: Dockerfiles, registry: RunningRegistry, system: Blob, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Nights]:
    """The world after the first night."""
    scratch = tmp_path_factory.mktemp("nights")
    dockerfiles = empty.copy(scratch / "bases")
    index = Mirror(wheels=[uv_wheel(UV, Path(find_uv_bin())), make_wheel("alpha", "1.0", {"alpha.py": ""})])
    with serve(index), pytest.MonkeyPatch.context() as patch:
        bases = dockerfiles.bases
        own = {"WARMBASE_CACHE_DIR": str(bases.cache), "SOURCE_DATE_EPOCH": ONE_DAY}
        for name, value in {**own, **loopback(index, scratch), **bases.environment}.items():
            patch.setenv(name, value)
        made = Nights(dockerfiles, registry, thin_system(gzip.decompress(system.content)), scratch)
        made.move_base()
        made.write_geo("hello")
        made.write_now()
        bases.catalog.unlink(missing_ok=True)  # a link
        bases.write_catalog(
            {image: {"foundations": [name], "requirements": ["alpha"]} for image, name in ON.items()},
            foundations={name: {"dockerfile": f"bases/{name}", "python": PYTHON} for name in ("geo", "now")},
            defaults={"foundations": ["geo"], "backends": []},
        )
        assert told(made.night()) == dict.fromkeys(ON, FIRST)
        assert bakes(made.asked()) == 1
        yield made


def bakes(asked: list[str]) -> int:
    return sum("buildx bake" in line for line in asked)


def test_a_quiet_night_asks_no_engine_for_anything(nights: Nights) -> None:
    tags = nights.tags()
    assert told(nights.night()) == {}
    assert nights.asked() == []
    assert (nights.tags(), sorted(tags)) == (tags, sorted(ON))


def test_a_base_that_moved_is_told_with_its_digests_and_a_step_that_fails_costs_only_what_stands_on_it(
    nights: Nights,
) -> None:
    before = nights.tags()
    nights.move_base()
    moved = f"{nights.base} {nights.pushed[-2]} → {nights.pushed[-1]}"
    assert nights.stale() == dict.fromkeys(ON, moved)
    nights.dockerfiles.write("geo", BREAKS.format(base=nights.base))
    words = told(nights.night())
    assert words["log"] == f"refreshed: {moved}"
    assert words["app"] == words["web"]
    assert words["app"].startswith("failed: bases/geo/Dockerfile ")
    assert "echo nothing to be had && false" in words["app"]
    assert {image for image, digest in nights.tags().items() if digest == before[image]} == {"app", "web"}


def test_what_goes_into_a_dockerfile_is_baked_once_for_all_that_stand_on_it(nights: Nights) -> None:
    before = nights.tags()
    nights.write_geo("goodbye")
    stale = nights.stale()
    assert list(stale) == ["app", "web"]
    assert stale["app"] == stale["web"]
    assert stale["app"].startswith("bases/geo/Dockerfile ")
    assert stale["app"].endswith(" (what goes in)")
    nights.asked()
    assert told(nights.night()) == {image: f"refreshed: {why}" for image, why in stale.items()}
    assert bakes(nights.asked()) == 1
    assert {image for image, digest in nights.tags().items() if digest != before[image]} == {"app", "web"}
    assert told(nights.night()) == {}
    assert nights.asked() == []


def test_a_dockerfile_that_makes_what_it_made_before_moves_no_tag(nights: Nights) -> None:
    before = nights.tags()
    nights.write_now("# a remark\n")
    words = told(nights.night())
    assert list(words) == ["log"]
    assert words["log"].startswith("fresh: bases/now/Dockerfile ")
    assert nights.tags() == before
    assert told(nights.night()) == {}
