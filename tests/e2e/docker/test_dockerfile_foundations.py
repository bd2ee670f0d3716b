"""Foundations that a Dockerfile makes: built by BuildKit in one bake, pinned by what went in and what came out."""

import json
import signal
import subprocess
import time
from pathlib import Path

import pytest
from tests.baseimages import Blob
from tests.e2e.docker.dockerfiles import Dockerfiles, push_base
from tests.e2e.docker.engines import DockerEngine
from tests.registries import RunningRegistry

pytestmark = pytest.mark.docker

REAL = """
FROM {base}
ARG PYTHON
COPY --chmod=0755 hello /usr/local/bin/hello
RUN mkdir -p /srv/made && echo "for $PYTHON" > /srv/made/by && chown -R 1000 /srv/made
ENV MADE_BY=geo
"""
RANDOM = """
FROM {base}
RUN cat /proc/sys/kernel/random/uuid > /srv/random
"""
WITHOUT_CLOCK = "FROM {base}\nRUN date > /dev/null && touch /srv/now\n"


@pytest.fixture(scope="module")
def locked(empty: Dockerfiles, base: str, tmp_path_factory: pytest.TempPathFactory) -> Dockerfiles:
    """Two foundations, pinned."""
    made = empty.copy(tmp_path_factory.mktemp("locked"))
    made.write("geo", REAL.format(base=base), hello="#!/bin/sh\necho hello\n")
    made.write("now", WITHOUT_CLOCK.format(base=base))
    made.write_catalog({"geo": {"args": {"PYTHON": "{python}"}}, "now": {}})
    made.bakes()
    said = made.bases.run("lock").stderr
    assert "geo, now: bake" in said
    return made


def test_all_that_a_lock_needs_is_built_in_one_bake_and_pinned(
    locked: Dockerfiles, base: str, registry: RunningRegistry
) -> None:
    assert locked.bakes() == 1
    pin = locked.pin("geo")
    assert list(pin["bases"]) == [base]
    assert pin["python"].startswith("3.13.")
    assert pin["interpreter"] == "/usr/bin/python3.13"
    assert pin["created"].endswith("T00:00:00Z")
    assert pin["image"] != locked.pin("now")["image"]


def test_what_is_pinned_is_not_built_again(locked: Dockerfiles, tmp_path: Path) -> None:
    copy = locked.copy(tmp_path)
    copy.bases.run("lock")
    rows = copy.bases.build()
    assert [row["error"] for row in rows] == ["", ""]
    assert copy.bakes() == 0


def test_another_machine_makes_the_same_from_the_pins(locked: Dockerfiles, tmp_path: Path) -> None:
    """Times of files and of the image are the pin's, whenever and wherever it is built."""
    here, there = locked.copy(tmp_path / "here"), locked.copy(tmp_path / "there")
    there.forget()
    there.bases.build("--locked")
    here.bases.build()
    assert (there.bakes(), here.bakes()) == (1, 0)
    assert there.bases.digests() == here.bases.digests()


def test_a_changed_file_builds_its_own_foundation_anew(locked: Dockerfiles, tmp_path: Path) -> None:
    copy = locked.copy(tmp_path)
    before = copy.pin("geo"), copy.pin("now")
    hello = copy.bases.folder / "bases/geo/hello"
    hello.unlink()  # a link
    hello.write_text("#!/bin/sh\necho goodbye\n")
    rows = json.loads(copy.bases.run("plan", "--json").stdout)
    assert [row["reason"] for row in rows][:1] == ["to be locked first: no pin fits its foundation geo"]
    said = copy.bases.run("lock").stderr
    assert "\ngeo: bake" in f"\n{said}"
    assert copy.pin("geo")["inputs"] != before[0]["inputs"]
    assert copy.pin("now") == before[1]


def test_a_base_that_moved_is_noticed_only_when_foundations_are_upgraded(
    locked: Dockerfiles, registry: RunningRegistry, system: Blob, tmp_path: Path
) -> None:
    own = push_base(registry, system, tmp_path / "first", "moving")
    copy = locked.copy(tmp_path / "copy")
    copy.write("geo", REAL.format(base=own))
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
    locked: Dockerfiles, base: str, tmp_path: Path
) -> None:
    copy = locked.copy(tmp_path)
    copy.write("geo", RANDOM.format(base=base))
    copy.write_catalog({"geo": {}})
    copy.bases.run("lock")
    pinned = copy.pin("geo")["image"]
    copy.forget()
    finished = copy.bases.run("build", "--no-verify")
    assert f"bases/geo/Dockerfile: {pinned} -> sha256:" in finished.stderr
    assert "`warmbase lock --upgrade-foundation` pins what it is now" in finished.stderr
    refused = copy.bases.run("build", "--locked", "--no-verify", "-o", "other", code=1)
    assert "foundation geo is not what its pin says" in refused.stderr
    assert "have each step make the same every time" in refused.stderr


def test_a_verified_image_is_loaded_and_inherited(locked: Dockerfiles, engine: DockerEngine, tmp_path: Path) -> None:
    """The whole way: what the steps made is in the image, and a child is built on it."""
    copy = locked.copy(tmp_path)
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
    locked: Dockerfiles, engine: DockerEngine, tmp_path: Path
) -> None:
    copy = locked.copy(tmp_path)
    printed = copy.bases.run("build", "--print-bake").stdout
    read = subprocess.run(
        ["docker", "buildx", "bake", "-f", "-", "--print"],
        input=printed, capture_output=True, text=True, check=True, cwd=copy.bases.folder, env=engine.environment,
    )  # fmt: skip
    targets = json.loads(read.stdout)["target"]
    assert [name.rpartition("-")[0] for name in sorted(targets)] == ["geo-py3_13", "now"]
    assert not copy.bases.output.exists()
    assert copy.bakes() == 0


def test_ctrl_c_leaves_nothing_half_done(locked: Dockerfiles, base: str, tmp_path: Path) -> None:
    copy = locked.copy(tmp_path)
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
