"""What keeps a base's versions in a project's lock, as the real uv decides it."""

import os
import subprocess
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from tests.offered import base, offered
from tests.wheelhouse import PASSWORD, Mirror, Wheel, make_wheel, serve
from uv import find_uv_bin

from warmbase.downstream.projects.environment import environment_of
from warmbase.downstream.relocking import relock
from warmbase.downstream.seeding import kept_constraints, seed_lock
from warmbase.effects.process import run_process
from warmbase.errors import ProjectError
from warmbase.publish.offer import Offer

ENVIRONMENT = environment_of("3.13.9", "linux/amd64")

NEW = ">=3.11"
"""The Pythons of most projects here: the one that runs the tests is among them."""


def wheel(name: str, version: str, *requires: str, python: str = "") -> Wheel:
    return make_wheel(name, version, {f"{name}.py": ""}, requires=requires, requires_python=python)


WHEELS = [
    *(wheel("frames", version, "arrays>=1") for version in ("1.0", "1.1", "2.0")),
    *(wheel("arrays", version, python=python) for version, python in (("1.0", ""), ("1.5", NEW), ("3.0", NEW))),
    *(wheel("plots", version, "arrays<1.5") for version in ("1.0", "1.1")),
    *(wheel("dates", version) for version in ("1.0", "2.0")),
]  # fmt: skip
BASE = base(packages={"frames": "1.1", "arrays": "1.5", "dates": "1.0"}).offer


BACKEND = """
import pathlib

def prepare_metadata_for_build_wheel(folder, settings=None):
    assert not pathlib.Path("../../big.txt").exists()
    info = pathlib.Path(folder, "one-1.dist-info")
    info.mkdir()
    needs = "".join(f"Requires-Dist: {name}\\n" for name in pathlib.Path("needs.txt").read_text().split())
    (info / "METADATA").write_text(f"Metadata-Version: 2.3\\nName: one\\nVersion: 1\\n{needs}")
    (info / "WHEEL").write_text("Wheel-Version: 1.0\\nGenerator: test\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
    return info.name

def get_requires_for_build_wheel(settings=None):
    return []

prepare_metadata_for_build_editable = prepare_metadata_for_build_wheel
get_requires_for_build_editable = get_requires_for_build_wheel
build_wheel = build_editable = None
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Locking:
    """A project's folder, and the index that its uv asks."""

    folder: Path
    mirror: Mirror

    def write(self, *dependencies: str, python: str = NEW, more: str = "") -> str:
        """The project's pyproject.toml; its text."""
        text = f'[project]\nname = "own"\nversion = "1"\nrequires-python = "{python}"\n'
        more = f"dependencies = {list(dependencies)}\n{more}"
        (self.folder / "pyproject.toml").write_text(text + more)
        return text + more

    def lock(self, seed: str = "", **texts: str) -> str:
        """The lock that uv makes, from `seed` and with `texts` in the place of the project's."""
        named = {"uv.lock": seed} if seed else {}
        environment = {
            **os.environ,
            "UV_DEFAULT_INDEX": self.mirror.url,
            "UV_CACHE_DIR": str(self.folder.parent / "uv"),
        }
        return relock(
            self.folder,
            named | {f"{name}.toml": text for name, text in texts.items()},
            run_process,
            uv=find_uv_bin(),
            environment=environment,
        )


@pytest.fixture
def locking(tmp_path: Path) -> Iterator[Locking]:
    folder = tmp_path / "own"
    folder.mkdir()
    with serve(Mirror(wheels=WHEELS)) as mirror:
        yield Locking(folder=folder, mirror=mirror)


def versions(lock: str) -> Mapping[str, str]:
    """The versions in a lock; several of one name, joined."""
    found: dict[str, list[str]] = {}
    for package in tomllib.loads(lock)["package"]:
        if "registry" in package["source"]:
            found.setdefault(package["name"], []).append(package["version"])
    return {name: " ".join(sorted(each)) for name, each in found.items()}


def seeded(lock: str = "", offer: Offer = BASE, settings: Mapping[str, str] | None = None) -> str:
    return seed_lock(lock, offer, ENVIRONMENT, settings=settings)


def test_a_lock_made_from_a_seed_keeps_the_bases_versions(locking: Locking) -> None:
    locking.write("frames", "dates")
    assert versions(locking.lock()) == {"frames": "2.0", "arrays": "3.0", "dates": "2.0"}
    assert versions(locking.lock(seeded())) == {"frames": "1.1", "arrays": "1.5", "dates": "1.0"}


def test_what_the_project_asks_for_goes_before_the_seed(locking: Locking) -> None:
    locking.write("frames>=2", "plots")
    assert versions(locking.lock(seeded())) == {"frames": "2.0", "arrays": "1.0", "plots": "1.1"}


def test_a_project_keeps_its_own_versions_of_what_the_base_does_not_have(locking: Locking) -> None:
    locking.write("frames", "plots==1.0", "dates==2.0")
    old = locking.lock()
    assert versions(old) == {"frames": "2.0", "arrays": "1.0", "plots": "1.0", "dates": "2.0"}
    locking.write("frames", "plots", "dates")
    assert versions(locking.lock(old)) == versions(old)
    assert versions(locking.lock(seeded(old))) == {"frames": "1.1", "arrays": "1.0", "plots": "1.0", "dates": "1.0"}


