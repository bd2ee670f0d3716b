"""A build with its verification, as everybody runs it, and what makes a verified image count no more."""

import json
import os
import re
import signal
import time
from pathlib import Path
from typing import Any

import pytest
from tests.bases import Bases

from warmbase.oci.manifest import Descriptor

SMALL, PLAIN = "small:py3.13-trixie", "plain:py3.13-trixie"


@pytest.fixture(scope="module")
def verified(built: Bases, tmp_path_factory: pytest.TempPathFactory) -> Bases:
    """The small catalog and an image without pytest, built and verified; tests work on copies."""
    bases = built.copy(tmp_path_factory.mktemp("verified"))
    document = json.loads(bases.catalog.read_text())
    document["images"]["plain"] = {"description": "Plain.", "requirements": ["packaging"]}
    bases.catalog.unlink()
    bases.catalog.write_text(json.dumps(document))
    write_smoke(bases, "import requests")
    rows = build(bases)
    assert {name: row["error"] for name, row in rows.items()} == {SMALL: "", PLAIN: ""}
    return bases


@pytest.fixture
def bases(verified: Bases, tmp_path: Path) -> Bases:
    return verified.copy(tmp_path)


def write_smoke(bases: Bases, program: str) -> None:
    path = bases.folder / "bases/small/smoke.py"
    path.unlink(missing_ok=True)
    path.write_text(program)


def build(bases: Bases, *arguments: str, code: int = 0) -> dict[str, dict[str, Any]]:
    rows = json.loads(bases.run("build", "--json", *arguments, code=code).stdout)
    return {row["variant"]: row for row in rows}


def planned(bases: Bases) -> dict[str, str]:
    """What `warmbase plan` says is to do: variant → reason."""
    return {row["variant"]: row["reason"] for row in json.loads(bases.run("plan", "--json").stdout)}


def findings(bases: Bases, name: str, code: int = 0) -> dict[str, dict[str, Any]]:
    """What `warmbase verify` says of an image: check → finding."""
    (row,) = json.loads(bases.run("verify", "--json", name, code=code).stdout)
    return {finding["check"]: finding for finding in row["findings"]}


def largest_own_layer(bases: Bases) -> Descriptor:
    """The largest layer that `plain` alone has."""
    others = set(bases.manifest(SMALL).layers)
    own = [layer for layer in bases.manifest(PLAIN).layers if layer not in others]
    return max(own, key=lambda layer: layer.size)


def damage(bases: Bases, layer: Descriptor, content: bytes) -> None:
    """Replace a blob of the layout, and not the store's, which it is linked to."""
    path = bases.layout().blob_path(layer.digest)
    path.unlink()
    path.write_bytes(content)


def test_nothing_is_to_do_after_a_verified_build(bases: Bases) -> None:
    assert planned(bases) == {SMALL: "", PLAIN: ""}
    assert bases.run("build").stderr == "", "no stage has begun"
    assert {row["verified"] for row in build(bases).values()} == {"yes"}


def test_verify_prints_what_it_found(bases: Bases) -> None:
    said = bases.run("verify", "small").stdout
    assert f"{SMALL}  {bases.digests()[SMALL]}" in said
    rows = [re.split(" {2,}", line) for line in said.splitlines()[2:]]
    assert {row[0] for row in rows} == {"passed"}
    assert {"blobs", "imports of requests", "smoke.py"} < {row[1] for row in rows}


def test_an_image_without_pytest_is_verified_and_that_is_said(bases: Bases) -> None:
    found = findings(bases, "plain")
    outcomes = {check.rpartition(" ")[2]: finding for check, finding in found.items() if check.startswith("workspace")}
    assert outcomes["unittest"]["outcome"] == "passed"
    assert (outcomes["pytest"]["outcome"], outcomes["pytest"]["detail"]) == ("not run", "pytest is not in the image")


def test_another_smoke_file_has_to_pass_too(bases: Bases) -> None:
    write_smoke(bases, "raise SystemExit('out of order')")
    assert planned(bases) == {SMALL: "not verified here", PLAIN: ""}
    rows = build(bases, code=1)
    assert "out of order" in rows[SMALL]["error"]
    assert rows[PLAIN]["verified"] == "yes"
    assert planned(bases)[SMALL] == "not verified here"
    write_smoke(bases, "import pytest")
    assert build(bases)[SMALL]["verified"].endswith("checks passed")
    assert planned(bases)[SMALL] == ""


def test_ctrl_c_ends_a_verification_at_once(bases: Bases) -> None:
    write_smoke(bases, "import time; time.sleep(120)")
    with bases.start("build", "small") as process:
        assert process.stderr
        while "verify" not in (line := process.stderr.readline()):
            assert line, "it ended"
        time.sleep(1)  # until the sandboxes are open
        os.killpg(process.pid, signal.SIGINT)
        process.communicate(timeout=20)
    assert process.returncode == 130
    bases.check_left_nothing()
    assert planned(bases)[SMALL] == "not verified here"


def test_a_truncated_layer_of_the_layout_is_found_and_healed(bases: Bases) -> None:
    layer, digest = largest_own_layer(bases), bases.digests()[PLAIN]
    damage(bases, layer, bases.layout().blob_path(layer.digest).read_bytes()[:-1])
    assert planned(bases)[SMALL] == ""
    assert f"{PLAIN} is not what dist holds" in bases.run("verify", code=64).stderr
    assert build(bases)[PLAIN]["digest"] == digest
    bases.check_layout()
    assert planned(bases) == {SMALL: "", PLAIN: ""}


def test_a_damaged_layer_of_the_layout_is_found_and_healed(bases: Bases) -> None:
    layer, digest = largest_own_layer(bases), bases.digests()[PLAIN]
    damage(bases, layer, bytes(layer.size))
    finished = bases.run("verify", "plain", code=1)
    assert f"{layer.digest.removeprefix('sha256:')} is damaged" in finished.stderr
    assert "next: run `warmbase build plain:py3.13-trixie`" in finished.stderr
    rows = {row[1]: row[0] for row in (re.split(" {2,}", line) for line in finished.stdout.splitlines()[2:])}
    found = {check: finding["outcome"] for check, finding in findings(bases, "plain", code=1).items()}
    assert rows == found
    assert {check for check, outcome in found.items() if outcome == "failed"} == {"blobs"}
    assert build(bases)[PLAIN]["digest"] == digest
    bases.check_layout()
    assert planned(bases) == {SMALL: "", PLAIN: ""}
