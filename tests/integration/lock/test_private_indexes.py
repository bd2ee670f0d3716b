"""Locking from a private index beside the public one: pypiserver with a password."""

import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from tests.bases import PLATFORM, Bases
from tests.integration.lock.conftest import make_bases, make_wheels
from tests.pypiservers import READER, WORD, PrivateIndex, running_pypiserver
from tests.wheelhouse import Mirror, make_wheel, serve

from warmbase.catalog.load import load_catalog
from warmbase.effects.uv import find_uv
from warmbase.errors import PackagesError
from warmbase.lock.files import read_lock
from warmbase.lock.stage import read_locks
from warmbase.packages.fetch import Fetcher

SOURCES = {"corp-app": "company", "corp-lib": "company", "tiny-lib": "company"}
LOCK = "bases/app/py3.13-trixie.json"


def company_files() -> list[tuple[str, bytes]]:
    """Two packages that only the company has, and one of the same name as a public package."""
    wheels = [
        make_wheel("corp-app", "1.0", {"corp_app.py": ""}, requires=["corp-lib", "tiny-lib"]),
        make_wheel("corp-lib", "1.0", {"corp_lib.py": ""}, requires=["tiny-extra"]),
        make_wheel("tiny-lib", "1.5", {"tiny_lib.py": "OURS = True\n"}),
    ]
    return [(wheel.file, wheel.content) for wheel in wheels]


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivateIndex]:
    with running_pypiserver(tmp_path_factory.mktemp("company"), company_files()) as running:
        yield running


@pytest.fixture(scope="module")
def public() -> Iterator[Mirror]:
    newer = make_wheel("tiny-lib", "2.0", {"tiny_lib.py": "OURS = False\n"})
    with serve(Mirror(wheels=[*make_wheels(), newer])) as served:
        yield served


@pytest.fixture(scope="module")
def locked(public: Mirror, company: PrivateIndex, tmp_path_factory: pytest.TempPathFactory) -> Bases:
    """A locked catalog with an image of public and private packages. Tests work on copies."""
    made = make_bases(tmp_path_factory.mktemp("private"), "a", public, {"app": ["corp-app", "tiny-app"]})
    write(made, indexes={"company": company.url}, sources=SOURCES)
    with_login(made).run("lock")
    return made


@pytest.fixture
def private(locked: Bases, tmp_path: Path) -> Bases:
    """A copy of it for one test, with the credentials in uv's variables."""
    return with_login(locked.copy(tmp_path, **locked.environment))


@pytest.fixture
def unlocked(locked: Bases, tmp_path: Path) -> Bases:
    """A copy without the lock, with an empty cache, and without credentials."""
    made = locked.copy(tmp_path, **locked.environment)
    (made.folder / LOCK).unlink()
    return replace(made, cache=tmp_path / "empty")


def write(made: Bases, **more: Any) -> None:
    document = json.loads(made.catalog.read_text())
    made.catalog.unlink()  # it may be a link to another's
    made.catalog.write_text(json.dumps({**document, **more}, indent=1))


def origins(made: Bases) -> dict[str, tuple[str, str]]:
    """The version and the index of each package of the lock."""
    document = json.loads((made.folder / LOCK).read_text())
    return {package["name"]: (package["version"], package.get("index", "")) for package in document["packages"]}


def with_environment(made: Bases, environment: Mapping[str, str]) -> Bases:
    return replace(made, environment={**made.environment, **environment})


def with_login(made: Bases) -> Bases:
    user, password = ("UV_INDEX_COMPANY_USERNAME", "UV_INDEX_COMPANY_PASSWORD")
    return with_environment(made, {user: READER, password: WORD})


def test_each_package_comes_from_its_own_index_and_the_lock_says_its_name_alone(
    locked: Bases, company: PrivateIndex
) -> None:
    """Also what only another package needs (corp-lib), and what the public index has too, newer (tiny-lib)."""
    assert origins(locked) == {
        "corp-app": ("1.0", "company"),
        "corp-lib": ("1.0", "company"),
        "tiny-app": ("1.0", ""),
        "tiny-extra": ("1.0", ""),
        "tiny-lib": ("1.5", "company"),
        "tiny-win": ("1.0", ""),
    }
    assert company.url.partition("//")[2].partition("/")[0] not in (locked.folder / LOCK).read_text()


def test_locking_again_keeps_versions_index_by_index(private: Bases, locked: Bases) -> None:
    assert "app:py3.13-trixie: unchanged" in private.run("lock").stdout
    assert (private.folder / LOCK).read_bytes() == (locked.folder / LOCK).read_bytes()


def give_by_netrc(made: Bases, company: PrivateIndex) -> dict[str, str]:
    netrc = made.folder / "netrc"
    netrc.write_text(f'machine 127.0.0.1 login "{READER}" password "{WORD}"\n')
    return {"NETRC": str(netrc)}


def give_by_keyring(made: Bases, company: PrivateIndex) -> dict[str, str]:
    """A program named keyring, as people have it of the package of that name."""
    program = made.folder / "bin/keyring"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\necho '{WORD}'\n")
    program.chmod(0o755)
    return {
        "UV_KEYRING_PROVIDER": "subprocess",
        "UV_INDEX_COMPANY_USERNAME": READER,
        "PATH": f"{program.parent}:{os.environ['PATH']}",
    }


def give_by_address(made: Bases, company: PrivateIndex) -> dict[str, str]:
    login = f"{quote(READER, safe='')}:{quote(WORD, safe='')}@"
    return {"UV_INDEX": "company=" + company.url.replace("//", f"//{login}")}


