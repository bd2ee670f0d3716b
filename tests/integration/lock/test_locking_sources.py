"""Locking what has no wheel: when it is admitted, how it is named, and that a commit stays."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from tests.bases import PLATFORM, Bases
from tests.sources import SourceHost, make_repository, make_source, serve_sources
from tests.wheelhouse import Mirror, make_wheel, serve
from uv import find_uv_bin

from warmbase.lock.model import lock_from_json

MakeBases = Callable[..., Bases]
UV = version("uv")
HOST = f"{sys.version_info.major}.{sys.version_info.minor}"
TOOLS = {"build_packages": ["gcc"]}


@pytest.fixture
def mirror() -> Iterator[Mirror]:
    """An index with a package that has a source alone, one whose newest version has, and uv."""
    offered = [
        make_wheel("uv", UV, {"uv/__init__.py": ""}),
        make_source("bare", "1.0"),
        make_wheel("late", "1.0", {"late.py": ""}),
        make_source("late", "2.0"),
        make_source("fickle", "1.0", needs={"3.13": "late", HOST: "bare"} if HOST != "3.13" else {"3.13": "late"}),
    ]
    with serve(Mirror(wheels=offered)) as served:
        yield served


def packages(bases: Bases) -> dict[str, dict[str, Any]]:
    document = json.loads((bases.folder / "bases/app/py3.13-trixie.json").read_text())
    return {package["name"]: package for package in document["packages"]}


def test_a_package_without_a_wheel_is_not_compiled_unless_the_catalog_says_so(bases: MakeBases, mirror: Mirror) -> None:
    made = bases("a", mirror, {"app": ["bare"]})
    refused = made.run("lock", code=1)
    assert "bare" in refused.stderr
    assert "name what has no wheel under `no_binary`, so that it is compiled" in refused.stderr


@pytest.mark.parametrize("said", [TOOLS, {"no_binary": ["Bare"]}])
def test_what_may_be_compiled_is_locked_by_its_source(bases: MakeBases, mirror: Mirror, said: dict[str, Any]) -> None:
    made = bases("a", mirror, {"app": {"requirements": ["bare"], **said}})
    made.run("lock")
    assert packages(made)["bare"]["wheels"] == {PLATFORM: "bare-1.0.tar.gz"}
    before = (made.folder / "bases/app/py3.13-trixie.json").read_bytes()
    made.run("lock")
    assert (made.folder / "bases/app/py3.13-trixie.json").read_bytes() == before
    (planned,) = json.loads(made.run("plan", "--json").stdout)
    assert planned["reason"].endswith("1 of 1 wheel layers to make, bare 1.0 to compile")


def test_a_version_with_a_wheel_goes_before_a_newer_one_without(bases: MakeBases, mirror: Mirror) -> None:
    made = bases("a", mirror, {"app": {"requirements": ["late", "bare"], **TOOLS}})
    made.run("lock")
    found = packages(made)
    assert found["late"]["wheels"] == {PLATFORM: "late-1.0-py3-none-any.whl"}
    assert found["bare"]["wheels"] == {PLATFORM: "bare-1.0.tar.gz"}


def test_the_newer_version_is_compiled_where_it_is_asked_for(bases: MakeBases, mirror: Mirror) -> None:
    made = bases("a", mirror, {"app": {"requirements": ["late>=2"], **TOOLS}})
    made.run("lock")
    assert packages(made)["late"]["wheels"] == {PLATFORM: "late-2.0.tar.gz"}


def test_a_source_is_asked_with_the_python_of_the_variant_or_it_is_said(bases: MakeBases, mirror: Mirror) -> None:
    made = bases("a", mirror, {"app": {"requirements": ["fickle"], **TOOLS}})
    said = made.run("lock").stderr
    if "no Python 3.13 is on this machine" in said:
        assert find_python() == ""
        assert "`uv python install 3.13` gives one" in said
        assert packages(made).keys() == {"fickle", "bare"}
    else:
        assert packages(made).keys() == {"fickle", "late"}


def find_python() -> str:
    asked = [find_uv_bin(), "python", "find", "--no-project", "cpython@3.13"]
    environment = {**os.environ, "UV_PYTHON_DOWNLOADS": "never"}
    return subprocess.run(asked, cwd="/", check=False, env=environment, capture_output=True, text=True).stdout.strip()


def test_a_name_under_no_binary_that_no_package_has_is_told(bases: MakeBases, mirror: Mirror) -> None:
    made = bases("a", mirror, {"app": {"requirements": ["bare"], "no_binary": ["bare", "bere"]}})
    said = " ".join(made.run("lock").stderr.split())
    assert "'bere' under `no_binary` is no package of app; did you mean 'bare'?" in said
    assert "'bare' under" not in said


def test_a_repository_that_is_not_there_is_named_with_what_to_check(bases: MakeBases, mirror: Mirror) -> None:
    made = bases("a", mirror, {"app": [f"kept @ git+{mirror.url}/nothing/kept@main"]})
    refused = " ".join(made.run("lock", code=1).stderr.split())
    assert f"check that git+{mirror.url}/nothing/kept@main can be reached from here" in refused


def test_a_commit_stays_until_it_is_told_to_move(bases: MakeBases, mirror: Mirror, tmp_path: Path) -> None:
    repository = tmp_path / "files/kept"
    first = make_repository(repository, "kept", "2.0")
    with serve_sources(SourceHost(host="127.0.0.1", mirror=mirror, folder=tmp_path / "files")) as host:
        (tmp_path / ".netrc").write_text(host.netrc)
        made = bases("a", mirror, {"app": [f"kept @ git+{host.url}/kept/.git@main"]})
        made.run("lock")
        second = commit_again(repository)
        made.run("lock")
        assert commit_of(made) == first
        made.run("lock", "--upgrade-package", "kept")
        assert commit_of(made) == second != first
    text = (made.folder / "bases/app/py3.13-trixie.json").read_text()
    (kept,) = (package for package in lock_from_json(text).packages if package.name == "kept")
    assert (kept.version, kept.source) == ("2.0", f"git+{host.url}/kept/.git@{second}")


def commit_again(repository: Path) -> str:
    git = ["git", "-C", str(repository), "-c", "user.name=Somebody", "-c", "user.email=somebody@code.example"]
    subprocess.run([*git, "commit", "--quiet", "--allow-empty", "--message=Second"], check=True)
    subprocess.run([*git, "update-server-info"], check=True)
    return subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout.strip()


def commit_of(bases: Bases) -> str:
    return str(packages(bases)["kept"]["wheels"][PLATFORM])
