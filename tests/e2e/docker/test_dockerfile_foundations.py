"""Foundations that a Dockerfile makes: built by BuildKit in one bake, pinned by what went in and what came out."""

import json
import signal
import subprocess
import time
from pathlib import Path

import pytest
from tests.baseimages import Blob
from tests.bases import PLATFORM
from tests.e2e.docker.dockerfiles import GEO, PYTHON, Dockerfiles, push_base
from tests.e2e.docker.engines import DockerEngine
from tests.registries import RunningRegistry

pytestmark = pytest.mark.docker

RANDOM = """
FROM {base}
RUN cat /proc/sys/kernel/random/uuid > /srv/random
"""


TWO_PYTHONS = """
FROM {base}
RUN sed "s/3\\.13/3.12/g" /usr/bin/python3.13 > /usr/bin/python3.12 && chmod +x /usr/bin/python3.12 \\
    && cp -a /usr/lib/python3.13 /usr/lib/python3.12
"""
COPIES = """
FROM {base}
COPY . /srv/here/
COPY --from=assets . /srv/assets/
"""


def test_all_that_a_lock_needs_is_built_in_one_bake_and_pinned(
    pinned: Dockerfiles, base: str, registry: RunningRegistry
) -> None:
    assert pinned.bakes() == 1
    pin = pinned.pin("geo")
    assert list(pin["bases"]) == [base]
    assert pin["python"].startswith("3.13.")
    assert pin["interpreter"] == "/usr/bin/python3.13"
    assert pin["created"].endswith("T00:00:00Z")
    assert pin["image"] != pinned.pin("now")["image"]


def test_what_is_pinned_is_not_built_again_and_another_machine_makes_the_same(
    pinned: Dockerfiles, tmp_path: Path
) -> None:
    """Times of files and of the image are the pin's, whenever and wherever it is built."""
    here, there = pinned.copy(tmp_path / "here"), pinned.copy(tmp_path / "there")
    there.forget()
    there.bases.build("--locked")
    here.bases.run("lock")
    here.bases.build()
    assert (here.bakes(), there.bakes()) == (0, 1)
    assert there.bases.digests() == here.bases.digests()


def test_another_checkout_makes_the_same_whatever_its_umask_and_its_times(
    pinned: Dockerfiles, base: str, tmp_path: Path
) -> None:
    """Also where a step copies all that lies beside its Dockerfile, where the lock of the image is written."""
    here = pinned.copy(tmp_path / "here")
    assets = here.bases.folder / "assets" / "more"
    assets.mkdir(parents=True)
    (assets / "link").symlink_to("asset")
    (assets / "asset").write_text("asset")
    here.write("geo", COPIES.format(base=base), note="note")
    here.write_catalog({"geo": {"contexts": {"assets": "assets"}}})
    here.bases.run("lock")
    assert [path.name for path in (here.bases.folder / "bases" / "geo").glob("py3*")]
    there = here.copy(tmp_path / "there")
    there.check_out()
    there.forget()
    there.bases.build("--locked")
    assert there.bakes() == 1
    before = there.pin("geo")
    there.write("geo", COPIES.format(base=base), note="nope")  # as long as before, and of the same time for BuildKit
    there.bases.run("lock")
    assert there.pin("geo")["image"] != before["image"]


def test_a_changed_file_builds_its_own_foundation_anew(pinned: Dockerfiles, tmp_path: Path) -> None:
    copy = pinned.copy(tmp_path)
    before = copy.pin("geo"), copy.pin("now")
    copy.write("geo", (copy.bases.folder / "bases/geo/Dockerfile").read_text(), hello="#!/bin/sh\necho goodbye\n")
    rows = json.loads(copy.bases.run("plan", "--json").stdout)
    assert [row["reason"] for row in rows][:1] == ["to be locked first: no pin fits its foundation geo"]
    said = copy.bases.run("lock").stderr
    assert "\ngeo: bake" in f"\n{said}"
    assert copy.pin("geo")["inputs"] != before[0]["inputs"]
    assert copy.pin("now") == before[1]


def test_a_base_that_moved_is_noticed_only_when_foundations_are_upgraded(
    pinned: Dockerfiles, registry: RunningRegistry, system: Blob, tmp_path: Path
) -> None:
    own = push_base(registry, system, tmp_path / "first", "moving")
    copy = pinned.copy(tmp_path / "copy")
    copy.write("geo", GEO.format(base=own))
    copy.write_catalog({"geo": {}})
    copy.bases.run("lock")
    before = copy.pin("geo")
    assert copy.bakes() == 1
    copy.bases.run("lock", "--upgrade-foundation")
    assert (copy.bakes(), copy.pin("geo")) == (0, before)  # the registry says that it is the same
    push_base(registry, system, tmp_path / "second", "moving", news=b"today's\n")
    copy.forget()
    copy.bases.build("--locked")  # on the pinned image, wherever the tag points to
    assert (copy.bakes(), copy.pin("geo")) == (1, before)
    copy.bases.run("lock", "--upgrade-foundation")
    assert copy.bakes() == 1
    assert copy.pin("geo")["bases"] != before["bases"]


