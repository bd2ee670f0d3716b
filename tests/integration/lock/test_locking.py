"""Locking with the real uv, from indexes on loopback."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from tests.bases import PLATFORM, Bases
from tests.images import pinned_uv
from tests.wheelhouse import PASSWORD, Mirror, make_wheel
from uv import find_uv_bin

from warmbase.catalog.load import load_catalog
from warmbase.effects.http import ask_size
from warmbase.effects.uv import find_uv
from warmbase.lock.files import read_lock
from warmbase.lock.resolve import Resolver, Upgrade
from warmbase.lock.wheels import choose_wheel, supported_tags

MakeBases = Callable[..., Bases]
UV = version("uv")
APP = {"app": ["tiny-app"]}


def lock_files(bases: Bases) -> dict[str, bytes]:
    return {
        str(path.relative_to(bases.folder)): path.read_bytes()
        for path in sorted((bases.folder / "bases").rglob("*"))
        if path.is_file()
    }


def packages(bases: Bases, image: str = "app") -> dict[str, dict[str, Any]]:
    document = json.loads((bases.folder / f"bases/{image}/py3.13-trixie.json").read_text())
    return {package["name"]: package for package in document["packages"]}


def versions(bases: Bases, image: str = "app") -> dict[str, str]:
    return {name: package["version"] for name, package in packages(bases, image).items()}


def test_a_lock_has_what_is_installed_and_what_a_universal_lock_needs(bases: MakeBases, mirror: Mirror) -> None:
    made = bases("a", mirror, {"app": {"requirements": ["tiny-app"], "warm": ["tiny-backend"]}})
    made.run("lock")
    found = packages(made)
    assert {name: (p["version"], p["use"]) for name, p in found.items()} == {
        "tiny-app": ("1.0", "venv"),
        "tiny-lib": ("1.0", "venv"),
        "tiny-backend": ("1.0", "warm"),
        "tiny-win": ("1.0", "index"),
    }
    assert found["tiny-app"]["wheels"] == {PLATFORM: "tiny_app-1.0-py3-none-any.whl"}
    assert found["tiny-app"]["extras"] == ["more"]
    assert found["tiny-win"]["wheels"] == {}
    text = (made.folder / "bases/app/py3.13-trixie.txt").read_text()
    assert [line.split()[0] for line in text.splitlines() if "==" in line] == ["tiny-app==1.0", "tiny-lib==1.0"]


def test_a_package_may_have_any_name(bases: MakeBases, mirror: Mirror) -> None:
    mirror.wheels.append(make_wheel("app", "1.0", {"app.py": ""}))
    made = bases("a", mirror, {"app": ["app"]})
    made.run("lock")
    assert versions(made) == {"app": "1.0"}


def test_an_extra_brings_what_it_needs(bases: MakeBases, mirror: Mirror) -> None:
    made = bases("a", mirror, {"app": ["tiny-app[more]"]})
    made.run("lock")
    assert packages(made)["tiny-extra"]["use"] == "venv"
    assert packages(made)["tiny-extra"]["requires_python"] == ">=3.9"


def test_locking_twice_changes_nothing_with_or_without_what_the_first_time_left(
    bases: MakeBases, mirror: Mirror
) -> None:
    made = bases("a", mirror, APP)
    made.run("lock")
    first = lock_files(made)
    times = {name: (made.folder / name).stat().st_mtime_ns for name in first}
    assert "app:py3.13-trixie: unchanged" in made.run("lock").stdout
    assert {name: (made.folder / name).stat().st_mtime_ns for name in first} == times
    shutil.rmtree(made.cache)
    shutil.rmtree(made.folder / "bases/app")
    made.run("lock")
    assert lock_files(made) == first


@pytest.mark.parametrize("served_by", ["mirror", "other_mirror"])
def test_versions_stay_until_somebody_upgrades_them(
    bases: MakeBases, served_by: str, request: pytest.FixtureRequest
) -> None:
    mirror: Mirror = request.getfixturevalue(served_by)
    made = bases("a", mirror, APP)
    made.run("lock")
    mirror.wheels += [
        make_wheel("tiny-lib", "1.1", {"tiny_lib.py": "VERSION = 2\n"}),
        make_wheel("tiny-app", "1.1", {"tiny_app.py": "VERSION = 2\n"}, requires=["tiny-lib>=1"]),
    ]
    made.run("lock")
    assert (versions(made)["tiny-app"], versions(made)["tiny-lib"]) == ("1.0", "1.0")
    finished = made.run("lock", "--upgrade-package", "Tiny_Lib")
    assert "tiny-lib 1.0 → 1.1" in finished.stdout
    assert (versions(made)["tiny-app"], versions(made)["tiny-lib"]) == ("1.0", "1.1")


def test_upgrade_moves_everything_but_keeps_what_it_must(bases: MakeBases, mirror: Mirror) -> None:
    """--upgrade pins the foundation anew too, so the resolver is asked itself: no archive is near."""
    made = bases("a", mirror, {"app": ["tiny-app", "tiny-lib<2"]})
    made.run("lock")
    mirror.wheels += [make_wheel("tiny-lib", v, {"tiny_lib.py": v}) for v in ("1.5", "2.0")]
    catalog = load_catalog(made.catalog)
    (variant,) = catalog.variants
    resolver = Resolver(uv=pinned_uv(made), cache=made.cache / "uv-cache", ask_size=ask_size)
    previous = read_lock(catalog, variant)
    lock = resolver.resolve(
        variant, libc={PLATFORM: ("glibc", "2.41")}, previous=previous, upgrade=Upgrade(everything=True)
    )
    assert {p.name: p.version for p in lock.packages}["tiny-lib"] == "1.5"


def test_a_conflict_shows_uv_s_words_the_image_and_the_lines_and_leaves_the_other_locks_alone(
    bases: MakeBases, mirror: Mirror
) -> None:
    made = bases("a", mirror, {"app": ["tiny-app"], "bad": ["tiny-app"]})
    made.run("lock")
    before = lock_files(made)
    document = json.loads(made.catalog.read_text())
    document["images"]["bad"]["requirements"] = ["tiny-app", "tiny-strict"]
    made.catalog.write_text(json.dumps(document, indent=1))
    mirror.wheels.append(make_wheel("tiny-lib", "0.9", {"tiny_lib.py": ""}))
    finished = made.run("lock", code=1)
    assert "app:py3.13-trixie: unchanged" in finished.stdout
    assert "bad:py3.13-trixie: failed" in finished.stdout
    assert "bad:py3.13-trixie cannot be resolved" in finished.stderr
    assert "tiny-strict" in finished.stderr
    assert "unsatisfiable" in finished.stderr
    lines = made.catalog.read_text().splitlines()
    line = next(number for number, text in enumerate(lines, 1) if '"tiny-strict"' in text)
    assert f"images.yaml:{line}:" in finished.stderr
    assert "next: " in finished.stderr
    assert lock_files(made) == before


@pytest.mark.parametrize("name", ["tiny-mac", "tiny-win"])
def test_a_package_without_a_wheel_for_the_platform_is_named(bases: MakeBases, mirror: Mirror, name: str) -> None:
    made = bases("a", mirror, {"app": [name]})
    finished = made.run("lock", code=1)
    assert name in finished.stderr
    assert "app:py3.13-trixie" in finished.stderr
    assert lock_files(made).keys() == {"bases/foundations/trixie.json"}


def test_a_package_that_does_not_exist_is_named_with_its_line(bases: MakeBases, mirror: Mirror) -> None:
    made = bases("a", mirror, {"app": ["no-such-thing"]})
    finished = made.run("lock", code=1)
    assert "no-such-thing" in finished.stderr
    assert "images.yaml:" in finished.stderr


def test_a_lock_is_the_same_whichever_mirror_served_it_and_names_none(
    bases: MakeBases, mirror: Mirror, other_mirror: Mirror
) -> None:
    images = {"app": {"requirements": ["tiny-app[more]"], "warm": ["tiny-backend"]}}
    one, other = bases("one", mirror, images), bases("other", other_mirror, images)
    said = [made.run("lock") for made in (one, other)]
    assert lock_files(one) == lock_files(other)
    everything = b"".join(lock_files(other).values()).decode() + "".join(s.stdout + s.stderr for s in said)
    for trace in ("127.0.0.1", "://", PASSWORD, "/simple"):
        assert trace not in everything


def test_a_lock_of_one_mirror_stays_as_it_is_at_another(bases: MakeBases, mirror: Mirror, other_mirror: Mirror) -> None:
    one = bases("one", mirror, APP)
    one.run("lock")
    other = bases("other", other_mirror, APP)
    shutil.copytree(one.folder / "bases", other.folder / "bases", dirs_exist_ok=True)
    assert "unchanged" in other.run("lock").stdout
    assert lock_files(other) == lock_files(one)


@pytest.mark.parametrize("requirement", ["no-such-thing", "tiny-app>7", "tiny-mac"])
def test_no_message_tells_the_credentials(bases: MakeBases, other_mirror: Mirror, requirement: str) -> None:
    made = bases("a", other_mirror, {"app": [requirement]})
    finished = made.run("lock", code=1)
    assert PASSWORD not in finished.stdout + finished.stderr
    assert all(PASSWORD.encode() not in content for content in lock_files(made).values())


def test_a_server_that_wants_other_credentials_is_an_error_without_them(bases: MakeBases, other_mirror: Mirror) -> None:
    made = bases("a", other_mirror, APP)
    wrong = {**made.environment, "UV_DEFAULT_INDEX": other_mirror.url.replace(PASSWORD, "wrong-password")}
    finished = Bases(folder=made.folder, cache=made.cache, environment=wrong).run("lock", code=1)
    assert "wrong-password" not in finished.stdout + finished.stderr


def test_a_lock_that_was_edited_by_hand_is_noticed_and_made_whole(bases: MakeBases, mirror: Mirror) -> None:
    made = bases("a", mirror, APP)
    made.run("lock")
    before = lock_files(made)
    text = made.folder / "bases/app/py3.13-trixie.txt"
    text.write_text(text.read_text().replace("tiny-lib==1.0", "tiny-lib==1.1"))
    for command in ("plan", "list"):
        finished = made.run(command, code=1)
        assert "do not say the same about tiny-lib" in finished.stderr
        assert "run `warmbase lock app:py3.13-trixie`" in finished.stderr
    mirror.wheels.append(make_wheel("tiny-lib", "1.1", {"tiny_lib.py": "VERSION = 2\n"}))
    made.run("lock")
    assert packages(made)["tiny-lib"]["version"] == "1.0"
    assert "tiny-lib==1.0" in text.read_text()
    assert lock_files(made).keys() == before.keys()


def test_a_plan_shows_what_is_to_be_locked_first_and_changes_nothing(bases: MakeBases, mirror: Mirror) -> None:
    made = bases("a", mirror, {"app": ["tiny-app"], "lib": ["tiny-lib"]})
    made.run("lock", "app")
    before = lock_files(made)
    finished = made.run("plan")
    assert "to be locked first: it has no lock" in finished.stdout
    assert "1 of 2 variants to lock first; 1 of 1 images to build" in finished.stdout
    made.write_catalog({"app": ["tiny-app", "tiny-extra"], "lib": ["tiny-lib"]})
    rows = json.loads(made.run("plan", "--json").stdout)
    assert [(row["variant"], row["reason"], row["error"]) for row in rows] == [
        (
            "app:py3.13-trixie",
            "to be locked first: its lock was made from something else than the catalog asks for now",
            "",
        ),
        ("lib:py3.13-trixie", "to be locked first: it has no lock", ""),
    ]
    assert lock_files(made) == before


def test_a_plan_against_another_checkout_says_what_its_locks_make_otherwise(bases: MakeBases, mirror: Mirror) -> None:
    """As a pull request of locks has it: what merging makes, and nothing that is newer than its locks."""
    made = bases("a", mirror, {"app": ["tiny-app"], "lib": ["tiny-lib"], "else": ["tiny-extra"]})
    made.run("lock")
    before = shutil.copytree(made.folder, made.folder.with_name("before"))
    assert json.loads(made.run("plan", "--json", "--against", before / "images.yaml").stdout) == []
    mirror.wheels.append(make_wheel("tiny-lib", "1.1", {"tiny_lib.py": "VERSION = 2\n"}))
    made.run("lock", "lib", "--upgrade-package", "tiny-lib")
    made.write_catalog(
        {"app": ["tiny-app"], "lib": ["tiny-lib"], "else": ["tiny-extra", "tiny-app"], "new": ["tiny-app"]}
    )
    made.run("lock", "new")
    mirror.wheels.append(make_wheel("tiny-lib", "1.2", {"tiny_lib.py": "VERSION = 3\n"}))
    rows = json.loads(made.run("plan", "--json", "--against", before / "images.yaml").stdout)
    assert [(row["variant"], row["reason"]) for row in rows] == [
        ("lib:py3.13-trixie", "tiny-lib 1.0 → 1.1"),
        (
            "else:py3.13-trixie",
            "to be locked first: its lock was made from something else than the catalog asks for now",
        ),
        ("new:py3.13-trixie", "new"),
    ]
    assert "3 of 4 images are made of other things" in made.run("plan", "--against", before / "images.yaml").stdout


def test_a_damaged_lock_hides_no_other_in_a_plan_and_in_a_list(bases: MakeBases, mirror: Mirror) -> None:
    made = bases("a", mirror, {"app": ["tiny-app"], "lib": ["tiny-lib"]})
    made.run("lock")
    (made.folder / "bases/app/py3.13-trixie.txt").write_bytes(b"\xff\xfe")
    rows = json.loads(made.run("plan", "--json", code=1).stdout)
    assert [row["variant"] for row in rows] == ["app:py3.13-trixie", "lib:py3.13-trixie"]
    assert rows[0]["reason"].startswith("its lock is damaged: ")
    assert "run `warmbase lock app:py3.13-trixie`" in rows[0]["error"]
    assert rows[1]["reason"].startswith("not built yet")
    listed = json.loads(made.run("list", "--json", code=1).stdout)
    assert [(row["locked"], bool(row["error"])) for row in listed] == [(False, True), (True, False)]


def test_locked_refuses_a_lock_that_does_not_fit_the_catalog(bases: MakeBases, mirror: Mirror) -> None:
    made = bases("a", mirror, APP)
    made.run("lock")
    made.write_catalog({"app": ["tiny-lib"]})
    finished = made.run("build", "--locked", code=65)
    assert "no lock fits the catalog for app:py3.13-trixie" in finished.stderr


@pytest.mark.parametrize("variable", ["UV_INDEX", "UV_EXTRA_INDEX_URL"])
def test_a_package_of_an_index_that_the_catalog_does_not_name_is_refused(
    bases: MakeBases, mirror: Mirror, other_mirror: Mirror, variable: str
) -> None:
    """Nobody who builds elsewhere could get it."""
    made = bases("a", mirror, {"app": ["tiny-app"], "own": ["only-here"]})
    other_mirror.wheels = [make_wheel("only-here", "1.0", {"only_here.py": ""})]
    both = replace(made, environment={**made.environment, variable: other_mirror.url})
    finished = both.run("lock", code=1)
    assert "app:py3.13-trixie: changed" in finished.stdout, finished.stderr
    where = f"http://127.0.0.1:{other_mirror.port}/api/team/simple"
    said = f"own:py3.13-trixie: only-here 1.0 comes from an index which the catalog lacks: {where}\n"
    assert said in finished.stderr
    assert "name it under `indexes:` in the catalog" in finished.stderr
    assert PASSWORD not in finished.stdout + finished.stderr


def test_settings_of_uv_in_the_current_folder_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "uv.toml").write_text('index-url = "http://127.0.0.1:1/nothing"\n')
    monkeypatch.chdir(tmp_path)
    uv = find_uv(UV, cache=tmp_path, environment={"PATH": os.environ["PATH"], "HOME": str(tmp_path)})
    assert uv.serving_index() == uv.default_index()
    assert "nothing" not in uv.run(["pip", "compile", "-", "--offline", "--emit-index-url"], cache=tmp_path).text


CHOICES = {
    "the own Python before the stable ABI": ["cp39-abi3-manylinux_2_17_x86_64", "cp313-cp313-manylinux_2_17_x86_64"],
    "the newest stable ABI": ["cp39-abi3-manylinux_2_17_x86_64", "cp312-abi3-manylinux_2_17_x86_64"],
    "the newest glibc": ["cp313-cp313-manylinux_2_17_x86_64", "cp313-cp313-manylinux_2_34_x86_64"],
    "what the platform has": ["cp313-cp313-manylinux_2_99_x86_64", "py3-none-any"],
    "the old name of a glibc": ["cp313-cp313-manylinux2014_x86_64", "cp313-cp313-manylinux2010_x86_64"],
    "compiled before pure": ["py3-none-any", "cp313-cp313-manylinux2014_x86_64"],
    "not musl": ["cp313-cp313-musllinux_1_2_x86_64", "py3-none-any"],
    "the own Python's pure one": ["py3-none-any", "py313-none-any", "py2.py3-none-any"],
    "not free-threaded": ["cp313-cp313t-manylinux_2_28_x86_64", "cp312-abi3-manylinux2014_x86_64"],
    "a Python, but no ABI": ["cp313-none-any", "py3-none-any"],
    "several tags at once": ["cp313-cp313-manylinux_2_17_x86_64.manylinux2014_x86_64", "py2.py3-none-any"],
    "a build number": ["py3-none-any", "2-py3-none-any", "10-py3-none-any"],
}


@pytest.mark.parametrize("case", CHOICES)
def test_the_wheel_that_is_chosen_is_uv_s_own_choice(case: str, mirror: Mirror, tmp_path: Path) -> None:
    """Each wheel holds its own file name."""
    wheels = []
    for tag in CHOICES[case]:
        build, _, rest = tag.rpartition("-py3") if tag[0].isdigit() else ("", "", "")
        name = f"choosy-1.0-{tag}.whl"
        plain = f"py3{rest}" if build else tag
        wheel = make_wheel("choosy", "1.0", {"choosy.txt": name}, tag=plain)
        wheels.append(replace(wheel, file=name))
    mirror.wheels = wheels
    command: list[str | Path] = [
        *(find_uv_bin(), "pip", "install", "--target", tmp_path / "target", "--no-cache", "--only-binary", ":all:"),
        *("--python-version", "3.13", "--python-platform", "x86_64-manylinux_2_40", "choosy"),
    ]
    environment = {**os.environ, "UV_DEFAULT_INDEX": mirror.url, "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}
    finished = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    chosen = choose_wheel([wheel.file for wheel in wheels], supported_tags("3.13", "linux/amd64", ("glibc", "2.41")))
    assert chosen == (tmp_path / "target/choosy.txt").read_text()