@pytest.mark.parametrize("give", [give_by_netrc, give_by_keyring, give_by_address])
def test_wherever_the_credentials_stand_the_lock_is_the_same_and_nothing_tells_them(
    unlocked: Bases, locked: Bases, company: PrivateIndex, give: Callable[[Bases, PrivateIndex], dict[str, str]]
) -> None:
    finished = with_environment(unlocked, give(unlocked, company)).run("lock")
    assert (unlocked.folder / LOCK).read_bytes() == (locked.folder / LOCK).read_bytes()
    files = [path.read_bytes() for path in unlocked.cache.rglob("*") if path.is_file()]
    for secret in (WORD, quote(WORD, safe="")):
        assert secret not in finished.stdout + finished.stderr
        assert not any(secret.encode() in content for content in files)


def test_an_index_that_refuses_is_named_with_the_variables_that_would_help(unlocked: Bases) -> None:
    finished = with_environment(unlocked, {"UV_INDEX_COMPANY_PASSWORD": ""}).run("lock", code=1)
    assert "401 Unauthorized" in finished.stderr
    assert (
        "next: give the credentials for the index 'company' in UV_INDEX_COMPANY_USERNAME and UV_INDEX_COMPANY_PASSWORD,"
        " in netrc, or in a keyring" in finished.stderr
    )


def test_a_wheel_that_the_index_refuses_to_give_is_told_like_that_too(locked: Bases, tmp_path: Path) -> None:
    catalog = load_catalog(locked.catalog)
    lock = read_lock(catalog, catalog.variants[0])
    assert lock
    environment = {**os.environ, **locked.environment, "UV_INDEX_COMPANY_PASSWORD": "wrong"}
    uv = find_uv(catalog.uv, cache=tmp_path, environment=environment, indexes=catalog.index_addresses)
    fetcher = Fetcher(uv=uv, platform=PLATFORM, python=lock.python, libc=("glibc", "2.41"))
    with pytest.raises(PackagesError) as caught:
        fetcher.fetch(lock.installed(PLATFORM), tmp_path / "cache")
    assert "uv cannot fetch the locked wheels" in caught.value.message
    assert caught.value.next_step.startswith(
        "give the credentials for the index 'company' in UV_INDEX_COMPANY_USERNAME"
    )


@pytest.mark.parametrize("hashes", ["no", "md5"])
def test_an_index_without_usable_hashes_gives_the_same_lock(
    unlocked: Bases, locked: Bases, tmp_path: Path, hashes: str
) -> None:
    """Its files are downloaded once, and their hashes are ours."""
    with running_pypiserver(tmp_path / "other", company_files(), hashes) as other:
        write(unlocked, indexes={"company": other.url})
        with_login(unlocked).run("lock")
    assert (unlocked.folder / LOCK).read_bytes() == (locked.folder / LOCK).read_bytes()


def test_an_index_that_no_source_names_is_searched_first(private: Bases) -> None:
    """Whoever puts a newer package of that name on the public index gets nothing by it."""
    write(private, sources={})
    private.run("lock")
    assert origins(private)["corp-lib"] == ("1.0", "company")
    assert origins(private)["tiny-lib"] == ("1.5", "company")
    assert origins(private)["tiny-app"] == ("1.0", "")


def test_a_package_can_be_told_to_come_from_the_public_index(private: Bases) -> None:
    write(private, sources={**SOURCES, "tiny-lib": "default"})
    private.run("lock")
    assert origins(private)["tiny-lib"] == ("2.0", "")


def test_a_source_concerns_the_images_that_have_its_package_and_no_others(
    private: Bases, company: PrivateIndex
) -> None:
    """Of the others no lock is made anew, and so no image."""
    app, ours = {"requirements": ["tiny-backend"]}, {"requirements": ["tiny-lib"]}
    write(private, indexes={}, sources={}, images={"app": app, "ours": ours})
    private.run("lock")
    before = (private.folder / LOCK).read_bytes()
    write(private, indexes={"company": company.url}, sources={"Tiny_Lib": "company", "corp-lib": "company"})
    catalog = load_catalog(private.catalog)
    stale = read_locks(catalog, catalog.variants, native=PLATFORM).missing
    assert [variant.name for variant, _ in stale] == ["ours:py3.13-trixie"]
    private.run("lock")
    assert (private.folder / LOCK).read_bytes() == before
    document = json.loads((private.folder / "bases/ours/py3.13-trixie.json").read_text())
    assert [(package["version"], package["index"]) for package in document["packages"]] == [("1.5", "company")]


def test_an_image_has_sources_of_its_own(private: Bases, company: PrivateIndex) -> None:
    ours = {"requirements": ["tiny-lib"], "sources": {"Tiny_Lib": "company"}}
    write(
        private,
        indexes={"company": company.url},
        sources={},
        images={"app": {"requirements": ["tiny-lib"]}, "ours": ours},
    )
    private.run("lock")
    assert origins(private) == {"tiny-lib": ("2.0", "")}
    document = json.loads((private.folder / "bases/ours/py3.13-trixie.json").read_text())
    assert [(package["version"], package["index"]) for package in document["packages"]] == [("1.5", "company")]


def test_a_cooldown_does_not_count_for_an_index_without_upload_times_and_that_is_said(
    private: Bases, locked: Bases
) -> None:
    """Packages of the public index, which has them, are held back all the same."""
    image = {"requirements": ["corp-app", "tiny-app"], "cooldown": {"time": "3 days", "exempt": ["tiny-win"]}}
    write(private, images={"app": image})
    finished = private.run("lock")
    assert (private.folder / LOCK).read_bytes() == (locked.folder / LOCK).read_bytes()
    (private.folder / LOCK).unlink()
    assert private.run("lock").stderr == finished.stderr
    assert origins(private) == origins(locked)
    assert "the cooldown does not count for corp-app, corp-lib, tiny-lib: their index did not say" in finished.stderr
