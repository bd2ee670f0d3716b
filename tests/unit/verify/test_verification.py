"""What counts as verified, and for how long."""

from dataclasses import replace
from pathlib import Path

import pytest
from tests.unit.verify.conftest import Tiny

from warmbase.errors import VerificationError
from warmbase.verify.model import (
    STATIC_ONLY,
    VERIFIER_REVISION,
    Finding,
    Verification,
    VerifiedImage,
    accept_image,
    name_runner,
)
from warmbase.verify.record import read_record, read_verified, write_record

PASSED = Finding(check="a", outcome="passed", detail="fine", seconds=0.25)
FAILED = Finding(check="imports of alpha", outcome="failed", detail="import alpha: ImportError\nno such symbol")
SKIPPED = Finding(check="smoke.py", outcome="not run", detail="bases/tiny has none")


def verification(digest: str, *findings: Finding, runner: str = "namespace") -> Verification:
    return Verification(
        digest=digest,
        platform="linux/amd64",
        revision=VERIFIER_REVISION,
        runner=runner,
        smoke="",
        findings=findings,
    )


def test_nobody_else_makes_a_verified_image(tiny: Tiny) -> None:
    image = tiny.build()
    with pytest.raises(TypeError, match="made by verify_image alone"):
        VerifiedImage(image=image, verification=verification(image.digest, PASSED), made_by=None)


def test_a_verification_of_another_image_does_not_count(tiny: Tiny) -> None:
    with pytest.raises(TypeError, match="does not vouch"):
        accept_image(tiny.build(), verification("sha256:" + "0" * 64, PASSED))


def test_nothing_checked_is_not_verified(tiny: Tiny) -> None:
    image = tiny.build()
    with pytest.raises(TypeError, match="does not vouch"):
        accept_image(image, verification(image.digest, SKIPPED))


def test_a_failed_check_is_named_with_its_output(tiny: Tiny) -> None:
    image = tiny.build()
    with pytest.raises(VerificationError) as caught:
        accept_image(image, verification(image.digest, PASSED, FAILED, SKIPPED))
    assert caught.value.message == (
        "tiny:py3.13-trixie on linux/amd64: 1 of its checks failed\n"
        "imports of alpha:\n  import alpha: ImportError\n  no such symbol"
    )


def test_summaries_say_what_did_not_run(tiny: Tiny) -> None:
    image = tiny.build()
    assert accept_image(image, verification(image.digest, PASSED)).summary == "1 checks passed"
    assert accept_image(image, verification(image.digest, PASSED, SKIPPED)).summary == "1 checks passed, 1 not run"
    looked_at = accept_image(image, verification(image.digest, PASSED, SKIPPED, runner=STATIC_ONLY))
    assert looked_at.summary == "static only: 1 checks passed, not run on this machine"
    emulated = accept_image(image, verification(image.digest, PASSED, runner=name_runner("namespace", "qemu")))
    assert emulated.summary == "1 checks passed under qemu"
    assert emulated.verification.has_run


DIGEST = "sha256:" + "a" * 64


def test_a_record_is_read_back(tmp_path: Path) -> None:
    written = verification(DIGEST, PASSED, SKIPPED)
    write_record(tmp_path, written)
    read = read_record(tmp_path, DIGEST, "namespace")
    assert read == written
    assert read is not None
    assert (read.findings[0].detail, read.findings[0].seconds) == ("fine", 0.25)
    assert read_verified(tmp_path) == {(DIGEST, written.smoke): True}
    assert [path.name for path in tmp_path.iterdir()] == [f"{'a' * 64}-{VERIFIER_REVISION}-namespace.json"]


def test_a_record_counts_for_one_digest_and_one_way_of_running(tmp_path: Path) -> None:
    write_record(tmp_path, verification(DIGEST, PASSED))
    assert read_record(tmp_path, "sha256:" + "b" * 64, "namespace") is None
    assert read_record(tmp_path, DIGEST, "docker") is None


@pytest.mark.parametrize(
    "record",
    [
        verification(DIGEST, PASSED, FAILED),
        verification(DIGEST, SKIPPED),
        replace(verification(DIGEST, PASSED), revision=VERIFIER_REVISION + 1),
    ],
    ids=["failed", "nothing ran", "another revision"],
)
def test_these_records_do_not_vouch_for_an_image(tmp_path: Path, record: Verification) -> None:
    write_record(tmp_path, record)
    assert read_verified(tmp_path) == {}


@pytest.mark.parametrize("runners", [(STATIC_ONLY, "namespace, qemu"), ("namespace", STATIC_ONLY)])
def test_what_was_only_looked_at_is_told_from_what_was_run(tmp_path: Path, runners: tuple[str, str]) -> None:
    write_record(tmp_path, verification(DIGEST, PASSED, runner=STATIC_ONLY))
    assert read_verified(tmp_path) == {(DIGEST, ""): False}
    for runner in runners:
        write_record(tmp_path, verification(DIGEST, PASSED, runner=runner))
        assert read_record(tmp_path, DIGEST, runner) is not None
    assert read_verified(tmp_path) == {(DIGEST, ""): True}


@pytest.mark.parametrize("damage", ["", "{", "[]", "null", '{"digest": 1}', "truncated", "other digest", "outcome"])
def test_a_damaged_record_counts_as_none(tmp_path: Path, damage: str) -> None:
    write_record(tmp_path, verification(DIGEST, PASSED))
    (path,) = tmp_path.iterdir()
    text = path.read_text()
    changes = {
        "truncated": text[:-3],
        "other digest": text.replace("a" * 64, "b" * 64),
        "outcome": text.replace('"outcome":"passed"', '"outcome":"PASSED"'),
    }
    path.write_text(changes.get(damage, damage))
    assert read_record(tmp_path, DIGEST, "namespace") is None
    assert read_verified(tmp_path) == {}


def test_without_a_folder_nothing_is_verified(tmp_path: Path) -> None:
    assert read_verified(tmp_path / "missing") == {}