def test_a_version_for_newer_pythons_is_kept_for_those(locking: Locking) -> None:
    locking.write("frames", python=">=3.10")
    lock = locking.lock(seeded())
    assert versions(lock) == {"frames": "1.1", "arrays": "1.0 1.5"}
    assert versions(locking.lock(seeded(lock))) == versions(lock)
    newer = base(packages={"frames": "2.0", "arrays": "3.0"}).offer
    assert versions(locking.lock(seeded(lock, newer))) == {"frames": "2.0", "arrays": "1.0 3.0"}


@pytest.mark.parametrize(
    ("name", "value"), [("resolution", "lowest-direct"), ("fork-strategy", "fewest"), ("prerelease", "allow")]
)
def test_settings_of_the_resolution_do_not_make_uv_drop_the_seed(locking: Locking, name: str, value: str) -> None:
    locking.write("frames", more=f'[tool.uv]\n{name} = "{value}"\n')
    lock = locking.lock(seeded(settings={name: value}))
    assert versions(lock) == {"frames": "1.1", "arrays": "1.5"}
    assert versions(locking.lock(seeded(lock))) == versions(lock)


def test_a_seed_names_the_index_of_a_package_that_has_its_own(locking: Locking) -> None:
    index = f'[[tool.uv.index]]\nname = "own"\nurl = "{locking.mirror.url}"\nexplicit = true\n'
    locking.write("frames", more=f'[tool.uv.sources]\nframes = {{ index = "own" }}\n{index}')
    addresses = {"": ("https://index.example/simple",), "company": (locking.mirror.url,)}
    offer = base(packages=[replace(offered("frames", "1.1"), index="company")], indexes=addresses).offer
    assert versions(locking.lock(seeded(offer=offer)))["frames"] == "1.1"


def test_constraints_hold_when_all_is_upgraded(locking: Locking) -> None:
    text = locking.write("frames", "dates", python=">=3.10")
    lock = locking.lock(seeded())
    kept = kept_constraints(lock, BASE, ENVIRONMENT)
    assert kept == ("arrays==1.5 ; python_full_version >= '3.11'", "dates==1.0", "frames==1.1")
    text += f"[tool.uv]\nconstraint-dependencies = {list(kept)}\n"
    assert versions(locking.lock(lock, pyproject=text)) == versions(lock)
    assert versions(locking.lock(pyproject=text)) == versions(lock), "from nothing"


def test_what_a_lock_did_not_keep_is_not_constrained(locking: Locking) -> None:
    locking.write("frames>=2", "dates")
    assert kept_constraints(locking.lock(seeded()), BASE, ENVIRONMENT) == ("arrays==1.5", "dates==1.0")


def test_a_commit_of_a_repository_is_kept(locking: Locking, tmp_path: Path) -> None:
    repository = tmp_path / "tools"
    repository.mkdir()
    (repository / "pyproject.toml").write_text('[project]\nname = "tools"\nversion = "1"\n')
    git = ["git", "-C", str(repository), "-c", "user.name=x", "-c", "user.email=x@example.invalid"]
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "one"]):
        subprocess.run([*git, *command], check=True)
    locking.write("frames", f"tools @ git+file://{repository}")
    old = locking.lock()
    subprocess.run([*git, "commit", "-qm", "two", "--allow-empty"], check=True)
    (source,) = (each["source"] for each in tomllib.loads(old)["package"] if each["name"] == "tools")
    new = locking.lock(seeded(old))
    assert source in [each["source"] for each in tomllib.loads(new)["package"]]
    assert versions(new)["frames"] == "1.1"


def test_locking_leaves_the_project_alone_and_says_what_uv_says(locking: Locking) -> None:
    text = locking.write("frames>=9")
    locking.mirror.secret = True
    with pytest.raises(ProjectError) as caught:
        locking.lock()
    assert PASSWORD not in str(caught.value)
    assert "uv cannot lock it" in caught.value.message
    assert str(locking.folder) in caught.value.message
    assert [path.name for path in locking.folder.iterdir()] == ["pyproject.toml"]
    assert (locking.folder / "pyproject.toml").read_text() == text


def test_a_package_whose_build_says_what_it_needs_is_locked_too(locking: Locking) -> None:
    """Its backend reads files beside it; data, other environments and what is hidden are not copied."""
    text = locking.write(
        "one", more='[tool.uv.workspace]\nmembers = ["parts/*"]\n[tool.uv.sources]\none.workspace = true\n'
    )
    part = locking.folder / "parts" / "one"
    part.mkdir(parents=True)
    project = '[project]\nname = "one"\nversion = "1"\ndynamic = ["dependencies"]\n'
    backend = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    (part / "pyproject.toml").write_text(project + backend)
    (part / "needs.txt").write_text("dates\nframes\n")
    (part / "backend.py").write_text(BACKEND)
    (locking.folder / "big.txt").write_bytes(bytes(2_000_000))
    (locking.folder / ".venv").mkdir()
    (locking.folder / ".venv" / "pyproject.toml").write_text("this is no TOML")
    assert versions(locking.lock(seeded(), pyproject=text)) == {"frames": "1.1", "arrays": "1.5", "dates": "1.0"}
    assert not (locking.folder / "uv.lock").exists()


@pytest.mark.parametrize("lock", ["version =", 'version = 1\n[[package]]\nname = "x"\n', "package = 3"])
def test_a_lock_that_cannot_be_read_is_an_error(lock: str) -> None:
    with pytest.raises(ProjectError, match=r"uv\.lock"):
        seeded(lock)
