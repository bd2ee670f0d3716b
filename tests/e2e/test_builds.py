"""Builds of a small catalog, with what goes wrong in between."""

import json
import os
import signal
import time
from pathlib import Path

import pytest
from tests.bases import Bases

from warmbase.oci.digests import hex_of

NAME = "small:py3.13-trixie"


def digest(bases: Bases) -> str:
    return bases.digests()[NAME]


def processes_of(bases: Bases) -> list[str]:
    """The command lines of running processes that name the bases' cache."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(bases.cache) in command:
            found.append(command)
    return found


def test_an_image_has_its_short_and_its_rolling_name(built: Bases) -> None:
    digests = built.digests()
    assert sorted(digests) == ["small:py3.13", NAME]
    assert len(set(digests.values())) == 1


def test_the_layout_is_whole_and_nothing_else_is_left(built: Bases) -> None:
    built.check_layout()
    built.check_left_nothing()
    needed = {layer.digest for layer in built.manifest(NAME).layers}
    assert len(needed) + 2 == len(list((built.output / "blobs/sha256").iterdir()))


def test_a_second_build_does_nothing(copied: Bases) -> None:
    def state() -> dict[str, int]:
        return {str(path): path.stat().st_mtime_ns for path in copied.output.rglob("*")}

    before = state()
    finished = copied.run("build", "--no-verify")
    assert finished.stderr == ""
    assert "all reused" in finished.stdout
    assert state() == before


def test_a_deleted_layout_comes_back_from_the_store(copied: Bases, built: Bases) -> None:
    copied.output.rename(copied.folder / "away")
    (row,) = copied.build()
    assert row["wheels_made"] == 0
    assert row["digest"] == digest(built)
    copied.check_layout()


def test_no_wheel_is_made_twice_by_any_image(copied: Bases) -> None:
    """An image whose wheels another one has already makes none, whatever its name, set or foundation says."""
    document = json.loads(copied.catalog.read_text())
    document["images"]["other"] = {"description": "Another.", "requirements": ["requests"]}
    copied.catalog.unlink()
    copied.catalog.write_text(json.dumps(document))
    rows = {row["variant"]: row for row in copied.build()}
    other = rows["other:py3.13-trixie"]
    assert (other["wheels"], other["wheels_made"], other["error"]) == (5, 0, "")
    assert rows[NAME]["digest"] == copied.digests()[NAME]


def test_a_build_that_is_killed_goes_on_and_ends_with_the_same_digest(fresh: Bases, built: Bases) -> None:
    for delay in (0.3, 1.0, 2.0, 3.0, 4.5, 6.0):
        with fresh.start("build", "--no-verify") as process:
            time.sleep(delay)
            process.send_signal(signal.SIGKILL)
            process.communicate()
        fresh.check_layout()
        assert fresh.store.verify() == (), f"killed after {delay} s"
        if process.returncode == 0:  # it was faster
            break
    deadline = time.monotonic() + 10
    while (left := processes_of(fresh)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert left == []
    (row,) = fresh.build()
    assert row["digest"] == digest(built)
    fresh.check_layout()
    fresh.check_left_nothing()


@pytest.mark.parametrize(
    ("stage", "number", "code"),
    [("packages", signal.SIGINT, 130), ("verify", signal.SIGINT, 130), ("verify", signal.SIGTERM, 143)],
)
def test_ctrl_c_and_sigterm_end_a_build_and_the_next_one_goes_on(
    fresh: Bases, built: Bases, stage: str, number: int, code: int
) -> None:
    with fresh.start("build", "--verify" if stage == "verify" else "--no-verify") as process:
        assert process.stderr
        said = ""
        for line in process.stderr:
            said += line
            if f"{NAME}: {stage}" in line and "done" not in line:
                break
        time.sleep(0.3)
        os.killpg(process.pid, number)
        rest = process.stderr.read()
    assert process.returncode == code, said + rest
    assert rest.splitlines()[-1] == "interrupted; what is done is kept, run the command again to go on"
    assert "Traceback" not in rest
    assert processes_of(fresh) == []
    fresh.check_layout()
    fresh.check_left_nothing()
    (row,) = fresh.build()
    assert row["digest"] == digest(built)
    fresh.check_left_nothing()


def test_two_builds_at_once_share_the_store(fresh: Bases, built: Bases) -> None:
    builds = [fresh.start("build", "--no-verify", "--json", "-o", name) for name in ("dist", "dist", "elsewhere")]
    said = [(build.communicate(), build.returncode) for build in builds]
    assert [code for _, code in said] == [0, 0, 0], said
    assert [json.loads(stdout)[0]["digest"] for (stdout, _), _ in said] == [digest(built)] * 3
    assert fresh.store.verify() == ()
    fresh.check_layout()
    fresh.check_left_nothing()


def test_damaged_blobs_are_noticed_dropped_and_made_again(copied: Bases, built: Bases) -> None:
    """uv, a wheel, the pools and the contract: each blob of the image above the foundation has one bit flipped."""
    copied.output.rename(copied.folder / "away")
    damaged = [layer.digest for layer in built.manifest(NAME).layers[1:]]
    for name in damaged:
        path = copied.store.blob_path(name)
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.unlink()
        path.write_bytes(content)
    finished = copied.run("build", "--no-verify", "--json")
    for name in damaged:
        assert f"dropped the damaged blob {name}" in finished.stderr
    (row,) = json.loads(finished.stdout)
    assert row["digest"] == digest(built)
    assert copied.store.verify() == ()
    copied.check_layout()


def test_damage_is_found_by_store_verify(copied: Bases) -> None:
    layer = copied.manifest(NAME).layers[0]
    path = copied.store.blob_path(layer.digest)
    path.unlink()
    path.write_bytes(bytes(layer.size))
    finished = copied.run("store", "verify", code=1)
    assert f"dropped sha256:{hex_of(layer.digest)}" in finished.stdout
    assert "0 damaged" in copied.run("store", "verify").stdout


def test_a_variant_that_cannot_be_resolved_does_not_stop_the_others(fresh: Bases, built: Bases) -> None:
    document = json.loads(fresh.catalog.read_text())
    impossible = {"impossible": {"description": "None.", "requirements": ["packaging==0.0.0.1"]}}
    document["images"] = {**impossible, **document["images"]}
    fresh.catalog.unlink()
    fresh.catalog.write_text(json.dumps(document, indent=1))
    rows = {row["variant"]: row for row in fresh.build(code=1)}
    assert rows[NAME]["digest"] == digest(built)
    assert "packaging==0.0.0.1" in rows["impossible:py3.13-trixie"]["error"]


def test_wheels_that_disagree_about_a_file_fail_alone_until_the_catalog_names_a_winner(
    fresh: Bases, built: Bases
) -> None:
    document = json.loads(fresh.catalog.read_text())
    clash: dict[str, object] = {"description": "Clash.", "requirements": ["nose==1.3.7", "pynose==1.5.4"]}
    document["images"] = {"clash": clash, **document["images"]}
    fresh.catalog.unlink()
    fresh.catalog.write_text(json.dumps(document))
    rows = {row["variant"]: row for row in fresh.build(code=1)}
    error = rows["clash:py3.13-trixie"]["error"]
    assert "lib/python3.13/site-packages/nose/__init__.py: nose, pynose" in error
    assert "winners" in error
    assert rows[NAME]["digest"] == digest(built)
    clash["winners"] = {"*": "pynose"}
    fresh.catalog.write_text(json.dumps(document))
    rows = {row["variant"]: row for row in fresh.build()}
    assert rows["clash:py3.13-trixie"]["error"] == ""
    assert fresh.digests().keys() >= {NAME, "clash:py3.13-trixie"}
