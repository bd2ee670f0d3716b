"""Whatever runs an image, its verification finds the same; the record says what ran it."""

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.bases import Bases
from tests.e2e.docker.engines import DockerEngine

pytestmark = pytest.mark.docker

SMOKE = """
import os, pwd, sys
print(sorted(os.environ.items()), os.getuid(), os.getgid(), os.getcwd(), sys.prefix, sys.argv)
print(pwd.getpwuid(0), open("/etc/hostname").read().strip())
raise SystemExit(3)
"""
"""Tells much of what it runs in, and fails."""


@pytest.fixture(scope="module")
def bases(built: Bases, tmp_path_factory: pytest.TempPathFactory) -> Bases:
    bases = built.copy(tmp_path_factory.mktemp("same"))
    smoke = bases.folder / "bases/small/smoke.py"
    smoke.write_text(SMOKE)
    return bases


def verification(bases: Bases, engine: str) -> dict[str, Any]:
    """What `warmbase verify` says of the image."""
    (said,) = json.loads(bases.run("verify", "--engine", engine, "--json", code=1).stdout)
    return dict(said)


def in_a_job(bases: Bases, folder: Path) -> Bases:
    """The same as the container of a CI job has it: no namespaces, and files that the engine beside it does not see."""
    script = f"""
        mount --bind {bases.cache} {folder}
        mount -t tmpfs none {bases.cache}
        export WARMBASE_CACHE_DIR={folder}
        exec setpriv --bounding-set=-sys_admin --inh-caps=-sys_admin "$@"
    """
    return replace(bases, become=("unshare", "--mount", "sh", "-ec", script, "sh"))


def test_the_findings_are_the_same_whatever_ran(
    bases: Bases, engine: DockerEngine, podman: Mapping[str, str], tmp_path: Path
) -> None:
    said = [
        verification(bases, "none"),
        verification(in_a_job(bases.with_environment(engine.environment), tmp_path), "auto"),
        verification(bases.with_environment(podman), "podman"),
    ]
    assert [one["runner"] for one in said] == ["namespace", "docker", "podman"]
    by_namespaces, by_docker, by_podman = ([timeless(finding) for finding in one["findings"]] for one in said)
    assert by_docker == by_namespaces
    assert by_podman == by_namespaces
    outcomes = {finding["check"]: finding["outcome"] for finding in by_namespaces}
    assert {check for check, outcome in outcomes.items() if outcome != "passed"} == {"smoke.py"}
    assert len(outcomes) > 20


def timeless(finding: Mapping[str, Any]) -> dict[str, Any]:
    """A finding without what differs from run to run."""
    detail = re.sub(r"\b\d+\.\d+ ?s\b", "N s", finding["detail"])
    return {**finding, "seconds": 0, "detail": detail}