def test_what_cannot_be_repeated_is_a_drift_and_with_locked_an_error(
    pinned: Dockerfiles, base: str, tmp_path: Path
) -> None:
    copy = pinned.copy(tmp_path)
    copy.write("geo", RANDOM.format(base=base))
    copy.write_catalog({"geo": {}})
    copy.bases.run("lock")
    image = copy.pin("geo")["image"]
    copy.forget()
    finished = copy.bases.run("build", "--no-verify")
    assert f"bases/geo/Dockerfile: {image} -> sha256:" in finished.stderr
    assert "`warmbase lock --rebuild-foundation` pins what it is now" in finished.stderr
    refused = copy.bases.run("build", "--locked", "--no-verify", "-o", "other", code=1)
    assert "foundation geo is not what its pin says" in refused.stderr
    assert "have each step make the same every time" in refused.stderr
    images = [image]
    for option in ("--upgrade-foundation", "--rebuild-foundation"):  # of a drift seen here, and without one
        copy.bakes()
        copy.bases.run("lock", option)
        assert copy.bakes() == 1
        images.append(copy.pin("geo")["image"])
        copy.bases.build("--locked")
    assert len(set(images)) == 3


def test_a_further_python_is_found_in_what_is_built_already(pinned: Dockerfiles, base: str, tmp_path: Path) -> None:
    copy = pinned.copy(tmp_path)
    copy.write("geo", TWO_PYTHONS.format(base=base))
    copy.write_catalog({"geo": {}})
    copy.bases.run("lock")
    pin = copy.pin("geo")
    copy.bakes()
    copy.write_catalog({"geo": {"python": ["3.12", PYTHON]}}, defaults={"backends": [], "python": ["3.12", PYTHON]})
    copy.bases.run("lock")
    assert copy.bakes() == 0
    pins = json.loads((copy.bases.folder / "bases/foundations/geo.json").read_text())["platforms"][PLATFORM]
    assert pins[PYTHON] == pin
    assert pins["3.12"] == {**pin, "interpreter": "/usr/bin/python3.12"}  # whose code says that it is 3.13


def test_a_verified_image_is_loaded_and_inherited(pinned: Dockerfiles, engine: DockerEngine, tmp_path: Path) -> None:
    """The whole way: what the steps made is in the image, and a child is built on it."""
    copy = pinned.copy(tmp_path)
    copy.bases.run("build", "geo")
    assert engine.warmbase("load", "geo", cwd=copy.bases.folder).returncode == 0
    image = "registry.example/bases/geo:py3.13"
    (tmp_path / "Dockerfile").write_text(
        f"FROM {image}\nUSER 1000\nRUN hello > /tmp/said && python -c 'import packaging'\n"
    )
    engine.docker("build", "--quiet", "--tag", "d-child", tmp_path)
    command = "cat /srv/made/by /tmp/said; stat -c '%u %Y' /srv/made/by; echo $MADE_BY"
    said = engine.docker("run", "--rm", "d-child", "sh", "-c", command).splitlines()
    assert said[:2] == ["for 3.13", "hello"]
    assert said[3] == "geo"
    uid, changed = said[2].split()
    assert uid == "1000"
    assert time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(int(changed))) == copy.pin("geo")["created"]


def test_the_definition_is_printed_as_buildx_reads_it_and_nothing_is_built(
    pinned: Dockerfiles, engine: DockerEngine, tmp_path: Path
) -> None:
    copy = pinned.copy(tmp_path)
    printed = copy.bases.run("build", "--print-bake").stdout
    read = subprocess.run(
        ["docker", "buildx", "bake", "-f", "-", "--print"],
        input=printed, capture_output=True, text=True, check=True, cwd=copy.bases.folder, env=engine.environment,
    )  # fmt: skip
    targets = json.loads(read.stdout)["target"]
    assert [name.rpartition("-")[0] for name in sorted(targets)] == ["geo-py3_13", "now"]
    assert not copy.bases.output.exists()
    assert copy.bakes() == 0


def test_ctrl_c_leaves_nothing_half_done(pinned: Dockerfiles, base: str, tmp_path: Path) -> None:
    copy = pinned.copy(tmp_path)
    copy.write("slow", f"FROM {base}\nRUN sleep 3600\n")
    copy.write_catalog({"slow": {}})
    copy.bakes()
    with copy.bases.start("lock") as process:
        while copy.bakes() == 0:
            assert process.poll() is None
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130
    assert not copy.pinned("slow")
    copy.write("slow", f"FROM {base}\nRUN true\n")
    copy.bases.run("lock")
    copy.bases.check_left_nothing()
    assert copy.pinned("slow")
