"""The lines that doctor gives do what it says, with the real uv."""

import os
import shlex
import subprocess
import sys
from datetime import date
from pathlib import Path

from tests.offered import base, published
from tests.wheelhouse import Mirror, Wheel, make_wheel, serve
from uv import find_uv_bin

from warmbase.downstream.doctor.examine import examine_project
from warmbase.downstream.doctor.model import Diagnosis
from warmbase.downstream.projects.read import read_project

PROJECT = """\
[project]
name = "own"
version = "1"
requires-python = ">=3.11"
dependencies = ["frames", "dates"]
"""
PACKAGES = {"frames": "1.1", "arrays": "1.5", "dates": "1.0"}


def wheel(name: str, version: str, *requires: str) -> Wheel:
    return make_wheel(name, version, {f"{name}.py": ""}, requires=requires)


WHEELS = [
    *(wheel("frames", version, "arrays>=1") for version in ("1.1", "2.0")),
    *(wheel("arrays", version) for version in ("1.5", "3.0")),
    *(wheel("dates", version) for version in ("1.0", "2.0")),
]


def test_the_command_for_other_versions_takes_the_base_s(tmp_path: Path) -> None:
    with serve(Mirror(wheels=WHEELS)) as mirror:
        one = base("data:py3.13-trixie", PACKAGES, indexes={"": (mirror.url,)})
        project = (
            '[project]\nname = "own"\nversion = "1"\nrequires-python = ">=3.11"\ndependencies = ["frames", "dates"]\n'
        )
        (tmp_path / "pyproject.toml").write_text(project)
        (tmp_path / "Dockerfile").write_text(f"FROM {one.reference}\nRUN uv sync --frozen\n")

        def run(line: str) -> None:
            environment = {**os.environ, "UV_DEFAULT_INDEX": mirror.url, "UV_CACHE_DIR": str(tmp_path / "cache")}
            words = [find_uv_bin(), *shlex.split(line)[1:], "--python", sys.executable]
            subprocess.run(words, cwd=tmp_path, env=environment, check=True, capture_output=True)

        def examine() -> Diagnosis:
            return examine_project(
                read_project(tmp_path),
                published(one),
                wanted="",
                dockerfile=None,
                platform="linux/amd64",
                today=date(2026, 11, 21),
            )

        run("uv lock")
        before = examine()
        (found,) = before.findings
        assert (found.code, before.hits) == ("version", 0)
        assert str(found.place).startswith("uv.lock:")
        run(found.fix)
        after = examine()
        assert (after.findings, after.hits) == ((), 3)
