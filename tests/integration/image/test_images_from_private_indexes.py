"""Images of public and private packages: their own locks, their cache, and children whose locks name an index."""

import json
import tomllib
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from urllib.parse import quote

import pytest
from tests.bases import Bases
from tests.images import environment_of, opened, pinned_uv, unpacked_blobs
from tests.pypiservers import READER, WORD, PrivateIndex, running_pypiserver
from tests.wheelhouse import Mirror, make_wheel, serve, uv_wheel
from uv import find_uv_bin

from warmbase.effects.runner import Bind

UV = version("uv")
NAME = "app:py3.13-trixie"
MIRROR = "https://mirror.example/team/simple"
COPY = "https://copy.example:8443/root/company/+simple"
SOURCES = {"corp-app": "company", "corp-lib": "company", "vendor-lib": "vendor-cpu"}


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivateIndex]:
    wheels = [
        make_wheel("corp-app", "1.0", {"corp_app.py": ""}, requires=["corp-lib", "tiny-lib"]),
        make_wheel("corp-lib", "1.0", {"corp_lib.py": "WHO = 'the company'\n"}),
    ]
    files = [(wheel.file, wheel.content) for wheel in wheels]
    with running_pypiserver(tmp_path_factory.mktemp("company"), files) as running:
        yield running


@pytest.fixture(scope="module")
def vendor() -> Iterator[Mirror]:
    """An index whose files are on another host."""
    wheels = [make_wheel("vendor-lib", "1.0", {"vendor_lib.py": ""})]
    with serve(Mirror(wheels=wheels, storage="/files")) as files:
        elsewhere = f"http://127.0.0.1:{files.port}/files"
        with serve(Mirror(wheels=wheels, simple="/whl/cpu", storage=elsewhere)) as served:
            yield served


@pytest.fixture(scope="module")
def built(foundation: Bases, company: PrivateIndex, vendor: Mirror, tmp_path_factory: pytest.TempPathFactory) -> Bases:
    """An image of packages of three indexes, built and verified. The indexes are gone when children use it."""
    wheels = [
        uv_wheel(UV, Path(find_uv_bin())),
        make_wheel("tiny-app", "1.0", {"tiny_app.py": ""}, requires=["tiny-lib"]),
        make_wheel("tiny-lib", "1.0", {"tiny_lib.py": ""}),
        make_wheel("corp-lib", "9.9", {"corp_lib.py": "WHO = 'somebody else'\n"}),
    ]
    with serve(Mirror(wheels=wheels)) as public:
        bases = foundation.copy(
            tmp_path_factory.mktemp("private"),
            UV_DEFAULT_INDEX=public.url,
            UV_INDEX_COMPANY_USERNAME=READER,
            UV_INDEX_COMPANY_PASSWORD=WORD,
            NO_PROXY="127.0.0.1",
            no_proxy="127.0.0.1",
        )
        bases.catalog.unlink()
        bases.write_catalog(
            {"app": ["corp-app", "tiny-app", "vendor-lib"]},
            uv=UV,
            indexes={
                "company": {"url": company.url, "mirrors": [COPY]},
                "default": {"mirrors": [MIRROR]},
                "vendor-cpu": vendor.url,
            },
            sources=SOURCES,
        )
        locked, made = bases.run("lock"), bases.run("build", "--json")
        (bases.folder / "said.json").write_text(made.stdout)
        (bases.folder / "said.txt").write_text(locked.stdout + locked.stderr + made.stderr)
    return bases


def read(bases: Bases, path: str) -> str:
    with opened(bases, bases.layers(NAME)) as sandbox:
        return sandbox.run(["cat", path], env=environment_of(bases, NAME)).text


def test_the_image_is_verified_and_has_each_package_from_its_index(built: Bases) -> None:
    (row,) = json.loads((built.folder / "said.json").read_text())
    assert row["error"] == ""
    assert "checks passed" in row["verified"]
    with opened(built, built.layers(NAME)) as sandbox:
        program = ["python", "-c", "import corp_app, corp_lib, tiny_app; print(corp_lib.WHO)"]
        assert sandbox.run(program, env=environment_of(built, NAME)).text == "the company\n"


