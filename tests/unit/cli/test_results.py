"""The table of a build: a row for each platform, told apart where that is needed."""

import pytest

from warmbase.cli.results import Result, print_results
from warmbase.effects.platforms import native_platform

NATIVE = native_platform()


def result(platform: str, verified: str = "yes", error: str = "") -> Result:
    base = "registry.example/bases/data:py3.13"
    digest = "" if error else f"sha256:{platform[-5:]:0>64}"
    return Result(
        variant="data:py3.13", platform=platform, tags=(), base=base, digest=digest, verified=verified, error=error
    )


def test_what_is_all_for_this_machine_needs_no_platform(capsys: pytest.CaptureFixture[str]) -> None:
    print_results([result(NATIVE)], as_json=False)
    said = capsys.readouterr().out
    assert "platform" not in said
    assert NATIVE not in said


def test_platforms_are_told_apart_and_share_a_name(capsys: pytest.CaptureFixture[str]) -> None:
    print_results([result(NATIVE), result("linux/other", "static only: 20 checks passed")], as_json=False)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[:3] == ["variant", "platform", "digest"]
    assert [line.split()[1] for line in lines[1:3]] == [NATIVE, "linux/other"]
    assert lines[2].endswith("static only: 20 checks passed")
    assert [line for line in lines if line.startswith("FROM")] == ["FROM registry.example/bases/data:py3.13"]


def test_the_platform_that_failed_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    print_results([result(NATIVE), result("linux/other", error="no emulator")], as_json=False)
    assert "error: data:py3.13 (linux/other): no emulator" in capsys.readouterr().err
