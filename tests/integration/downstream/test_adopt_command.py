"""`warmbase adopt` as people run it: a published index, a project, and the real uv that locks it."""

import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from tests.offered import base, digest, edition
from tests.wheelhouse import Mirror, make_wheel, serve

from warmbase.downstream.index import index_to_json, render_index
from warmbase.downstream.listing import Base, Listing

OLD = base("data:py3.13-trixie", packages={"frames": "1.0", "arrays": "1.0"})
NEW = replace(
    base("data:py3.13-trixie", packages={"frames": "1.1", "arrays": "1.0"}), digest=digest("a newer one of the variant")
)
WHEELS = [
    *(make_wheel("frames", version, {"frames.py": ""}, requires=["arrays>=1"]) for version in ("1.0", "1.1", "2.0")),
    *(make_wheel("arrays", version, {"arrays.py": ""}) for version in ("1.0", "3.0")),
    make_wheel("dates", "2.0", {"dates.py": ""}),
]
PYPROJECT = """[project]
name = "report"   # its name stays
version = "1"
requires-python = ">=3.11"
dependencies = ["frames", "dates"]
"""
DOCKERFILE = (
    "# Ours.\nFROM python:3.12-slim\nWORKDIR /srv\nCOPY . .\nRUN uv venv && uv sync --frozen --inexact\nUSER app\n"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Desk:
    """Somebody's machine: a project's folder, what is published, and an index of packages."""

    folder: Path
    mirror: Mirror

    def publish(self, newest: Base, *earlier: Base) -> None:
        """From now on this is published, and those were before."""
        listing = Listing(bases=(newest,), source="registry.example/bases", time=newest.time)
        history = {
            newest.variant: [edition(newest), *(replace(edition(each, days=1), digest=each.digest) for each in earlier)]
        }
        (self.folder.parent / "index.json").write_bytes(render_index(index_to_json(listing, history)))

    def adopt(self, *options: str) -> "subprocess.CompletedProcess[str]":
        """Run the command in the project; nobody is there to be asked."""
        outside = self.folder.parent
        return subprocess.run(
            [sys.executable, "-m", "warmbase", "adopt", *options],
            cwd=self.folder,
            env={
                **os.environ,
                "WARMBASE_INDEX": str(outside / "index.json"),
                "WARMBASE_CACHE_DIR": str(outside / "cache"),
                "UV_DEFAULT_INDEX": self.mirror.url,
                "UV_CACHE_DIR": str(outside / "uv"),
                "UV_PYTHON": sys.executable,
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    @property
    def files(self) -> Mapping[str, bytes]:
        """All files of the project."""
        found = (path for path in sorted(self.folder.rglob("*")) if path.is_file())
        return {path.relative_to(self.folder).as_posix(): path.read_bytes() for path in found}

    @property
    def versions(self) -> Mapping[str, str]:
        """What the project's lock has."""
        packages = tomllib.loads((self.folder / "uv.lock").read_text())["package"]
        return {package["name"]: package["version"] for package in packages if package["name"] != "report"}


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    folder = tmp_path / "report"
    folder.mkdir()
    (folder / "pyproject.toml").write_text(PYPROJECT)
    (folder / "Dockerfile").write_text(DOCKERFILE)
    with serve(Mirror(wheels=WHEELS)) as mirror:
        desk = Desk(folder=folder, mirror=mirror)
        desk.publish(OLD)
        yield desk


def test_adopting_shows_then_writes_then_has_nothing_to_do_then_moves_on(desk: Desk) -> None:
    before = desk.files
    shown = desk.adopt("--base", "data:py3.13", "--diff")
    assert shown.returncode == 0, shown.stderr
    assert "+FROM registry.example/bases/data:py3.13@sha256:" in shown.stdout
    assert '+  "frames==1.0",\n' in shown.stdout
    assert desk.files == before

    asked = desk.adopt("--base", "data:py3.13")
    assert asked.returncode == 1
    assert "nothing was written; --yes writes it" in asked.stderr
    assert desk.files == before

    done = desk.adopt("--base", "data:py3.13", "--yes")
    assert done.returncode == 0, done.stderr
    assert "data:py3.13 has 2 of 3 packages; " in done.stdout
    assert desk.versions == {"frames": "1.0", "arrays": "1.0", "dates": "2.0"}
    files = desk.files
    patched = DOCKERFILE.replace("python:3.12-slim", OLD.reference).replace("uv venv && ", "")
    assert files["Dockerfile"].decode() == patched
    assert files["pyproject.toml"].decode().startswith(PYPROJECT)
    assert set(files) == {".dockerignore", "Dockerfile", "pyproject.toml", "uv.lock"}

    (desk.folder.parent / "shown").write_text(shown.stdout)
    back = subprocess.run(["git", "apply", "--check", "--reverse", "../shown"], cwd=desk.folder, check=False)
    assert back.returncode == 0  # what was shown is what was written

    again = desk.adopt()
    assert again.returncode == 0
    assert again.stdout.startswith("nothing to change: ")
    assert desk.files == files

    desk.publish(NEW, OLD)
    moved = desk.adopt("--upgrade", "--yes")
    assert moved.returncode == 0, moved.stderr
    assert desk.versions == {"frames": "1.1", "arrays": "1.0", "dates": "2.0"}
    changed = {name for name, content in desk.files.items() if content != files[name]}
    assert changed == {"Dockerfile", "pyproject.toml", "uv.lock"}
    assert desk.files["Dockerfile"].decode() == patched.replace(OLD.digest, NEW.digest)
    assert "frames   1.0   1.1  up" in moved.stdout


def test_upgrading_stays_on_a_good_base_and_says_that_the_newer_one_was_yanked(desk: Desk) -> None:
    assert desk.adopt("--base", "data:py3.13", "--yes").returncode == 0
    files = desk.files
    desk.publish(replace(NEW, yanked="a bad openssl"), OLD)
    for option in ("--yes", "--json"):
        held = desk.adopt("--upgrade", option)
        assert held.returncode == 3, held.stderr
        assert "was yanked: a bad openssl" in held.stdout
        assert desk.files == files
    refused = desk.adopt("--base", "data:py3.13", "--yes")
    assert refused.returncode not in (0, 2, 3)
    assert OLD.digest in refused.stderr
    assert desk.files == files


def test_a_base_that_an_engine_loaded_is_one_by_its_bare_name(desk: Desk) -> None:
    (desk.folder / "Dockerfile").write_text("FROM data:py3.13\nCOPY . .\nRUN uv sync --frozen --inexact\n")
    moved = desk.adopt("--upgrade", "--yes", "--json")
    assert moved.returncode == 0, moved.stderr
    assert json.loads(moved.stdout)["adopted"]
    assert desk.files["Dockerfile"].decode().startswith(f"FROM {OLD.reference}\n")


def test_what_is_left_to_people_is_no_adoption(desk: Desk) -> None:
    (desk.folder / "Dockerfile").write_text("FROM nvidia/cuda:12.8\nRUN pip install frames\n")
    first, second = (desk.adopt("--base", "data:py3.13", "--yes") for _ in range(2))
    assert (first.returncode, second.returncode) == (3, 3)
    assert second.stdout.startswith("nothing to change\nto do: Dockerfile:1: ")
    for said in (first.stdout, second.stdout):
        assert said.count("to do: ") == 1, "one thing is said once"
        assert "not adopted yet: 1 thing to do" in said
        assert "next: docker build" not in said
        assert "to download" not in said
    assert json.loads(desk.adopt("--base", "data:py3.13", "--json").stdout)["adopted"] is False


def test_what_stands_on_no_base_is_not_upgraded(desk: Desk) -> None:
    (desk.folder / "Dockerfile").unlink()
    said = desk.adopt("--upgrade", "--base", "data:py3.13", "--no-lock")
    assert said.returncode == 2
    assert "Dockerfile stands on none that is published" in said.stderr.replace("\n", " ")


def test_what_changed_is_told_to_programs_too(desk: Desk) -> None:
    said = desk.adopt("--base", "data:py3.13", "--json", "--yes")
    document = json.loads(said.stdout)
    assert document["applied"]
    assert [change["path"] for change in document["changes"]] == [
        "Dockerfile", "pyproject.toml", "uv.lock", ".dockerignore",
    ]  # fmt: skip
    assert [miss["name"] for miss in document["misses"]] == ["dates"]
    assert document["reference"] == OLD.reference


def test_a_project_that_uv_cannot_lock_says_so_and_is_left_consistent(desk: Desk) -> None:
    (desk.folder / "pyproject.toml").write_text(PYPROJECT.replace("dates", "nowhere"))
    before = desk.files
    said = desk.adopt("--base", "data:py3.13", "--yes")
    assert said.returncode == 0
    assert "the lock was not moved to the base's versions" in said.stdout
    assert "nowhere" in said.stdout
    assert "Using CPython" not in said.stdout
    assert "    see what uv says" not in said.stdout, "that is no line to write"
    assert {name: content for name, content in desk.files.items() if name in before and name != "Dockerfile"} == {
        "pyproject.toml": before["pyproject.toml"]
    }


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ((), "name the base: Dockerfile stands on none that is published"),
        (("--base", "dat:py3.13"), "data:py3.13"),
        (("--base", "data:py3.13", "--platform", "linux/arm64"), "only for linux/amd64"),
        (("elsewhere", "--base", "data:py3.13"), "elsewhere"),
    ],
)
def test_what_cannot_be_done_is_said_with_the_next_step(desk: Desk, options: tuple[str, ...], said: str) -> None:
    before = desk.files
    ended = desk.adopt(*options)
    assert ended.returncode > 1
    assert said in ended.stderr.replace("\n", " ")
    assert "Traceback" not in ended.stderr
    assert desk.files == before