def test_the_image_s_own_documents_name_the_catalog_s_addresses(
    built: Bases, company: PrivateIndex, vendor: Mirror
) -> None:
    public = pinned_uv(built).default_index()
    private = {"corp-app": company.url, "corp-lib": company.url, "vendor-lib": vendor.url}
    expected = {**private, "tiny-app": public, "tiny-lib": public}
    lock = tomllib.loads(read(built, "/opt/warmbase/uv.lock"))
    sources = {package["name"]: package["source"].get("registry") for package in lock["package"]}
    assert {name: sources[name] for name in expected} == expected
    (file,) = next(package["wheels"] for package in lock["package"] if package["name"] == "vendor-lib")
    assert file["url"].startswith(f"{vendor.storage}/packages/")
    pylock = tomllib.loads(read(built, "/opt/warmbase/pylock.toml"))
    assert {package["name"]: package["index"] for package in pylock["packages"]} == expected
    base = json.loads(read(built, "/opt/warmbase/base.json"))
    assert base["index"] == public
    assert base["indexes"] == {
        "company": [company.url, COPY],
        "default": [public, MIRROR],
        "vendor-cpu": [vendor.url],
    }
    bill = json.loads(read(built, "/opt/warmbase/sbom.cdx.json"))
    urls = {part["name"]: part.get("purl") for part in bill["components"]}
    assert urls["corp-lib"] == f"pkg:pypi/corp-lib@1.0?repository_url={quote(company.url, safe=':')}"
    assert urls["tiny-lib"] == "pkg:pypi/tiny-lib@1.0"


def test_the_password_is_nowhere(built: Bases) -> None:
    """Not in what was said, not in locks, caches and the store, not in the image."""
    secrets = [secret.encode() for secret in (WORD, quote(WORD, safe=""), READER, quote(READER, safe=""))]
    files = [path for folder in (built.folder, built.cache) for path in folder.rglob("*") if path.is_file()]
    for content in (*unpacked_blobs(built), *(path.read_bytes() for path in files)):
        for secret in secrets:
            assert secret not in content


def write_child(folder: Path, indexes: Mapping[str, str], *, explicit: bool) -> None:
    """A project whose lock will name the addresses of `indexes`; "public" stands for uv's own."""
    asked = ["corp-app", "tiny-app", "vendor-lib"]
    lines = ["[project]", 'name = "child"', 'version = "1"', 'requires-python = ">=3.13"', f"dependencies = {asked}"]
    lines += ["[dependency-groups]", 'ours = ["corp-lib"]']  # uv's sources are for what a project names
    for name, address in indexes.items():
        kind = "default" if name == "public" else "explicit"
        wanted = name == "public" or explicit
        lines += ["[[tool.uv.index]]", f'name = "{name}"', f'url = "{address}"', f"{kind} = {str(wanted).lower()}"]
    lines += [
        "[tool.uv.sources]",
        *(f'{name} = {{ index = "{index}" }}' for name, index in SOURCES.items() if explicit),
    ]
    folder.mkdir()
    (folder / "pyproject.toml").write_text("\n".join(lines) + "\n")


@pytest.mark.parametrize("explicit", [True, False], ids=["by-source", "searched"])
@pytest.mark.parametrize("mirrored", [False, True], ids=["own-addresses", "mirrors"])
def test_a_child_whose_lock_names_an_address_of_an_index_needs_no_index(
    built: Bases, company: PrivateIndex, vendor: Mirror, tmp_path: Path, mirrored: bool, explicit: bool
) -> None:
    """There is no network: the lock is made from the cache's pages, the environment from its wheels."""
    public, private = (MIRROR, COPY) if mirrored else (pinned_uv(built).default_index(), company.url)
    folder = tmp_path / "child"
    indexes = {"company": private, "vendor-cpu": vendor.url, "public": public}
    write_child(folder, indexes, explicit=explicit)
    with opened(built, built.layers(NAME), [Bind(source=folder, target="/app")]) as sandbox:
        environment = environment_of(built, NAME)

        def run(*command: str, **more: str) -> None:
            finished = sandbox.run(["uv", *command], env=environment | more, cwd="/app")
            assert finished.code == 0, finished.stderr.decode()

        run("lock", "--offline")
        lock = (folder / "uv.lock").read_text()
        assert f'name = "corp-lib"\nversion = "1.0"\nsource = {{ registry = "{private}" }}' in lock
        assert f'name = "tiny-lib"\nversion = "1.0"\nsource = {{ registry = "{public}" }}' in lock
        run("sync", "--frozen", UV_PROJECT_ENVIRONMENT="/app/.venv")
        run("sync", "--frozen")
    packages = folder / ".venv/lib/python3.13/site-packages"
    found = {path.name.partition("-1.0")[0].replace("_", "-") for path in packages.glob("*.dist-info")}
    assert found == {*SOURCES, "tiny-app", "tiny-lib"}
    assert "the company" in (packages / "corp_lib.py").read_text()
